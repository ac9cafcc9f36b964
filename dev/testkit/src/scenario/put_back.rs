//! A server that was put back to an older backup: whoever has the rest of a log gives it back, and nobody is fooled (L3).

use std::collections::BTreeSet;

use quicprochat_client_core::{Command, Event, store::ConversationState};
use quicprochat_server_core::{Limits, store::memory::MemoryStore as ServerStore};
use quicprochat_wire::{ChannelId, Duration};

use super::{Scenario, model::comes_in, view::ServerLog};
use crate::{
    chance::Dice,
    world::{DeviceIx, Faults, Runner},
};

/// Of 1,000 servers that are put back, how many know of it; the others are put back as an image of a disk is.
const MARKED: u32 = 700;
/// Longer than the recovery time, and than a device waits before it looks again at a log that is short.
const LONG: Duration = Duration::from_secs(25 * 60);
/// Rounds of catching up after that, before it counts as never whole.
const ROUNDS: usize = 6;
const MINUTE: Duration = Duration::from_secs(60);

/// An older state of the server.
pub(super) struct Backup {
    store: ServerStore,
    /// Devices that there were; the server does not know later ones.
    devices: usize,
}

/// A channel of which somebody has all that the backup lacks.
struct Whole {
    channel: ChannelId,
    /// As the server had it.
    log: ServerLog,
    /// Devices that were in, and have to be again.
    members: Vec<DeviceIx>,
}

impl Scenario {
    pub(super) fn back_up_server(&mut self) {
        let (store, devices) = (self.world.back_up_server(), self.world.devices().len());
        self.backup = Some(Backup { store, devices });
    }

    /// The server is put back to its backup. What a connected member has is given back, if the server waits for that; whoever
    /// has read further has to notice else. Nobody shows what the server has not and believes that all is well.
    pub(super) fn server_goes_back(&mut self) -> Vec<String> {
        let Some(backup) = self.backup.take() else { return Vec::new() };
        self.world.set_faults(Faults::none());
        self.world.set_limits(Limits::default());
        self.world.run_for(Duration::from_secs(1));
        let before: Vec<(ChannelId, ServerLog)> =
            self.channels().into_iter().filter_map(|channel| Some((channel, self.server_log(&channel)?))).collect();
        let marked = Dice::new("server put back", self.plan.setup.seed).chance(MARKED);
        self.world.restore_server(&backup.store, marked);
        let whole = if marked { self.whole(before, backup.devices) } else { Vec::new() };
        self.world.run_for(MINUTE);
        for _ in 0..2 {
            self.catch_up();
        }
        if marked {
            self.world.run_for(LONG);
        }
        let mut wrong = Vec::new();
        for _ in 0..ROUNDS {
            self.catch_up();
            wrong = self.world.errors().to_vec();
            wrong.extend(whole.iter().flat_map(|whole| self.not_whole(whole)));
            wrong.extend(self.fooled());
            if wrong.is_empty() {
                break;
            }
        }
        wrong
    }

    /// Everybody is there, and looks at everything.
    fn catch_up(&mut self) {
        for device in self.able() {
            self.world.set_online(device, true);
            self.world.give(device, Command::Listen, Runner::Resident);
            self.world.give(device, Command::Sync, Runner::OneShot);
        }
        self.world.run_for(MINUTE * 3);
    }

    /// Channels that the backup knows, and of which a device that it knows, too, has read everything and keeps as it stood what
    /// came since.
    fn whole(&self, before: Vec<(ChannelId, ServerLog)>, devices: usize) -> Vec<Whole> {
        let able: Vec<DeviceIx> = self.able().into_iter().filter(|device| device.0 < devices).collect();
        let mut found = Vec::new();
        for (channel, log) in before {
            let Some(now) = self.server_log(&channel) else { continue };
            let is_in = |device: &DeviceIx| {
                self.conversation(*device, &channel).is_some_and(|of| of.state == ConversationState::Active)
            };
            let members: Vec<DeviceIx> = able.iter().copied().filter(is_in).collect();
            let has_all = |device: &DeviceIx| {
                let cursor = self.conversation(*device, &channel).map(|of| of.cursor);
                let span = self.world.read(*device, |tx| tx.raw_log().raw_span(&channel)).expect("in memory");
                let reaches = |(first, last): (u64, u64)| first <= now.last.position + 1 && last == log.last.position;
                let span = span.map(|(first, last)| (first.position, last.position));
                cursor == Some(log.last) && (now.last == log.last || span.is_some_and(reaches))
            };
            if members.iter().any(has_all) {
                found.push(Whole { channel, log, members });
            }
        }
        found
    }

    /// Where a channel is not what it was, for all who were in.
    fn not_whole(&self, whole: &Whole) -> Vec<String> {
        let (channel, mut wrong) = (whole.channel, Vec::new());
        let Some(server) = self.server_log(&channel) else {
            return vec![format!("{channel:?} is gone, of which somebody has everything")];
        };
        let stands: BTreeSet<_> =
            server.entries.iter().map(|entry| (entry.at.position, *entry.at.hash.as_bytes(), entry.id)).collect();
        let old = whole.log.entries.iter().filter(|entry| entry.at.position >= server.first);
        for entry in old.filter(|entry| !stands.contains(&(entry.at.position, *entry.at.hash.as_bytes(), entry.id))) {
            wrong.push(format!("#{} of {channel:?} was not given back", entry.at.position));
        }
        for device in &whole.members {
            let Some(conversation) = self.conversation(*device, &channel) else {
                wrong.push(format!("{} has forgotten {channel:?}", self.name(*device)));
                continue;
            };
            let is_out = matches!(conversation.state, ConversationState::Removed | ConversationState::Left);
            let is_there = conversation.state == ConversationState::Active && conversation.cursor == server.last;
            if !is_out && !is_there {
                let (name, at, last) = (self.name(*device), conversation.cursor.position, server.last.position);
                wrong.push(format!(
                    "{name} is at #{at} of {channel:?} in state {:?}, not at #{last}",
                    conversation.state
                ));
            }
        }
        wrong
    }

    /// Who believes that all is well, and has read what the server has not.
    fn fooled(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for channel in self.channels() {
            let server = self.server_log(&channel);
            for device in self.able() {
                let active = self.conversation(device, &channel);
                let Some(active) = active.filter(|found| found.state == ConversationState::Active) else { continue };
                if self.world.device(device).events.contains(&Event::DeviceRevoked) {
                    // It was enrolled after the backup, and has been told so.
                    continue;
                }
                let name = self.name(device);
                let Some(server) = &server else {
                    wrong.push(format!("{name} believes in {channel:?}, which the server has not"));
                    continue;
                };
                let stands = |seq: u64| server.entries.iter().find(|entry| entry.at.position == seq);
                if stands(active.cursor.position).is_some_and(|entry| entry.at != active.cursor) {
                    wrong.push(format!("{name} has read another past of {channel:?} and has not noticed"));
                }
                for entry in self.world.log(device, &channel) {
                    let known = comes_in(&entry.body) || entry.seq < server.first;
                    if !known && stands(entry.seq).is_none_or(|found| found.id != entry.id) {
                        wrong.push(format!("{name} shows #{} of {channel:?}, which the server has not", entry.seq));
                    }
                }
            }
        }
        wrong
    }
}
