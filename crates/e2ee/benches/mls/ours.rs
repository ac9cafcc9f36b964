//! The groups of this crate.

use quicprochat_e2ee::channel::ChannelKeys;
use quicprochat_e2ee::mls::{Aad, Change, Group, PendingCommit, Profile, Received, RecordBook, Suite, new_key_package};
use quicprochat_identity::LeafCredential;
use quicprochat_wire::{AccountId, DeviceKey, Digest, call::channel::EntryKind};

use crate::{
    device::{CHANNEL, Device},
    side::{Result, Side},
};

pub(crate) struct Ours {
    device: Device,
    group: Group,
    suite: Suite,
    /// The authenticated data of the entry last written, which stands outside of the message, too.
    last: Option<Aad>,
}

/// Records, which list the devices' certificates, are checked outside of the group, and are no part of what is compared.
struct EveryRecord;

/// No external commit is measured, so no rejoin key is in force.
fn no_keys() -> ChannelKeys {
    ChannelKeys::from_bytes(&[0; ChannelKeys::LEN])
}

impl RecordBook for EveryRecord {
    fn holds(&self, _: &AccountId, _: &Digest) -> bool {
        true
    }

    fn certifies(&self, _: &LeafCredential, _: &DeviceKey) -> bool {
        true
    }
}

impl Ours {
    fn change(&mut self, change: &Change) -> Result<PendingCommit> {
        let aad = self.device.aad();
        let group = &mut self.group;
        let pending = self.device.with(|provider, own| group.stage_commit(provider, own, change, &aad))?;
        let received = self.device.with(|provider, _| {
            group.receive(provider, EntryKind::Commit, &pending.message, &aad, &EveryRecord, &no_keys())
        })?;
        let Received::OwnPending(_) = received else { return Err("the own commit is not recognised".into()) };
        self.device.with(|provider, _| group.merge_pending(provider))?;
        self.last = Some(aad);
        Ok(pending)
    }
}

/// Writes a message with its authenticated data in front, as an entry carries it.
fn entry(aad: &Aad, message: &[u8]) -> Vec<u8> {
    [aad.id.as_bytes().as_slice(), message].concat()
}

/// Takes apart what [`entry`] wrote.
fn parse(device: &mut Device, entry: &[u8]) -> Result<(Aad, Vec<u8>)> {
    let (id, message) = entry.split_first_chunk::<16>().ok_or("an entry is too short")?;
    let after = device.aad().after;
    Ok((Aad { id: quicprochat_wire::MessageId::new(*id), after }, message.to_vec()))
}

impl Side for Ours {
    fn create(mut device: Device, suite: Suite) -> Result<Self> {
        let group =
            device.with(|provider, own| Group::create(provider, own, CHANNEL, suite, &Profile::group("friends")))?;
        Ok(Self { device, group, suite, last: None })
    }

    fn join(mut device: Device, welcome: &[u8], tree: &[u8]) -> Result<Self> {
        let group = device.with(|provider, _| Group::join(provider, CHANNEL, welcome, tree, &EveryRecord))?;
        let suite = group.suite()?;
        Ok(Self { device, group, suite, last: None })
    }

    fn key_package(&mut self) -> Result<Vec<u8>> {
        let suite = self.suite;
        Ok(self.device.with(|provider, own| new_key_package(provider, own, suite))?)
    }

    fn add(&mut self, packages: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<u8>)> {
        let pending = self.change(&Change { add: packages.to_vec(), ..Change::default() })?;
        Ok((pending.welcome.ok_or("no Welcome")?, pending.ratchet_tree))
    }

    fn commit(&mut self) -> Result<Vec<u8>> {
        let pending = self.change(&Change::default())?;
        Ok(entry(&self.last.ok_or("nothing was written")?, &pending.message))
    }

    fn process(&mut self, commit: &[u8]) -> Result<()> {
        let (aad, message) = parse(&mut self.device, commit)?;
        let group = &mut self.group;
        let received = self
            .device
            .with(|provider, _| group.receive(provider, EntryKind::Commit, &message, &aad, &EveryRecord, &no_keys()))?;
        let Received::Commit(staged) = received else { return Err("a commit is not taken".into()) };
        Ok(self.device.with(|provider, _| group.merge_staged(provider, *staged))?)
    }

    fn encrypt(&mut self, content: &[u8]) -> Result<Vec<u8>> {
        let aad = self.device.aad();
        let group = &mut self.group;
        let message = self.device.with(|provider, own| group.encrypt(provider, own, &aad, content))?;
        Ok(entry(&aad, &message))
    }

    fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        let (aad, message) = parse(&mut self.device, message)?;
        let group = &mut self.group;
        let received = self.device.with(|provider, _| {
            group.receive(provider, EntryKind::Message, &message, &aad, &EveryRecord, &no_keys())
        })?;
        let Received::Message { content, .. } = received else { return Err("a message is not taken".into()) };
        Ok(content)
    }

    fn load(&mut self) -> Result<()> {
        self.group = self.device.with(|provider, _| Group::load(provider, CHANNEL))?.ok_or("no group")?;
        Ok(())
    }
}
