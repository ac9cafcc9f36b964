//! The end of a scenario: nothing goes wrong any more, everybody is there, and everything that was begun comes to its end.

use quicprochat_client_core::{Command, CommandId, Outcome, store::ConversationState};
use quicprochat_server_core::Limits;
use quicprochat_wire::Duration;

use super::Scenario;
use crate::world::{Fate, Faults, Runner};

/// Rounds of listening and catching up before it counts as never ending.
const ROUNDS: usize = 12;
const MINUTE: Duration = Duration::from_secs(60);
/// For longer than a device waits for a channel whose keys the server does not know before it is gone.
const LONGER_THAN_PATIENCE: Duration = Duration::from_secs(25 * 3600);

impl Scenario {
    /// Lets everything come to rest.
    ///
    /// Errors:   in words, what does not.
    pub(super) fn settle(&mut self) -> Result<(), Vec<String>> {
        self.world.set_faults(Faults::none());
        self.world.note(format_args!("from here on nothing goes wrong"));
        self.world.set_limits(Limits::default());
        for device in self.able() {
            self.world.set_online(device, true);
            self.world.give(device, Command::Listen, Runner::Resident);
        }
        let mut last = Vec::new();
        let mut was_patient = false;
        for _ in 0..ROUNDS {
            for device in self.able() {
                for (invitation, _) in self.requests(device) {
                    self.world.give(device, Command::AcceptRequest { invitation }, Runner::Resident);
                }
            }
            // Long enough for every member's turn at removing who left.
            self.world.run_for(MINUTE * 3);
            let size = self.log_sizes();
            let synced = self.sync_all();
            if self.world.spins() {
                return Err(vec!["something goes round in a circle".to_owned()]);
            }
            self.look();
            if !self.violations.is_empty() {
                return Err(core::mem::take(&mut self.violations));
            }
            last = self.open_commands();
            if let Err(why) = synced {
                last.push(why);
                if !was_patient && self.waits_for_a_deleted_channel() {
                    was_patient = true;
                    self.world.run_for(LONGER_THAN_PATIENCE);
                }
            }
            let requests: usize = self.able().into_iter().map(|device| self.requests(device).len()).sum();
            if last.is_empty() && requests == 0 && size == self.log_sizes() {
                return Ok(());
            }
        }
        last.push("does not come to rest".to_owned());
        Err(last)
    }

    /// Whether a device that does not know that a channel was deleted waits for somebody to give it back, as its store was put back.
    fn waits_for_a_deleted_channel(&self) -> bool {
        let deleted: Vec<_> =
            self.channels().into_iter().filter(|channel| self.server_end(channel).is_none()).collect();
        self.able().into_iter().any(|device| {
            let states = deleted.iter().filter_map(|channel| self.conversation(device, channel));
            states.into_iter().any(|conversation| conversation.state == ConversationState::Diverged)
        })
    }

    /// A one-shot sync of every device.
    fn sync_all(&mut self) -> Result<(), String> {
        let mut open: Vec<CommandId> = Vec::new();
        for device in self.able() {
            open.push(self.world.give(device, Command::Sync, Runner::OneShot));
        }
        self.world.run_for(MINUTE);
        for command in open {
            match self.world.fate(command) {
                Fate::Done(Ok(Outcome::Synced { waiting: 0, undelivered: 0, untold: false })) => {}
                other => {
                    let device = self.world.commands().get(&command).map(|given| given.device);
                    let name = device.map_or("?", |device| self.name(device));
                    return Err(format!("sync {} of {name} ends as {other:?}", command.0));
                }
            }
        }
        Ok(())
    }

    /// Commands that nobody answered.
    fn open_commands(&self) -> Vec<String> {
        let commands = self.world.commands().iter();
        let able = self.able();
        let open = commands.filter(|(_, given)| given.fate == Fate::Open && given.command != Command::Listen);
        let open = open.filter(|(_, given)| able.contains(&given.device));
        open.map(|(id, given)| {
            let words = format!("{:?}", given.command);
            let words: String = words.chars().take(100).collect();
            format!("command {} of {} never ends: {words}", id.0, self.name(given.device))
        })
        .collect()
    }

    /// Last position of each channel at the server, by channel.
    fn log_sizes(&self) -> Vec<u64> {
        self.channels().iter().filter_map(|channel| self.server_log(channel)).map(|log| log.last.position).collect()
    }
}
