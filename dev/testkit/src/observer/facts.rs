//! Which values name accounts and which name channels: known to whoever runs the world, not to the server.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::store::{StoreFault, StoreTx};
use quicprochat_e2ee::channel::ChannelKeys;
use quicprochat_identity::DeviceSecretKey;
use quicprochat_wire::Timestamp;

use crate::world::{DeviceIx, World};

/// Bytes by which a longer value is recognised inside something larger.
const PREFIX: usize = 16;
/// Hex digits that an id is printed with for people.
const SHORT: usize = 8;

/// What a value names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// An account, or something that belongs to one.
    Account,
    /// A channel, or something in one.
    Channel,
}

/// What the observer compares with.
#[derive(Clone, Debug)]
pub struct Facts {
    values: BTreeMap<[u8; PREFIX], Side>,
    hex: BTreeMap<String, Side>,
    names: BTreeSet<String>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Facts {
    /// Nothing named yet; everything happened between these two moments.
    #[must_use]
    pub fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { values: BTreeMap::new(), hex: BTreeMap::new(), names: BTreeSet::new(), from, until }
    }

    /// Takes in what every device knows now. Access keys roll, so a world is to be asked more than once.
    pub fn observe(&mut self, world: &World) {
        self.until = world.now();
        for device in (0..world.devices().len()).map(DeviceIx) {
            world.read(device, |tx| self.take(tx)).expect("in memory");
        }
    }

    fn take(&mut self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        let Some(own) = tx.account().own_account()? else { return Ok(()) };
        self.add_name(&own.name);
        self.add(Side::Account, own.account.as_bytes());
        self.add(Side::Account, own.device.as_bytes());
        self.add(Side::Account, DeviceSecretKey::from_bytes(own.device_key.expose()).public().as_bytes());
        for contact in tx.contacts().all_contacts()? {
            self.add(Side::Account, contact.account.as_bytes());
        }
        for conversation in tx.conversations().all_conversations()? {
            self.add(Side::Channel, conversation.channel.as_bytes());
            let keys = ChannelKeys::from_bytes(conversation.keys.expose());
            self.add(Side::Channel, keys.access_public().as_bytes());
        }
        for entry in tx.messages().arrivals(0, usize::MAX)? {
            self.add(Side::Channel, entry.id.as_bytes());
        }
        Ok(())
    }

    /// A value of at least 16 bytes names this.
    pub fn add(&mut self, side: Side, value: &[u8]) {
        let Some(prefix) = value.first_chunk::<PREFIX>().filter(|prefix| **prefix != [0; PREFIX]) else { return };
        self.values.insert(*prefix, side);
        let hex: String = prefix.iter().take(SHORT / 2).map(|byte| format!("{byte:02x}")).collect();
        self.hex.insert(hex, side);
    }

    /// Somebody is called this.
    pub fn add_name(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    /// What bytes name, anywhere in them, plainly or as hex.
    pub(super) fn in_bytes(&self, bytes: &[u8]) -> BTreeSet<Side> {
        let mut found: BTreeSet<Side> =
            bytes.windows(PREFIX).filter_map(|window| self.values.get(window)).copied().collect();
        found.extend(self.in_hex(bytes, PREFIX * 2));
        found
    }

    /// What text names: ids in full or as they are printed for people, and names as whole words.
    pub(super) fn in_text(&self, text: &str) -> BTreeSet<Side> {
        let mut found = self.in_bytes(text.as_bytes());
        found.extend(self.in_hex(text.as_bytes(), SHORT));
        let word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        if text.split(|letter| !word(letter)).any(|part| self.names.contains(part)) {
            found.insert(Side::Account);
        }
        found
    }

    /// Hex digits, at least `least` in a row, that begin as a value does.
    fn in_hex(&self, text: &[u8], least: usize) -> BTreeSet<Side> {
        let mut found = BTreeSet::new();
        for run in text.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= least) {
            let run = String::from_utf8_lossy(run).to_ascii_lowercase();
            let starts = 0..=run.len() - least;
            found.extend(starts.filter_map(|at| self.hex.get(run.get(at..at + SHORT)?)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_plainly_in_hex_and_by_name() {
        let mut facts = Facts::new(Timestamp(0), Timestamp(1));
        let account: Vec<u8> = (1..=32).collect();
        facts.add(Side::Account, &account);
        facts.add(Side::Channel, &[9; 32]);
        facts.add_name("alice");
        let only = |side| BTreeSet::from([side]);
        assert_eq!(facts.in_bytes(&[&[0; 5], account.as_slice()].concat()), only(Side::Account));
        assert_eq!(facts.in_text("key=0102030405060708090a0b0c0d0e0f101112"), only(Side::Account));
        assert_eq!(facts.in_text("chan:09090909 took it"), only(Side::Channel));
        assert_eq!(facts.in_text("hello alice, hello"), only(Side::Account));
        assert!(facts.in_text("malice and alices").is_empty());
        assert!(facts.in_bytes(b"0102030405").is_empty(), "too short to be more than chance");
    }
}
