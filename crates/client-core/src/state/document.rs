//! The account's state as one mergeable document.
//!
//! ```text
//!   base      which past the document has; a re-based one begins anew with what there is (the larger base wins)
//!   markers   channel -> position read to: the larger one wins
//!   settings  key -> bytes: a Yjs map, in which the later of two writes wins, and of two at the same time one, the same for all
//! ```
//!
//! Everything else about it (which keys there are, rows, moments) is elsewhere: this part only keeps and merges.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::vault::MAX_STATE_BYTES;
use quicprochat_wire::{ChannelId, DecodeError, Entropy, Reader, Writer, entropy::random_array};
use yrs::{
    Any, ClientID, Doc, Map as _, MapRef, Options, Out, ReadTxn as _, StateVector, Transact as _, Update,
    updates::decoder::Decode as _,
};

use super::guard;

const VERSION: u8 = 1;
/// Most markers.
const MAX_MARKERS: usize = 16_384;
/// Most bytes of the own document: those of another device's and of this one's, with room for what a library adds.
const MAX_STORED_BYTES: usize = 4 * MAX_STATE_BYTES;
/// A document is re-based when it is above this many bytes, and above twice what it would then have.
const REBASE_BYTES: usize = 24 * 1024;

/// Why bytes are no state, or a state is none that can be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// More bytes than the vault has room for.
    #[error("the account's state has {found} bytes, above the limit of {limit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// Its size.
        found: usize,
    },
    /// The frame around the document does not decode.
    #[error("the account's state does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// The document is not of the protocol's schema.
    #[error("the account's state is not of the schema, at byte {at}")]
    NotOfSchema {
        /// Where in the update.
        at: usize,
    },
    /// The library does not take the document, or parts of it are missing.
    #[error("the account's state does not merge")]
    Inconsistent,
}

/// Which past a document has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
struct Base {
    /// How often it was re-based.
    number: u64,
    /// Who re-based it last, so to speak: random. Zero at first.
    id: [u8; 16],
}

/// The account's state, as one device has it.
pub struct Document {
    base: Base,
    markers: BTreeMap<ChannelId, u64>,
    doc: Doc,
    settings: MapRef,
    client: u64,
}

impl Document {
    /// An empty one. `client` is the writer's own name in it, from [`draw_client`].
    #[must_use]
    pub fn new(client: u64) -> Self {
        let (doc, settings) = empty(client);
        Self { base: Base::default(), markers: BTreeMap::new(), doc, settings, client }
    }

    /// Reads what [`Self::encode`] wrote on another device, to go on as `client`.
    ///
    /// Errors:   [`StateError`].
    pub fn decode(bytes: &[u8], client: u64) -> Result<Self, StateError> {
        Self::read(bytes, client, MAX_STATE_BYTES)
    }

    /// Reads what this device stored: merged from two, it may be larger than what the vault has room for.
    ///
    /// Errors:   [`StateError`].
    pub(super) fn stored(bytes: &[u8], client: u64) -> Result<Self, StateError> {
        Self::read(bytes, client, MAX_STORED_BYTES)
    }

    fn read(bytes: &[u8], client: u64, limit: usize) -> Result<Self, StateError> {
        if bytes.len() > limit {
            return Err(StateError::TooLarge { limit, found: bytes.len() });
        }
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel.into());
        }
        let base = Base { number: reader.u64()?, id: reader.array()? };
        let listed =
            reader.list::<_, DecodeError>(MAX_MARKERS, |item| Ok((ChannelId::new(item.array()?), item.u64()?)))?;
        let update = reader.bytes(limit)?;
        reader.finish()?;
        let mut document = Self { base, markers: listed.into_iter().collect(), ..Self::new(client) };
        document.apply(update)?;
        Ok(document)
    }

    /// The stored form, which is also what the vault's records hold.
    ///
    /// Shape:    `u8 1 || base number u64 || base id fixed(16) || list of (channel fixed(32), position u64) || update bytes`,
    ///           the update being the whole document in Yjs' format v1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let markers: Vec<_> = self.markers.iter().collect();
        let writer = Writer::new().u8(VERSION).u64(self.base.number).fixed(self.base.id);
        let writer = writer.list(&markers, |writer, (channel, position)| writer.fixed(channel).u64(**position));
        writer.bytes(self.update()).finish()
    }

    /// What stands under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        bytes_of(self.settings.get(&self.doc.transact(), key)?)
    }

    /// Every key with what stands under it.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<String, Vec<u8>> {
        let txn = self.doc.transact();
        let entries = self.settings.iter(&txn).filter_map(|(key, out)| Some((key.to_owned(), bytes_of(out)?)));
        entries.collect()
    }

    /// Puts something under a key, or removes it; whether that changed anything.
    pub fn set(&mut self, key: &str, value: Option<&[u8]>) -> bool {
        if self.get(key).as_deref() == value {
            return false;
        }
        let mut txn = self.doc.transact_mut();
        match value {
            Some(value) => drop(self.settings.insert(&mut txn, key, Any::from(value.to_vec()))),
            None => drop(self.settings.remove(&mut txn, key)),
        }
        true
    }

    /// How far a channel was read; 0 if nothing of it was.
    #[must_use]
    pub fn marker(&self, channel: &ChannelId) -> u64 {
        self.markers.get(channel).copied().unwrap_or_default()
    }

    /// Every marker there is.
    pub fn markers(&self) -> impl Iterator<Item = (&ChannelId, &u64)> {
        self.markers.iter()
    }

    /// Moves a marker on; whether it was behind. It never goes back.
    pub fn mark(&mut self, channel: ChannelId, position: u64) -> bool {
        let moved = self.marker(&channel) < position
            && (self.markers.len() < MAX_MARKERS || self.markers.contains_key(&channel));
        if moved {
            self.markers.insert(channel, position);
        }
        moved
    }

    /// Takes in what another device wrote. `unsent` are the keys that this device set and that are in nobody else's document:
    /// where the other one was re-based, they are set anew in it.
    ///
    /// Errors:   [`StateError::Inconsistent`]: this one is not to be used any further then.
    pub fn merge(&mut self, other: &Self, unsent: &BTreeSet<String>) -> Result<(), StateError> {
        for (channel, position) in &other.markers {
            self.mark(*channel, *position);
        }
        match self.base.cmp(&other.base) {
            core::cmp::Ordering::Equal => self.apply(&other.update()),
            core::cmp::Ordering::Less => self.adopt(other, unsent, self.client),
            core::cmp::Ordering::Greater => Ok(()),
        }
    }

    /// Goes on from another device's document as `client`, with the unsent keys set anew in it.
    ///
    /// Errors:   [`StateError::Inconsistent`]: nothing was changed then.
    pub fn adopt(&mut self, other: &Self, unsent: &BTreeSet<String>, client: u64) -> Result<(), StateError> {
        let own: Vec<_> = unsent.iter().map(|key| (key, self.get(key))).collect();
        let mut adopted = Self { base: other.base, markers: self.markers.clone(), ..Self::new(client) };
        adopted.apply(&other.update())?;
        for (channel, position) in &other.markers {
            adopted.mark(*channel, *position);
        }
        for (key, value) in own {
            adopted.set(key, value.as_deref());
        }
        *self = adopted;
        Ok(())
    }

    /// Begins anew with what there is, if most of the document is about what was there before; whether it did.
    pub fn rebase_if_worth_it(&mut self, entropy: &mut dyn Entropy) -> bool {
        let before = self.encode().len();
        if before <= REBASE_BYTES {
            return false;
        }
        let rebased = self.rebased(random_array(entropy));
        let is_worth_it = rebased.encode().len() * 2 < before;
        if is_worth_it {
            *self = rebased;
        }
        is_worth_it
    }

    /// The document without its past.
    fn rebased(&self, id: [u8; 16]) -> Self {
        let base = Base { number: self.base.number.saturating_add(1), id };
        let mut rebased = Self { base, markers: self.markers.clone(), ..Self::new(self.client) };
        for (key, value) in self.entries() {
            rebased.set(&key, Some(&value));
        }
        rebased
    }

    /// How many operations of a client are in it.
    #[must_use]
    pub fn clock_of(&self, client: u64) -> u32 {
        self.doc.transact().state_vector().get(&ClientID::new(client))
    }

    /// How many of its own are in it.
    #[must_use]
    pub fn own_clock(&self) -> u32 {
        self.clock_of(self.client)
    }

    /// Whether both have one past; their clocks say something about each other then.
    #[must_use]
    pub fn is_of_one_base(&self, other: &Self) -> bool {
        self.base == other.base
    }

    /// Whether the other one was re-based since: its past counts.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.base < other.base
    }

    /// Whether nothing was ever written into it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base == Base::default() && self.markers.is_empty() && self.doc.transact().state_vector().is_empty()
    }

    /// Whether both have the same past and the same of it.
    #[must_use]
    pub fn is_as_far_as(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.doc.transact().snapshot(), other.doc.transact().snapshot());
        self.base == other.base && self.markers == other.markers && mine == theirs
    }

    fn update(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn apply(&mut self, update: &[u8]) -> Result<(), StateError> {
        guard::check(update)?;
        let update = Update::decode_v1(update).map_err(|_| StateError::Inconsistent)?;
        let mut txn = self.doc.transact_mut();
        txn.apply_update(update).map_err(|_| StateError::Inconsistent)?;
        if txn.has_missing_updates() { Err(StateError::Inconsistent) } else { Ok(()) }
    }
}

impl core::fmt::Debug for Document {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Document").field("base", &self.base.number).finish_non_exhaustive()
    }
}

/// A writer's name in a document: 53 bits, so that no two devices draw the same.
pub fn draw_client(entropy: &mut dyn Entropy) -> u64 {
    (u64::from_le_bytes(random_array(entropy)) >> 11).max(1)
}

fn empty(client: u64) -> (Doc, MapRef) {
    // The id of the document and the library's own randomness are not used.
    let options = Options::with_guid_and_client_id("qpc".into(), ClientID::new(client));
    let doc = Doc::with_options(options);
    let settings = doc.get_or_insert_map(guard::ROOT);
    (doc, settings)
}

fn bytes_of(out: Out) -> Option<Vec<u8>> {
    if let Out::Any(Any::Buffer(bytes)) = out { Some(bytes.to_vec()) } else { None }
}

#[cfg(test)]
mod tests;
