//! What must hold once everything has settled (DESIGN section 7).

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::{
    store::{Conversation, ConversationState, LogBody, LogEntry, RejoinReason},
    views::{self, ConversationView},
};
use quicprochat_wire::{AccountId, ChannelId, DeviceId, MessageId, Timestamp};

use super::{
    Block, Scenario, Summary,
    history::History,
    losses::lost,
    model::comes_in,
    view::{ServerLog, words},
};
use crate::world::{DeviceIx, Fate};

impl Scenario {
    /// Everything that is wrong once all has settled.
    pub(super) fn at_the_end(&mut self) -> Vec<String> {
        let mut wrong = self.contradictions();
        wrong.extend(self.thieves());
        if wrong.is_empty() && self.plan.archive {
            wrong.extend(self.archives());
        }
        wrong
    }

    fn contradictions(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self.world.errors().to_vec();
        let mut histories = BTreeMap::new();
        for channel in self.channels() {
            let history = self.history(&channel);
            let server = self.server_log(&channel);
            let mut found = history.contradictions.clone();
            if let Some(server) = &server {
                found.extend(self.against_server(&channel, server));
            }
            for device in self.everybody() {
                found.extend(self.device_in(device, &channel, &history, server.as_ref()));
            }
            wrong.extend(found.into_iter().map(|words| format!("{channel:?}: {words}")));
            histories.insert(channel, history);
        }
        wrong.extend(self.texts_where_they_belong(&histories));
        wrong.extend(self.commits_stand(&histories));
        wrong.extend(self.one_conversation_a_pair());
        wrong.extend(self.revoked_are_out());
        wrong.extend(self.forbidden_fields());
        wrong
    }

    fn history(&self, channel: &ChannelId) -> History {
        let log = |device: DeviceIx| {
            let of = self.world.device(device);
            (of.name.clone(), of.account, of.device, self.world.log(device, channel))
        };
        let lost = self.lost_logs.iter().filter(|(_, of, _)| of == channel).map(|(device, _, log)| {
            let of = self.world.device(*device);
            (format!("{} of before", of.name), of.account, of.device, log.clone())
        });
        History::of(&self.everybody().into_iter().map(log).chain(lost).collect::<Vec<_>>())
    }

    /// What devices show is what the server has, and the server has each id once.
    fn against_server(&self, channel: &ChannelId, server: &ServerLog) -> Vec<String> {
        let mut wrong = Vec::new();
        let by_seq: BTreeMap<u64, _> = server.entries.iter().map(|entry| (entry.at.position, entry.id)).collect();
        let ids: BTreeSet<_> = by_seq.values().collect();
        if ids.len() != by_seq.len() {
            wrong.push("an id stands twice in the server's log".to_owned());
        }
        for device in self.everybody() {
            for entry in self.world.log(device, channel) {
                let aged = entry.seq < server.first;
                let known = aged || entry.body == LogBody::Joined || by_seq.get(&entry.seq) == Some(&entry.id);
                if !known {
                    wrong.push(format!("{} shows #{} which the server has not", self.name(device), entry.seq));
                }
            }
        }
        wrong
    }

    /// One device's part of a conversation.
    fn device_in(
        &self,
        device: DeviceIx,
        channel: &ChannelId,
        history: &History,
        server: Option<&ServerLog>,
    ) -> Vec<String> {
        let of = self.world.device(device);
        let log = self.world.log(device, channel);
        let conversation = self.conversation(device, channel);
        let mut wrong = Vec::new();
        wrong.extend(twice(&log));
        let too_much = log.iter().filter(|entry| !history.may_show(&of.account, entry.seq));
        wrong.extend(too_much.map(|entry| format!("shows #{} from outside its time there", entry.seq)));
        let is_leaf = self.leaves(channel).is_none_or(|leaves| leaves.contains(&(of.account, of.device)));
        let able = !self.revoked.contains(&device) && !self.gone.contains(&of.person);
        let is_member = able && history.members().contains(&of.account) && is_leaf && server.is_some();
        match conversation {
            Some(conversation) if is_member => {
                wrong.extend(self.as_member(device, &conversation, &log, history, server));
            }
            Some(conversation) if able && conversation.state == ConversationState::Active => {
                wrong.push("believes to be in, and is not".to_owned());
            }
            None if is_member
                && !self.aged
                && !self.plan.forgets()
                // What its store has forgotten, nobody may have written down yet.
                && !self.has_forgotten(device, history.last_stay(&of.account).and_then(|stay| history.time(stay.from)))
                && !self.turned_down(of.person, &of.account, history)
                && self.leaves(channel).is_some()
                && !self.invited_in_vain(&of.account, history) =>
            {
                wrong.push("does not know that it is in".to_owned())
            }
            _ => {}
        }
        wrong.into_iter().map(|words| format!("{} {words}", of.name)).collect()
    }

    /// The devices that are in a group, as those say that have read furthest; `None` if nobody is there to ask.
    fn leaves(&self, channel: &ChannelId) -> Option<BTreeSet<(AccountId, DeviceId)>> {
        let furthest = |devices: Vec<DeviceIx>| {
            let all = devices.into_iter().filter_map(|device| self.conversation(device, channel));
            let active = all.filter(|conversation| conversation.state == ConversationState::Active);
            active.max_by_key(|conversation| conversation.cursor.position)
        };
        // Somebody whose device was revoked may be the last who knows.
        let furthest = furthest(self.able()).or_else(|| furthest(self.everybody()))?;
        Some(furthest.members.iter().map(|member| (member.account, member.device)).collect())
    }

    fn as_member(
        &self,
        device: DeviceIx,
        conversation: &Conversation,
        log: &[LogEntry],
        history: &History,
        server: Option<&ServerLog>,
    ) -> Vec<String> {
        let account = &self.world.device(device).account;
        let mut wrong = Vec::new();
        let bad_welcome = ConversationState::NeedsRejoin { reason: RejoinReason::BadWelcome };
        // It has heard of the conversation from its account's other devices only.
        let new_device = ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice };
        let is_removed = conversation.state == ConversationState::Removed;
        let uninvited = (conversation.state == new_device && self.aged)
            || ((conversation.state == new_device || is_removed) && self.invited_in_vain(account, history));
        // Whoever deleted its account is a member until somebody removes it, and cannot be handed the next keys.
        let no_record = ConversationState::NeedsRejoin { reason: RejoinReason::RecordsMissing };
        if conversation.state == no_record && history.members().iter().any(|member| self.is_gone(member)) {
            return wrong;
        }
        if (self.aged && conversation.state == bad_welcome) || uninvited {
            return wrong;
        }
        if self.plan.forgets() && matches!(conversation.state, ConversationState::NeedsRejoin { .. }) {
            return wrong;
        }
        if conversation.state == ConversationState::Left && !self.is_heard(&conversation.channel, account) {
            // Nobody who could remove it knows of it.
            return wrong;
        }
        if conversation.state != ConversationState::Active {
            return vec![format!("is a member and in state {:?}", conversation.state)];
        }
        // A device may come later than its account, never before.
        let enters = |entry: &&LogEntry| comes_in(&entry.body);
        let entrance = log.iter().rev().find(enters);
        // What another device archived may stand where this one came in.
        let let_in = || log.iter().find(|entry| self.plan.archive && history.lets_in(account, entry.seq));
        let entrance = entrance.or_else(let_in);
        let joined = entrance.map(|entry| entry.seq);
        // By its own commit, or by somebody else's.
        let entered = entrance.is_some_and(|entry| entry.sender == *account && history.was_in(account, entry.seq));
        if !entered && !joined.is_some_and(|seq| history.lets_in(account, seq)) {
            wrong.push(format!("joined at {joined:?}, where nobody let it in"));
        }
        let first = log.iter().find(enters).or(entrance).map_or(0, |entry| entry.seq);
        let gaps = self.gaps(device, &conversation.channel);
        wrong.extend(lost(log, history, account, first, &gaps).into_iter().map(|seq| format!("lacks #{seq}")));
        if let Some(server) = server {
            if conversation.cursor != server.last {
                let (cursor, last) = (conversation.cursor.position, server.last.position);
                wrong.push(format!("has read to #{cursor} of {last}"));
            } else if conversation.last_commit != server.last_commit {
                wrong.push("takes another commit for the last".to_owned());
            }
        }
        let members: BTreeSet<AccountId> = conversation.members.iter().map(|member| member.account).collect();
        if members != history.members() {
            wrong.push(format!("counts {members:?} as members, by the log it is {:?}", history.members()));
        }
        let channel = conversation.channel;
        let others = self.able().into_iter().filter_map(|device| self.conversation(device, &channel));
        let epochs: BTreeSet<u64> =
            others.filter(|other| other.state == ConversationState::Active).map(|other| other.epoch).collect();
        if epochs.len() > 1 {
            wrong.push(format!("is at epoch {}, of {epochs:?}", conversation.epoch));
        }
        wrong
    }

    /// Whether an account was deleted.
    fn is_gone(&self, account: &AccountId) -> bool {
        let of = |device: &DeviceIx| self.world.device(*device);
        self.everybody().iter().any(|device| of(device).account == *account && self.gone.contains(&of(device).person))
    }

    /// Whether somebody who could remove an account from a conversation has read that it wants to leave: for whoever came in
    /// later, or entered anew, its wish lies in a span that cannot be read.
    fn is_heard(&self, channel: &ChannelId, leaver: &AccountId) -> bool {
        let says_so = |entry: &LogEntry| entry.sender == *leaver && entry.body == LogBody::Leave;
        self.able().into_iter().any(|device| {
            let state = self.conversation(device, channel).map(|found| found.state);
            self.world.device(device).account != *leaver
                && state == Some(ConversationState::Active)
                && self.world.log(device, channel).iter().any(says_so)
        })
    }

    /// Whether the invitation did not leave because its writer was revoked, or counts no more because its account is gone.
    fn invited_in_vain(&self, account: &AccountId, history: &History) -> bool {
        let from = history.last_stay(account).map(|stay| stay.from);
        let Some(entry) = from.and_then(|seq| history.entries.get(&seq)) else { return false };
        let writer = self.everybody().into_iter().find(|device| {
            let of = self.world.device(*device);
            of.account == entry.sender && of.device == entry.device
        });
        let gone = |device: DeviceIx| self.gone.contains(&self.world.device(device).person);
        let waits = |device: DeviceIx| {
            let waiting = self.world.read(device, |tx| tx.outbox().deliveries()).expect("in memory");
            self.revoked.contains(&device) && waiting.iter().any(|delivery| delivery.account == *account)
        };
        writer.is_some_and(|device| gone(device) || waits(device))
    }

    /// Whether a person has turned down whoever invited their account: what that one sends is dropped.
    fn turned_down(&self, person: usize, account: &AccountId, history: &History) -> bool {
        let from = history.last_stay(account).and_then(|stay| history.entries.get(&stay.from));
        let Some(inviter) = from.map(|entry| entry.sender) else { return false };
        let by = |block: &Block| block.person == person && block.from == inviter;
        let holds = |block: &Block| !matches!(self.world.fate(block.command), Fate::Done(Err(_)));
        self.blocked.iter().any(|block| by(block) && holds(block))
    }

    /// Whether a device's store was put back to an older copy after a moment.
    pub(super) fn has_forgotten(&self, device: DeviceIx, since: Option<Timestamp>) -> bool {
        self.put_back.get(&device).is_some_and(|at| since.is_none_or(|since| since <= *at))
    }

    /// Two people have one conversation of the two, and both read it in the same order. Devices that are not in the same
    /// channels are not compared: one that was enrolled later, or was not invited by its own account, sees less.
    fn one_conversation_a_pair(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for device in self.everybody() {
            let of = self.world.device(device);
            for view in self.direct_views(device) {
                let name = &of.name;
                let Some(peer) = view.main.peer else { continue };
                let same = self.direct_views(device).iter().filter(|other| other.main.peer == Some(peer)).count();
                if same > 1 {
                    wrong.push(format!("{name} has {same} conversations with one account"));
                }
                for other in self.everybody().into_iter().filter(|other| self.world.device(*other).account == peer) {
                    let theirs =
                        self.direct_views(other).into_iter().find(|theirs| theirs.main.peer == Some(of.account));
                    let Some(theirs) = theirs.filter(|theirs| live_channels(theirs) == live_channels(&view)) else {
                        continue;
                    };
                    if theirs.main.channel != view.main.channel {
                        wrong.push(format!("{name} and {} write to each other in two channels", self.name(other)));
                    }
                    // Who has what is looked at channel by channel; here it is the order of what both have.
                    let (mine, others) = (self.log_of(device, &view), self.log_of(other, &theirs));
                    // Channels of one conversation are put together by time, and whoever wrote an entry may date it a minute
                    // before or after the server does.
                    let dated =
                        |log: &[LogEntry]| log.iter().map(|entry| (entry.id, entry.time)).collect::<BTreeMap<_, _>>();
                    let times = dated(&others);
                    let agree = |(id, time): (&MessageId, &Timestamp)| times.get(id).is_none_or(|other| other == time);
                    if !dated(&mine).iter().all(agree) {
                        continue;
                    }
                    let texts = |log: &[LogEntry]| log.iter().filter_map(words).collect::<Vec<_>>();
                    let (mut mine, mut others) = (texts(&mine), texts(&others));
                    let both: BTreeSet<String> = mine.iter().filter(|words| others.contains(words)).cloned().collect();
                    mine.retain(|words| both.contains(words));
                    others.retain(|words| both.contains(words));
                    if mine != others {
                        wrong.push(format!("{name} reads {mine:?}, {} reads {others:?}", self.name(other)));
                    }
                }
            }
        }
        wrong
    }

    /// The direct conversations that a device can write to.
    fn direct_views(&self, device: DeviceIx) -> Vec<ConversationView> {
        let mut found = self.world.read(device, views::conversations).expect("in memory");
        found.retain(|view| view.main.peer.is_some() && view.main.state == ConversationState::Active);
        found
    }

    fn log_of(&self, device: DeviceIx, view: &ConversationView) -> Vec<LogEntry> {
        self.world.read(device, |tx| views::log(tx, view, 0, usize::MAX)).expect("in memory")
    }

    /// A revoked device is in no conversation any more in which another device of its account is.
    fn revoked_are_out(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for channel in self.channels() {
            let Some(leaves) = self.leaves(&channel).filter(|_| self.server_log(&channel).is_some()) else { continue };
            for device in &self.revoked {
                let of = self.world.device(*device);
                let active = |other: &DeviceIx| {
                    let state = self.conversation(*other, &channel).map(|found| found.state);
                    self.world.device(*other).account == of.account && state == Some(ConversationState::Active)
                };
                if leaves.contains(&(of.account, of.device)) && self.able().iter().any(active) {
                    wrong.push(format!("{channel:?}: {} is revoked and still in", of.name));
                }
            }
        }
        wrong
    }

    pub(super) fn summary(&self) -> Summary {
        let mut summary =
            Summary { journal: self.world.journal().hash(), lines: self.world.journal().count(), ..Summary::default() };
        for channel in self.channels() {
            summary.texts += self.history(&channel).entries.values().filter(|entry| words(entry).is_some()).count();
            if let Some(log) = self.server_log(&channel) {
                summary.channels += 1;
                summary.entries += log.entries.len();
            }
        }
        summary
    }
}

/// The channels of a direct conversation that are in use.
fn live_channels(view: &ConversationView) -> BTreeSet<ChannelId> {
    let all = core::iter::once(&view.main).chain(&view.others);
    all.filter(|channel| channel.state == ConversationState::Active).map(|channel| channel.channel).collect()
}

/// Entries that a log shows more than once.
fn twice(log: &[LogEntry]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let again = log.iter().filter(|entry| entry.body != LogBody::Joined && !seen.insert((entry.sender, entry.id)));
    again.map(|entry| format!("shows {:?} twice", entry.id)).collect()
}
