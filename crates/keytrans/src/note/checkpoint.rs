//! Checkpoints: origin, size and root of a log, as the text of a note.

use core::fmt;
use std::collections::BTreeSet;

use super::{
    HeadLeaf, NoteKey, SignatureLine, UnixSeconds, UnverifiedNote, VerifiedSignature, VerifierKey, merkle,
    text::{bad, base64, parse_digest, parse_number, parse_text},
};
use crate::{
    Digest, KeyTransError,
    error::{NotePart, NoteProblem},
};

/// Entries of a log at most: with more, a consistency proof could have more than the 63 hashes that may go to a witness.
pub const MAX_TREE_SIZE: u64 = 1 << 62;

/// Bytes of an origin at most: what the ML-DSA-44 message can hold.
const MAX_ORIGIN_BYTES: usize = 255;

/// Bytes of the text of a checkpoint at most.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Which log it is: `example.org/keytrans`, say.
///
/// Shape:    1 to 255 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Checks an origin.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn new(origin: &str) -> Result<Self, KeyTransError> {
        let part = NotePart::Origin;
        if origin.is_empty() {
            return Err(bad(part, NoteProblem::Empty));
        }
        if origin.len() > MAX_ORIGIN_BYTES {
            return Err(bad(part, NoteProblem::TooLong { limit: MAX_ORIGIN_BYTES, found: origin.len() }));
        }
        if origin.chars().any(char::is_control) {
            return Err(bad(part, NoteProblem::Character));
        }
        Ok(Self(origin.to_owned()))
    }

    /// The origin as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the origin: what a witness serves its newest checkpoint under, in lower-case hex (`Display`).
    #[must_use]
    pub fn hash(&self) -> Digest {
        Digest::of(&[self.0.as_bytes()])
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// A state of a log.
///
/// Shape:    as text the lines origin, size, base64 of the root, extension lines; each with a newline
/// Source:   tlog-checkpoint, "Note text".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: u64,
    root: Digest,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// A state without extension lines.
    ///
    /// Errors:   [`KeyTransError::Note`] for an impossible size, or the root of an empty log that is not that of the empty tree.
    pub fn new(origin: Origin, size: u64, root: Digest) -> Result<Self, KeyTransError> {
        if size > MAX_TREE_SIZE {
            return Err(bad(NotePart::Size, NoteProblem::Number));
        }
        if size == 0 && root != merkle::EMPTY_ROOT {
            return Err(bad(NotePart::Root, NoteProblem::Form));
        }
        Ok(Self { origin, size, root, extensions: Vec::new() })
    }

    /// Adds the line that shows the newest head of the key-transparency log.
    #[must_use]
    pub fn with_head(mut self, head: &HeadLeaf) -> Self {
        self.extensions.push(head.to_line());
        self
    }

    /// Reads the text of a note, with its last newline. The root of an empty log is not checked: a witness answers that on its own.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse(text: &str) -> Result<Self, KeyTransError> {
        let text = parse_text(NotePart::Checkpoint, text.as_bytes(), MAX_TEXT_BYTES)?;
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let mut next = || lines.next().ok_or(bad(NotePart::Checkpoint, NoteProblem::Form));
        let origin = Origin::new(next()?)?;
        let size = parse_number(NotePart::Size, next()?, MAX_TREE_SIZE)?;
        let root = parse_digest(NotePart::Root, next()?)?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(bad(NotePart::Extension, NoteProblem::Empty));
        }
        Ok(Self { origin, size, root, extensions })
    }

    /// Which log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Entries of the log.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root of its tree.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// Further lines, without their newlines.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs: what a log does with each state that it publishes. It must never sign two that contradict each other.
    ///
    /// Errors:   those of [`NoteKey::sign`]; [`KeyTransError::Note`] without a key.
    pub fn sign(
        &self,
        keys: &[&NoteKey],
        time: Option<UnixSeconds>,
        hedge: &[u8; 32],
    ) -> Result<UnverifiedNote, KeyTransError> {
        let text = self.to_string();
        let lines: Result<_, _> = keys.iter().map(|key| key.sign(&text, time, hedge)).collect();
        UnverifiedNote::new(&text, lines?)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n{}\n{}\n", self.origin, self.size, base64(&self.root.0))?;
        self.extensions.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// A log, and the keys that speak for it.
#[derive(Debug, Clone)]
pub struct LogKeys {
    origin: Origin,
    keys: Vec<VerifierKey>,
}

impl LogKeys {
    /// A log with its keys; one signature of one of them is needed.
    ///
    /// Errors:   [`KeyTransError::Note`] without keys or with one twice.
    pub fn new(origin: Origin, keys: Vec<VerifierKey>) -> Result<Self, KeyTransError> {
        if keys.is_empty() {
            return Err(bad(NotePart::VerifierKey, NoteProblem::Empty));
        }
        VerifierKey::check_distinct(keys.iter())?;
        Ok(Self { origin, keys })
    }

    /// Which log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Verifies that a note is a checkpoint of this log, signed by it.
    ///
    /// Errors:   [`KeyTransError::Note`], [`KeyTransError::Origin`], [`KeyTransError::NoteSignature`], [`KeyTransError::NoKnownKey`].
    pub fn verify(&self, note: UnverifiedNote) -> Result<SignedCheckpoint, KeyTransError> {
        let checkpoint = Checkpoint::parse(note.unverified_text())?;
        if checkpoint.origin != self.origin {
            return Err(KeyTransError::Origin { expected: self.origin.clone(), found: checkpoint.origin });
        }
        let signatures = note.verify(self.keys.iter())?;
        if signatures.is_empty() {
            return Err(KeyTransError::NoKnownKey);
        }
        Ok(SignedCheckpoint { checkpoint, note, signatures })
    }
}

/// A checkpoint that the log signed. No witness may have seen it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: UnverifiedNote,
    signatures: Vec<VerifiedSignature>,
}

impl SignedCheckpoint {
    /// What the log signed. Extension lines count only as far as [`Self::head`] says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, with all its signature lines.
    #[must_use]
    pub const fn note(&self) -> &UnverifiedNote {
        &self.note
    }

    /// The log's signatures.
    #[must_use]
    pub fn signatures(&self) -> &[VerifiedSignature] {
        &self.signatures
    }

    /// The newest head of the key-transparency log, as the extension line has it; `None` without one.
    ///
    /// ML-DSA-44 does not sign extension lines: whoever relays the note could have changed them, unless the log signed with Ed25519 as well.
    /// Where it did not, only the inclusion of the head in the tree counts ([`super::LogProof`]).
    ///
    /// Errors:   [`KeyTransError::ExtensionsUnsigned`]; [`KeyTransError::Note`] for a line that is not well-formed, or two.
    pub fn head(&self) -> Result<Option<HeadLeaf>, KeyTransError> {
        let mut heads = self.checkpoint.extensions.iter().filter_map(|line| HeadLeaf::parse_line(line).transpose());
        let head = heads.next().transpose()?;
        if heads.next().is_some() {
            return Err(bad(NotePart::Extension, NoteProblem::Twice));
        }
        let covered = self.signatures.iter().any(|signature| signature.algorithm().covers_extensions());
        if head.is_some() && !covered { Err(KeyTransError::ExtensionsUnsigned) } else { Ok(head) }
    }

    /// Takes in what a witness answered: the lines of these keys, verified. Lines of other keys are passed over, as are lines that are there already.
    ///
    /// Errors:   [`KeyTransError::NoteSignature`]; [`KeyTransError::NoKnownKey`] if none is of these keys; [`KeyTransError::Note`].
    pub fn add_cosignatures(&mut self, answer: &[u8], keys: &[VerifierKey]) -> Result<(), KeyTransError> {
        let known = |line: &SignatureLine| keys.iter().any(|key| line.claims(key));
        let lines: Vec<_> = SignatureLine::parse_all(answer)?.into_iter().filter(known).collect();
        if lines.is_empty() {
            return Err(KeyTransError::NoKnownKey);
        }
        UnverifiedNote::new(self.note.unverified_text(), lines.clone())?.verify(keys.iter())?;
        // A newer cosignature takes the place of the older one of the same key.
        let replaced: BTreeSet<_> = lines.iter().map(|line| (&line.name, line.id)).collect();
        let kept = self.note.signatures().iter().filter(|line| !replaced.contains(&(&line.name, line.id)));
        let all = kept.chain(&lines).cloned().collect();
        self.note = UnverifiedNote::new(self.note.unverified_text(), all)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
