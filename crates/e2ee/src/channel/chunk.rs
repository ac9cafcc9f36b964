//! Chunks of a ratchet tree and of its members' records: sealed pieces that stay at the server from commit to commit, as long
//! as they do not change.
//!
//! ```text
//!   tree ────cut───▶ pieces ──the same as before──▶ key and chunk stay
//!   records, by ──▶    └──────changed─────────────▶ new key ──▶ new chunk
//!   four leaves
//!   GroupInfo: the key of each piece ──▶ id to ask the server for, and what opens it
//! ```

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use quicprochat_wire::{
    ChannelId, ChunkId, DecodeError, Digest, Entropy, Reader, Writer,
    call::channel::{TreeChange, TreeChunk},
    entropy::random_array,
    limits::{IDENTITY_ROW_BYTES, MAX_TREE_CHUNK_BYTES, MAX_TREE_CHUNKS},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    aead,
    error::{E2eeError, Sealed},
    mls::{CutTree, MAX_NODES, Slot, named_identities},
};

const VERSION: u8 = 1;
/// In place of a group of the tree, in a piece that holds records.
const RECORDS: u8 = 255;
/// Leaves whose records are one piece.
pub const LEAVES_OF_A_PIECE: u32 = 4;
/// Leaves of the largest tree that a GroupInfo holds whole. Its invitations hold the members' records.
pub const MOST_WHOLE_LEAVES: u32 = 8;
const MOST_WHOLE_NODES: u32 = 2 * MOST_WHOLE_LEAVES - 1;

/// Opens one chunk, and names it.
///
/// Secrets:  random for each chunk; zeroised on drop.
#[derive(Clone)]
pub(crate) struct ChunkKey(Zeroizing<[u8; 32]>);

impl ChunkKey {
    fn random(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(random_array(entropy)))
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn id(&self) -> ChunkId {
        ChunkId::new(*aead::derive_key(self.0.as_slice(), "qpc/1 tree chunk id"))
    }

    fn key(&self) -> Zeroizing<[u8; 32]> {
        aead::derive_key(self.0.as_slice(), "qpc/1 tree chunk")
    }

    fn seal(&self, channel: &ChannelId, piece: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>, E2eeError> {
        let plaintext = [&[VERSION], piece].concat();
        aead::seal_padded(&self.key(), &aad(channel), plaintext, Sealed::TreeChunk, MAX_TREE_CHUNK_BYTES, entropy)
    }

    fn open(&self, channel: &ChannelId, sealed: &[u8]) -> Result<Vec<u8>, E2eeError> {
        let plaintext = aead::open_padded(&self.key(), &aad(channel), sealed, Sealed::TreeChunk)?;
        let mut reader = Reader::new(&plaintext);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel.into());
        }
        let piece = plaintext.get(1..).unwrap_or_default();
        Ok(piece.to_vec())
    }
}

fn aad(channel: &ChannelId) -> Vec<u8> {
    Writer::labelled("qpc/1 tree chunk").fixed(channel).finish()
}

impl PartialEq for ChunkKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for ChunkKey {}

impl fmt::Debug for ChunkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkKey({:?})", self.id())
    }
}

/// The chunks that a GroupInfo names.
///
/// Shape:    `u32 nodes || list of (u8 0, or u8 1 || key (32)) || the same again`: a key for each piece of a tree of so many
///           nodes, 0 where all its nodes are blank; then one for the records of each four leaves, 0 where one of them is unknown
///           to the writer or there is none.
/// Secrets:  the keys.
/// Source:   protocol.md section 7, "Chunks".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChunkList {
    nodes: u32,
    keys: Vec<(Slot, Option<ChunkKey>)>,
    records: Vec<Option<ChunkKey>>,
}

impl ChunkList {
    /// The chunks of the tree, to ask the server for.
    #[must_use]
    pub fn ids(&self) -> Vec<ChunkId> {
        self.keys.iter().filter_map(|(_, key)| Some(key.as_ref()?.id())).collect()
    }

    /// Every chunk that it names.
    fn all(&self) -> Vec<ChunkId> {
        let records = self.records.iter().flatten().map(ChunkKey::id);
        self.ids().into_iter().chain(records).collect()
    }

    /// The chunks with the records that the leaves of `tree` name, those left out that hold nothing but `known` ones.
    ///
    /// Errors:   [`E2eeError::Decode`] for what is no tree, and whatever `known` fails with.
    pub fn record_ids<E: From<E2eeError>>(
        &self,
        tree: &[u8],
        known: impl Fn(&Digest) -> Result<bool, E>,
    ) -> Result<Vec<ChunkId>, E> {
        let mut ids = Vec::new();
        for (hashes, key) in named_identities(tree)?.iter().zip(&self.records) {
            let Some(key) = key else { continue };
            for hash in hashes {
                if !known(hash)? {
                    ids.push(key.id());
                    break;
                }
            }
        }
        Ok(ids)
    }

    /// Opens a chunk that [`Self::record_ids`] named. That the records are those that the leaves name is for the caller to see.
    ///
    /// Errors:   [`E2eeError::MissingChunk`] for one that this list does not name; else those of [`Self::open`].
    pub fn open_records(&self, channel: &ChannelId, id: &ChunkId, sealed: &[u8]) -> Result<Vec<Vec<u8>>, E2eeError> {
        let named = (0u32..).zip(&self.records).find_map(|(index, key)| {
            let key = key.as_ref().filter(|key| key.id() == *id)?;
            Some((index, key))
        });
        let (index, key) = named.ok_or(E2eeError::MissingChunk { id: *id })?;
        let piece = key.open(channel, sealed)?;
        let head = Writer::new().u8(RECORDS).u32(index).finish();
        let mut reader = Reader::new(piece.strip_prefix(&*head).ok_or(DecodeError::WrongLabel)?);
        let most = usize::try_from(LEAVES_OF_A_PIECE).unwrap_or(usize::MAX);
        let records = reader.list::<_, DecodeError>(most, |item| Ok(item.bytes(IDENTITY_ROW_BYTES)?.to_vec()))?;
        reader.finish()?;
        Ok(records)
    }

    /// Puts the ratchet tree together. That it is the group's is for MLS to see: its hash is in the GroupInfo.
    ///
    /// Errors:   [`E2eeError::MissingChunk`]; [`E2eeError::CannotOpen`] for one that was changed or belongs elsewhere;
    ///           [`E2eeError::Decode`] for what is no piece of a tree.
    pub fn open(&self, channel: &ChannelId, chunks: &BTreeMap<ChunkId, Vec<u8>>) -> Result<Vec<u8>, E2eeError> {
        let mut pieces = Vec::with_capacity(self.keys.len());
        for (slot, key) in &self.keys {
            let piece = match key {
                None => None,
                Some(key) => {
                    let id = key.id();
                    let sealed = chunks.get(&id).ok_or(E2eeError::MissingChunk { id })?;
                    Some(key.open(channel, sealed)?)
                }
            };
            pieces.push((*slot, piece));
        }
        CutTree { nodes: self.nodes, pieces }.join()
    }

    pub(crate) fn write(&self, writer: Writer) -> Writer {
        let write = |writer: Writer, key: &Option<ChunkKey>| match key {
            None => writer.u8(0),
            Some(key) => writer.u8(1).fixed(key.as_bytes()),
        };
        writer.u32(self.nodes).list(&self.keys, |writer, (_, key)| write(writer, key)).list(&self.records, write)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let nodes = reader.u32()?;
        if nodes > MAX_NODES {
            return Err(DecodeError::BadValue { found: nodes.into() });
        }
        let mut keys = || {
            reader.list::<_, DecodeError>(MAX_TREE_CHUNKS, |item| match item.u8()? {
                0 => Ok(None),
                1 => Ok(Some(ChunkKey::from_bytes(item.array()?))),
                found => Err(DecodeError::BadValue { found: found.into() }),
            })
        };
        let (keys, records) = (keys()?, keys()?);
        let slots = Slot::all(nodes);
        let pieces = usize::try_from(nodes.div_ceil(2 * LEAVES_OF_A_PIECE)).unwrap_or(usize::MAX);
        if slots.len() != keys.len() || pieces != records.len() {
            return Err(DecodeError::BadValue { found: nodes.into() });
        }
        Ok(Self { nodes, keys: slots.into_iter().zip(keys).collect(), records })
    }
}

/// A tree as a GroupInfo is to hold it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedTree {
    /// The chunks, if it is to name any.
    pub list: Option<ChunkList>,
    /// What is to change at the server.
    pub change: TreeChange,
}

/// Whether a GroupInfo holds the tree whole, so that no chunks are needed: trees of up to eight leaves.
///
/// Errors:   [`E2eeError::Decode`] for what is no tree.
pub fn is_whole(ratchet_tree: &[u8]) -> Result<bool, E2eeError> {
    Ok(CutTree::count(ratchet_tree)? <= MOST_WHOLE_NODES)
}

/// Seals what changed of a tree, and of the records that its leaves name.
///
/// `before` is the tree of the commit before and the chunks that its GroupInfo names. Without it everything is sealed anew, and
/// all chunks in use are ended. `record` is the identity part with that hash, if it is known.
///
/// Errors:   [`E2eeError::Decode`] for what is no tree; [`E2eeError::TooLarge`]; whatever `record` fails with.
pub fn seal_tree<E: From<E2eeError>>(
    channel: &ChannelId,
    ratchet_tree: &[u8],
    before: Option<(&ChunkList, &[u8])>,
    record: impl Fn(&Digest) -> Result<Option<Vec<u8>>, E>,
    entropy: &mut dyn Entropy,
) -> Result<SealedTree, E> {
    if is_whole(ratchet_tree)? {
        return Ok(SealedTree { list: None, change: TreeChange { ends_all: true, ..TreeChange::default() } });
    }
    let cut = CutTree::cut(ratchet_tree)?;
    let known = match before {
        Some((list, tree)) => Known::new(list, tree)?,
        None => None,
    };
    let mut change = TreeChange { ends_all: known.is_none(), ..TreeChange::default() };
    let mut add = |piece: &[u8]| {
        let key = ChunkKey::random(entropy);
        change.added.push(TreeChunk { id: key.id(), sealed: key.seal(channel, piece, entropy)? });
        Ok::<_, E2eeError>(key)
    };
    let mut keys = Vec::with_capacity(cut.pieces.len());
    for (slot, piece) in cut.pieces {
        let key = match piece {
            None => None,
            Some(piece) => match known.as_ref().and_then(|known| known.same(slot, &piece)) {
                Some(key) => Some(key.clone()),
                None => Some(add(&piece)?),
            },
        };
        keys.push((slot, key));
    }
    let mut records = Vec::new();
    for (index, hashes) in (0u32..).zip(named_identities(ratchet_tree)?) {
        let key = match known.as_ref().and_then(|known| known.same_records(records.len(), &hashes)) {
            Some(key) => Some(key.clone()),
            None => match record_piece(index, &hashes, &record)? {
                Some(piece) => Some(add(&piece)?),
                None => None,
            },
        };
        records.push(key);
    }
    let list = ChunkList { nodes: cut.nodes, keys, records };
    if let Some(known) = known {
        let stay: BTreeSet<ChunkId> = list.all().into_iter().collect();
        change.ended = known.ids.into_iter().filter(|id| !stay.contains(id)).collect();
    }
    Ok(SealedTree { list: Some(list), change })
}

/// The records of one piece; `None` if there are none, or one of them is unknown.
fn record_piece<E>(
    index: u32,
    hashes: &[Digest],
    record: &impl Fn(&Digest) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<Vec<u8>>, E> {
    let mut parts = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let Some(part) = record(hash)? else { return Ok(None) };
        parts.push(part);
    }
    let piece = Writer::new().u8(RECORDS).u32(index).list(&parts, |writer, part| writer.bytes(part)).finish();
    Ok((!parts.is_empty()).then_some(piece))
}

/// What stands at the server.
struct Known {
    pieces: BTreeMap<Slot, (ChunkKey, Vec<u8>)>,
    records: Vec<(Option<ChunkKey>, Vec<Digest>)>,
    ids: Vec<ChunkId>,
}

impl Known {
    /// `None` if the list is not that of the tree.
    fn new(list: &ChunkList, tree: &[u8]) -> Result<Option<Self>, E2eeError> {
        let cut = CutTree::cut(tree)?;
        if list.nodes != cut.nodes {
            return Ok(None);
        }
        let mut pieces = BTreeMap::new();
        for ((slot, key), (_, piece)) in list.keys.iter().zip(cut.pieces) {
            match (key, piece) {
                (Some(key), Some(piece)) => drop(pieces.insert(*slot, (key.clone(), piece))),
                (None, None) => {}
                _ => return Ok(None),
            }
        }
        let records = list.records.iter().cloned().zip(named_identities(tree)?).collect();
        Ok(Some(Self { pieces, records, ids: list.all() }))
    }

    fn same(&self, slot: Slot, piece: &[u8]) -> Option<&ChunkKey> {
        self.pieces.get(&slot).filter(|(_, known)| known == piece).map(|(key, _)| key)
    }

    fn same_records(&self, index: usize, hashes: &[Digest]) -> Option<&ChunkKey> {
        self.records.get(index).filter(|(_, known)| known == hashes).and_then(|(key, _)| key.as_ref())
    }
}

#[cfg(test)]
mod tests;
