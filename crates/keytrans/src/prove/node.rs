//! Nodes of the prefix trees as they are stored: written once, never changed.
//!
//! ```text
//!   leaf      0x10 │ vrf output 32 │ commitment 32
//!   parent    0x14 + 2·(has left) + (has right) │ left: number 8, hash 32 │ right: number 8, hash 32     absent children take no bytes
//! ```
//!
//! The high half of the first byte is the format's version, 1. A parent has its children's hashes, so a proof reads only the nodes on its way.

use crate::{
    DecodeError, Digest,
    codec::{Reader, Writer},
    proof::PrefixLeaf,
    value::{prefix_leaf, prefix_parent},
};

/// Bytes of a stored node at most.
pub const MAX_NODE: usize = 81;

const STRUCTURE: &str = "PrefixNode";
const LEAF: u8 = 0x10;
const PARENT: u8 = 0x14;
const HAS_LEFT: u8 = 2;
const HAS_RIGHT: u8 = 1;

/// A node that another one leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child {
    /// Its number in the store.
    pub id: u64,
    /// Its hash.
    pub digest: Digest,
}

/// A node of a prefix tree. It may belong to the trees of many entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixNode {
    /// A label-version pair.
    Leaf(PrefixLeaf),
    /// All pairs that share the bits so far.
    Parent {
        /// Those that go on with a 0.
        left: Option<Child>,
        /// Those that go on with a 1.
        right: Option<Child>,
    },
}

impl PrefixNode {
    /// The tree that holds nothing.
    pub const EMPTY: Self = Self::Parent { left: None, right: None };

    /// Its hash in the tree.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let of = |child: &Option<Child>| child.map_or(Digest::ZERO, |child| child.digest);
        match self {
            Self::Leaf(leaf) => prefix_leaf(&leaf.vrf_output, &leaf.commitment),
            Self::Parent { left, right } => prefix_parent(&of(left), &of(right)),
        }
    }

    /// Its bytes.
    ///
    /// Shape:    at most [`MAX_NODE`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Leaf(leaf) => {
                writer.u8(LEAF).put(&leaf.vrf_output.0).put(&leaf.commitment.0);
            }
            Self::Parent { left, right } => {
                let (left_bit, right_bit) = (u8::from(left.is_some()) * HAS_LEFT, u8::from(right.is_some()));
                writer.u8(PARENT | left_bit | right_bit);
                for child in [left, right].into_iter().flatten() {
                    writer.u64(child.id).put(&child.digest.0);
                }
            }
        }
        writer.finish()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// Errors:   [`DecodeError`], also for formats of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(STRUCTURE, bytes, |reader| {
            let kind = reader.u8()?;
            Self::length(kind)?;
            if kind == LEAF {
                return PrefixLeaf::read(reader).map(Self::Leaf);
            }
            let left = (kind & HAS_LEFT != 0).then(|| Child::read(reader)).transpose()?;
            let right = (kind & HAS_RIGHT != 0).then(|| Child::read(reader)).transpose()?;
            Ok(Self::Parent { left, right })
        })
    }

    /// How many bytes a node has that begins with this byte.
    ///
    /// Errors:   [`DecodeError::Unknown`].
    pub(super) const fn length(kind: u8) -> Result<usize, DecodeError> {
        match kind {
            LEAF => Ok(65),
            PARENT => Ok(1),
            kind if kind == PARENT | HAS_LEFT || kind == PARENT | HAS_RIGHT => Ok(41),
            kind if kind == PARENT | HAS_LEFT | HAS_RIGHT => Ok(MAX_NODE),
            other => Err(DecodeError::Unknown { structure: STRUCTURE, field: "kind", found: other as u64 }),
        }
    }
}

impl Child {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: reader.u64()?, digest: reader.digest()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VrfOutput;

    #[test]
    fn every_node_is_read_as_it_was_written() {
        let child = |id| Some(Child { id, digest: Digest([7; 32]) });
        let leaf = PrefixNode::Leaf(PrefixLeaf { vrf_output: VrfOutput([1; 32]), commitment: Digest([2; 32]) });
        let parents = [(None, None), (child(1), None), (None, child(u64::MAX)), (child(3), child(4))];
        let parents = parents.map(|(left, right)| PrefixNode::Parent { left, right });
        for (node, length) in [leaf].into_iter().chain(parents).zip([65, 1, 41, 41, MAX_NODE]) {
            let bytes = node.encode();
            assert_eq!(PrefixNode::length(bytes[0]), Ok(length));
            assert_eq!((PrefixNode::decode(&bytes), bytes.len()), (Ok(node), length));
            assert!((0..bytes.len()).all(|cut| PrefixNode::decode(&bytes[..cut]).is_err()));
            assert!(PrefixNode::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn other_kinds_and_formats_are_refused() {
        for kind in (0..=255_u8).filter(|kind| !matches!(*kind, LEAF | PARENT..=0x17)) {
            let found = PrefixNode::decode(&[&[kind][..], &[0; 80]].concat());
            assert_eq!(found, Err(DecodeError::Unknown { structure: STRUCTURE, field: "kind", found: kind.into() }));
        }
    }

    #[test]
    fn the_empty_tree_has_the_documented_root() {
        assert_eq!(PrefixNode::EMPTY.digest(), crate::value::empty_prefix_tree());
    }
}
