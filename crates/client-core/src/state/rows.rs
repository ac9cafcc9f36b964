//! From the document into the rows that views and trust read.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_wire::{AccountId, ChannelId, DecodeError, Digest, Reader, Timestamp, Writer};

use super::{document::Document, key::Key};
use crate::{
    error::EngineError,
    store::{Contact, ConversationSettings, KnownContact, Relation, StoreFault, StoreTx},
    trust::{ContactPin, PinnedKey},
};

/// Longest name or host that is read.
const MAX_NAME_BYTES: usize = 256;

/// What came of writing down a difference.
pub(super) struct Applied {
    /// Whether there was any.
    pub(super) changed: bool,
    /// Contacts of this device for whose name another key is pinned now than theirs: account here, and name.
    pub(super) conflicts: Vec<(AccountId, String)>,
}

/// Writes down what differs between two documents.
pub(super) fn apply(tx: &dyn StoreTx, before: &Document, after: &Document) -> Result<Applied, EngineError> {
    let (old, new) = (before.entries(), after.entries());
    let changed = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key));
    let (mut channels, mut accounts, mut pinned) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for key in changed.filter_map(|key| Key::parse(key)) {
        match key {
            Key::Title(channel)
            | Key::MutedUntil(channel)
            | Key::Archived(channel)
            | Key::Pinned(channel)
            | Key::Order(channel)
            | Key::Draft(channel) => drop(channels.insert(channel)),
            Key::Contact(account) => {
                accounts.insert(account);
                pinned.insert(account);
            }
            Key::Relation(account) | Key::Verified(account) => drop(accounts.insert(account)),
        }
    }
    channels.extend(after.markers().filter(|(of, at)| before.marker(of) != **at).map(|(channel, _)| *channel));
    for channel in &channels {
        tx.state().put_conversation_settings(&settings(after, &new, *channel))?;
    }
    let mut conflicts = Vec::new();
    for account in &accounts {
        let known = known(&new, *account);
        tx.state().put_known_contact(&known)?;
        settle(tx, account)?;
        if let Some(contact) = tx.contacts().contact_by_name(&known.name, &known.host)?
            && pinned.contains(account)
            && differ(&contact, &known)
        {
            conflicts.push((contact.account, contact.name));
        }
    }
    Ok(Applied { changed: !channels.is_empty() || !accounts.is_empty(), conflicts })
}

/// Whether this device has pinned another key for the name than the account's devices know. Its own stays in force.
fn differ(contact: &Contact, known: &KnownContact) -> bool {
    pin_of(contact).zip(known.key).is_some_and(|(pin, hash)| pin.key() != PinnedKey { account: known.account, hash })
}

/// Names for which this device has pinned another key than one of the account's other devices.
pub(crate) fn pinned_otherwise(tx: &dyn StoreTx) -> Result<Vec<String>, StoreFault> {
    let mut names = Vec::new();
    for contact in tx.contacts().all_contacts()? {
        let known = tx.state().known_contacts_by_name(&contact.name, &contact.host)?;
        if known.iter().any(|known| differ(&contact, known)) {
            names.push(contact.name);
        }
    }
    Ok(names)
}

fn settings(document: &Document, entries: &BTreeMap<String, Vec<u8>>, channel: ChannelId) -> ConversationSettings {
    let bytes = |key: Key| entries.get(&key.text()).map(Vec::as_slice);
    let text = |key| bytes(key).and_then(|bytes| core::str::from_utf8(bytes).ok()).map(str::to_owned);
    let muted = bytes(Key::MutedUntil(channel)).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let order = bytes(Key::Order(channel)).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    ConversationSettings {
        channel,
        title: text(Key::Title(channel)),
        muted_until: muted.map(|bytes| Timestamp(u64::from_le_bytes(bytes))),
        archived: bytes(Key::Archived(channel)).is_some(),
        pinned: bytes(Key::Pinned(channel)).is_some(),
        order: order.map(u32::from_le_bytes),
        draft: text(Key::Draft(channel)),
        read_to: document.marker(&channel),
    }
}

fn known(entries: &BTreeMap<String, Vec<u8>>, account: AccountId) -> KnownContact {
    let bytes = |key: Key| entries.get(&key.text()).map(Vec::as_slice);
    let pin = bytes(Key::Contact(account)).and_then(|bytes| parse_pin(bytes).ok());
    let key = pin.as_ref().map(|(.., key)| *key);
    let (name, host) = pin.map(|(name, host, _)| (name, host)).unwrap_or_default();
    KnownContact {
        account,
        name,
        host,
        key,
        relation: bytes(Key::Relation(account)).and_then(relation_of),
        verified: bytes(Key::Verified(account)).and_then(|bytes| bytes.try_into().ok()).map(Digest::new),
    }
}

/// The value under [`Key::Contact`].
pub(super) fn pin_bytes(name: &str, host: &str, key: &Digest) -> Vec<u8> {
    Writer::new().text(name).text(host).fixed(key).finish()
}

fn parse_pin(bytes: &[u8]) -> Result<(String, String, Digest), DecodeError> {
    let mut reader = Reader::new(bytes);
    let (name, host) = (reader.text(MAX_NAME_BYTES)?.to_owned(), reader.text(MAX_NAME_BYTES)?.to_owned());
    let key = Digest::new(reader.array()?);
    reader.finish()?;
    Ok((name, host, key))
}

/// The value under [`Key::Relation`]; nothing for somebody merely seen.
pub(super) const fn relation_byte(relation: &Relation) -> Option<u8> {
    match relation {
        Relation::Seen => None,
        Relation::Contact => Some(1),
        Relation::Blocked => Some(2),
    }
}

fn relation_of(bytes: &[u8]) -> Option<Relation> {
    match bytes {
        [1] => Some(Relation::Contact),
        [2] => Some(Relation::Blocked),
        _ => None,
    }
}

/// Brings a contact of this device in line with what the account's devices know.
///
/// A pinned key stays as it is. Whether it counts as verified is what the devices say of exactly this key.
pub(super) fn settle(tx: &dyn StoreTx, account: &AccountId) -> Result<(), EngineError> {
    let (Some(known), Some(contact)) = (tx.state().known_contact(account)?, tx.contacts().contact(account)?) else {
        return Ok(());
    };
    let mut settled = contact.clone();
    if let Some(relation) = known.relation {
        settled.relation = relation;
    }
    if let Some(mut pin) = pin_of(&contact) {
        pin.set_verified_elsewhere(known.verified);
        settled.verified = pin.is_verified();
        settled.pin = pin.to_bytes();
    }
    if settled != contact {
        tx.contacts().put_contact(&settled)?;
    }
    Ok(())
}

/// The pin of a contact whose name the directory vouched for.
pub(super) fn pin_of(contact: &Contact) -> Option<ContactPin> {
    if !contact.confirmed || contact.superseded {
        return None;
    }
    ContactPin::from_bytes(&contact.pin).ok()
}
