//! Groups: what a member receives and stores.

use std::{cell::Cell, cell::OnceCell, collections::BTreeSet, sync::OnceLock};

use quicprochat_e2ee::{
    channel::{ChannelKeys, GroupInfoBody},
    fuzzing::reads_commit,
    mls::{
        Aad, Change, ConversationKind, EntryRecords, Group, GroupSummary, MemoryMlsStore, MlsStore, Profile, Provider,
        Received, StoreFault, Suite, has_key_package, inspect_group_info, inspect_key_package, new_key_package,
        welcome_for,
    },
    vault::{StateKey, seal_handover},
};
use quicprochat_wire::{DeviceId, call::channel::EntryKind};

use crate::{
    cast::entropy,
    choice,
    testing::entropy::SeededEntropy,
    world::{Account, AnyRecord, CHANNEL, Device, Log, group_of},
};

const SUITES: [Suite; 2] = [Suite::Classical, Suite::Hybrid];

/// An entry that bob is about to receive, and his store before it.
struct Scene {
    store: MemoryMlsStore,
    kind: EntryKind,
    aad: Aad,
    message: Vec<u8>,
    records: Vec<Vec<u8>>,
    keys: ChannelKeys,
}

impl Scene {
    fn take(log: &Log, bob: &mut Device) -> Self {
        let (store, keys) = (bob.store.clone(), bob.in_force.clone());
        bob.catch_up(log);
        let entry = log.entries.last().expect("an entry");
        Self {
            store,
            kind: entry.kind,
            aad: entry.aad,
            message: entry.message.clone(),
            records: entry.records.clone(),
            keys,
        }
    }
}

/// A group of alice, bob and carol in which alice writes a message and adds dave, who joins by the Welcome; then carol, who lost
/// everything, enters by external commit.
struct Play {
    scenes: [Scene; 3],
    group_info: GroupInfoBody,
    summary: GroupSummary,
    dave_store: MemoryMlsStore,
    dave_package: Vec<u8>,
    welcome: Vec<u8>,
    tree: Vec<u8>,
    roster: Vec<quicprochat_e2ee::mls::Member>,
}

impl Play {
    fn new(suite: Suite) -> Self {
        let accounts = ["alice", "bob", "carol", "dave"].map(|name| Account::new(name, 1));
        let mut devices: Vec<Device> = accounts[..3].iter().map(|account| account.device(0)).collect();
        let members: Vec<&Account> = accounts[..3].iter().collect();
        let mut log = group_of(suite, &members, &mut devices);
        let [alice, bob, _] = &mut devices[..] else { panic!("three devices") };
        let mut dave = accounts[3].device(0);
        alice.message(&mut log, "hello");
        let message = Scene::take(&log, bob);
        alice.catch_up(&log);
        let dave_package = dave.key_package(suite);
        let (aad, pending) = alice.commit(&log, &Change { add: vec![dave_package.clone()], ..Change::default() });
        log.append_commit(aad, &pending, vec![accounts[3].record()]);
        let commit = Scene::take(&log, bob);
        let roster = bob.with_group(|group, _, _| group.members()).expect("members");
        let group_info = GroupInfoBody { group_info: pending.group_info, ratchet_tree: pending.ratchet_tree.clone() };
        let mut carol = accounts[2].device(0);
        carol.entropy = SeededEntropy::new(4711);
        let summary = carol.with(|provider, _| inspect_group_info(provider, CHANNEL, &group_info)).expect("genuine");
        let keys = bob.in_force.clone();
        let (aad, entering) = carol.rejoin(&log, &group_info, &keys).expect("enters");
        log.append_commit(aad, &entering, vec![accounts[2].record()]);
        let external = Scene::take(&log, bob);
        let welcome = welcome_for(pending.welcome.as_ref().expect("a Welcome"), &[&dave_package]).expect("for dave");
        Self {
            scenes: [message, commit, external],
            group_info,
            summary,
            dave_store: dave.store.clone(),
            dave_package,
            welcome,
            tree: pending.ratchet_tree.clone(),
            roster,
        }
    }

    fn scene(&self, how: u8) -> &Scene {
        let number = if how & 8 == 0 { how >> 1 & 1 } else { 2 };
        &self.scenes[usize::from(number)]
    }

    fn with<T>(suite: usize, work: impl FnOnce(&Self) -> T) -> T {
        thread_local! {
            static PLAYS: [OnceCell<Play>; 2] = const { [const { OnceCell::new() }; 2] };
        }
        PLAYS.with(|plays| {
            let suite = suite % 2;
            work(plays[suite].get_or_init(|| Self::new(SUITES[suite])))
        })
    }
}

fn receive(
    store: &dyn MlsStore,
    kind: EntryKind,
    message: &[u8],
    aad: &Aad,
    records: &[Vec<u8>],
    keys: &ChannelKeys,
) -> Result<Received, quicprochat_e2ee::E2eeError> {
    let mut entropy = entropy();
    let provider = Provider::new(store, &mut entropy);
    let mut group = Group::load(&provider, CHANNEL)?.ok_or(StoreFault::Damaged)?;
    group.receive(&provider, kind, message, aad, &EntryRecords::check(records), keys)
}

/// Bit 0: the suite; bit 2: the bytes are the MLS message, or the record that comes with it; bits 1 and 3: in place of a message,
/// a commit, or an external commit. Only what was written is taken, and what is skipped leaves no trace: it is taken after it.
pub fn message(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    Play::with(usize::from(how & 1), |play| {
        let scene = play.scene(*how);
        let store = scene.store.clone();
        let fuzzed = [bytes.to_vec()];
        let (message, records) =
            if how & 4 == 0 { (bytes, &scene.records[..]) } else { (&scene.message[..], &fuzzed[..]) };
        // Only the leaf that is added has no record in the group yet.
        let brings_leaf = core::ptr::eq(scene, &raw const play.scenes[1]);
        let is_genuine = message == scene.message && (!brings_leaf || records == scene.records);
        match receive(&store, scene.kind, message, &scene.aad, records, &scene.keys) {
            Ok(Received::Skipped(_)) => {
                assert!(!is_genuine);
                let received = receive(&store, scene.kind, &scene.message, &scene.aad, &scene.records, &scene.keys);
                assert!(matches!(received, Ok(Received::Message { .. } | Received::Commit(_))), "{received:?}");
            }
            Ok(_) => assert!(is_genuine, "nobody wrote it"),
            Err(_) => assert!(!is_genuine),
        }
    });
}

pub(crate) fn message_seeds() -> Vec<Vec<u8>> {
    let of = |how: u8| {
        Play::with(usize::from(how & 1), |play| {
            let scene = play.scene(how);
            choice(how, if how & 4 == 0 { &scene.message } else { &scene.records[0] })
        })
    };
    [0, 1, 2, 3, 6, 8, 9].into_iter().map(of).collect()
}

/// By the first byte, after its bit 0 for the suite: the bytes are the Welcome, the ratchet tree, or a Welcome to cut down.
/// Whoever joins is in the group that alice made.
pub fn welcome(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    Play::with(usize::from(how & 1), |play| {
        let (welcome, tree) = match (how >> 1) % 3 {
            0 => (bytes, &play.tree[..]),
            1 => (&play.welcome[..], bytes),
            _ => {
                if let Ok(cut) = welcome_for(bytes, &[&play.dave_package]) {
                    assert!(cut.len() <= bytes.len());
                    assert_eq!(welcome_for(&cut, &[&play.dave_package]), Ok(cut.clone()));
                }
                return;
            }
        };
        let (store, mut entropy) = (play.dave_store.clone(), entropy());
        let provider = Provider::new(&store, &mut entropy);
        match Group::join(&provider, CHANNEL, welcome, tree, &AnyRecord) {
            Ok(group) => assert_eq!(group.members().as_ref(), Ok(&play.roster)),
            Err(_) => assert!(welcome != play.welcome || tree != play.tree),
        }
    });
}

pub(crate) fn welcome_seeds() -> Vec<Vec<u8>> {
    let of = |suite: u8| {
        Play::with(usize::from(suite), |play| {
            [choice(suite, &play.welcome), choice(suite | 2, &play.tree), choice(suite | 4, &play.welcome)]
        })
    };
    of(0).into_iter().chain(of(1)).collect()
}

/// Bit 0: the suite; bit 1: the bytes are the GroupInfo, or the ratchet tree beside it. What passes shows the genuine group.
pub fn group_info(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    Play::with(usize::from(how & 1), |play| {
        let mut info = play.group_info.clone();
        let fuzzed = if how & 2 == 0 { &mut info.group_info } else { &mut info.ratchet_tree };
        *fuzzed = bytes.to_vec();
        let (store, mut entropy) = (MemoryMlsStore::new(), entropy());
        match inspect_group_info(&Provider::new(&store, &mut entropy), CHANNEL, &info) {
            Ok(summary) => assert_eq!(summary, play.summary),
            Err(_) => assert!(info != play.group_info),
        }
    });
}

/// The ratchet tree of a small group.
pub(crate) fn genuine_tree() -> Vec<u8> {
    Play::with(1, |play| play.tree.clone())
}

pub(crate) fn group_info_seeds() -> Vec<Vec<u8>> {
    let of = |suite: u8| {
        Play::with(usize::from(suite), |play| {
            [choice(suite, &play.group_info.group_info), choice(suite | 2, &play.group_info.ratchet_tree)]
        })
    };
    of(0).into_iter().chain(of(1)).collect()
}

/// What passes is of a device that its account certified. What comes of a handover to it does not matter, if it is refused
/// or not.
pub fn key_package(bytes: &[u8]) {
    let (store, mut randomness) = (MemoryMlsStore::new(), entropy());
    let provider = Provider::new(&store, &mut randomness);
    let (account, device) = (dave().identity.account(), dave().own(0).device);
    if let Ok((suite, credential)) = inspect_key_package(&provider, bytes) {
        assert_eq!((credential.account, credential.device), (account, device));
        assert_eq!(&key_packages()[usize::from(suite == Suite::Hybrid)], bytes);
    }
    assert_eq!(has_key_package(&provider, bytes), Ok(false));
    let _ = seal_handover(&account, &device, bytes, &StateKey::from_bytes(&[1; 32]), &mut entropy());
}

fn dave() -> &'static Account {
    static DAVE: OnceLock<Account> = OnceLock::new();
    DAVE.get_or_init(|| Account::new("dave", 1))
}

fn key_packages() -> &'static [Vec<u8>; 2] {
    static PACKAGES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        SUITES.map(|suite| {
            let store = MemoryMlsStore::new();
            let mut entropy = entropy();
            new_key_package(&Provider::new(&store, &mut entropy), &dave().own(0), suite).expect("made")
        })
    })
}

pub(crate) fn key_package_seeds() -> Vec<Vec<u8>> {
    key_packages().to_vec()
}

/// One encoding.
pub fn profile(bytes: &[u8]) {
    if let Ok(profile) = Profile::parse(bytes) {
        assert_eq!(profile.encode(), bytes);
    }
}

pub(crate) fn profile_seeds() -> Vec<Vec<u8>> {
    let removed = vec![DeviceId::new([1; 16]), DeviceId::new([2; 16])];
    let group = Profile { kind: ConversationKind::Group, policy: 1, title: "friends".to_owned(), removed };
    vec![group.encode(), Profile::direct().encode()]
}

/// Four bytes of sender data and a type, then the content of a commit: no panic.
pub fn commit(bytes: &[u8]) {
    let (sender_data, content) = bytes.split_at(bytes.len().min(12));
    let _ = reads_commit(sender_data, content);
}

pub(crate) fn commit_seeds() -> Vec<Vec<u8>> {
    let vector = |content: &[u8]| match u8::try_from(content.len()) {
        Ok(len @ 0..64) => [&[len][..], content].concat(),
        _ => [&(u16::try_from(content.len()).expect("short") | 0x4000).to_be_bytes()[..], content].concat(),
    };
    let add = |package: &[u8]| [&[1, 0, 1][..], package].concat();
    let remove = [1, 0, 3, 0, 0, 0, 2];
    // Leaf 1, generation 0 and a reuse guard; then proposals, whether there is a path, a signature and a tag.
    let sender = [0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    let tail = [&[0][..], &vector(&[7; 64]), &vector(&[8; 32])].concat();
    let context = Profile::group("friends").encode();
    let extensions =
        [&[0xf1, 0xc1][..], &vector(&context), &[0, 3], &vector(&[2, 0xf1, 0xc1, 0, 2, 0xf1, 0xc0])].concat();
    let proposals = [
        vector(&add(&key_packages()[0])),
        vector(&add(&key_packages()[1])),
        vector(&remove),
        vector(&[&[1, 0, 7][..], &vector(&extensions)].concat()),
    ];
    let seeds: Vec<_> = proposals.iter().map(|proposals| [&sender[..], proposals, &tail].concat()).collect();
    assert!(seeds.iter().all(|seed| reads_commit(&sender, &seed[12..])), "seeds are well-formed");
    seeds
}

/// Damages the value of one of its reads; it stays damaged until it is written again.
struct Spoilt<'a> {
    inner: &'a MemoryMlsStore,
    read: u8,
    reads: Cell<u8>,
    change: &'a dyn Fn(&[u8]) -> Vec<u8>,
}

impl MlsStore for Spoilt<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let Some(value) = self.inner.get(key)? else { return Ok(None) };
        let read = self.reads.replace(self.reads.get().saturating_add(1));
        if read == self.read {
            self.inner.put(key, &(self.change)(&value))?;
        }
        self.inner.get(key)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        self.inner.put(key, value)
    }

    fn delete(&self, key: &[u8]) -> Result<(), StoreFault> {
        self.inner.delete(key)
    }
}

/// Bit 0: before a message or a commit; bit 1: the bytes are a value, or changes of the genuine one. The next byte says which
/// read of the store finds it. The group loads and shows what it is, or says that it is damaged.
pub fn store(bytes: &[u8]) {
    let [how, read, bytes @ ..] = bytes else { return };
    Play::with(0, |play| {
        let inner = play.scenes[usize::from(how & 1)].store.clone();
        let change = |value: &[u8]| if how & 2 == 0 { bytes.to_vec() } else { edited(value, bytes) };
        let store = Spoilt { inner: &inner, read: *read, reads: Cell::new(0), change: &change };
        let mut entropy = entropy();
        let provider = Provider::new(&store, &mut entropy);
        if let Ok(Some(group)) = Group::load(&provider, CHANNEL) {
            assert!(!group.is_member() || group.own_leaf() < 64, "outside of the tree");
            let _ = (group.members(), group.profile(), group.channel_keys(&provider));
        }
    });
}

/// Each three bytes change one byte at an offset.
fn edited(value: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    for change in changes.as_chunks::<3>().0 {
        let [high, low, with] = *change;
        let offset = usize::from(u16::from_be_bytes([high, low]));
        if let Some(byte) = value.get_mut(offset) {
            *byte ^= with;
        }
    }
    value
}

pub(crate) fn store_seeds() -> Vec<Vec<u8>> {
    let seen = Cell::new(None);
    let mut seeds = Vec::new();
    let mut values = BTreeSet::new();
    Play::with(0, |play| {
        for how in [0, 1] {
            let scene = &play.scenes[usize::from(how)];
            for read in 0..60 {
                let change = |value: &[u8]| {
                    seen.set(Some(value.to_vec()));
                    value.to_vec()
                };
                let inner = scene.store.clone();
                let store = Spoilt { inner: &inner, read, reads: Cell::new(0), change: &change };
                let _ = receive(&store, scene.kind, &scene.message, &scene.aad, &scene.records, &scene.keys);
                let Some(value) = seen.take() else { break };
                if values.insert(value.clone()) {
                    seeds.push([&[how, read][..], &value].concat());
                }
            }
            seeds.push(vec![how | 2, 1, 0, 5, 1]);
        }
    });
    seeds
}
