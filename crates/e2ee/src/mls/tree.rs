//! Cutting an encoded ratchet tree (RFC 9420, section 12.4.3.3) into pieces, so that a commit changes one piece a level.
//!
//! ```text
//!   level 6  ·                 o                  group 2: a node of level 6 and its two children
//!   level 5          o                   o
//!   level 4  ····o·········o·········o·········o  group 1: a node of level 4 and its two children
//!   level 3    o   o     o   o     o   o     o   o
//!   level 0-2  4 leaves and the 3 nodes above them  group 0
//! ```
//!
//! Nodes keep their index in the array for good, so a tree that grows or shrinks at its right end changes no piece elsewhere.

use quicprochat_identity::{CREDENTIAL_TYPE, LeafCredential};
use quicprochat_wire::{DecodeError, Digest, Writer, limits::MAX_GROUP_LEAVES};

use super::welcome::{TlsReader, write_length};
use crate::error::E2eeError;

/// Most nodes of a tree's array: new leaves take the first free place, so it is never wider than its largest group needs.
pub(crate) const MAX_NODES: u32 = 2 * (MAX_GROUP_LEAVES as u32).next_power_of_two() - 1;

/// Where a piece stands. Ordered from the leaves up, and from the left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Slot {
    group: u8,
    index: u32,
}

impl Slot {
    /// Every slot that a tree of so many nodes may fill.
    pub(crate) fn all(nodes: u32) -> Vec<Self> {
        let Some(last) = nodes.checked_sub(1) else { return Vec::new() };
        let mut slots = Vec::new();
        for group in 0..=u8::MAX {
            // The lowest node of a group: the first tree has none of it if that lies behind the end.
            if group > 0 && lowest(group) > last {
                break;
            }
            let count = (last >> (top(group) + 1)) + 1;
            slots.extend((0..count).map(|index| Self { group, index }));
        }
        slots
    }

    /// The nodes of the piece, in order.
    fn nodes(self) -> Vec<u32> {
        let top = top(self.group);
        let base = self.index << (top + 1);
        if self.group == 0 {
            return (base..base + 7).collect();
        }
        let (half, quarter) = (1 << top, 1 << (top - 1));
        vec![base + quarter - 1, base + half - 1, base + half + quarter - 1]
    }
}

/// Level of the highest node of a piece.
const fn top(group: u8) -> u32 {
    2 * group as u32 + 2
}

/// The first node of a group above the leaves'.
const fn lowest(group: u8) -> u32 {
    (1 << (top(group) - 1)) - 1
}

/// An encoded tree, cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CutTree {
    /// Length of the array.
    pub(crate) nodes: u32,
    /// A piece for each slot, `None` where all nodes are blank.
    ///
    /// Shape:    `u8 group || u32 index || optional nodes`, seven in group 0 and three in the others; what lies behind the end
    ///           is blank.
    pub(crate) pieces: Vec<(Slot, Option<Vec<u8>>)>,
}

impl CutTree {
    /// How many nodes an encoded tree has.
    ///
    /// Errors:   [`E2eeError::Decode`] for anything but an encoded tree, or one that is too large.
    pub(crate) fn count(tree: &[u8]) -> Result<u32, E2eeError> {
        Ok(u32::try_from(split(tree)?.len()).unwrap_or(u32::MAX))
    }

    /// Cuts an encoded tree.
    ///
    /// Errors:   those of [`Self::count`].
    pub(crate) fn cut(tree: &[u8]) -> Result<Self, E2eeError> {
        let array = split(tree)?;
        let nodes = u32::try_from(array.len()).unwrap_or(u32::MAX);
        let node = |index: u32| usize::try_from(index).ok().and_then(|index| array.get(index).copied());
        let piece = |slot: Slot| {
            let parts: Vec<&[u8]> = slot.nodes().into_iter().map(|index| node(index).unwrap_or(BLANK)).collect();
            let blank = parts.iter().all(|part| *part == BLANK);
            let head = Writer::new().u8(slot.group).u32(slot.index).finish();
            (slot, (!blank).then(|| [head, parts.concat()].concat()))
        };
        Ok(Self { nodes, pieces: Slot::all(nodes).into_iter().map(piece).collect() })
    }

    /// Puts the tree together again.
    ///
    /// Errors:   [`E2eeError::Decode`] for pieces that are not those of such a tree.
    pub(crate) fn join(&self) -> Result<Vec<u8>, E2eeError> {
        let count = usize::try_from(self.nodes).unwrap_or(usize::MAX);
        if self.nodes > MAX_NODES || self.pieces.iter().map(|(slot, _)| *slot).ne(Slot::all(self.nodes)) {
            return Err(DecodeError::BadValue { found: self.nodes.into() }.into());
        }
        let mut array: Vec<&[u8]> = vec![BLANK; count];
        for (slot, piece) in &self.pieces {
            let Some(piece) = piece else { continue };
            let head = Writer::new().u8(slot.group).u32(slot.index).finish();
            let mut reader = TlsReader::new(piece.strip_prefix(&*head).ok_or(DecodeError::WrongLabel)?);
            for index in slot.nodes() {
                let part = optional_node(&mut reader)?;
                match usize::try_from(index).ok().and_then(|index| array.get_mut(index)) {
                    Some(place) => *place = part,
                    None if part == BLANK => {}
                    None => return Err(DecodeError::BadValue { found: index.into() }.into()),
                }
            }
            if !reader.rest().is_empty() {
                return Err(DecodeError::Trailing { extra: reader.rest().len() }.into());
            }
        }
        let content = array.concat();
        let mut tree = Vec::with_capacity(content.len().saturating_add(4));
        write_length(&mut tree, content.len());
        tree.extend_from_slice(&content);
        Ok(tree)
    }
}

/// The identity parts that the leaves of each piece of group 0 name: each once, in the order of the leaves.
///
/// Errors:   those of [`CutTree::count`].
pub(crate) fn named_identities(tree: &[u8]) -> Result<Vec<Vec<Digest>>, E2eeError> {
    let nodes = split(tree)?;
    let named = |piece: &[&[u8]]| {
        let mut hashes: Vec<Digest> = Vec::new();
        for hash in piece.iter().step_by(2).filter_map(|leaf| named_identity(leaf)) {
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
        hashes
    };
    Ok(nodes.chunks(8).map(named).collect())
}

/// `None` for a blank leaf, and for a credential that is none of ours, which no group has.
fn named_identity(leaf: &[u8]) -> Option<Digest> {
    let mut reader = TlsReader::new(leaf.strip_prefix(&[1, LEAF])?);
    reader.vector().and_then(|_| reader.vector()).ok()?;
    if reader.u16().ok()? != CREDENTIAL_TYPE {
        return None;
    }
    LeafCredential::parse(reader.vector().ok()?).ok().map(|credential| credential.identity_hash)
}

/// A blank node.
const BLANK: &[u8] = &[0];

/// The optional nodes of an encoded tree.
fn split(tree: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let mut reader = TlsReader::new(tree);
    let mut content = TlsReader::new(reader.vector()?);
    if !reader.rest().is_empty() {
        return Err(DecodeError::Trailing { extra: reader.rest().len() });
    }
    let most = usize::try_from(MAX_NODES).unwrap_or(usize::MAX);
    let mut nodes = Vec::new();
    while !content.rest().is_empty() {
        if nodes.len() == most {
            return Err(DecodeError::BadValue { found: u64::from(MAX_NODES) });
        }
        nodes.push(optional_node(&mut content)?);
    }
    Ok(nodes)
}

/// One `optional<Node>`, as it stands.
///
/// Source:   RFC 9420, sections 7.1, 7.2 and 12.4.3.3.
fn optional_node<'a>(reader: &mut TlsReader<'a>) -> Result<&'a [u8], DecodeError> {
    let before = reader.rest();
    match reader.u8()? {
        0 => {}
        1 => match reader.u8()? {
            LEAF => skip_leaf(reader)?,
            PARENT => {
                for _ in 0..PARENT_VECTORS {
                    reader.vector()?;
                }
            }
            found => return Err(DecodeError::BadValue { found: found.into() }),
        },
        found => return Err(DecodeError::BadValue { found: found.into() }),
    }
    let len = before.len().saturating_sub(reader.rest().len());
    Ok(before.get(..len).unwrap_or_default())
}

const LEAF: u8 = 1;
const PARENT: u8 = 2;
/// Encryption key, parent hash, unmerged leaves.
const PARENT_VECTORS: usize = 3;
/// Versions, cipher suites, extensions, proposals, credentials.
const CAPABILITY_VECTORS: usize = 5;
const BASIC: u16 = 1;
const X509: u16 = 2;
/// From here on credentials are private, ours among them, and have one vector.
const PRIVATE: u16 = 0xf000;

fn skip_leaf(reader: &mut TlsReader<'_>) -> Result<(), DecodeError> {
    // Encryption key and signature key.
    reader.vector()?;
    reader.vector()?;
    match reader.u16()? {
        BASIC | X509 | PRIVATE.. => reader.vector()?,
        other => return Err(DecodeError::BadValue { found: other.into() }),
    };
    for _ in 0..CAPABILITY_VECTORS {
        reader.vector()?;
    }
    match reader.u8()? {
        // From a KeyPackage: its lifetime.
        1 => drop(reader.take(16)?),
        2 => {}
        // From a commit: its parent hash.
        3 => drop(reader.vector()?),
        found => return Err(DecodeError::BadValue { found: found.into() }),
    }
    // Extensions and signature.
    reader.vector()?;
    reader.vector().map(drop)
}

#[cfg(test)]
pub(crate) mod tests;
