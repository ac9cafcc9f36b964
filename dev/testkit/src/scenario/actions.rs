//! What people do.

use quicprochat_client_core::{
    Command, SuiteChoice,
    content::{MimiContent, Salt},
    store::{Conversation, ConversationKind, ConversationState, InvitationState},
};
use quicprochat_wire::{ChannelId, Duration};

use super::{MARKER, Scenario, Text};
use crate::{
    people::NAMES,
    world::{DeviceIx, Runner},
};

/// Groups that are made in one scenario, at most.
const MAX_GROUPS: usize = 3;

impl Scenario {
    /// Everything the plan asks for.
    pub(super) fn act(&mut self) {
        for device in self.everybody() {
            if self.dice.chance(700) {
                self.world.give(device, Command::Listen, Runner::Resident);
            }
        }
        self.world.run_for(Duration::from_secs(2));
        self.create();
        for _ in 0..self.plan.actions {
            self.one();
            let wait = match self.dice.below(10) {
                0..4 => Duration::ZERO,
                4..8 => self.dice.between(Duration::from_millis(1), Duration::from_millis(400)),
                8 => self.dice.between(Duration::from_secs(1), Duration::from_secs(10)),
                _ => self.dice.between(Duration::from_secs(10), Duration::from_secs(90)),
            };
            self.world.run_for(wait);
        }
        self.world.run_for(Duration::from_secs(20));
    }

    fn one(&mut self) {
        let everybody = self.everybody();
        let Some(device) = self.dice.pick(&everybody).copied() else { return };
        match self.dice.below(100) {
            0..4 => self.create(),
            4..16 => self.invite(device),
            16..50 => self.send(device),
            50..55 => self.remove(device),
            55..58 => self.leave(device),
            58..61 => self.rename(device),
            61..67 => self.dm(device),
            67..77 => self.answer_request(device),
            77..81 => self.world.set_online(device, false),
            81..86 => self.world.set_online(device, true),
            86..88 => self.world.break_links(device),
            88..90 => self.world.kill(device),
            90 => self.world.kill_server(),
            91..95 => drop(self.world.give(device, Command::Listen, Runner::Resident)),
            95 => drop(self.world.give(device, Command::StopListening, Runner::Resident)),
            96..99 => drop(self.world.give(device, Command::Sync, Runner::OneShot)),
            _ => self.let_a_day_pass(),
        }
    }

    fn create(&mut self) {
        if self.titles.len() >= MAX_GROUPS {
            return;
        }
        let everybody = self.everybody();
        let Some(device) = self.dice.pick(&everybody).copied() else { return };
        let title = format!("title-{MARKER}-{}", self.titles.len());
        self.titles.push(title.clone());
        let runner = self.runner(device);
        self.world.give(device, Command::CreateGroup { title, suite: SuiteChoice::Hybrid }, runner);
        // Most of the time it is there before anything else happens.
        if self.dice.chance(800) {
            self.world.run_for(Duration::from_secs(3));
        }
    }

    fn invite(&mut self, device: DeviceIx) {
        let Some(conversation) = self.a_group(device) else { return };
        let people = self.plan.setup.people;
        let count = 1 + self.dice.index(people);
        let names: Vec<String> = (0..count).filter_map(|_| self.somebody()).collect();
        let command = Command::Invite { channel: conversation.channel, names };
        let runner = self.runner(device);
        self.world.give(device, command, runner);
    }

    fn send(&mut self, device: DeviceIx) {
        // Somebody who is in a conversation, or this device if it is.
        let everybody = self.everybody();
        let chosen =
            if self.conversations(device).is_empty() { self.dice.pick(&everybody).copied() } else { Some(device) };
        let Some(device) = chosen else { return };
        let conversations = self.conversations(device);
        let Some(channel) = self.dice.pick(&conversations).map(|conversation| conversation.channel) else { return };
        let runs = if self.dice.chance(150) { 2 + self.dice.index(4) } else { 1 };
        for _ in 0..runs {
            let (words, content) = self.words(device);
            let runner = self.runner(device);
            let command = self.world.give(device, Command::Send { channel, content }, runner);
            self.texts.insert(words, Text { command, device, channel: Some(channel) });
        }
    }

    fn remove(&mut self, device: DeviceIx) {
        let (Some(conversation), Some(name)) = (self.a_group(device), self.somebody()) else { return };
        let runner = self.runner(device);
        self.world.give(device, Command::Remove { channel: conversation.channel, name }, runner);
    }

    fn leave(&mut self, device: DeviceIx) {
        let conversations = self.conversations(device);
        let Some(channel) = self.dice.pick(&conversations).map(|conversation| conversation.channel) else { return };
        let runner = self.runner(device);
        self.world.give(device, Command::Leave { channel }, runner);
    }

    fn rename(&mut self, device: DeviceIx) {
        let Some(conversation) = self.a_group(device) else { return };
        let title = format!("new-title-{MARKER}-{}", self.dice.below(1_000));
        let runner = self.runner(device);
        self.world.give(device, Command::Rename { channel: conversation.channel, title }, runner);
    }

    fn dm(&mut self, device: DeviceIx) {
        let person = self.world.device(device).person;
        let Some(peer) = (0..self.plan.setup.people)
            .filter(|other| *other != person)
            .nth(self.dice.index(self.plan.setup.people - 1))
        else {
            return;
        };
        self.write_to(device, peer);
        if self.dice.chance(400) {
            let back = self.world.devices().iter().position(|device| device.person == peer);
            if let Some(back) = back {
                self.write_to(DeviceIx(back), person);
            }
        }
    }

    fn write_to(&mut self, device: DeviceIx, peer: usize) {
        let (words, content) = self.words(device);
        let name = NAMES.get(peer).copied().unwrap_or_default().to_owned();
        let runner = self.runner(device);
        let command = self.world.give(device, Command::Dm { name, content, suite: SuiteChoice::Hybrid }, runner);
        self.texts.insert(words, Text { command, device, channel: None });
    }

    fn answer_request(&mut self, device: DeviceIx) {
        let open = self.requests(device);
        let Some((invitation, from)) = self.dice.pick(&open).copied() else { return };
        let runner = self.runner(device);
        if self.dice.chance(60) {
            self.blocked.push((self.world.device(device).person, from));
            self.world.give(device, Command::BlockRequest { invitation }, runner);
        } else {
            self.world.give(device, Command::AcceptRequest { invitation }, runner);
        }
    }

    /// Everybody stops, and comes back up to two days later.
    fn let_a_day_pass(&mut self) {
        for device in self.everybody() {
            if self.world.device(device).listens() {
                self.world.give(device, Command::StopListening, Runner::Resident);
            }
        }
        self.world.run_for(Duration::from_secs(10));
        let wait = self.dice.between(Duration::from_secs(3_600), Duration::from_secs(48 * 3_600));
        self.world.run_for(wait);
        self.world.sweep();
        for device in self.everybody() {
            if self.dice.chance(700) {
                self.world.give(device, Command::Listen, Runner::Resident);
            }
        }
    }

    /// Requests that wait on a device, with their senders.
    pub(super) fn requests(&self, device: DeviceIx) -> Vec<(quicprochat_wire::MessageId, quicprochat_wire::AccountId)> {
        let all = self.world.read(device, |tx| tx.inbox().invitations()).expect("in memory");
        let open = all.into_iter().filter(|invitation| invitation.state == InvitationState::Request);
        open.map(|invitation| (invitation.id, invitation.from)).collect()
    }

    /// Conversations that a device believes it can write to.
    fn conversations(&self, device: DeviceIx) -> Vec<Conversation> {
        let all = self.world.read(device, |tx| tx.conversations().all_conversations()).expect("in memory");
        all.into_iter().filter(|conversation| conversation.state == ConversationState::Active).collect()
    }

    fn a_group(&mut self, device: DeviceIx) -> Option<Conversation> {
        let mut groups = self.conversations(device);
        groups.retain(|conversation| conversation.kind == ConversationKind::Group);
        self.dice.pick(&groups).cloned()
    }

    fn somebody(&mut self) -> Option<String> {
        let people = NAMES.get(..self.plan.setup.people).unwrap_or_default();
        self.dice.pick(people).map(|name| (*name).to_owned())
    }

    fn runner(&mut self, device: DeviceIx) -> Runner {
        let alone = !self.world.device(device).listens();
        if alone || self.dice.chance(250) { Runner::OneShot } else { Runner::Resident }
    }

    /// A text that is written only once, and its content.
    fn words(&mut self, device: DeviceIx) -> (String, Vec<u8>) {
        let words = format!("{MARKER} {} of {}", self.texts.len(), self.name(device));
        let mut salt = [0; 16];
        for (out, byte) in salt.iter_mut().zip(self.dice.number().to_le_bytes()) {
            *out = byte;
        }
        let content = MimiContent::text(&words, "", Salt::new(salt)).encode().expect("a short text");
        (words, content)
    }

    /// The groups' channels are known to those in them alone; for the checks: every channel that any device knows.
    pub(super) fn channels(&self) -> std::collections::BTreeSet<ChannelId> {
        let of = |device| self.world.read(device, |tx| tx.conversations().all_conversations()).expect("in memory");
        self.everybody().into_iter().flat_map(of).map(|conversation| conversation.channel).collect()
    }
}
