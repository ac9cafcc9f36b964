//! Body parts: what is to be shown, in one or several forms.

use super::{
    ContentError, MAX_CONTENT_BYTES, MAX_PART_DEPTH, MAX_PARTS,
    cbor::{Decoder, Encoder},
};

/// Longest text of a part that is no content itself (content type, language, URL, description, file name).
const MAX_LABEL_BYTES: usize = 8192;

const NULL: u64 = 0;
const SINGLE: u64 = 1;
const EXTERNAL: u64 = 2;
const MULTI: u64 = 3;

/// What a part is for. Values that this software does not know are to be treated as [`Disposition::RENDER`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Disposition(pub u8);

impl Disposition {
    /// Nothing in particular.
    pub const UNSPECIFIED: Self = Self(0);
    /// To be shown as local policy has it.
    pub const RENDER: Self = Self(1);
    /// A reaction to the message replied to.
    pub const REACTION: Self = Self(2);
    /// A profile.
    pub const PROFILE: Self = Self(3);
    /// To be shown within the chat.
    pub const INLINE: Self = Self(4);
    /// An icon.
    pub const ICON: Self = Self(5);
    /// To be downloaded rather than shown.
    pub const ATTACHMENT: Self = Self(6);
    /// A description of a call, or a link to join one.
    pub const SESSION: Self = Self(7);
    /// A preview made by the sender.
    pub const PREVIEW: Self = Self(8);

    /// Whether the part is to be shown as a message.
    #[must_use]
    pub const fn is_shown(self) -> bool {
        matches!(self, Self::UNSPECIFIED | Self::RENDER | Self::INLINE) || self.0 > Self::PREVIEW.0
    }
}

/// How the parts of a multi-part belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartSemantics {
    /// The receiver shows exactly one.
    ChooseOne,
    /// All or none.
    SingleUnit,
    /// Each for itself.
    ProcessAll,
}

impl PartSemantics {
    const ALL: [Self; 3] = [Self::ChooseOne, Self::SingleUnit, Self::ProcessAll];

    const fn number(self) -> u64 {
        match self {
            Self::ChooseOne => 0,
            Self::SingleUnit => 1,
            Self::ProcessAll => 2,
        }
    }

    fn from_number(found: u64) -> Result<Self, ContentError> {
        let known = Self::ALL.into_iter().find(|semantics| semantics.number() == found);
        known.ok_or(ContentError::BadValue { field: "part semantics", found })
    }
}

/// A part of a message's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// What it is for.
    pub disposition: Disposition,
    /// Language tags, separated by commas; may be empty.
    pub language: String,
    /// What it holds.
    pub body: PartBody,
}

/// What a part holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartBody {
    /// Nothing; with `replaces` it deletes.
    Null,
    /// Content that is in the message.
    Single {
        /// Media type.
        content_type: String,
        /// The bytes.
        content: Vec<u8>,
    },
    /// Content that is elsewhere.
    External(Box<ExternalPart>),
    /// At least two parts.
    Multi {
        /// How they belong together.
        semantics: PartSemantics,
        /// The parts.
        parts: Vec<Part>,
    },
}

/// Content that is fetched by URL.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExternalPart {
    /// Media type; may be empty.
    pub content_type: String,
    /// Where it is. Nothing is fetched without the user's leave.
    pub url: String,
    /// Seconds since 1970 at which it goes away; 0 for never.
    pub expires: u32,
    /// Bytes; 0 if not told.
    pub size: u64,
    /// IANA AEAD number; 0 for none.
    pub aead: u16,
    /// Its key.
    pub key: Vec<u8>,
    /// Its nonce.
    pub nonce: Vec<u8>,
    /// Its additional data.
    pub aad: Vec<u8>,
    /// IANA hash number; 0 for none.
    pub hash_algorithm: u8,
    /// The hash of what the URL gives.
    pub hash: Vec<u8>,
    /// For people; may be empty.
    pub description: String,
    /// A suggestion; never to be used as a path.
    pub filename: String,
}

impl Part {
    /// A part with content in the message.
    #[must_use]
    pub fn single(disposition: Disposition, language: &str, content_type: &str, content: impl Into<Vec<u8>>) -> Self {
        let body = PartBody::Single { content_type: content_type.to_owned(), content: content.into() };
        Self { disposition, language: language.to_owned(), body }
    }

    /// A part that holds nothing.
    #[must_use]
    pub const fn null(disposition: Disposition) -> Self {
        Self { disposition, language: String::new(), body: PartBody::Null }
    }

    /// The text to show: of a choice the first readable part, of several parts all readable ones, a line each.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        if !self.disposition.is_shown() {
            return None;
        }
        match &self.body {
            PartBody::Null | PartBody::External(_) => None,
            PartBody::Single { content_type, content } if is_text(content_type) => {
                core::str::from_utf8(content).ok().map(str::to_owned)
            }
            PartBody::Single { .. } => None,
            PartBody::Multi { semantics, parts } => {
                let mut texts = parts.iter().map(Self::as_text);
                match semantics {
                    PartSemantics::ChooseOne => texts.find_map(|text| text),
                    PartSemantics::SingleUnit => texts.collect::<Option<Vec<_>>>().map(|lines| lines.join("\n")),
                    PartSemantics::ProcessAll => {
                        let lines: Vec<_> = texts.flatten().collect();
                        (!lines.is_empty()).then(|| lines.join("\n"))
                    }
                }
            }
        }
    }

    /// Writes the part; `depth` is its own level, `budget` how many parts may still come.
    pub(super) fn write(&self, encoder: &mut Encoder, depth: usize, budget: &mut usize) -> Result<(), ContentError> {
        check_nesting(depth, budget)?;
        encoder.array(match &self.body {
            PartBody::Null => 3,
            PartBody::Single { .. } | PartBody::Multi { .. } => 5,
            PartBody::External(_) => 15,
        });
        encoder.unsigned(u64::from(self.disposition.0));
        write_label(encoder, "language", &self.language)?;
        match &self.body {
            PartBody::Null => encoder.unsigned(NULL),
            PartBody::Single { content_type, content } => {
                encoder.unsigned(SINGLE);
                write_label(encoder, "content type", content_type)?;
                encoder.bytes(content);
            }
            PartBody::External(external) => {
                encoder.unsigned(EXTERNAL);
                external.write(encoder)?;
            }
            PartBody::Multi { semantics, parts } => {
                encoder.unsigned(MULTI);
                encoder.unsigned(semantics.number());
                check_count(parts.len() as u64)?;
                encoder.array(parts.len());
                for part in parts {
                    part.write(encoder, depth + 1, budget)?;
                }
            }
        }
        Ok(())
    }

    /// Reads a part; the arguments are as those of [`Self::write`].
    pub(super) fn read(decoder: &mut Decoder<'_>, depth: usize, budget: &mut usize) -> Result<Self, ContentError> {
        check_nesting(depth, budget)?;
        let len = decoder.array()?;
        let disposition = decoder.unsigned("disposition", u64::from(u8::MAX))?;
        let disposition = Disposition(u8::try_from(disposition).unwrap_or(u8::MAX));
        let language = decoder.text("language", MAX_LABEL_BYTES)?.to_owned();
        let cardinality = decoder.unsigned("cardinality", MULTI)?;
        let body = match (cardinality, len) {
            (NULL, 3) => PartBody::Null,
            (SINGLE, 5) => PartBody::Single {
                content_type: decoder.text("content type", MAX_LABEL_BYTES)?.to_owned(),
                content: decoder.bytes("content", MAX_CONTENT_BYTES)?.to_vec(),
            },
            (EXTERNAL, 15) => PartBody::External(Box::new(ExternalPart::read(decoder)?)),
            (MULTI, 5) => {
                let semantics = PartSemantics::from_number(decoder.unsigned("part semantics", u64::MAX)?)?;
                let count = decoder.array()?;
                check_count(count)?;
                let mut parts = Vec::new();
                for _ in 0..count {
                    parts.push(Self::read(decoder, depth + 1, budget)?);
                }
                PartBody::Multi { semantics, parts }
            }
            _ => return Err(ContentError::BadValue { field: "count of a part's fields", found: len }),
        };
        Ok(Self { disposition, language, body })
    }
}

impl ExternalPart {
    fn write(&self, encoder: &mut Encoder) -> Result<(), ContentError> {
        write_label(encoder, "content type", &self.content_type)?;
        write_label(encoder, "URL", &self.url)?;
        encoder.unsigned(u64::from(self.expires));
        encoder.unsigned(self.size);
        encoder.unsigned(u64::from(self.aead));
        encoder.bytes(&self.key);
        encoder.bytes(&self.nonce);
        encoder.bytes(&self.aad);
        encoder.unsigned(u64::from(self.hash_algorithm));
        encoder.bytes(&self.hash);
        write_label(encoder, "description", &self.description)?;
        write_label(encoder, "file name", &self.filename)
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, ContentError> {
        Ok(Self {
            content_type: decoder.text("content type", MAX_LABEL_BYTES)?.to_owned(),
            url: decoder.text("URL", MAX_LABEL_BYTES)?.to_owned(),
            expires: narrow(decoder.unsigned("expires", u64::from(u32::MAX))?),
            size: decoder.unsigned("size", u64::MAX)?,
            aead: narrow(decoder.unsigned("encryption algorithm", u64::from(u16::MAX))?),
            key: decoder.bytes("key", MAX_CONTENT_BYTES)?.to_vec(),
            nonce: decoder.bytes("nonce", MAX_CONTENT_BYTES)?.to_vec(),
            aad: decoder.bytes("additional data", MAX_CONTENT_BYTES)?.to_vec(),
            hash_algorithm: narrow(decoder.unsigned("hash algorithm", u64::from(u8::MAX))?),
            hash: decoder.bytes("hash", MAX_CONTENT_BYTES)?.to_vec(),
            description: decoder.text("description", MAX_LABEL_BYTES)?.to_owned(),
            filename: decoder.text("file name", MAX_LABEL_BYTES)?.to_owned(),
        })
    }
}

/// A number that was read with its type's maximum as limit.
pub(super) fn narrow<T: TryFrom<u64> + Default>(value: u64) -> T {
    T::try_from(value).unwrap_or_default()
}

fn write_label(encoder: &mut Encoder, field: &'static str, label: &str) -> Result<(), ContentError> {
    if label.len() > MAX_LABEL_BYTES {
        return Err(ContentError::TooLong { field, limit: MAX_LABEL_BYTES, found: label.len() });
    }
    encoder.text(label);
    Ok(())
}

fn check_nesting(depth: usize, budget: &mut usize) -> Result<(), ContentError> {
    if depth > MAX_PART_DEPTH {
        return Err(ContentError::TooDeep { limit: MAX_PART_DEPTH });
    }
    *budget = budget.checked_sub(1).ok_or(ContentError::TooLong {
        field: "parts",
        limit: MAX_PARTS,
        found: MAX_PARTS + 1,
    })?;
    Ok(())
}

const fn check_count(found: u64) -> Result<(), ContentError> {
    if found < 2 { Err(ContentError::BadValue { field: "count of parts", found }) } else { Ok(()) }
}

/// Whether the media type is one of the texts that every client shows; parameters do not matter but for another charset.
fn is_text(content_type: &str) -> bool {
    let mut fields = content_type.split(';').map(str::trim);
    let known = fields
        .next()
        .is_some_and(|media| ["text/plain", "text/markdown"].iter().any(|known| media.eq_ignore_ascii_case(known)));
    known
        && fields.all(|field| match field.split_once('=') {
            Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
                let charset = charset.trim_matches('"');
                charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
            }
            _ => true,
        })
}
