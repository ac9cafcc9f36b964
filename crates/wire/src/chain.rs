//! The hash chain of a channel: every entry commits to all before it (DESIGN L2, protocol.md section 4).
//!
//! ```text
//!   h(0) ──entry 1──▶ h(1) ──entry 2──▶ h(2) ── ...      h(n) = H(label, h(n-1), n, id, kind, commit named, H(sealed))
//! ```

use sha2::{Digest as _, Sha256};

use crate::{
    call::channel::{ChainPoint, EntryKind},
    id::{ChainHash, ChannelId, MessageId},
};

const START_LABEL: &[u8] = b"qpc/1 chain\0";
const LINK_LABEL: &[u8] = b"qpc/1 link\0";

/// `h(0)`: the chain of an empty log.
///
/// Source:   protocol.md section 4.
#[must_use]
pub fn start(channel: &ChannelId) -> ChainHash {
    let mut hash = Sha256::new();
    hash.update(START_LABEL);
    hash.update(channel);
    ChainHash::new(hash.finalize().into())
}

/// `h(n)`: the chain after entry `n`, given the chain before it. `commit` is the point that the entry named in `afterCommit`.
///
/// Source:   protocol.md section 4.
#[must_use]
pub fn link(
    prev: &ChainHash,
    n: u64,
    id: &MessageId,
    kind: EntryKind,
    commit: &ChainPoint,
    sealed: &[u8],
) -> ChainHash {
    let mut hash = Sha256::new();
    hash.update(LINK_LABEL);
    hash.update(prev);
    hash.update(n.to_le_bytes());
    hash.update(id);
    hash.update([kind_byte(kind)]);
    hash.update(commit.position.to_le_bytes());
    hash.update(commit.hash);
    hash.update(Sha256::digest(sealed));
    ChainHash::new(hash.finalize().into())
}

/// The byte that stands for a kind wherever one is hashed or authenticated.
#[must_use]
pub const fn kind_byte(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::Message => 0,
        EntryKind::Commit => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib from the formulas of protocol.md, not with this code.
    const FROZEN: [&str; 4] = [
        "4b182fc7241ae6e5b32593b034653b2ec4039a753d11a3eef9fd35e46b81e5d4",
        "f778c3b1aded99a593ef8afc83aeb05a67ff0b558e0b51ea6168241635cc1a52",
        "7695aee6ac90454f3231988459bae051a46a46ec389befdf55e28b9a9bf0948f",
        "cbd89f52f51efa1263a6c841a9f6d87099b6103070788891b8225f78e8211fab",
    ];

    fn hash(index: usize) -> ChainHash {
        ChainHash::from_hex(FROZEN[index]).expect("64 hex digits")
    }

    #[test]
    fn matches_the_frozen_chain_of_three_entries() {
        let channel = ChannelId::new(core::array::from_fn(|index| u8::try_from(index).expect("below 32")));
        let genesis = ChainPoint { position: 0, hash: start(&channel) };
        assert_eq!(genesis.hash, hash(0));

        let first = link(&genesis.hash, 1, &MessageId::new([0xa1; 16]), EntryKind::Commit, &genesis, b"sealed commit");
        assert_eq!(first, hash(1));

        let commit = ChainPoint { position: 1, hash: first };
        let second = link(&first, 2, &MessageId::new([0xa2; 16]), EntryKind::Message, &commit, b"sealed message");
        assert_eq!(second, hash(2));
        assert_eq!(link(&second, 3, &MessageId::new([0xa3; 16]), EntryKind::Message, &commit, b""), hash(3));
    }

    #[test]
    fn every_field_of_an_entry_changes_its_link() {
        let prev = ChainHash::new([1; 32]);
        let point = ChainPoint { position: 5, hash: ChainHash::new([2; 32]) };
        let id = MessageId::new([3; 16]);
        let base = link(&prev, 7, &id, EntryKind::Message, &point, b"x");
        let others = [
            link(&point.hash, 7, &id, EntryKind::Message, &point, b"x"),
            link(&prev, 8, &id, EntryKind::Message, &point, b"x"),
            link(&prev, 7, &MessageId::new([4; 16]), EntryKind::Message, &point, b"x"),
            link(&prev, 7, &id, EntryKind::Commit, &point, b"x"),
            link(&prev, 7, &id, EntryKind::Message, &ChainPoint { position: 6, ..point }, b"x"),
            link(&prev, 7, &id, EntryKind::Message, &ChainPoint { hash: prev, ..point }, b"x"),
            link(&prev, 7, &id, EntryKind::Message, &point, b"y"),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(*other, base, "field {index}");
        }
    }
}
