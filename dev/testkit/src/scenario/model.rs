//! The reference model: what must hold after each step, also while things go wrong.
//!
//! It knows no cryptography and no protocol. A conversation is a row of positions; whoever stands at the same one has come
//! there by the same past, is in the same company, and shows the same thing.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::{
    CommandId, Event, Outcome,
    content::MimiContent,
    store::{Conversation, ConversationState, LogBody, LogEntry},
};
use quicprochat_server_core::store::memory::Cell;
use quicprochat_wire::{AccountId, ChannelId, DeviceId, Duration, MessageId, Timestamp, call::channel::ChainPoint};

use super::{MARKER, Scenario};
use crate::world::{DeviceIx, Fate};

/// How long nothing may have gone wrong before everybody who listens has to have what there is.
const CALM: Duration = Duration::from_secs(20);
/// How long an entry may take to reach those who listen.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Bytes of the longest value that is an id and no ciphertext.
const ID_BYTES: usize = 64;

/// Where a device stands in a conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Standing {
    cursor: ChainPoint,
    last_commit: ChainPoint,
    epoch: u64,
    title: String,
    members: BTreeSet<(AccountId, DeviceId)>,
}

/// What has been seen so far.
#[derive(Default)]
pub(super) struct Model {
    standings: BTreeMap<ChannelId, BTreeMap<u64, (String, Standing)>>,
    shown: BTreeMap<(ChannelId, u64), (String, LogEntry)>,
    /// Where each device has each entry in its log; several of its processes may tell of one.
    shown_by: BTreeMap<(usize, ChannelId, AccountId, MessageId), u64>,
    told: BTreeMap<(ChannelId, u64), MessageId>,
    events: BTreeMap<usize, usize>,
    commands: BTreeSet<CommandId>,
    /// The end of each log, and when it was first seen there.
    ends: BTreeMap<ChannelId, (u64, Timestamp)>,
    /// Since when each device was seen to be in each conversation.
    active: BTreeMap<(usize, ChannelId), Timestamp>,
    /// Since when each device was seen to be connected.
    connected: BTreeMap<usize, Timestamp>,
    /// Every key with which each channel was read.
    pub(super) keys: BTreeMap<ChannelId, BTreeSet<Vec<u8>>>,
}

impl Model {
    /// A device's store is an older one: what it has read since, it reads again.
    pub(super) fn forget(&mut self, device: DeviceIx) {
        self.shown_by.retain(|(of, ..), _| *of != device.0);
        self.active.retain(|(of, _), _| *of != device.0);
    }
}

impl Scenario {
    /// Looks at everything that changed since the last step.
    pub(super) fn look(&mut self) {
        let mut model = core::mem::take(&mut self.model);
        let mut wrong = Vec::new();
        for device in self.everybody() {
            self.look_at_events(&mut model, device, &mut wrong);
            self.look_at_conversations(&mut model, device, &mut wrong);
        }
        self.look_at_commands(&mut model, &mut wrong);
        wrong.append(&mut self.world.broken_promises());
        self.look_at_arrivals(&mut model, &mut wrong);
        if self.looks.is_multiple_of(8) {
            wrong.extend(self.forbidden_fields());
        }
        self.looks += 1;
        self.model = model;
        self.violations.append(&mut wrong);
    }

    /// Nobody is shown something twice, and everybody the same; nothing is shown to who is out; what is accepted stands.
    fn look_at_events(&self, model: &mut Model, device: DeviceIx, wrong: &mut Vec<String>) {
        let of = self.world.device(device);
        let seen = model.events.insert(device.0, of.events.len()).unwrap_or(0);
        for event in of.events.get(seen..).unwrap_or_default() {
            match event {
                Event::Logged(entry) if !comes_in(&entry.body) => {
                    let (name, channel, seq) = (&of.name, entry.channel, entry.seq);
                    let index = model.shown_by.insert((device.0, channel, entry.sender, entry.id), entry.index);
                    if index.is_some_and(|index| index != entry.index) {
                        wrong.push(format!("{name} is shown {:?} twice", entry.id));
                    }
                    let plain = plain(entry);
                    match model.shown.get(&(channel, seq)) {
                        None => drop(model.shown.insert((channel, seq), (name.clone(), plain))),
                        Some((_, shown)) if same(shown, &plain) => {}
                        Some((other, shown)) => {
                            wrong.push(format!("{name} is shown {plain:?} where {other} is shown {shown:?}"));
                        }
                    }
                    // Members send again what its account was there for, also from before it was in itself.
                    let relayed = matches!(entry.body, LogBody::Relayed { .. });
                    if !relayed && self.was_out(model, device, &channel, seq) {
                        wrong.push(format!("{name} is shown #{seq}, after it was removed"));
                    }
                }
                Event::Accepted { channel, id, seq, .. } => drop(model.told.insert((*channel, *seq), *id)),
                _ => {}
            }
        }
    }

    /// Whether somebody stood before a position in a company without this device, and it has not joined since.
    fn was_out(&self, model: &Model, device: DeviceIx, channel: &ChannelId, seq: u64) -> bool {
        let of = self.world.device(device);
        let before = model.standings.get(channel).and_then(|standings| standings.range(..seq).next_back());
        let Some((at, (_, standing))) = before else { return false };
        if standing.members.contains(&(of.account, of.device)) {
            return false;
        }
        let log = self.world.log(device, channel);
        !log.iter().any(|entry| comes_in(&entry.body) && (*at..=seq).contains(&entry.seq))
    }

    /// Whoever is at the same position is there by the same past and in the same company.
    fn look_at_conversations(&self, model: &mut Model, device: DeviceIx, wrong: &mut Vec<String>) {
        let name = &self.world.device(device).name;
        let all = self.world.read(device, |tx| tx.conversations().all_conversations()).expect("in memory");
        for conversation in all.into_iter().filter(|conversation| conversation.state == ConversationState::Active) {
            let channel = conversation.channel;
            model.active.entry((device.0, channel)).or_insert_with(|| self.world.now());
            model.keys.entry(channel).or_default().insert(conversation.keys.expose().to_vec());
            let standing = standing(&conversation);
            let standings = model.standings.entry(channel).or_default();
            match standings.get(&standing.cursor.position) {
                None => drop(standings.insert(standing.cursor.position, (name.clone(), standing))),
                Some((_, other)) if *other == standing => {}
                Some((other, there)) => {
                    let at = standing.cursor.position;
                    wrong.push(format!(
                        "{name} and {other} differ at #{at} of {channel:?}: {}",
                        difference(&standing, there)
                    ));
                }
            }
        }
    }

    /// What somebody was told stands in a log stands there.
    fn look_at_commands(&self, model: &mut Model, wrong: &mut Vec<String>) {
        for (command, given) in self.world.commands() {
            let Fate::Done(Ok(Outcome::Sent { channel, id, seq })) = &given.fate else { continue };
            if model.commands.insert(*command) {
                model.told.insert((*channel, *seq), *id);
            }
        }
        for ((channel, seq), id) in core::mem::take(&mut model.told) {
            let Some(log) = self.server_entry(&channel, seq) else { continue };
            if log != Some(id) {
                wrong.push(format!("{id:?} was acknowledged as #{seq} of {channel:?} and is not there"));
            }
        }
    }

    /// While nothing goes wrong, those who listen have what there was a while ago.
    fn look_at_arrivals(&self, model: &mut Model, wrong: &mut Vec<String>) {
        let now = self.world.now();
        let calm = self.plan.is_calm() && now.since(self.disturbed) >= CALM;
        for device in self.everybody() {
            if self.world.is_connected(device) {
                model.connected.entry(device.0).or_insert(now);
            } else {
                model.connected.remove(&device.0);
            }
        }
        for channel in self.channels() {
            let Some(end) = self.server_end(&channel) else { continue };
            let (old, since) = *model.ends.get(&channel).unwrap_or(&(0, now));
            if calm && old == end && now.since(since) >= ARRIVAL {
                for device in self.able() {
                    let long = |since: Option<&Timestamp>| since.is_some_and(|since| now.since(*since) >= ARRIVAL);
                    let there = long(model.connected.get(&device.0)) && long(model.active.get(&(device.0, channel)));
                    let Some(conversation) = self.conversation(device, &channel).filter(|_| there) else { continue };
                    if conversation.state == ConversationState::Active && conversation.cursor.position < end {
                        let (name, at) = (self.name(device), conversation.cursor.position);
                        wrong.push(format!(
                            "{name} listens and is at #{at} of {channel:?}, which has had #{end} for long"
                        ));
                    }
                }
            }
            if old != end {
                model.ends.insert(channel, (end, now));
            }
        }
    }

    /// Names of people and devices beside channels, channels beside people, plaintext anywhere (the observer looks closer).
    pub(super) fn forbidden_fields(&self) -> Vec<String> {
        let devices = self.world.devices().iter();
        let people: BTreeSet<Vec<u8>> =
            devices.flat_map(|of| [of.account.as_bytes().to_vec(), of.device.as_bytes().to_vec()]).collect();
        let channels: BTreeSet<Vec<u8>> = self.channels().iter().map(|channel| channel.as_bytes().to_vec()).collect();
        let mut wrong = Vec::new();
        for table in self.world.server_store().dump() {
            let of_channels = table.columns.contains(&"channel");
            for cell in table.rows.iter().flatten() {
                let (bytes, what) = match cell {
                    Cell::Null | Cell::Number(_) => continue,
                    Cell::Text(text) => (text.as_bytes(), "text"),
                    Cell::Bytes(bytes) => (bytes.as_slice(), "bytes"),
                };
                if has(bytes, MARKER.as_bytes()) {
                    wrong.push(format!("the server's table {} has plaintext", table.name));
                }
                let names = if of_channels { &people } else { &channels };
                if bytes.len() <= ID_BYTES && names.iter().any(|name| has(bytes, name)) {
                    wrong.push(format!("the server's table {} names the other side ({what})", table.name));
                }
            }
        }
        wrong.dedup();
        wrong
    }
}

/// Where a device comes in, which is its own business.
pub(super) const fn comes_in(body: &LogBody) -> bool {
    matches!(body, LogBody::Joined | LogBody::Gap { .. })
}

/// An entry without what differs between devices for good reasons: how they count, and what they called it before.
///
/// What a member sent again is the same as what was written, where nobody lies.
pub(super) fn plain(entry: &LogEntry) -> LogEntry {
    let body = match &entry.body {
        LogBody::Relayed { content, .. } => {
            let control = MimiContent::decode(content).ok().map(|content| content.as_control());
            match control {
                Some(Ok(Some(_))) => LogBody::Leave,
                Some(Ok(None) | Err(_)) | None => LogBody::Content { content: content.clone() },
            }
        }
        other => other.clone(),
    };
    LogEntry { index: 0, intent: None, body, ..entry.clone() }
}

/// Whether two devices show the same. Whoever wrote an entry dates it before the server does: a minute may lie between.
pub(super) fn same(one: &LogEntry, other: &LogEntry) -> bool {
    let close = one.time.0.abs_diff(other.time.0) <= 60_000;
    close && LogEntry { time: other.time, sent_at: other.sent_at, ..one.clone() } == *other
}

fn standing(conversation: &Conversation) -> Standing {
    Standing {
        cursor: conversation.cursor,
        last_commit: conversation.last_commit,
        epoch: conversation.epoch,
        title: conversation.title.clone(),
        members: conversation.members.iter().map(|member| (member.account, member.device)).collect(),
    }
}

fn difference(one: &Standing, other: &Standing) -> String {
    if one.cursor != other.cursor {
        "they came by different pasts".to_owned()
    } else if one.last_commit != other.last_commit {
        format!("last commit #{} and #{}", one.last_commit.position, other.last_commit.position)
    } else if one.epoch != other.epoch {
        format!("epochs {} and {}", one.epoch, other.epoch)
    } else if one.title != other.title {
        format!("titles {:?} and {:?}", one.title, other.title)
    } else {
        format!("{} and {} devices", one.members.len(), other.members.len())
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else { return false };
    bytes.windows(part.len()).any(|window| window.first() == Some(first) && window == part)
}
