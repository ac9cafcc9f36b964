//! History that is kept at the server: a device that comes with the password alone shows what the others put in.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::{
    Command, Outcome,
    archive::{ArchiveStatus, archive_status},
    store::{ConversationState, LogBody, LogEntry},
};
use quicprochat_server_core::{Limits, store::memory::Cell};
use quicprochat_wire::{ChannelId, Duration};

use super::{
    Scenario,
    model::{plain, same},
};
use crate::{
    chance::Dice,
    world::{DeviceIx, Fate, Runner},
};

/// Of 1,000 scenarios, in how many history is kept.
const ARCHIVES: u32 = 333;
/// And in how many of those there is hardly room for it.
const SCARCE: u32 = 150;
/// Of 1,000 people, how many keep theirs.
const KEEPERS: u32 = 700;
/// People whose archive is looked at in the end.
const LOOKED_AT: usize = 2;
/// Devices that an account can have.
const MOST_DEVICES: usize = 8;
/// Rounds of putting in and taking out before that counts as never ending.
const ROUNDS: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);

/// Everything that a device shows, by conversation and position.
type Shown = BTreeMap<(ChannelId, u64), LogEntry>;

/// Whether history is kept in a scenario, and with how much room.
pub(super) fn plan(seed: u64, limits: &mut Limits) -> bool {
    let mut dice = Dice::new("archive", seed);
    if !dice.chance(ARCHIVES) {
        return false;
    }
    if dice.chance(SCARCE) {
        limits.archive_bytes = 1_000 + dice.below(6_000);
    }
    true
}

impl Scenario {
    /// People have their history kept, or not.
    pub(super) fn begin_archives(&mut self) {
        for person in 0..self.plan.setup.people {
            if !self.plan.archive || !self.dice.chance(KEEPERS) {
                continue;
            }
            if let Some(device) = self.devices_of(person).first().copied() {
                self.world.give(device, Command::SetHistory { channel: None, on: true }, Runner::OneShot);
            }
        }
    }

    /// Somebody does something about their history.
    pub(super) fn history_action(&mut self, device: DeviceIx) {
        let known = self.world.read(device, |tx| tx.conversations().all_conversations()).expect("in memory");
        let channel = self.dice.pick(&known).map(|conversation| conversation.channel);
        let command = match self.dice.below(20) {
            0 => Command::SetHistory { channel: None, on: false },
            1..5 => Command::SetHistory { channel: None, on: true },
            5 if channel.is_some() => Command::SetHistory { channel, on: false },
            6 if channel.is_some() => Command::SetHistory { channel, on: true },
            _ => Command::SyncHistory,
        };
        self.world.give(device, command, Runner::OneShot);
    }

    /// What is wrong with the archives, once all has settled. Everybody is connected.
    pub(super) fn archives(&mut self) -> Vec<String> {
        if !self.plan.archive {
            return Vec::new();
        }
        let mut wrong = self.beside_archives();
        let mut people: Vec<usize> = (0..self.plan.setup.people).collect();
        people.retain(|person| (1..MOST_DEVICES).contains(&self.devices_of(*person).len()));
        for _ in 0..LOOKED_AT {
            if people.is_empty() {
                break;
            }
            let person = people.swap_remove(self.dice.index(people.len()));
            wrong.extend(self.archive_of(person));
            if !wrong.is_empty() {
                break;
            }
        }
        wrong
    }

    /// A new device of a person, with the password alone and nobody else of the account there, shows what is archived.
    fn archive_of(&mut self, person: usize) -> Vec<String> {
        let devices = self.devices_of(person);
        let status = match self.put_everything_in(&devices) {
            Ok(status) => status,
            Err(wrong) => return wrong,
        };
        let (expected, known) = self.archived(&devices, &status);
        let others: Vec<DeviceIx> = self.able().into_iter().filter(|other| !devices.contains(other)).collect();
        let before: Vec<Shown> = others.iter().map(|other| self.shown(*other)).collect();
        for device in &devices {
            self.world.set_online(*device, false);
        }
        let new = match self.world.enrol(person) {
            Ok(new) => new,
            Err(why) => return vec![format!("nobody is enrolled: {why}")],
        };
        let mut wrong = match self.sync_history(&[new]) {
            Ok(()) => Vec::new(),
            Err(wrong) => wrong,
        };
        let name = self.name(new).to_owned();
        wrong.extend(self.lacks(new, &expected, &known).into_iter().map(|words| format!("{name} {words}")));
        for device in devices {
            self.world.set_online(device, true);
        }
        self.world.run_for(MINUTE * 2);
        for (other, before) in others.into_iter().zip(before) {
            let now = self.shown(other);
            let changed = before.iter().find(|(place, entry)| now.get(*place) != Some(*entry));
            if let Some(((channel, seq), _)) = changed {
                wrong.push(format!("{} shows another #{seq} of {channel:?} since {name} came", self.name(other)));
            }
        }
        self.look();
        wrong.append(&mut self.violations);
        wrong
    }

    /// Lets the devices of an account put in what they have, and take out what they lack.
    fn put_everything_in(&mut self, devices: &[DeviceIx]) -> Result<ArchiveStatus, Vec<String>> {
        let mut wrong = Vec::new();
        for _ in 0..ROUNDS {
            wrong = self.sync_history(devices).err().unwrap_or_default();
            let stands: Vec<ArchiveStatus> = devices.iter().map(|device| self.archive_status(*device)).collect();
            let Some(first) = stands.first() else { return Err(vec!["nobody is there".to_owned()]) };
            for (device, status) in devices.iter().zip(&stands) {
                let agree = (status.enabled, &status.excluded) == (first.enabled, &first.excluded);
                let done = (status.to_store, status.to_fetch, status.unreadable, status.asked) == (0, 0, 0, None);
                if !agree || !done || status.full {
                    wrong.push(format!("{} has an archive that stands at {status:?}", self.name(*device)));
                }
            }
            if wrong.is_empty() {
                return Ok(first.clone());
            }
        }
        Err(wrong)
    }

    fn sync_history(&mut self, devices: &[DeviceIx]) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        for device in devices {
            let command = self.world.give(*device, Command::SyncHistory, Runner::OneShot);
            self.world.run_for(MINUTE);
            let fate = self.world.fate(command);
            if !matches!(fate, Fate::Done(Ok(Outcome::Synced { .. }))) {
                wrong.push(format!("the history of {} ends as {fate:?}", self.name(*device)));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// What a new device of an account has to show, and the conversations that it has to know.
    fn archived(&self, devices: &[DeviceIx], status: &ArchiveStatus) -> (Shown, BTreeSet<ChannelId>) {
        let (mut archived, mut known, mut left) = (Shown::new(), BTreeSet::new(), BTreeSet::new());
        for device in devices {
            for (place, entry) in self.shown(*device) {
                let kept = !matches!(entry.body, LogBody::Joined | LogBody::Gap { .. } | LogBody::Relayed { .. });
                if status.enabled && kept && !status.excluded.contains(&place.0) {
                    archived.insert(place, entry);
                }
            }
            let all = self.world.read(*device, |tx| tx.conversations().all_conversations()).expect("in memory");
            for conversation in all {
                match conversation.state {
                    ConversationState::Active => known.insert(conversation.channel),
                    ConversationState::Left | ConversationState::Leaving => left.insert(conversation.channel),
                    _ => false,
                };
            }
        }
        // The account wishes to be out, though nobody may have heard of it: its other devices read on until they are removed.
        known.retain(|channel| !left.contains(channel));
        (archived, known)
    }

    fn lacks(&self, new: DeviceIx, expected: &Shown, known: &BTreeSet<ChannelId>) -> Vec<String> {
        let mut wrong = Vec::new();
        let shown = self.shown(new);
        for channel in known.iter().filter(|channel| self.conversation(new, channel).is_none()) {
            wrong.push(format!("does not know of {channel:?}"));
        }
        for ((channel, seq), entry) in expected {
            // Who left a conversation has it on the devices that were there.
            if self.conversation(new, channel).is_none() {
                continue;
            }
            match shown.get(&(*channel, *seq)) {
                None => wrong.push(format!("lacks #{seq} of {channel:?}, which is archived")),
                Some(found) if same(&plain(found), &plain(entry)) => {}
                Some(found) => wrong.push(format!("shows {found:?}, where {entry:?} was archived")),
            }
        }
        for channel in self.channels() {
            let mut seen = BTreeSet::new();
            let again = self.world.log(new, &channel).into_iter();
            let again = again.filter(|entry| entry.body != LogBody::Joined && !seen.insert((entry.sender, entry.id)));
            wrong.extend(again.map(|entry| format!("shows {:?} of {channel:?} twice", entry.id)));
        }
        wrong
    }

    /// What archives hold names no channel, wherever in an object.
    fn beside_archives(&self) -> Vec<String> {
        let channels: BTreeSet<[u8; 32]> = self.channels().iter().map(|channel| *channel.as_bytes()).collect();
        let mut wrong = Vec::new();
        for table in self.world.server_store().dump().iter().filter(|table| table.name.starts_with("archive")) {
            for cell in table.rows.iter().flatten() {
                let Cell::Bytes(bytes) = cell else { continue };
                let names = |window: &[u8]| <[u8; 32]>::try_from(window).is_ok_and(|found| channels.contains(&found));
                if bytes.windows(32).any(names) {
                    wrong.push(format!("the server's table {} names a channel", table.name));
                }
            }
        }
        wrong
    }

    /// Devices of a person that were not revoked.
    fn devices_of(&self, person: usize) -> Vec<DeviceIx> {
        self.able().into_iter().filter(|device| self.world.device(*device).person == person).collect()
    }

    fn archive_status(&self, device: DeviceIx) -> ArchiveStatus {
        self.world.read(device, archive_status).expect("in memory")
    }

    fn shown(&self, device: DeviceIx) -> Shown {
        let all = self.channels().into_iter().flat_map(|channel| self.world.log(device, &channel));
        all.map(|entry| ((entry.channel, entry.seq), entry)).collect()
    }
}
