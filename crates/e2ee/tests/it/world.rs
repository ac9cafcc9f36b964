//! Accounts, devices and a log in memory.

use quicprochat_e2ee::sealed::InboxSecretKey;
use quicprochat_e2ee::{
    E2eeError,
    channel::{ChannelKeys, GroupInfoBody},
    mls::{
        Aad, Change, CommitEffect, EntryRecords, Group, MemoryMlsStore, OwnDevice, PendingCommit, Profile, Provider,
        Received, RecordBook, Suite, new_key_package, welcome_for,
    },
};
use quicprochat_identity::{DeviceSecretKey, IdentitySecretKey, LeafCredential, VerifiedIdentity};
use quicprochat_wire::{
    AccountId, ChannelId, DeviceId, DeviceKey, Digest, MessageId, Timestamp,
    call::channel::{ChainPoint, EntryKind},
    chain,
};
use sha2::{Digest as _, Sha256};

use crate::testing::{draft::first_draft, entropy::SeededEntropy};

pub(crate) const CHANNEL: ChannelId = ChannelId::new([7; 32]);

/// Keys that no channel has.
pub(crate) fn no_keys() -> ChannelKeys {
    ChannelKeys::from_bytes(&[0; ChannelKeys::LEN])
}

/// Has every record and vouches for no certificate: for groups whose records a test does not hand over.
pub(crate) struct AnyRecord;

impl RecordBook for AnyRecord {
    fn holds(&self, _: &AccountId, _: &Digest) -> bool {
        true
    }

    fn certifies(&self, _: &LeafCredential, _: &DeviceKey) -> bool {
        false
    }
}

/// An account with its identity key and part.
pub(crate) struct Account {
    pub(crate) key: IdentitySecretKey,
    pub(crate) identity: VerifiedIdentity,
    pub(crate) inbox: InboxSecretKey,
    entropy: SeededEntropy,
    devices: Vec<(DeviceId, [u8; 32])>,
}

impl Account {
    /// `name` decides everything, so that a run can be replayed.
    pub(crate) fn new(name: &str, devices: u8) -> Self {
        let seed = u64::from_le_bytes(Sha256::digest(name)[..8].try_into().expect("eight bytes"));
        let mut entropy = SeededEntropy::new(seed);
        let key = IdentitySecretKey::generate(&mut entropy);
        let inbox = InboxSecretKey::generate(&mut entropy);
        let mut draft = first_draft(name, inbox.public());
        let mut secrets = Vec::new();
        for _ in 0..devices {
            let device = DeviceId::new(quicprochat_wire::entropy::random_array(&mut entropy));
            let secret = DeviceSecretKey::generate(&mut entropy);
            if draft.devices.len() < 8 {
                draft.add_device(&key, device, secret.public());
            }
            secrets.push((device, *secret.to_bytes()));
        }
        let identity = draft.sign(&key, &mut entropy).expect("a valid part");
        Self { key, identity, inbox, entropy, devices: secrets }
    }

    /// The account's next identity part.
    pub(crate) fn renew(&mut self) {
        let draft = self.identity.next_draft(Timestamp(1_700_000_100_000));
        self.identity = draft.sign(&self.key, &mut self.entropy).expect("a valid part");
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        self.identity.signed_bytes().to_vec()
    }

    /// What the `index`-th device has for its leaf.
    pub(crate) fn own(&self, index: usize) -> OwnDevice {
        let (device, seed) = self.devices[index];
        let secret = DeviceSecretKey::from_bytes(&seed);
        OwnDevice {
            account: self.identity.account(),
            device,
            certificate: quicprochat_identity::issue_device_certificate(&self.key, device, &secret.public()),
            secret,
            identity_hash: self.identity.hash(),
        }
    }

    pub(crate) fn device(&self, index: usize) -> Device {
        let own = self.own(index);
        let seed = u64::from_le_bytes(own.device.as_bytes()[..8].try_into().expect("eight bytes"));
        Device { own, store: MemoryMlsStore::new(), entropy: SeededEntropy::new(seed), cursor: 0, in_force: no_keys() }
    }
}

/// A device with its store. Groups are loaded anew for every step, so every test is one of the store as well.
pub(crate) struct Device {
    pub(crate) own: OwnDevice,
    pub(crate) store: MemoryMlsStore,
    pub(crate) entropy: SeededEntropy,
    pub(crate) cursor: usize,
    /// The channel's keys in force, as far as this device has read.
    pub(crate) in_force: ChannelKeys,
}

impl Device {
    pub(crate) fn with<T>(&mut self, work: impl FnOnce(&Provider<'_>, &OwnDevice) -> T) -> T {
        work(&Provider::new(&self.store, &mut self.entropy), &self.own)
    }

    pub(crate) fn with_group<T>(&mut self, work: impl FnOnce(&mut Group, &Provider<'_>, &OwnDevice) -> T) -> T {
        self.with(|provider, own| {
            let mut group = Group::load(provider, CHANNEL).expect("a readable store").expect("a group");
            work(&mut group, provider, own)
        })
    }

    pub(crate) fn key_package(&mut self, suite: Suite) -> Vec<u8> {
        self.with(|provider, own| new_key_package(provider, own, suite).expect("a KeyPackage"))
    }

    pub(crate) fn create(&mut self, suite: Suite) {
        self.with(|provider, own| {
            Group::create(provider, own, CHANNEL, suite, &Profile::group("friends")).expect("a group");
        });
        self.in_force = self.keys();
    }

    pub(crate) fn commit(&mut self, log: &Log, change: &Change) -> (Aad, PendingCommit) {
        let aad = log.next_aad(&mut self.entropy);
        let pending = self
            .with_group(|group, provider, own| group.stage_commit(provider, own, change, &aad))
            .unwrap_or_else(|error| panic!("{error}"));
        (aad, pending)
    }

    pub(crate) fn message(&mut self, log: &mut Log, text: &str) {
        let aad = log.next_aad(&mut self.entropy);
        let message = self
            .with_group(|group, provider, own| group.encrypt(provider, own, &aad, text.as_bytes()))
            .expect("encrypts");
        log.append(EntryKind::Message, aad, message, Vec::new());
    }

    /// Takes the next entry and merges whatever it is.
    pub(crate) fn step(&mut self, log: &Log) -> Received {
        let entry = &log.entries[self.cursor];
        self.cursor += 1;
        let records = EntryRecords::check(&entry.records);
        let keys = self.in_force.clone();
        let received = self
            .with_group(|group, provider, _| {
                group.receive(provider, entry.kind, &entry.message, &entry.aad, &records, &keys)
            })
            .unwrap_or_else(|error| panic!("{error}"));
        if let Received::Commit(staged) = &received {
            self.roll(&staged.effect);
        } else if let Received::OwnPending(effect) = &received {
            self.roll(effect);
        }
        match received {
            Received::Commit(staged) => {
                let effect = staged.effect.clone();
                self.with_group(|group, provider, _| group.merge_staged(provider, *staged)).expect("merges");
                Received::OwnPending(Box::new(effect))
            }
            Received::OwnPending(effect) => {
                self.with_group(|group, provider, _| group.merge_pending(provider)).expect("merges");
                Received::OwnPending(effect)
            }
            other @ (Received::Message { .. } | Received::OwnMessage | Received::Skipped(_)) => other,
        }
    }

    fn roll(&mut self, effect: &CommitEffect) {
        if let (true, Some(keys)) = (effect.rolls, &effect.keys) {
            self.in_force = keys.clone();
        }
    }

    /// Enters by external commit with the GroupInfo of the last commit; the cursor stays before it.
    pub(crate) fn rejoin(
        &mut self,
        log: &Log,
        info: &GroupInfoBody,
        keys: &ChannelKeys,
    ) -> Result<(Aad, PendingCommit), E2eeError> {
        let aad = log.next_aad(&mut self.entropy);
        let (_, pending) = self.with(|provider, own| Group::rejoin(provider, own, CHANNEL, keys, info, &aad))?;
        self.in_force = keys.clone();
        self.roll(&pending.effect);
        Ok((aad, pending))
    }

    /// GroupInfo and tree of the epoch in force, as a committer stores them.
    pub(crate) fn group_info(&mut self) -> GroupInfoBody {
        let (group_info, ratchet_tree) =
            self.with_group(|group, provider, own| group.group_info(provider, own)).expect("exports");
        GroupInfoBody { group_info, ratchet_tree }
    }

    pub(crate) fn catch_up(&mut self, log: &Log) -> Vec<Received> {
        (self.cursor..log.entries.len()).map(|_| self.step(log)).collect()
    }

    pub(crate) fn join(&mut self, log: &Log, welcome: &[u8], pending: &PendingCommit) {
        self.cursor = log.entries.len();
        self.with(|provider, _| Group::join(provider, CHANNEL, welcome, &pending.ratchet_tree, &AnyRecord).map(drop))
            .unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) fn epoch(&mut self) -> u64 {
        self.with_group(|group, _, _| group.epoch())
    }

    pub(crate) fn keys(&mut self) -> ChannelKeys {
        self.with_group(|group, provider, _| group.channel_keys(provider)).expect("exports")
    }
}

pub(crate) struct Entry {
    pub(crate) kind: EntryKind,
    pub(crate) aad: Aad,
    pub(crate) message: Vec<u8>,
    pub(crate) records: Vec<Vec<u8>>,
}

/// The server's log, in the clear.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    last: Option<ChainPoint>,
    commit: Option<ChainPoint>,
}

impl Log {
    fn genesis() -> ChainPoint {
        ChainPoint { position: 0, hash: chain::start(&CHANNEL) }
    }

    pub(crate) fn commit_point(&self) -> ChainPoint {
        self.commit.unwrap_or_else(Self::genesis)
    }

    pub(crate) fn next_aad(&self, entropy: &mut SeededEntropy) -> Aad {
        Aad { id: MessageId::new(quicprochat_wire::entropy::random_array(entropy)), after: self.commit_point() }
    }

    pub(crate) fn append(&mut self, kind: EntryKind, aad: Aad, message: Vec<u8>, records: Vec<Vec<u8>>) {
        let last = self.last.unwrap_or_else(Self::genesis);
        let position = last.position + 1;
        let hash = chain::link(&last.hash, position, &aad.id, kind, &aad.after, &message);
        let point = ChainPoint { position, hash };
        self.last = Some(point);
        if kind == EntryKind::Commit {
            self.commit = Some(point);
        }
        self.entries.push(Entry { kind, aad, message, records });
    }

    pub(crate) fn append_commit(&mut self, aad: Aad, pending: &PendingCommit, records: Vec<Vec<u8>>) {
        self.append(EntryKind::Commit, aad, pending.message.clone(), records);
    }
}

/// A group of the first device and the others, added at once; everybody is at the end of the log.
pub(crate) fn group_of(suite: Suite, accounts: &[&Account], devices: &mut [Device]) -> Log {
    let mut log = Log::default();
    let (first, others) = devices.split_first_mut().expect("a first device");
    first.create(suite);
    let packages: Vec<Vec<u8>> = others.iter_mut().map(|device| device.key_package(suite)).collect();
    if packages.is_empty() {
        return log;
    }
    let (aad, pending) = first.commit(&log, &Change { add: packages.clone(), ..Change::default() });
    log.append_commit(aad, &pending, accounts.iter().map(|account| account.record()).collect());
    first.catch_up(&log);
    let welcome = pending.welcome.clone().expect("a Welcome");
    let keys = first.in_force.clone();
    for (device, package) in others.iter_mut().zip(&packages) {
        let welcome = welcome_for(&welcome, &[package]).expect("a Welcome for one");
        device.join(&log, &welcome, &pending);
        device.in_force = keys.clone();
    }
    log
}
