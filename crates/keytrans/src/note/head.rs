//! Heads of the key-transparency log, as entries of the companion log.

use super::{
    merkle,
    text::{bad, base64, parse_digest, parse_number},
};
use crate::{
    DecodeError, Digest, KeyTransError,
    codec::{Reader, Writer},
    error::{NotePart, NoteProblem},
};

/// The version of the format.
const VERSION: u8 = 1;

/// What the extension line begins with.
const LINE: &str = "kt ";

/// A published head of the key-transparency log.
///
/// Shape:    as an entry of the companion log 41 bytes: version 1 (`uint8`), size (`uint64`), root (32 bytes);
///           as an extension line `kt <size> <base64 of the root>`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeadLeaf {
    /// Entries of the key-transparency log.
    pub size: u64,
    /// The root of its log tree.
    pub root: Digest,
}

impl HeadLeaf {
    /// Bytes of an entry.
    pub const BYTES: usize = 41;

    /// The entry of the companion log.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u8(VERSION).u64(self.size).put(&self.root.0);
        writer.finish()
    }

    /// Reads an entry of the companion log.
    ///
    /// Errors:   [`DecodeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole("HeadLeaf", bytes, |reader| match reader.u8()? {
            VERSION => Ok(Self { size: reader.u64()?, root: reader.digest()? }),
            other => Err(reader.unknown("version", other.into())),
        })
    }

    /// The hash of the entry, as the companion log's tree has it.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        merkle::leaf_hash(&self.to_bytes())
    }

    /// Checks that this head may be the next entry after another: it must be larger. What a monitor of the companion log checks of each entry.
    ///
    /// Errors:   [`KeyTransError::TreeSize`]: two heads of one size, or a log that shrank.
    pub const fn check_follows(&self, before: &Self) -> Result<(), KeyTransError> {
        if self.size > before.size {
            Ok(())
        } else {
            Err(KeyTransError::TreeSize { least: before.size.saturating_add(1), found: self.size })
        }
    }

    /// The extension line, without a newline.
    pub(super) fn to_line(self) -> String {
        format!("{LINE}{} {}", self.size, base64(&self.root.0))
    }

    /// Reads an extension line; `None` if it is of another kind.
    pub(super) fn parse_line(line: &str) -> Result<Option<Self>, KeyTransError> {
        let Some(rest) = line.strip_prefix(LINE) else { return Ok(None) };
        let (size, root) = rest.split_once(' ').ok_or(bad(NotePart::Extension, NoteProblem::Form))?;
        let size = parse_number(NotePart::Extension, size, u64::MAX)?;
        Ok(Some(Self { size, root: parse_digest(NotePart::Extension, root)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: HeadLeaf = HeadLeaf { size: 0x0102, root: Digest([7; 32]) };

    #[test]
    fn an_entry_is_a_version_a_size_and_a_root() {
        let bytes = HEAD.to_bytes();
        assert_eq!(bytes, [&[1, 0, 0, 0, 0, 0, 0, 1, 2], [7; 32].as_slice()].concat());
        assert_eq!((bytes.len(), HeadLeaf::parse(&bytes)), (HeadLeaf::BYTES, Ok(HEAD)));
        for cut in 0..bytes.len() {
            assert!(matches!(HeadLeaf::parse(&bytes[..cut]), Err(DecodeError::Truncated { .. })));
        }
        assert!(matches!(HeadLeaf::parse(&[&bytes, [0].as_slice()].concat()), Err(DecodeError::Trailing { .. })));
        let other = [&[2], &bytes[1..]].concat();
        let unknown = DecodeError::Unknown { structure: "HeadLeaf", field: "version", found: 2 };
        assert_eq!(HeadLeaf::parse(&other), Err(unknown));
    }

    #[test]
    fn an_extension_line_has_one_form() {
        let line = HEAD.to_line();
        assert_eq!(line, "kt 258 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(HeadLeaf::parse_line(&line), Ok(Some(HEAD)));
        assert_eq!(HeadLeaf::parse_line("other 258"), Ok(None));
        for wrong in
            ["kt ", "kt 258", "kt 0258 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "kt 258 Bwc=", "kt  258 a"]
        {
            assert!(HeadLeaf::parse_line(wrong).is_err(), "{wrong}");
        }
        assert!(HeadLeaf::parse_line(&format!("{line} ")).is_err());
    }

    #[test]
    fn a_head_that_is_not_larger_does_not_follow() {
        let larger = HeadLeaf { size: HEAD.size + 1, ..HEAD };
        assert_eq!(larger.check_follows(&HEAD), Ok(()));
        let fork = HeadLeaf { root: Digest([8; 32]), ..HEAD };
        assert_eq!(fork.check_follows(&HEAD), Err(KeyTransError::TreeSize { least: 259, found: 258 }));
        assert_eq!(HEAD.check_follows(&larger), Err(KeyTransError::TreeSize { least: 260, found: 258 }));
    }
}
