//! Looking for pieces of known texts in bytes: as they are, and as hexadecimal digits.
//!
//! Pieces and not whole texts, because a database may split a text over two pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Bytes of a piece: long enough that no random bytes match.
const PIECE_BYTES: usize = 12;

/// Every piece of the texts to look for.
pub(super) struct Fragments {
    /// Pieces, with the text each is from.
    pieces: BTreeMap<Vec<u8>, String>,
    /// First bytes of all pieces, to skip most positions cheaply.
    starts: BTreeSet<u8>,
}

/// A piece that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where: a path or another description.
    pub(super) place: String,
    /// The text it is a piece of.
    pub(super) text: String,
}

impl Fragments {
    /// Cuts up texts; one shorter than a piece is one piece.
    pub(super) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut pieces = BTreeMap::new();
        for text in texts {
            for form in [
                text.as_bytes().to_vec(),
                hex(text.as_bytes()).into_bytes(),
                hex(text.as_bytes()).to_uppercase().into_bytes(),
            ] {
                for piece in form.windows(PIECE_BYTES.min(form.len().max(1))) {
                    pieces.insert(piece.to_vec(), text.to_owned());
                }
            }
        }
        let starts = pieces.keys().filter_map(|piece| piece.first().copied()).collect();
        Self { pieces, starts }
    }

    /// The texts of which a piece stands in `bytes`.
    pub(super) fn in_bytes(&self, place: &str, bytes: &[u8]) -> Vec<Found> {
        let mut texts = BTreeSet::new();
        let lengths: BTreeSet<usize> = self.pieces.keys().map(Vec::len).collect();
        for length in lengths {
            let windows =
                bytes.windows(length).filter(|window| window.first().is_some_and(|byte| self.starts.contains(byte)));
            texts.extend(windows.filter_map(|window| self.pieces.get(window)));
        }
        texts.into_iter().map(|text| Found { place: place.to_owned(), text: text.clone() }).collect()
    }

    /// The same for every file below a folder; also returns how many files and bytes were read.
    pub(super) fn in_folder(&self, folder: &Path) -> Result<(Vec<Found>, Read)> {
        let mut found = Vec::new();
        let mut read = Read::default();
        let mut queue = vec![folder.to_owned()];
        while let Some(next) = queue.pop() {
            for entry in fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    queue.push(path);
                } else if path.is_file() {
                    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                    read.files += 1;
                    read.bytes += bytes.len();
                    found.extend(self.in_bytes(&path.display().to_string(), &bytes));
                }
            }
        }
        Ok((found, read))
    }
}

/// How much was looked through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) files: usize,
    pub(super) bytes: usize,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "meet me at the old mill";

    fn finds(bytes: &[u8]) -> bool {
        !Fragments::of([TEXT]).in_bytes("here", bytes).is_empty()
    }

    #[test]
    fn a_text_is_found_whole_in_part_and_in_hexadecimal() {
        assert!(finds(b"\0\0meet me at the old mill\0"));
        assert!(finds(b"meet me at the \0\0\0"));
        assert!(finds(b"{\"hex\":\"6f6c64206d696c6c\"}"));
        assert!(finds(b"6F6C64206D696C6C"));
    }

    #[test]
    fn other_bytes_are_not() {
        assert!(!finds(b""));
        assert!(!finds(b"meet me at noon, at the new mill; meet me later"));
    }

    #[test]
    fn a_text_planted_in_a_file_below_a_folder_is_found_with_its_place() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("inner")).unwrap();
        fs::write(scratch.path().join("inner/store"), [b"\x01\x02", TEXT.as_bytes()].concat()).unwrap();
        fs::write(scratch.path().join("key"), b"nothing").unwrap();
        let (found, read) = Fragments::of([TEXT]).in_folder(scratch.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].place.ends_with("inner/store") && found[0].text == TEXT);
        assert_eq!(read, Read { files: 2, bytes: 2 + TEXT.len() + 7 });
    }
}
