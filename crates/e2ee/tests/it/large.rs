//! A group of 1,000 accounts, and one of 300 with the hybrid suite: what a commit stores of its tree, and who enters by it.

use std::collections::BTreeMap;

use quicprochat_e2ee::{
    E2eeError,
    channel::{
        ChunkList, GroupInfoBody, GroupInfoHead, OpenedGroupInfo, open_group_info, seal_chunked_group_info,
        seal_keyring, seal_tree,
    },
    mls::{Change, EntryRecords, PendingCommit, Received, RecordBook as _, Suite, inspect_group_info, welcome_for},
};
use quicprochat_identity::InboxPublicKey;
use quicprochat_wire::{ChunkId, Digest, limits::MAX_KEYRING_BYTES};

use crate::{
    testing::entropy::SeededEntropy,
    world::{Account, CHANNEL, Device, Log},
};

/// How many one commit adds.
const BATCH: usize = 111;

/// The newest GroupInfo and the chunks in use.
struct Server {
    chunks: BTreeMap<ChunkId, Vec<u8>>,
    info: Vec<u8>,
    head: GroupInfoHead,
    /// What the writer of the last commit knows of it.
    list: Option<(ChunkList, Vec<u8>)>,
    records: BTreeMap<Digest, Vec<u8>>,
    entropy: SeededEntropy,
}

impl Server {
    /// Stores what goes along with a commit; says how many chunks and bytes that is.
    fn store(&mut self, log: &Log, device: &Device, pending: &PendingCommit) -> (usize, usize) {
        let before = self.list.as_ref().map(|(list, tree)| (list, tree.as_slice()));
        let record = |hash: &Digest| Ok::<_, E2eeError>(self.records.get(hash).cloned());
        let tree = seal_tree(&CHANNEL, &pending.ratchet_tree, before, record, &mut self.entropy).expect("seals");
        let list = tree.list.expect("chunks");
        let entry = log.entries.last().expect("a commit");
        self.head = GroupInfoHead { channel: CHANNEL, after_position: entry.aad.after.position, commit: entry.aad.id };
        let keys = &device.in_force;
        self.info =
            seal_chunked_group_info(keys, &self.head, &pending.group_info, &list, &mut self.entropy).expect("seals");
        if tree.change.ends_all {
            self.chunks.clear();
        }
        for id in &tree.change.ended {
            assert!(self.chunks.remove(id).is_some(), "ended, but not in use");
        }
        let bytes: usize = tree.change.added.iter().map(|chunk| chunk.sealed.len()).sum();
        let count = tree.change.added.len();
        self.chunks.extend(tree.change.added.into_iter().map(|chunk| (chunk.id, chunk.sealed)));
        self.list = Some((list, pending.ratchet_tree.clone()));
        (count, bytes + self.info.len())
    }

    /// What somebody with the channel's keys reads: GroupInfo, tree, records.
    fn fetch(&self, device: &Device) -> (GroupInfoBody, Vec<Vec<u8>>) {
        let opened = open_group_info(&device.in_force, &self.head, &self.info).expect("opens");
        let OpenedGroupInfo::Chunked { group_info, chunks } = opened else { panic!("a large tree is in chunks") };
        let ratchet_tree = chunks.open(&CHANNEL, &self.chunks).expect("all are there");
        let ids = chunks.record_ids(&ratchet_tree, |_| Ok::<_, E2eeError>(false)).expect("a tree");
        let open = |id: &ChunkId| chunks.open_records(&CHANNEL, id, &self.chunks[id]).expect("opens");
        let records = ids.iter().flat_map(open).collect();
        (GroupInfoBody { group_info, ratchet_tree }, records)
    }
}

#[test]
fn a_member_of_a_thousand_enters_anew_by_chunks_and_commits_store_only_what_they_changed() {
    live(Suite::Classical, 1_000);
}

/// The hybrid suite is what people use; its keys and ciphertexts are about twenty times as large.
#[test]
fn a_member_of_a_large_hybrid_group_enters_anew_by_chunks_and_commits_store_only_what_they_changed() {
    live(Suite::Hybrid, 300);
}

fn live(suite: Suite, size: usize) {
    let accounts: Vec<Account> = (0..size).map(|number| Account::new(&format!("member-{number}"), 1)).collect();
    let mut server = Server {
        chunks: BTreeMap::new(),
        info: Vec::new(),
        head: GroupInfoHead { channel: CHANNEL, after_position: 0, commit: quicprochat_wire::MessageId::new([0; 16]) },
        list: None,
        records: accounts.iter().map(|account| (account.identity.hash(), account.record())).collect(),
        entropy: SeededEntropy::new(1),
    };
    let (mut log, mut alice) = (Log::default(), accounts[0].device(0));
    alice.create(suite);
    let mut bob = None;
    for batch in accounts[1..].chunks(BATCH) {
        let mut devices: Vec<Device> = batch.iter().map(|account| account.device(0)).collect();
        let add: Vec<Vec<u8>> = devices.iter_mut().map(|device| device.key_package(suite)).collect();
        let (aad, pending) = alice.commit(&log, &Change { add: add.clone(), ..Change::default() });
        log.append_commit(aad, &pending, batch.iter().map(Account::record).collect());
        alice.catch_up(&log);
        server.store(&log, &alice, &pending);
        let (Some(mut last), Some(package)) = (devices.pop(), add.last()) else { panic!("somebody was added") };
        let welcome = welcome_for(pending.welcome.as_deref().expect("a Welcome"), &[package]).expect("for one");
        // Who joins last has the tree and every record from the chunks.
        last.in_force = alice.in_force.clone();
        let (info, records) = server.fetch(&last);
        assert_eq!(info.ratchet_tree, pending.ratchet_tree);
        assert_eq!(info.group_info, pending.group_info);
        if alice.with_group(|group, _, _| group.members().map(|members| members.len())) == Ok(size) {
            assert_eq!(EntryRecords::check(&records).identities().len(), size);
            last.join(&log, &welcome, &pending);
            bob = Some(last);
        }
    }
    let mut bob = bob.expect("he joined last");

    let (aad, pending) = bob.commit(&log, &Change::default());
    log.append_commit(aad, &pending, Vec::new());
    let (chunks, bytes) = server.store(&log, &bob, &pending);
    assert!(chunks <= 5 && bytes < 64 * 1024, "{chunks} chunks, {bytes} bytes for an update");
    bob.catch_up(&log);
    alice.catch_up(&log);

    // Bob loses everything but the channel's keys.
    let keys = alice.in_force.clone();
    let account = accounts.last().expect("bob's");
    let mut bob = account.device(0);
    bob.entropy = SeededEntropy::new(4711);
    bob.in_force = keys.clone();
    let (info, records) = server.fetch(&bob);
    let group = bob.with(|provider, _| inspect_group_info(provider, CHANNEL, &info)).expect("a group");
    let book = EntryRecords::check(&records);
    assert_eq!(group.members.len(), size);
    assert!(group.members.iter().all(|m| book.holds(&m.credential.account, &m.credential.identity_hash)));
    let (aad, pending) = bob.rejoin(&log, &info, &keys).expect("enters");
    assert!(pending.effect.joined_externally && pending.effect.rolls);
    log.append_commit(aad, &pending, Vec::new());
    bob.cursor = log.entries.len();
    let (chunks, bytes) = server.store(&log, &bob, &pending);
    assert!(chunks <= 5 && bytes < 64 * 1024, "{chunks} chunks, {bytes} bytes for entering anew");
    // What is left that grows with the group: an item for each account when the keys roll.
    let inboxes: Vec<&InboxPublicKey> = accounts.iter().map(|account| account.identity.inbox_key()).collect();
    let keyring = seal_keyring(&CHANNEL, &bob.in_force, 1, &inboxes, &mut server.entropy).expect("seals");
    assert!(keyring.len() <= MAX_KEYRING_BYTES, "{}", keyring.len());

    let received = alice.catch_up(&log);
    assert!(matches!(&received[..], [Received::OwnPending(effect)] if effect.joined_externally), "{received:?}");
    assert_eq!((alice.epoch(), &alice.in_force), (bob.epoch(), &bob.in_force));
    alice.message(&mut log, "all of us");
    assert!(matches!(&bob.catch_up(&log)[..], [Received::Message { content, .. }] if content == b"all of us"));
}
