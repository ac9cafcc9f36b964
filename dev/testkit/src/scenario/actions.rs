//! What people do.

use quicprochat_client_core::{
    Command, SuiteChoice,
    content::{MimiContent, Salt},
    store::{Conversation, ConversationKind, ConversationState, InvitationState},
};
use quicprochat_wire::{ChannelId, Duration};

use super::{Block, DAY, MARKER, Scenario, Text};
use crate::{
    people::{MAX_DEVICES_EACH, NAMES},
    world::{DeviceIx, Fate, Runner},
};

/// Groups that are made in one scenario, at most.
const MAX_GROUPS: usize = 3;

impl Scenario {
    /// Everything the plan asks for; stops at the first step after which something is wrong.
    pub(super) fn act(&mut self) {
        self.begin_archives();
        for device in self.able() {
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
            self.look();
            if !self.violations.is_empty() || self.world.spins() {
                return;
            }
            if self.plan.server_goes_back && self.backup.is_none() && self.dice.chance(100) {
                self.back_up_server();
            }
        }
        self.world.run_for(Duration::from_secs(20));
        self.look();
    }

    fn one(&mut self) {
        let able = self.able();
        let Some(device) = self.dice.pick(&able).copied() else { return };
        if self.plan.clients_go_back && self.dice.chance(100) {
            return self.put_client_back(device);
        }
        if self.plan.archive && self.dice.chance(60) {
            return self.history_action(device);
        }
        let action = self.dice.below(1_000);
        if action >= 770 {
            self.disturb();
        }
        match action {
            0..40 => self.create(),
            40..170 => self.invite(device),
            170..510 => self.send(device),
            510..560 => self.remove(device),
            560..590 => self.leave(device),
            590..620 => self.rename(device),
            620..680 => self.dm(device),
            680..770 => self.answer_request(device),
            770..800 => self.world.set_online(device, false),
            800..850 => self.world.set_online(device, true),
            850..865 => self.world.break_links(device),
            865..880 => self.world.kill(device),
            880..890 => self.kill_server_at_work(device),
            890..920 => drop(self.world.give(device, Command::Listen, Runner::Resident)),
            920..930 => drop(self.world.give(device, Command::StopListening, Runner::Resident)),
            930..950 => drop(self.world.give(device, Command::Sync, Runner::OneShot)),
            950..960 => self.part(),
            960..970 => self.revoke(device),
            970..978 => self.enrol(device),
            978..983 => self.delete_account(device),
            983..990 => self.let_days_pass(Duration::from_secs(3_600), DAY * 2),
            990..996 => self.let_days_pass(DAY * 3, DAY * 20),
            _ => {}
        }
    }

    fn create(&mut self) {
        if self.titles.len() >= MAX_GROUPS {
            return;
        }
        let able = self.able();
        let Some(device) = self.dice.pick(&able).copied() else { return };
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
        let able = self.able();
        let chosen = if self.conversations(device).is_empty() { self.dice.pick(&able).copied() } else { Some(device) };
        let Some(device) = chosen else { return };
        let conversations = self.conversations(device);
        let Some(channel) = self.dice.pick(&conversations).map(|conversation| conversation.channel) else { return };
        let runs = if self.dice.chance(150) { 2 + self.dice.index(4) } else { 1 };
        for _ in 0..runs {
            let (words, content) = self.words(device);
            let runner = self.runner(device);
            let (given, there) = (self.world.now(), self.conversation(device, &channel));
            let command = self.world.give(device, Command::Send { channel, content }, runner);
            let cursor = there.map(|conversation| conversation.cursor.position);
            self.texts.insert(words, Text { command, device, channel: Some(channel), given, cursor });
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
        let channel = conversation.channel;
        let runner = self.runner(device);
        self.world.give(device, Command::Rename { channel, title: title.clone() }, runner);
        // Others have the same thought at the same time: of their commits one can be accepted.
        for other in self.able().into_iter().filter(|other| *other != device) {
            let is_in = self.conversation(other, &channel).is_some_and(|of| of.state == ConversationState::Active);
            if is_in && self.dice.chance(400) {
                let runner = self.runner(other);
                let title = format!("{title} by {}", self.name(other));
                self.world.give(other, Command::Rename { channel, title }, runner);
            }
        }
    }

    fn dm(&mut self, device: DeviceIx) {
        let person = self.world.device(device).person;
        let others: Vec<usize> = (0..self.plan.setup.people).filter(|other| *other != person).collect();
        let Some(peer) = self.dice.pick(&others).copied() else { return };
        self.write_to(device, peer);
        if self.dice.chance(400) {
            let back = self.able().into_iter().find(|device| self.world.device(*device).person == peer);
            if let Some(back) = back {
                self.write_to(back, person);
            }
        }
    }

    fn write_to(&mut self, device: DeviceIx, peer: usize) {
        let (words, content) = self.words(device);
        let name = NAMES.get(peer).copied().unwrap_or_default().to_owned();
        let runner = self.runner(device);
        let given = self.world.now();
        let command = self.world.give(device, Command::Dm { name, content, suite: SuiteChoice::Hybrid }, runner);
        self.texts.insert(words, Text { command, device, channel: None, given, cursor: None });
    }

    fn answer_request(&mut self, device: DeviceIx) {
        let open = self.requests(device);
        let Some((invitation, from)) = self.dice.pick(&open).copied() else { return };
        let runner = self.runner(device);
        if self.dice.chance(60) {
            let person = self.world.device(device).person;
            let command = self.world.give(device, Command::BlockRequest { invitation }, runner);
            self.blocked.push(Block { person, from, command });
        } else {
            self.world.give(device, Command::AcceptRequest { invitation }, runner);
        }
    }

    /// The server dies while it has something to do.
    fn kill_server_at_work(&mut self, device: DeviceIx) {
        for _ in 0..self.dice.index(4) {
            self.send(device);
        }
        let wait = self.dice.between(Duration::ZERO, Duration::from_millis(200));
        self.world.run_for(wait);
        self.world.kill_server();
        self.disturb();
    }

    /// Some devices are cut off, and then the others are.
    fn part(&mut self) {
        let (one, other): (Vec<_>, Vec<_>) = self.able().into_iter().partition(|_| self.dice.chance(500));
        for cut_off in [one, other] {
            for device in &cut_off {
                self.world.set_online(*device, false);
            }
            for _ in 0..1 + self.dice.index(3) {
                let able = self.able();
                if let Some(device) = self.dice.pick(&able).copied() {
                    self.send(device);
                }
            }
            let wait = self.dice.between(Duration::from_secs(1), Duration::from_secs(60));
            self.world.run_for(wait);
            for device in cut_off {
                self.world.set_online(device, true);
            }
        }
        self.disturb();
    }

    /// A person revokes another of their devices.
    fn revoke(&mut self, on: DeviceIx) {
        let others = self.others_of(on);
        let Some(device) = self.dice.pick(&others).copied() else { return };
        match self.world.revoke(on, device) {
            Ok(()) => drop(self.revoked.insert(device)),
            Err(why) => {
                // Nobody removes a device from conversations that is one of the account's still.
                self.world.note(format_args!("not revoked: {why}"));
                return;
            }
        }
        let runner = self.runner(on);
        let device = self.world.device(device).device;
        self.world.give(on, Command::RemoveDevice { device }, runner);
    }

    fn others_of(&self, device: DeviceIx) -> Vec<DeviceIx> {
        let person = self.world.device(device).person;
        self.able().into_iter().filter(|other| *other != device && self.world.device(*other).person == person).collect()
    }

    /// A person gets one device more.
    fn enrol(&mut self, device: DeviceIx) {
        if self.others_of(device).len() >= MAX_DEVICES_EACH {
            return;
        }
        match self.world.enrol(self.world.device(device).person) {
            Ok(new) => drop(self.world.give(new, Command::Listen, Runner::Resident)),
            Err(why) => self.world.note(format_args!("not enrolled: {why}")),
        }
    }

    /// A person leaves every conversation, and their account goes.
    fn delete_account(&mut self, device: DeviceIx) {
        let person = self.world.device(device).person;
        if self.plan.setup.people - self.gone.len() <= 2 {
            return;
        }
        let command = self.world.give(device, Command::LeaveAll, Runner::OneShot);
        self.world.run_for(Duration::from_secs(30));
        if !matches!(self.world.fate(command), Fate::Done(Ok(_))) {
            return;
        }
        match self.world.delete_account(person) {
            Ok(()) => drop(self.gone.insert(person)),
            Err(why) => self.world.note(format_args!("not deleted: {why}")),
        }
    }

    /// A device's store is put back to an older copy; half of the time the device is in its conversations meanwhile.
    fn put_client_back(&mut self, device: DeviceIx) {
        let copy = self.world.back_up_client(device);
        for _ in 0..self.dice.index(4) {
            self.send(device);
            let wait = self.dice.between(Duration::ZERO, Duration::from_secs(5));
            self.world.run_for(wait);
        }
        if self.dice.chance(300) {
            self.rename(device);
            self.world.run_for(Duration::from_secs(5));
        }
        self.look();
        for channel in self.channels() {
            let log = self.world.log(device, &channel);
            self.lost_logs.push((device, channel, log));
        }
        self.world.restore_client(device, &copy);
        self.put_back.insert(device, self.world.now());
        self.model.forget(device);
        self.disturb();
        if self.dice.chance(500) {
            self.send(device);
        }
        if self.dice.chance(500) {
            self.world.give(device, Command::Listen, Runner::Resident);
        }
    }

    /// Everybody stops, and comes back a while later.
    fn let_days_pass(&mut self, least: Duration, most: Duration) {
        for device in self.able() {
            if self.world.device(device).listens() {
                self.world.give(device, Command::StopListening, Runner::Resident);
            }
        }
        self.world.run_for(Duration::from_secs(10));
        let wait = self.dice.between(least, most);
        self.aged |= wait >= DAY * 3;
        self.world.run_for(wait);
        self.world.sweep();
        for device in self.able() {
            if self.dice.chance(700) {
                self.world.give(device, Command::Listen, Runner::Resident);
            }
        }
        self.disturb();
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
        let known = self.everybody().into_iter().flat_map(of).map(|conversation| conversation.channel);
        // Also those that only a store knew that was put back.
        let lost = self.lost_logs.iter().filter(|(_, _, log)| !log.is_empty()).map(|(_, channel, _)| *channel);
        known.chain(lost).collect()
    }
}
