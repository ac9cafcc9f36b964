//! What people were told, once everything has settled: it is so.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::{
    Command, Event, Outcome,
    store::{ConversationState, LogBody, LogEntry},
};
use quicprochat_wire::{AccountId, ChannelId};

use super::{Scenario, history::History, view::words};
use crate::{
    people::NAMES,
    world::{DeviceIx, Fate},
};

impl Scenario {
    /// Every text that somebody was told stands in a log does, once; one that was refused does not; one that waits is gone
    /// only with its writer.
    pub(super) fn texts_where_they_belong(&self, histories: &BTreeMap<ChannelId, History>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut places: BTreeMap<String, Vec<(ChannelId, &LogEntry)>> = BTreeMap::new();
        for (channel, history) in histories {
            for entry in history.entries.values() {
                if let Some(words) = words(entry) {
                    places.entry(words).or_default().push((*channel, entry));
                }
            }
        }
        for (words, found) in &places {
            match self.texts.get(words) {
                None => wrong.push(format!("{words:?} was never written")),
                Some(text) if found.iter().any(|(_, entry)| entry.sender != self.world.device(text.device).account) => {
                    wrong.push(format!("{words:?} is shown as somebody else's"));
                }
                Some(text) if text.channel.is_some_and(|asked| found.iter().any(|(channel, _)| *channel != asked)) => {
                    wrong.push(format!("{words:?} stands in another conversation than it was written to"));
                }
                Some(_) if found.len() > 1 => wrong.push(format!("{words:?} stands {} times", found.len())),
                Some(_) => {}
            }
        }
        for (words, text) in &self.texts {
            let found = places.get(words).and_then(|found| found.first());
            let writer = self.world.device(text.device);
            match self.world.fate(text.command) {
                Fate::Done(Ok(Outcome::Sent { channel, id, seq })) => {
                    let there = found.is_some_and(|(at, entry)| at == channel && entry.id == *id && entry.seq == *seq);
                    if !there && self.server_log(channel).is_some() {
                        wrong.push(format!("{words:?} was sent as #{seq} of {channel:?} and is not there"));
                    }
                }
                Fate::Done(Ok(Outcome::Queued { channel, intent })) if found.is_none() => {
                    let rejected = |event: &Event| matches!(event, Event::Rejected { intent: of, .. } if of == intent);
                    let state = self.conversation(text.device, channel).map(|found| found.state);
                    let stuck = matches!(state, Some(ConversationState::NeedsRejoin { .. }));
                    // What waited in a store that is no more is no more, either.
                    let unable = self.has_forgotten(text.device, Some(text.given))
                        || !self.able().contains(&text.device)
                        || (stuck && self.plan.forgets());
                    let removed =
                        |history: &History| history.was_removed_after(&writer.account, text.cursor.unwrap_or(0));
                    let left = unable || histories.get(channel).is_some_and(removed);
                    let gone = self.server_log(channel).is_none();
                    if !(left || gone || writer.events.iter().any(rejected)) {
                        wrong.push(format!("{words:?} was queued in {channel:?} and never sent"));
                    }
                }
                Fate::Done(Err(error)) if found.is_some() => {
                    wrong.push(format!("{words:?} failed with {error:?} and stands in the log"));
                }
                _ => {}
            }
        }
        for device in self.everybody() {
            wrong.extend(self.accepted_stands(device, histories));
        }
        wrong
    }

    /// Every message that a device was told is accepted stands where it was told.
    fn accepted_stands(&self, device: DeviceIx, histories: &BTreeMap<ChannelId, History>) -> Vec<String> {
        let mut wrong = Vec::new();
        for event in &self.world.device(device).events {
            let Event::Accepted { channel, id, seq, .. } = event else { continue };
            let stands = histories.get(channel).and_then(|history| history.entries.get(seq));
            let is_it = stands.is_some_and(|entry| entry.id == *id);
            if !is_it && self.server_log(channel).is_some() {
                wrong.push(format!("{} was told that {id:?} is #{seq} of {channel:?}", self.name(device)));
            }
        }
        wrong
    }

    /// Every commit that somebody was told is accepted stands in the log as theirs, and does what they asked for.
    pub(super) fn commits_stand(&self, histories: &BTreeMap<ChannelId, History>) -> Vec<String> {
        let mut wrong = Vec::new();
        for given in self.world.commands().values() {
            let Fate::Done(Ok(Outcome::Committed { seq, added, undelivered })) = &given.fate else { continue };
            let (Command::Invite { channel, .. } | Command::Remove { channel, .. } | Command::Rename { channel, .. }) =
                &given.command
            else {
                continue;
            };
            if self.server_log(channel).is_none() {
                continue;
            }
            let history = histories.get(channel);
            let entry = history.and_then(|history| history.entries.get(seq));
            let as_told = history.zip(entry).is_some_and(|(history, entry)| {
                let of = self.world.device(given.device);
                let is_theirs = entry.sender == of.account && entry.device == of.device;
                let told = undelivered.iter().all(|account| added.contains(account));
                is_theirs && told && self.does_as_asked(&given.command, entry, added, history)
            });
            if !as_told {
                let name = self.name(given.device);
                let asked = format!("{:?}", given.command);
                wrong.push(format!("{name} committed #{seq} of {channel:?} for {asked}, which is {entry:?}"));
            }
        }
        wrong
    }

    /// Whether a commit is what was asked for with a command that was told to have `added` accounts.
    fn does_as_asked(&self, command: &Command, entry: &LogEntry, added: &[AccountId], history: &History) -> bool {
        let seq = entry.seq;
        match (&entry.body, command) {
            (LogBody::Membership { added: by_log, devices_added, .. }, Command::Invite { names, .. }) => {
                let (more, came): (Vec<_>, Vec<_>) = added.iter().partition(|account| history.was_in(account, seq));
                let by_log: BTreeSet<&AccountId> = by_log.iter().collect();
                let asked: Vec<AccountId> = names.iter().filter_map(|name| self.account_of(name)).collect();
                by_log == came.into_iter().collect()
                    && (more.is_empty() || *devices_added > 0)
                    && added.iter().all(|account| asked.contains(account))
                    // Who was asked for and is not told to be added was in.
                    && asked.iter().all(|account| added.contains(account) || history.was_in(account, seq))
            }
            (LogBody::Membership { removed, .. }, Command::Remove { name, .. }) => {
                self.account_of(name).is_some_and(|account| removed.contains(&account))
            }
            (LogBody::Renamed { title }, Command::Rename { title: asked, .. }) => title == asked,
            // It had that title already.
            (LogBody::Updated, Command::Rename { title: asked, .. }) => {
                let mut titles = history.entries.range(..seq).filter_map(|(_, entry)| match &entry.body {
                    LogBody::Renamed { title } => Some(title),
                    _ => None,
                });
                titles.next_back() == Some(asked)
            }
            _ => false,
        }
    }

    /// The account of the person with a name.
    fn account_of(&self, name: &str) -> Option<AccountId> {
        let person = NAMES.iter().position(|other| *other == name)?;
        self.world.devices().iter().find(|device| device.person == person).map(|device| device.account)
    }
}
