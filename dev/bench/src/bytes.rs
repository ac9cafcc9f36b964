//! Sizes of what is sent, hybrid and classical; of commits also the time it takes to make them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use quicprochat_e2ee::{
    channel::{
        ChannelKeys, ChunkList, EntryBody, EntryHead, GroupInfoBody, GroupInfoHead, seal_chunked_group_info,
        seal_entry, seal_group_info, seal_keyring, seal_tree,
    },
    mls::{
        Aad, Change, EntryRecords, Group, MemoryMlsStore, PendingCommit, Profile, Provider, Received, Suite,
        welcome_for,
    },
    sealed::{InboxKind, InboxSender, Invitation, seal_inbox},
};
use quicprochat_wire::{
    ChainHash, ChannelId, Digest, MessageId, ServerLink,
    call::channel::{ChainPoint, EntryKind},
    entropy::random_array,
};

use crate::{people::Person, report::Report, system::SystemEntropy};

const CHANNEL: ChannelId = ChannelId::new([7; 32]);
/// Accounts in one commit (protocol.md section 7).
const ADDS_PER_COMMIT: usize = 32;
/// The content of a message.
const CONTENT: [u8; 200] = [b'x'; 200];

pub(crate) fn run(members: &[usize]) -> Result<Report> {
    let mut report = Report::default();
    for suite in [Suite::Hybrid, Suite::Classical] {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for &count in members {
            eprintln!("{}, {count} members ...", suite.name());
            for (index, (what, bytes)) in measure(suite, count)?.into_iter().enumerate() {
                if rows.len() == index {
                    rows.push(vec![what.to_owned()]);
                }
                let row = rows.get_mut(index).context("rows come in order")?;
                row.push(bytes.map_or("-".to_owned(), |bytes| bytes.to_string()));
            }
        }
        let columns =
            std::iter::once("bytes of".to_owned()).chain(members.iter().map(|count| format!("{count} members")));
        report.table(&format!("Sizes, {}", suite.name()), columns.collect(), rows);
    }
    report.note(
        "\"MLS\" is the MLS message alone; \"sealed\" is what is sent and stored: with identity parts where they belong, padded, encrypted under the channel key or to the inbox.",
    );
    report.note(
        "What a commit uploads: the entry, the GroupInfo with the chunks that it changed, and the keyring if it removes somebody. Time is of one run, from staging to the last sealed byte, its merge left out.",
    );
    report.note(
        "The tree is as after creation by one member, so a path is encrypted to every member: the largest case; except where one member in eight has committed since. One device an account. Messages have 200 bytes of content.",
    );
    Ok(report)
}

type Sizes = Vec<(&'static str, Option<usize>)>;

fn measure(suite: Suite, members: usize) -> Result<Sizes> {
    ensure!(members >= 2, "a conversation has at least two members");
    let mut people = (0..members).map(|number| Person::new(number, suite)).collect::<Result<Vec<_>>>()?;
    let mut creator = Creator::new(people.remove(0), suite)?;
    let (last, others) = people.split_last().context("at least two")?;
    for batch in others.chunks(ADDS_PER_COMMIT) {
        creator.add(batch)?;
    }

    let addition = creator.add(std::slice::from_ref(last))?;
    let welcome = addition.pending.welcome.as_deref().context("no Welcome")?;
    let welcome = welcome_for(welcome, &[&last.key_package])?;
    let invitation = creator.invitation(last, &welcome, others)?;
    let update = creator.commit(&Change::default(), &[])?;
    let message = creator.message()?;
    let removal = match others.first() {
        Some(removed) => Some(creator.remove(removed, &people)?),
        None => None,
    };

    let settled = if others.len() < SETTLED { None } else { Some(creator.settle(others)?) };

    let mut sizes = vec![
        ("KeyPackage, MLS", Some(last.key_package.len())),
        ("Welcome for one, MLS", Some(welcome.len())),
        ("invitation with Welcome, sealed", Some(invitation)),
    ];
    let names = [
        ["commit that adds one, MLS", "commit that adds one, sealed"],
        ["own update, MLS", "own update, sealed"],
        ["commit that removes one, MLS", "commit that removes one, sealed"],
        ["own update after one in eight has committed, MLS", "own update after one in eight has committed, sealed"],
    ];
    let keyring = removal.as_ref().and_then(|removal| removal.keyring);
    for (names, commit) in names.into_iter().zip([Some(addition), Some(update), removal, settled]) {
        let [mls, sealed] = names;
        let commit = commit.as_ref();
        sizes.push((mls, commit.map(|commit| commit.pending.message.len())));
        sizes.push((sealed, commit.map(|commit| commit.entry)));
        sizes.push(("its GroupInfo with the tree, were it whole", commit.map(|commit| commit.whole)));
        sizes.push(("its GroupInfo and the chunks that changed", commit.map(|commit| commit.group_info)));
        sizes.push(("all that is uploaded", commit.map(Commit::uploaded)));
        sizes.push(("time to make it, microseconds", commit.map(|commit| micros(commit.time))));
    }
    sizes.push(("keyring of the removal", keyring));
    sizes.push(("message, MLS", Some(message.0)));
    sizes.push(("message, sealed", Some(message.1)));
    Ok(sizes)
}

fn micros(time: Duration) -> usize {
    usize::try_from(time.as_micros()).unwrap_or(usize::MAX)
}

/// One in so many has committed in a tree that counts as settled.
const SETTLED: usize = 8;

/// The member that does everything.
struct Creator {
    person: Person,
    store: MemoryMlsStore,
    group: Group,
    keys: ChannelKeys,
    position: u64,
    /// Of every member.
    records: BTreeMap<Digest, Vec<u8>>,
    /// The chunks at the server, and the tree that they hold.
    tree: Option<(ChunkList, Vec<u8>)>,
}

/// A commit with what goes along.
struct Commit {
    pending: PendingCommit,
    entry: usize,
    group_info: usize,
    /// What the GroupInfo would be with the whole tree.
    whole: usize,
    keyring: Option<usize>,
    /// Making and sealing all of it.
    time: Duration,
}

impl Commit {
    fn uploaded(&self) -> usize {
        self.entry + self.group_info + self.keyring.unwrap_or(0)
    }
}

impl Creator {
    fn new(person: Person, suite: Suite) -> Result<Self> {
        let (store, own, mut entropy) = (MemoryMlsStore::new(), person.own()?, SystemEntropy);
        let provider = Provider::new(&store, &mut entropy);
        let group = Group::create(&provider, &own, CHANNEL, suite, &Profile::group("friends"))?;
        let keys = group.channel_keys(&provider)?;
        let records = BTreeMap::from([(person.identity.hash(), person.record())]);
        Ok(Self { person, store, group, keys, position: 0, records, tree: None })
    }

    fn aad(&self) -> Aad {
        let after = ChainPoint { position: self.position, hash: ChainHash::new([5; 32]) };
        Aad { id: MessageId::new(random_array(&mut SystemEntropy)), after }
    }

    fn add(&mut self, people: &[Person]) -> Result<Commit> {
        let packages = people.iter().map(|person| person.key_package.clone()).collect();
        let records: Vec<_> = people.iter().map(Person::record).collect();
        self.commit(&Change { add: packages, ..Change::default() }, &records)
    }

    /// Removes somebody; `people` are all others.
    fn remove(&mut self, removed: &Person, people: &[Person]) -> Result<Commit> {
        let gone = removed.identity.account();
        let member = self.group.members()?.into_iter().find(|member| member.credential.account == gone);
        let leaf = member.context("not a member")?.leaf;
        let mut commit = self.commit(&Change { remove: vec![leaf], ..Change::default() }, &[])?;
        let stay = people.iter().chain([&self.person]).filter(|person| person.identity.account() != gone);
        let inboxes: Vec<_> = stay.map(|person| person.identity.inbox_key()).collect();
        let epoch = self.group.epoch();
        let begin = Instant::now();
        commit.keyring = Some(seal_keyring(&CHANNEL, &self.keys, epoch, &inboxes, &mut SystemEntropy)?.len());
        commit.time += begin.elapsed();
        Ok(commit)
    }

    /// One in so many members enters anew, which fills the nodes above its leaf; then an update.
    fn settle(&mut self, others: &[Person]) -> Result<Commit> {
        // The first was removed.
        for person in others.iter().skip(SETTLED - 1).step_by(SETTLED) {
            self.let_in(person)?;
        }
        // What others wrote is not in the list of chunks that is kept here.
        self.tree = None;
        self.commit(&Change::default(), &[])?;
        self.commit(&Change::default(), &[])
    }

    fn let_in(&mut self, person: &Person) -> Result<()> {
        let (own, aad, mut entropy) = (self.person.own()?, self.aad(), SystemEntropy);
        let provider = Provider::new(&self.store, &mut entropy);
        let (group_info, ratchet_tree) = self.group.group_info(&provider, &own)?;
        let info = GroupInfoBody { group_info, ratchet_tree };
        let (store, mut entropy) = (MemoryMlsStore::new(), SystemEntropy);
        let theirs = Provider::new(&store, &mut entropy);
        let (_, pending) = Group::rejoin(&theirs, &person.own()?, CHANNEL, &self.keys, &info, &aad)?;
        let (kind, book) = (EntryKind::Commit, EntryRecords::check(&[]));
        let received = self.group.receive(&provider, kind, &pending.message, &aad, &book, &self.keys)?;
        let Received::Commit(staged) = received else { bail!("the entry does not count: {received:?}") };
        self.keys = staged.effect.keys.clone().context("the keys roll")?;
        self.group.merge_staged(&provider, *staged)?;
        self.position += 1;
        Ok(())
    }

    /// Commits, seals what is sent, and takes the commit back from the log.
    fn commit(&mut self, change: &Change, records: &[Vec<u8>]) -> Result<Commit> {
        let (own, aad) = (self.person.own()?, self.aad());
        let mut entropy = SystemEntropy;
        let provider = Provider::new(&self.store, &mut entropy);
        let begin = Instant::now();
        let pending = self.group.stage_commit(&provider, &own, change, &aad)?;
        let staging = begin.elapsed();
        let book = EntryRecords::check(records);
        let received = self.group.receive(&provider, EntryKind::Commit, &pending.message, &aad, &book, &self.keys)?;
        let Received::OwnPending(effect) = received else { bail!("the commit does not count: {received:?}") };
        self.group.merge_pending(&provider)?;

        self.records.extend(book.identities().iter().map(|record| (record.hash(), record.signed_bytes().to_vec())));
        let begin = Instant::now();
        let entry = self.seal(EntryKind::Commit, &aad, &pending.message, records)?;
        if effect.rolls {
            self.keys = effect.keys.clone().context("the keys roll")?;
        }
        let head = GroupInfoHead { channel: CHANNEL, after_position: self.position, commit: aad.id };
        let body = GroupInfoBody { group_info: pending.group_info.clone(), ratchet_tree: pending.ratchet_tree.clone() };
        let before = self.tree.as_ref().map(|(list, tree)| (list, tree.as_slice()));
        let record = |hash: &Digest| Ok::<_, anyhow::Error>(self.records.get(hash).cloned());
        let tree = seal_tree(&CHANNEL, &body.ratchet_tree, before, record, &mut SystemEntropy)?;
        let header = match &tree.list {
            None => seal_group_info(&self.keys, &head, &body, &mut SystemEntropy)?,
            Some(list) => seal_chunked_group_info(&self.keys, &head, &body.group_info, list, &mut SystemEntropy)?,
        };
        let time = staging + begin.elapsed();
        let chunks: usize = tree.change.added.iter().map(|chunk| chunk.sealed.len()).sum();
        let whole = seal_group_info(&self.keys, &head, &body, &mut SystemEntropy)?.len();
        self.tree = tree.list.map(|list| (list, body.ratchet_tree));
        self.position += 1;
        Ok(Commit { pending, entry, group_info: header.len() + chunks, whole, keyring: None, time })
    }

    /// A message: of MLS, and sealed.
    fn message(&mut self) -> Result<(usize, usize)> {
        let (own, aad) = (self.person.own()?, self.aad());
        let mut entropy = SystemEntropy;
        let mls = self.group.encrypt(&Provider::new(&self.store, &mut entropy), &own, &aad, &CONTENT)?;
        Ok((mls.len(), self.seal(EntryKind::Message, &aad, &mls, &[])?))
    }

    fn seal(&self, kind: EntryKind, aad: &Aad, mls: &[u8], records: &[Vec<u8>]) -> Result<usize> {
        let head = EntryHead { channel: CHANNEL, id: aad.id, kind, after: aad.after };
        let body = EntryBody { mls: mls.to_vec(), records: records.to_vec() };
        Ok(seal_entry(&self.keys, &head, &body, &mut SystemEntropy)?.len())
    }

    /// The invitation of the member added last, in its inbox.
    fn invitation(&self, invited: &Person, welcome: &[u8], others: &[Person]) -> Result<usize> {
        let aad = self.aad();
        let link: ServerLink = format!("qpc://chat.example:4433/#{}", "A".repeat(43)).parse()?;
        let invitation = Invitation {
            link,
            channel: CHANNEL,
            start: aad.after,
            commit: aad.id,
            welcome: welcome.to_vec(),
            keys: self.keys.clone(),
            since: 0,
            // Of a larger group they are in the chunks.
            records: match &self.tree {
                None => others.iter().chain([&self.person, invited]).map(Person::record).collect(),
                Some(_) => Vec::new(),
            },
        };
        let own = self.person.own()?;
        let sender = InboxSender { identity: &self.person.identity, device: self.person.device, secret: &own.secret };
        let sealed = seal_inbox(
            &invited.identity.account(),
            invited.identity.inbox_key(),
            &aad.id,
            InboxKind::Invitation,
            &sender,
            &invitation.encode(),
            &mut SystemEntropy,
        )?;
        Ok(sealed.len())
    }
}
