//! The authenticated data of every message and commit.

use quicprochat_wire::{MessageId, Writer, call::channel::ChainPoint};

/// Ties an MLS message to its entry: the entry's id and the commit that it names (DESIGN L2, L5).
///
/// Shape:    `u8 1 || id (16) || commit position u64 || commit hash (32)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aad {
    /// Id of the entry.
    pub id: MessageId,
    /// The last commit, as the writer knows it.
    pub after: ChainPoint,
}

impl Aad {
    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::new().u8(1).fixed(self.id).u64(self.after.position).fixed(self.after.hash).finish()
    }
}
