//! Group operations as the client does them: load, operate, and commit to its encrypted store, synced.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use quicprochat_client::{OsEntropy, Store, core::store::StoreTx as _};
use quicprochat_e2ee::channel::ChannelKeys;
use quicprochat_e2ee::mls::{
    Aad, Change, EntryRecords, Group, OwnDevice, PendingCommit, Profile, Provider, Received, Suite, new_key_package,
};
use quicprochat_wire::{
    ChainHash, ChannelId, MessageId,
    call::channel::{ChainPoint, EntryKind},
    entropy::random_array,
};

use crate::{home, people::Person, report::Report};

const CHANNEL: ChannelId = ChannelId::new([7; 32]);
/// Accounts in one commit (protocol.md section 7).
const ADDS_PER_COMMIT: usize = 32;
/// The content of a message.
const CONTENT: [u8; 200] = [b'x'; 200];

pub(crate) fn run(members: &[usize], rounds: usize, scratch: &Path) -> Result<Report> {
    let mut rows = Vec::new();
    for &count in members {
        eprintln!("{count} members, stored ...");
        for (operation, mut times) in measure(count, rounds, &scratch.join(count.to_string()))? {
            times.sort_unstable();
            let at = |percent: usize| {
                let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
                times.get(index).map_or("-".to_owned(), |time| format!("{:.2}", time.as_secs_f64() * 1e3))
            };
            rows.push(vec![count.to_string(), operation.to_owned(), at(50), at(99)]);
        }
    }
    let mut report = Report::default();
    let columns = ["members", "operation", "p50, ms", "p99, ms"].map(str::to_owned);
    report.table("Durable group operations, X25519+ML-KEM-768, elapsed time", columns.into(), rows);
    report.note(
        "Durable: one transaction on the client's store (SQLCipher, WAL, synchronous=FULL) that loads the group, operates, and commits. Here \"commit\" is staging, and \"merge\" is recognising it in the log and merging.",
    );
    Ok(report)
}

type Times = Vec<(&'static str, Vec<Duration>)>;

fn measure(members: usize, rounds: usize, scratch: &Path) -> Result<Times> {
    let mut alice = Member::new(0, &scratch.join("alice"))?;
    let mut bob = Member::new(1, &scratch.join("bob"))?;
    let others = (2..members).map(|number| Person::new(number, Suite::Hybrid)).collect::<Result<Vec<_>>>()?;

    alice.work(|provider, own| {
        Ok(Group::create(provider, own, CHANNEL, Suite::Hybrid, &Profile::group("friends")).map(drop)?)
    })?;
    for batch in others.chunks(ADDS_PER_COMMIT) {
        let packages = batch.iter().map(|person| person.key_package.clone()).collect();
        alice.add(packages, &batch.iter().map(Person::record).collect::<Vec<_>>())?;
    }
    let package = bob.work(|provider, own| Ok(new_key_package(provider, own, Suite::Hybrid)?))?;
    let added = alice.add(vec![package], &[bob.person.record()])?;
    let welcome = added.welcome.context("no Welcome")?;

    let members = others.iter().chain([&alice.person, &bob.person]);
    let records = EntryRecords::check(&members.map(Person::record).collect::<Vec<_>>());
    let begin = Instant::now();
    bob.work(|provider, _| Ok(Group::join(provider, CHANNEL, &welcome, &added.ratchet_tree, &records).map(drop)?))?;
    let mut times = vec![("join", vec![begin.elapsed()])];
    let names = ["encrypt", "decrypt", "commit", "merge", "process"];
    times.extend(names.map(|name| (name, Vec::with_capacity(rounds))));
    for _ in 0..rounds {
        let mut spent = Vec::with_capacity(names.len());
        let mut clock = Instant::now();
        let mut lap = || spent.push(core::mem::replace(&mut clock, Instant::now()).elapsed());
        let aad = aad();
        let message = alice.encrypt(&aad)?;
        lap();
        bob.receive(EntryKind::Message, &message, &aad)?;
        lap();
        let pending = alice.stage(&Change::default(), &aad)?;
        lap();
        alice.receive(EntryKind::Commit, &pending.message, &aad)?;
        lap();
        bob.receive(EntryKind::Commit, &pending.message, &aad)?;
        lap();
        for (name, time) in names.into_iter().zip(spent) {
            let all = times.iter_mut().find(|(known, _)| *known == name);
            all.context("every operation has its times")?.1.push(time);
        }
    }
    Ok(times)
}

/// No external commit is measured, so no rejoin key is in force.
fn no_keys() -> ChannelKeys {
    ChannelKeys::from_bytes(&[0; ChannelKeys::LEN])
}

fn aad() -> Aad {
    let after = ChainPoint { position: 1, hash: ChainHash::new([5; 32]) };
    Aad { id: MessageId::new(random_array(&mut OsEntropy)), after }
}

/// A member whose group lies in a client's store.
struct Member {
    person: Person,
    own: OwnDevice,
    store: Store,
}

impl Member {
    fn new(number: usize, scratch: &Path) -> Result<Self> {
        let person = Person::new(number, Suite::Hybrid)?;
        Ok(Self { own: person.own()?, person, store: home::store(scratch, "home")? })
    }

    /// Works in one transaction, and commits it.
    fn work<T>(&mut self, work: impl FnOnce(&Provider<'_>, &OwnDevice) -> Result<T>) -> Result<T> {
        let tx = self.store.begin()?;
        let mut entropy = OsEntropy;
        let value = work(&Provider::new(tx.mls(), &mut entropy), &self.own)?;
        tx.commit()?;
        Ok(value)
    }

    fn with_group<T>(&mut self, work: impl FnOnce(&mut Group, &Provider<'_>, &OwnDevice) -> Result<T>) -> Result<T> {
        self.work(|provider, own| work(&mut Group::load(provider, CHANNEL)?.context("no group")?, provider, own))
    }

    fn encrypt(&mut self, aad: &Aad) -> Result<Vec<u8>> {
        self.with_group(|group, provider, own| Ok(group.encrypt(provider, own, aad, &CONTENT)?))
    }

    fn stage(&mut self, change: &Change, aad: &Aad) -> Result<PendingCommit> {
        self.with_group(|group, provider, own| Ok(group.stage_commit(provider, own, change, aad)?))
    }

    fn receive(&mut self, kind: EntryKind, message: &[u8], aad: &Aad) -> Result<()> {
        self.receive_with(kind, message, aad, &EntryRecords::default())
    }

    fn receive_with(&mut self, kind: EntryKind, message: &[u8], aad: &Aad, records: &EntryRecords) -> Result<()> {
        self.with_group(|group, provider, _| {
            match group.receive(provider, kind, message, aad, records, &no_keys())? {
                Received::Commit(staged) => Ok(group.merge_staged(provider, *staged)?),
                Received::OwnPending(_) => Ok(group.merge_pending(provider)?),
                Received::Message { content, .. } if content == CONTENT => Ok(()),
                other @ (Received::Message { .. } | Received::OwnMessage | Received::Skipped(_)) => {
                    bail!("an entry is not taken: {other:?}")
                }
            }
        })
    }

    fn add(&mut self, packages: Vec<Vec<u8>>, records: &[Vec<u8>]) -> Result<PendingCommit> {
        let aad = aad();
        let pending = self.stage(&Change { add: packages, ..Change::default() }, &aad)?;
        self.receive_with(EntryKind::Commit, &pending.message, &aad, &EntryRecords::check(records))?;
        Ok(pending)
    }
}
