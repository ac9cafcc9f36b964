//! Proofs of inclusion that stand for themselves: an entry's place, the nodes, and a checkpoint with its cosignatures.

use core::fmt;

use super::{
    CosignedCheckpoint, Freshness, HeadLeaf, LogKeys, MAX_NOTE_BYTES, MAX_TREE_SIZE, Policy, SignedCheckpoint,
    UnverifiedNote, merkle,
    request::MAX_PROOF_LINES,
    text::{bad, base64, parse_base64, parse_digest_lines, parse_number, parse_text},
};
use crate::{
    Digest, KeyTransError,
    error::{NotePart, NoteProblem},
};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// Bytes of a proof at most: those of a note, of the nodes, and of a little extra data.
const MAX_BYTES: usize = MAX_NOTE_BYTES + 16 * 1024;

/// A proof that an entry is in a log, as it came: nothing in it counts before it is verified.
///
/// Shape:    lines: `c2sp.org/tlog-proof@v1`; `extra <base64>` (if any); `index <number>`; a hash in base64 each, from the leaf up; an empty
///           line; the note
/// Source:   tlog-proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// What the application put there. Nothing proves it.
    pub extra: Option<Vec<u8>>,
    /// The number of the entry.
    pub index: u64,
    /// The nodes next to its way, from below.
    pub nodes: Vec<Digest>,
    /// The checkpoint.
    pub note: UnverifiedNote,
}

impl LogProof {
    /// Reads a proof.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyTransError> {
        let part = NotePart::Proof;
        let form = bad(part, NoteProblem::Form);
        let text = parse_text(part, bytes, MAX_BYTES)?;
        let rest = text.strip_prefix(HEADER).ok_or(form.clone())?;
        let (mut line, mut rest) = rest.split_once('\n').ok_or(form.clone())?;
        let mut extra = None;
        if let Some(data) = line.strip_prefix("extra ") {
            extra = Some(parse_base64(part, data)?);
            (line, rest) = rest.split_once('\n').ok_or(form.clone())?;
        }
        let index = parse_number(part, line.strip_prefix("index ").ok_or(form)?, MAX_TREE_SIZE)?;
        let (nodes, note) = parse_digest_lines(rest, MAX_PROOF_LINES)?;
        Ok(Self { extra, index, nodes, note: UnverifiedNote::parse(note.as_bytes())? })
    }

    /// Verifies the checkpoint with the log's keys and the witnesses, and that this entry stands at [`Self::index`] of it.
    ///
    /// Errors:   those of [`LogKeys::verify`], [`Policy::verify`] and [`merkle::verify_inclusion`].
    pub fn verify(
        &self,
        entry: &[u8],
        log: &LogKeys,
        policy: &Policy,
        freshness: Freshness,
    ) -> Result<CosignedCheckpoint, KeyTransError> {
        let signed = self.verify_inclusion(entry, log)?;
        policy.verify(signed, freshness)
    }

    /// Verifies that a head of the key-transparency log is the *newest* that the companion log has in a cosigned checkpoint.
    ///
    /// This holds with every kind of signature, other than the extension line of the checkpoint.
    ///
    /// Errors:   those of [`Self::verify`]; [`KeyTransError::TreeSize`] if it is not the last entry.
    pub fn verify_newest(
        &self,
        head: &HeadLeaf,
        log: &LogKeys,
        policy: &Policy,
        freshness: Freshness,
    ) -> Result<CosignedCheckpoint, KeyTransError> {
        let cosigned = self.verify(&head.to_bytes(), log, policy, freshness)?;
        let size = cosigned.signed().checkpoint().size();
        let found = self.index.saturating_add(1);
        if found == size { Ok(cosigned) } else { Err(KeyTransError::TreeSize { least: size, found }) }
    }

    fn verify_inclusion(&self, entry: &[u8], log: &LogKeys) -> Result<SignedCheckpoint, KeyTransError> {
        let signed = log.verify(self.note.clone())?;
        let checkpoint = signed.checkpoint();
        let leaf = merkle::leaf_hash(entry);
        merkle::verify_inclusion(&leaf, self.index, checkpoint.size(), &self.nodes, &checkpoint.root())?;
        Ok(signed)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HEADER)?;
        if let Some(extra) = &self.extra {
            writeln!(out, "extra {}", base64(extra))?;
        }
        writeln!(out, "index {}", self.index)?;
        self.nodes.iter().try_for_each(|node| writeln!(out, "{}", base64(&node.0)))?;
        write!(out, "\n{}", self.note)
    }
}
