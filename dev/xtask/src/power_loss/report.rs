//! The counts of all cuts.

use std::time::Instant;

use quicprochat_powerloss::Loss;
use serde_json::json;

/// What happened in all worlds.
#[derive(Debug)]
pub(super) struct Report {
    seed: u64,
    begun: Instant,
    /// Cuts of the server alone, of one client alone, of everybody at once, and of somebody who registers (alone or with the server).
    pub(super) cuts: [usize; 4],
    /// Messages that a client called sent or queued.
    pub(super) acknowledged: usize,
    /// Of these, those called sent.
    pub(super) sent: usize,
    /// Changes of the group that a client called done.
    pub(super) changes: usize,
    /// Registrations that a client called done.
    pub(super) registrations: usize,
    /// Acknowledged messages, changes and registrations that are gone; gaps in what a device had, and messages that somebody had
    /// to send it again.
    pub(super) lost: usize,
    /// Messages that stand twice in somebody's log.
    pub(super) duplicated: usize,
    /// Conversations that a device cannot follow any more, or messages that it cannot show.
    pub(super) undecryptable: usize,
    /// Conversations whose logs differ between devices, or that a device calls diverged or spoilt.
    pub(super) forks: usize,
    /// Commands after a cut that should have worked.
    pub(super) failed_commands: usize,
    /// Worlds that ended before their last cut.
    pub(super) failed_worlds: usize,
    /// What the disks forgot.
    pub(super) loss: Loss,
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            begun: Instant::now(),
            cuts: [0; 4],
            acknowledged: 0,
            sent: 0,
            changes: 0,
            registrations: 0,
            lost: 0,
            duplicated: 0,
            undecryptable: 0,
            forks: 0,
            failed_commands: 0,
            failed_worlds: 0,
            loss: Loss::default(),
        }
    }

    /// Counts another one in.
    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.cuts.iter_mut().zip(other.cuts) {
            *mine += theirs;
        }
        self.acknowledged += other.acknowledged;
        self.sent += other.sent;
        self.changes += other.changes;
        self.registrations += other.registrations;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.undecryptable += other.undecryptable;
        self.forks += other.forks;
        self.failed_commands += other.failed_commands;
        self.failed_worlds += other.failed_worlds;
        self.loss.add(other.loss);
    }

    /// True if nothing happened that must not.
    pub(super) const fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.undecryptable + self.forks + self.failed_commands + self.failed_worlds == 0
    }

    /// One line.
    pub(super) fn json(&self) -> String {
        let [server, client, all, registering] = self.cuts;
        json!({
            "cuts": self.cuts.iter().sum::<usize>(),
            "seed": self.seed,
            "cut": { "server": server, "client": client, "all": all, "registering": registering },
            "acknowledged": { "messages": self.acknowledged, "sent": self.sent, "changes": self.changes, "registrations": self.registrations },
            "lost": self.lost,
            "duplicated": self.duplicated,
            "undecryptable": self.undecryptable,
            "forks": self.forks,
            "failed_commands": self.failed_commands,
            "failed_worlds": self.failed_worlds,
            "disks": {
                "unsynced_writes": self.loss.unsynced,
                "forgotten_writes": self.loss.forgotten,
                "torn_writes": self.loss.torn,
                "unsynced_names": self.loss.unsynced_names,
                "forgotten_names": self.loss.forgotten_names,
            },
            "seconds": self.begun.elapsed().as_secs(),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_and_not_clean_once_something_is_lost() {
        let mut report = Report::new(3);
        assert!(report.is_clean() && !report.json().contains('\n'));
        report.cuts = [1, 2, 3, 4];
        report.lost = 1;
        assert!(!report.is_clean());
        let parsed: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!((parsed["cuts"].as_u64(), parsed["lost"].as_u64()), (Some(10), Some(1)));
    }
}
