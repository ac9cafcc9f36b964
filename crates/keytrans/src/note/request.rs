//! What a log sends to a witness, and the answer with the size that the witness knows.

use core::fmt;

use super::{
    Checkpoint, MAX_NOTE_BYTES, MAX_TREE_SIZE, UnverifiedNote,
    text::{bad, base64, parse_digest_lines, parse_number, parse_text},
};
use crate::{
    Digest, KeyTransError,
    error::{NotePart, NoteProblem},
};

/// Hashes of a consistency proof at most.
pub const MAX_PROOF_LINES: usize = 63;

/// Bytes of a request at most: those of a note, of the hashes, and of the first line.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + 45 * MAX_PROOF_LINES + 32;

/// The body of `add-checkpoint`: a checkpoint, and the proof that it goes on from the one that the witness has.
///
/// Shape:    lines: `old <size>`; a hash in base64 each; an empty line; the note
/// Source:   tlog-witness, "add-checkpoint".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    old_size: u64,
    proof: Vec<Digest>,
    note: UnverifiedNote,
    checkpoint: Checkpoint,
}

impl AddCheckpoint {
    /// A request. `old_size` is the size that the witness cosigned last, 0 if it never did or if that is not known.
    ///
    /// Errors:   [`KeyTransError::Note`] if the note is no checkpoint or the proof is too long.
    pub fn new(old_size: u64, proof: Vec<Digest>, note: UnverifiedNote) -> Result<Self, KeyTransError> {
        if proof.len() > MAX_PROOF_LINES {
            return Err(bad(NotePart::ProofLine, NoteProblem::TooMany { limit: MAX_PROOF_LINES }));
        }
        let checkpoint = Checkpoint::parse(note.unverified_text())?;
        Ok(Self { old_size, proof, note, checkpoint })
    }

    /// Reads a body.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse(body: &[u8]) -> Result<Self, KeyTransError> {
        let text = parse_text(NotePart::Request, body, MAX_REQUEST_BYTES)?;
        let form = bad(NotePart::OldSize, NoteProblem::Form);
        let (line, rest) = text.split_once('\n').ok_or(form.clone())?;
        let old_size = parse_number(NotePart::OldSize, line.strip_prefix("old ").ok_or(form)?, MAX_TREE_SIZE)?;
        let (proof, note) = parse_digest_lines(rest, MAX_PROOF_LINES)?;
        Self::new(old_size, proof, UnverifiedNote::parse(note.as_bytes())?)
    }

    /// The size that the log thinks the witness has.
    #[must_use]
    pub const fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The consistency proof.
    #[must_use]
    pub fn proof(&self) -> &[Digest] {
        &self.proof
    }

    /// The note.
    #[must_use]
    pub const fn note(&self) -> &UnverifiedNote {
        &self.note
    }

    /// What the note claims; by its origin a witness looks up what it knows of the log.
    #[must_use]
    pub const fn unverified_checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(out, "{}", base64(&hash.0)))?;
        write!(out, "\n{}", self.note)
    }
}

/// The body of the answer 409: the size that the witness cosigned last. Its content type is `text/x.tlog.size`.
#[must_use]
pub fn conflict_body(known: u64) -> String {
    format!("{known}\n")
}

/// Reads the body of the answer 409.
///
/// Errors:   [`KeyTransError::Note`].
pub fn parse_conflict_body(body: &[u8]) -> Result<u64, KeyTransError> {
    let text = parse_text(NotePart::OldSize, body, 32)?;
    parse_number(NotePart::OldSize, text.strip_suffix('\n').unwrap_or(text), MAX_TREE_SIZE)
}
