//! What unit tests of the parts stand on: a store in memory, seeded randomness, and no network.

use std::collections::{BTreeSet, VecDeque};

use quicprochat_wire::{ConnectionKind, Timestamp, call::session::HelloReply};

use super::{Auth, Cx, Net};
use crate::{effect::Effect, store::MemoryStore, testing::SeededEntropy};

/// Lends a [`Cx`] to tests, one transaction at a time.
pub(crate) struct Bed {
    pub(crate) store: MemoryStore,
    pub(crate) net: Net,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) timers: BTreeSet<Timestamp>,
    entropy: SeededEntropy,
    /// Log entries, and waiting messages, that the last job was handed by lists.
    pub(crate) entries_read: usize,
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            net: Net::default(),
            effects: VecDeque::new(),
            timers: BTreeSet::new(),
            entropy: SeededEntropy::new(1),
            entries_read: 0,
        }
    }

    /// Takes a link up, authenticated.
    pub(crate) fn link_up(&mut self, kind: ConnectionKind, hello: &HelloReply) {
        self.net.up(kind, hello, hello.time);
        self.net.set_auth(Auth::Done);
    }

    /// Runs `job` at `now` and commits what it did.
    pub(crate) fn at<T>(&mut self, now: u64, job: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let tx = self.store.begin().expect("no other transaction is open");
        let mut cx = Cx {
            now: Timestamp(now),
            tx: &tx,
            entropy: &mut self.entropy,
            net: &mut self.net,
            effects: &mut self.effects,
            timers: &mut self.timers,
            owner: [1; 16],
            own: None,
            conversations_changed: false,
        };
        let result = job(&mut cx);
        self.entries_read = tx.entries_read();
        tx.commit();
        result
    }
}

/// What a server says first.
pub(crate) fn hello(time: u64) -> HelloReply {
    use quicprochat_wire::{
        Challenge,
        call::session::{Registration, ServerLimits},
        time::Duration,
    };
    HelloReply {
        version: 1,
        challenge: Challenge::new([1; 32]),
        time: Timestamp(time),
        host: "chat.example".to_owned(),
        registration: Registration::Open,
        limits: ServerLimits {
            frame_bytes: 1,
            message_bytes: 1,
            commit_bytes: 1,
            group_info_bytes: 1,
            keyring_bytes: 1,
            inbox_bytes: 1,
            retention: Duration::from_secs(1),
        },
    }
}

mod tests {
    use quicprochat_wire::time::Duration;

    use super::*;
    use crate::store::Lease;

    #[test]
    fn a_claim_of_another_process_counts_until_it_is_over() {
        let mut bed = Bed::new();
        let theirs = Lease { owner: [2; 16], until: Timestamp(100) };
        assert!(bed.at(50, |cx| cx.held_by_another(Some(&theirs))));
        let by_a_clock_ahead = Lease { owner: [2; 16], until: Timestamp(86_400_000) };
        assert!(!bed.at(50, |cx| cx.held_by_another(Some(&by_a_clock_ahead))), "no claim is that long");
        assert_eq!(bed.timers.pop_first(), Some(Timestamp(150)), "it looks again soon");
        assert!(!bed.at(100, |cx| cx.held_by_another(Some(&theirs))));
        let ours = bed.at(50, |cx| cx.lease());
        assert!(ours.until > Timestamp(50));
        assert!(!bed.at(51, |cx| cx.held_by_another(Some(&ours))));
        assert!(!bed.at(51, |cx| cx.held_by_another(None)));
    }

    #[test]
    fn own_entries_bear_the_servers_minute() {
        let mut bed = Bed::new();
        assert_eq!(bed.at(61_000, |cx| cx.server_minute()), Timestamp(60_000));
        bed.net.up(ConnectionKind::Lookup, &hello(600_000), Timestamp(60_000));
        assert_eq!(bed.at(61_000, |cx| cx.server_minute()), Timestamp(600_000));
        assert_eq!(bed.at(121_000, |cx| cx.server_minute()), Timestamp(660_000));
    }

    #[test]
    fn a_random_moment_is_within_its_spread() {
        let mut bed = Bed::new();
        for _ in 0..100 {
            let at = bed.at(1_000, |cx| cx.jittered(Duration::from_millis(50)));
            assert!((1_000..1_050).contains(&at.0), "{at:?}");
        }
    }
}
