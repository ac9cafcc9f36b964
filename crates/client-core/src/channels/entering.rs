//! Which conversations are being entered anew: some at a time, those with the newest messages first.
//!
//! A new device has hundreds to enter. All at once, each would be finished when all are; one after the other, each would wait
//! for every answer of the server in between.

use core::cmp::Reverse;
use std::collections::BTreeSet;

use quicprochat_wire::{ChannelId, Timestamp};

use crate::{store::StoreFault, store::StoreTx, vault::activity::Activity};

/// How many are being entered at a time. An entry waits for four or five answers, so this many of them keep a processor busy
/// with answers that come 100 ms later.
const MOST: usize = 32;

/// See the module.
#[derive(Default)]
pub(super) struct Entering {
    inside: BTreeSet<ChannelId>,
    waiting: BTreeSet<(Reverse<Timestamp>, ChannelId)>,
    /// When something last happened in each, once that was asked for.
    activity: Option<Activity>,
}

impl Entering {
    /// Whether it may be entered now; if not, it waits for its turn.
    pub(super) fn may(&mut self, tx: &dyn StoreTx, channel: ChannelId) -> Result<bool, StoreFault> {
        if self.inside.contains(&channel) {
            return Ok(true);
        }
        let activity = match self.activity.take() {
            Some(activity) => activity,
            None => Activity::load(tx)?,
        };
        self.waiting.insert((Reverse(activity.of(&channel)), channel));
        self.activity = Some(activity);
        Ok(false)
    }

    /// Enters it whatever else is being entered: somebody asks for it.
    pub(super) fn at_once(&mut self, channel: ChannelId) {
        self.inside.insert(channel);
    }

    /// It was entered, or rests, or cannot be.
    pub(super) fn left(&mut self, channel: &ChannelId) {
        self.inside.remove(channel);
    }

    /// The next whose turn it is.
    pub(super) fn next(&mut self) -> Option<ChannelId> {
        while self.inside.len() < MOST {
            let (_, channel) = self.waiting.pop_first()?;
            if self.inside.insert(channel) {
                return Some(channel);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn channel(number: u8) -> ChannelId {
        ChannelId::new([number; 32])
    }

    #[test]
    fn some_at_a_time_are_entered_those_with_the_newest_messages_first() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("free");
        let mut activity = Activity::default();
        for number in 0..100 {
            activity.note(channel(number), Timestamp(u64::from(number) * 60_000));
        }
        activity.store(&tx).expect("stores");
        let mut entering = Entering::default();
        for number in 0..100 {
            assert_eq!(entering.may(&tx, channel(number)), Ok(false));
        }
        let first: Vec<_> = core::iter::from_fn(|| entering.next()).collect();
        assert_eq!(first, (68..100).rev().map(channel).collect::<Vec<_>>());
        assert_eq!((entering.may(&tx, channel(99)), entering.may(&tx, channel(67))), (Ok(true), Ok(false)));
        entering.left(&channel(80));
        assert_eq!((entering.next(), entering.next()), (Some(channel(67)), None));
    }

    #[test]
    fn what_somebody_asks_for_does_not_wait() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("free");
        let mut entering = Entering::default();
        for number in 0..40 {
            assert_eq!(entering.may(&tx, channel(number)), Ok(false));
        }
        while entering.next().is_some() {}
        entering.at_once(channel(39));
        assert_eq!((entering.may(&tx, channel(39)), entering.may(&tx, channel(38))), (Ok(true), Ok(false)));
        for number in 0..32 {
            entering.left(&channel(number));
        }
        let rest: Vec<_> = core::iter::from_fn(|| entering.next()).collect();
        assert_eq!(rest, (32..39).map(channel).collect::<Vec<_>>(), "and is not entered twice");
    }
}
