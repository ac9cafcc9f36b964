//! What is still to happen, in order of time.

use std::collections::BTreeMap;

use quicprochat_wire::Timestamp;

/// Future happenings. Those of one moment come in the order in which they were put here, so that a run repeats.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: BTreeMap<(Timestamp, u64), T>,
    count: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), count: 0 }
    }
}

impl<T> Queue<T> {
    pub(crate) fn put(&mut self, at: Timestamp, happening: T) {
        self.count += 1;
        self.waiting.insert((at, self.count), happening);
    }

    /// When the next one is due.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<(Timestamp, T)> {
        self.waiting.pop_first().map(|((at, _), happening)| (at, happening))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn happenings_come_by_time_and_then_in_the_order_put() {
        let mut queue = Queue::default();
        for (at, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.put(Timestamp(at), what);
        }
        assert_eq!(queue.next_at(), Some(Timestamp(1)));
        let order: String = core::iter::from_fn(|| queue.take()).map(|(_, what)| what).collect();
        assert_eq!(order, "abcd");
        assert_eq!(queue.next_at(), None);
    }
}
