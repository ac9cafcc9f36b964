//! Signed notes: a text, an empty line, and a line for each signature.

use core::fmt;

use super::{
    KeyId, KeyName, VerifiedSignature, VerifierKey,
    text::{bad, base64, parse_base64, parse_text},
};
use crate::{
    KeyTransError,
    error::{NotePart, NoteProblem},
};

/// Bytes of a note at most: room for sixteen signatures of the largest kind of ML-DSA.
pub const MAX_NOTE_BYTES: usize = 128 * 1024;

/// Signatures of a note at most.
pub const MAX_SIGNATURES: usize = 64;

/// What every signature line begins with.
const MARK: &str = "\u{2014} ";

/// A signature line: whose key, and the signature.
///
/// Shape:    em dash, space, name, space, base64 of key id (4 bytes) and signature, newline
#[derive(Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Whose it claims to be.
    pub name: KeyName,
    /// Of which key it claims to be.
    pub id: KeyId,
    /// The signature, with its time if it is a cosignature.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Reads a line, without the newline.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse(line: &str) -> Result<Self, KeyTransError> {
        let part = NotePart::SignatureLine;
        let (name, signature) =
            line.strip_prefix(MARK).and_then(|rest| rest.split_once(' ')).ok_or(bad(part, NoteProblem::Form))?;
        let name = KeyName::new(name)?;
        let bytes = parse_base64(part, signature)?;
        let (id, signature) = bytes.split_first_chunk().ok_or(bad(part, NoteProblem::Form))?;
        if signature.is_empty() {
            return Err(bad(part, NoteProblem::Empty));
        }
        Ok(Self { name, id: KeyId(*id), signature: signature.to_vec() })
    }

    /// Reads lines, each with its newline: what a witness answers.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, KeyTransError> {
        let text = parse_text(NotePart::Note, bytes, MAX_NOTE_BYTES)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut lines = Vec::new();
        for line in text.split('\n') {
            if lines.len() == MAX_SIGNATURES {
                return Err(bad(NotePart::SignatureLine, NoteProblem::TooMany { limit: MAX_SIGNATURES }));
            }
            lines.push(Self::parse(line)?);
        }
        Ok(lines)
    }

    /// Whether it claims to be of this key.
    pub(super) fn claims(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == *key.name()
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.0.as_slice(), &self.signature].concat();
        writeln!(out, "{MARK}{} {}", self.name, base64(&bytes))
    }
}

impl fmt::Debug for SignatureLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SignatureLine({}+{}, {} bytes)", self.name, self.id, self.signature.len())
    }
}

/// A note as it came: nothing in it counts before a signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedNote {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl UnverifiedNote {
    /// Reads a note. The last empty line ends the text.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyTransError> {
        let whole = parse_text(NotePart::Note, bytes, MAX_NOTE_BYTES)?;
        let at = whole.rfind("\n\n").ok_or(bad(NotePart::Note, NoteProblem::Form))?;
        let (text, signatures) = whole.split_at(at + 1);
        let signatures = signatures.strip_prefix('\n').unwrap_or(signatures);
        if signatures.is_empty() {
            return Err(bad(NotePart::SignatureLine, NoteProblem::Empty));
        }
        Ok(Self { text: text.to_owned(), signatures: SignatureLine::parse_all(signatures.as_bytes())? })
    }

    /// A note of its parts.
    ///
    /// Errors:   [`KeyTransError::Note`] if the text or the number of signatures cannot be in a note.
    pub fn new(text: &str, signatures: Vec<SignatureLine>) -> Result<Self, KeyTransError> {
        parse_text(NotePart::Note, text.as_bytes(), MAX_NOTE_BYTES)?;
        if signatures.is_empty() {
            return Err(bad(NotePart::SignatureLine, NoteProblem::Empty));
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(bad(NotePart::SignatureLine, NoteProblem::TooMany { limit: MAX_SIGNATURES }));
        }
        let note = Self { text: text.to_owned(), signatures };
        let found = note.to_string().len();
        if found > MAX_NOTE_BYTES {
            return Err(bad(NotePart::Note, NoteProblem::TooLong { limit: MAX_NOTE_BYTES, found }));
        }
        Ok(note)
    }

    /// The text, which nobody vouches for yet; with its last newline.
    #[must_use]
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// The signature lines, of known and unknown keys.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The signatures of these keys, verified. Those of other keys are passed over, and it is for the caller to say how many are enough.
    ///
    /// Errors:   [`KeyTransError::NoteSignature`] if a line claims to be of one of the keys and is not.
    pub fn verify<'a>(
        &self,
        keys: impl Iterator<Item = &'a VerifierKey> + Clone,
    ) -> Result<Vec<VerifiedSignature>, KeyTransError> {
        let mut verified = Vec::new();
        for line in &self.signatures {
            for key in keys.clone().filter(|key| line.claims(key)) {
                let signature = VerifiedSignature::verify(key, &self.text, &line.signature);
                let wrong = || KeyTransError::NoteSignature { name: line.name.clone(), id: line.id };
                verified.push(signature.ok_or_else(wrong)?);
            }
        }
        Ok(verified)
    }
}

impl fmt::Display for UnverifiedNote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| fmt::Display::fmt(line, out))
    }
}

#[cfg(test)]
mod tests;
