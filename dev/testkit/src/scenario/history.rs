//! The reference model: what a conversation's history is, by the logs that its members show and by nothing else.
//!
//! It knows no cryptography and no protocol: accounts are added and removed by entries, and everybody who was in at a
//! position has what stands there.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_client_core::store::{LogBody, LogEntry};
use quicprochat_wire::{AccountId, DeviceId, Timestamp};

use super::model::{plain, same};

/// A conversation as all logs together tell it.
pub(super) struct History {
    /// Everything that any device shows, by position.
    pub(super) entries: BTreeMap<u64, LogEntry>,
    /// Who was in, from after one position until another; still is, if that is `None`.
    pub(super) stays: BTreeMap<AccountId, Vec<Stay>>,
    /// Where the logs contradict each other, or cannot be a history.
    pub(super) contradictions: Vec<String>,
}

/// A time in a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stay {
    /// Position of the commit that added the account; 0 for whoever made the conversation.
    pub(super) from: u64,
    /// Position of the commit that removed it.
    pub(super) until: Option<u64>,
}

impl Stay {
    /// Whether it lasted when something came to stand at a position; what ended it belongs to it.
    fn has(&self, seq: u64) -> bool {
        self.from < seq && self.until.is_none_or(|until| seq <= until)
    }
}

impl History {
    /// Puts the logs of several devices together; each comes with the name of its device.
    pub(super) fn of(logs: &[(String, AccountId, DeviceId, Vec<LogEntry>)]) -> Self {
        let mut history = Self { entries: BTreeMap::new(), stays: BTreeMap::new(), contradictions: Vec::new() };
        let mut makers = BTreeSet::new();
        for (name, account, _, log) in logs {
            for entry in log {
                match entry.body {
                    LogBody::Joined if entry.seq == 0 => drop(makers.insert(*account)),
                    // Where a device comes in is its own business; the others show what its commit did.
                    LogBody::Joined | LogBody::Gap { .. } => {}
                    _ => history.take(name, entry),
                }
            }
        }
        for maker in &makers {
            history.stays.insert(*maker, vec![Stay { from: 0, until: None }]);
        }
        if makers.len() > 1 {
            history.contradictions.push(format!("made by {} accounts", makers.len()));
        }
        history.replay();
        history
    }

    fn take(&mut self, name: &str, entry: &LogEntry) {
        let entry = plain(entry);
        match self.entries.get(&entry.seq) {
            None => drop(self.entries.insert(entry.seq, entry)),
            Some(other) if same(other, &entry) => {}
            Some(other) => self.contradictions.push(format!("{name} shows {entry:?} where others show {other:?}")),
        }
    }

    fn replay(&mut self) {
        for (seq, entry) in &self.entries {
            if !is_in(&self.stays, &entry.sender, *seq) {
                self.contradictions.push(format!("#{seq} is by {:?}, who was not in", entry.sender));
            }
            let LogBody::Membership { added, removed, .. } = &entry.body else { continue };
            for account in removed.iter() {
                match self.stays.get_mut(account).and_then(|stays| stays.last_mut()) {
                    Some(stay) if stay.until.is_none() => stay.until = Some(*seq),
                    _ => self.contradictions.push(format!("#{seq} removes {account:?}, who was not in")),
                }
            }
            for account in added.iter() {
                let stays = self.stays.entry(*account).or_default();
                if stays.last().is_some_and(|stay| stay.until.is_none()) {
                    self.contradictions.push(format!("#{seq} adds {account:?}, who was in"));
                }
                stays.push(Stay { from: *seq, until: None });
            }
        }
    }

    /// Who is in at the end.
    pub(super) fn members(&self) -> BTreeSet<AccountId> {
        let is_in = |stays: &&Vec<Stay>| stays.last().is_some_and(|stay| stay.until.is_none());
        self.stays.iter().filter(|(_, stays)| is_in(stays)).map(|(account, _)| *account).collect()
    }

    /// The last time of an account in the conversation.
    pub(super) fn last_stay(&self, account: &AccountId) -> Option<Stay> {
        self.stays.get(account)?.last().copied()
    }

    /// Whether a device of an account may join at a position: the account was added there or made the conversation, or
    /// devices were.
    pub(super) fn lets_in(&self, account: &AccountId, seq: u64) -> bool {
        let added = self.stays.get(account).is_some_and(|stays| stays.iter().any(|stay| stay.from == seq));
        added
            || matches!(
                self.entries.get(&seq).map(|entry| &entry.body),
                Some(LogBody::Membership { devices_added: 1.., .. })
            )
    }

    /// Whether an account was in when something came to stand at a position.
    pub(super) fn was_in(&self, account: &AccountId, seq: u64) -> bool {
        is_in(&self.stays, account, seq)
    }

    /// Whether an account was in when something came to stand at a position, and had not said that it leaves.
    pub(super) fn listens(&self, account: &AccountId, seq: u64) -> bool {
        let Some(stays) = self.stays.get(account) else { return false };
        let Some(stay) = stays.iter().find(|stay| stay.has(seq)) else { return false };
        let leaves = |(_, entry): (&u64, &LogEntry)| entry.sender == *account && entry.body == LogBody::Leave;
        !self.entries.range(stay.from..seq).any(leaves)
    }

    /// Whether an account was removed behind a position.
    pub(super) fn was_removed_after(&self, account: &AccountId, seq: u64) -> bool {
        let stays = self.stays.get(account);
        stays.is_some_and(|stays| stays.iter().any(|stay| stay.until.is_some_and(|until| until > seq)))
    }

    /// The server's time of what stands at a position.
    pub(super) fn time(&self, seq: u64) -> Option<Timestamp> {
        self.entries.get(&seq).map(|entry| entry.time)
    }

    /// Whether an account may show what stands at a position.
    pub(super) fn may_show(&self, account: &AccountId, seq: u64) -> bool {
        let during = |stay: &Stay| stay.from <= seq && stay.until.is_none_or(|until| seq <= until);
        self.stays.get(account).is_some_and(|stays| stays.iter().any(during))
    }
}

fn is_in(stays: &BTreeMap<AccountId, Vec<Stay>>, account: &AccountId, seq: u64) -> bool {
    stays.get(account).is_some_and(|stays| stays.iter().any(|stay| stay.has(seq)))
}
