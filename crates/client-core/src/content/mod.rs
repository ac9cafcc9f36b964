//! What a message says: the MIMI content format (draft-ietf-mimi-content-08).
//!
//! ```text
//!   MimiContent ──encode──▶ CBOR, deterministic ──▶ MLS application message
//!     salt · replaces · topic · expires · in reply to · extensions
//!     body: Part ─┬─ Null (deletes, unlikes)
//!                 ├─ Single (content type, bytes)
//!                 ├─ External (URL, key, hash)
//!                 └─ Multi (2 or more Parts, four levels in all)
//! ```
//! There is exactly one encoding of a content: the decoder refuses what the draft forbids (indefinite lengths, longer
//! forms, unsorted maps), so that decoding and encoding again gives the same bytes and the same [`MimiId`].

mod cbor;
mod control;
mod extension;
mod id;
mod message;
mod part;
#[cfg(test)]
mod tests;

pub use control::{Control, MAX_RELAYED, MAX_RELAYED_BYTES, MAX_SPANS, Relay, RelayedEntry, Span};
pub use extension::{ExtensionKey, ExtensionValue, Extensions};
pub use id::{MimiId, Salt};
pub use message::{Expiration, MimiContent};
pub use part::{Disposition, ExternalPart, Part, PartBody, PartSemantics};

/// Largest encoded content: what fits into the largest bucket of an entry beside the framing of MLS.
///
/// Units:    bytes.
pub const MAX_CONTENT_BYTES: usize = 223 * 1024;
/// Deepest nesting of parts; a body without nested parts has depth 1.
pub const MAX_PART_DEPTH: usize = 4;
/// Most parts of one content, counted over all levels.
pub const MAX_PARTS: usize = 1024;
/// Longest topic id.
pub const MAX_TOPIC_BYTES: usize = 4096;
/// Most extensions of one content.
pub const MAX_EXTENSIONS: usize = 64;
/// Deepest nesting of arrays, maps and tags in extensions; the map of all extensions is level 1.
pub const MAX_EXTENSION_DEPTH: usize = 4;

/// Why bytes are no content, or a content cannot be encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The bytes end before the value does.
    #[error("the content ends early")]
    Truncated,
    /// Bytes follow the content.
    #[error("{extra} bytes follow the content")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A value is encoded in another way than the one deterministic way.
    #[error("the encoding is not deterministic")]
    NotDeterministic,
    /// Another CBOR type stands where the structure has `expected`.
    #[error("expected {expected}")]
    WrongType {
        /// What should stand there.
        expected: &'static str,
    },
    /// A field is longer than it may be.
    #[error("{field} of {found} exceeds its limit of {limit}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its limit.
        limit: usize,
        /// What was found.
        found: usize,
    },
    /// Parts or extension values are nested deeper than allowed.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// Levels allowed.
        limit: usize,
    },
    /// A number stands for nothing in its field.
    #[error("{found} is no valid {field}")]
    BadValue {
        /// Which field.
        field: &'static str,
        /// What was found.
        found: u64,
    },
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A control message of a kind or version that this client does not know.
    #[error("control message of an unknown kind")]
    UnknownControl,
}
