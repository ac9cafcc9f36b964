//! Waking subscriptions after a commit.
//!
//! Nothing is carried here: a woken subscription reads the store from its own cursor, so a wake too many costs a read and
//! none is ever missed, because a listener notes the generation before it reads.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// Topics by key; a topic exists while somebody listens.
pub(crate) struct Wakers<K: Ord + Copy> {
    topics: Arc<Topics<K>>,
}

/// With each topic, how many listen to it.
type Topics<K> = Mutex<BTreeMap<K, (Arc<Topic>, usize)>>;

#[derive(Default)]
struct Topic {
    state: Mutex<TopicState>,
}

#[derive(Default)]
struct TopicState {
    generation: u64,
    next_listener: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl<K: Ord + Copy> Default for Wakers<K> {
    fn default() -> Self {
        Self { topics: Arc::default() }
    }
}

impl<K: Ord + Copy> Wakers<K> {
    /// Listens from now on.
    pub(crate) fn listen(&self, key: K) -> Listener<K> {
        let topic = {
            let mut topics = lock(&self.topics);
            let (topic, listeners) = topics.entry(key).or_default();
            *listeners += 1;
            Arc::clone(topic)
        };
        let (id, seen) = {
            let mut state = lock(&topic.state);
            state.next_listener += 1;
            (state.next_listener, state.generation)
        };
        Listener { topics: Arc::clone(&self.topics), key, topic, id, seen }
    }

    /// Wakes whoever listens to `key`.
    pub(crate) fn wake(&self, key: &K) {
        let topic = lock(&self.topics).get(key).map(|(topic, _)| Arc::clone(topic));
        if let Some(topic) = topic {
            topic.wake();
        }
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self) {
        let topics: Vec<_> = lock(&self.topics).values().map(|(topic, _)| Arc::clone(topic)).collect();
        for topic in topics {
            topic.wake();
        }
    }
}

impl Topic {
    fn wake(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.generation += 1;
            core::mem::take(&mut state.waiting)
        };
        for waker in waiting.into_values() {
            waker.wake();
        }
    }
}

/// One subscription's ear.
pub(crate) struct Listener<K: Ord + Copy> {
    topics: Arc<Topics<K>>,
    key: K,
    topic: Arc<Topic>,
    id: u64,
    seen: u64,
}

impl<K: Ord + Copy> Listener<K> {
    /// Resolves when there was a wake since this listener was made or last resolved.
    pub(crate) async fn changed(&mut self) {
        poll_fn(|context| {
            let mut state = lock(&self.topic.state);
            if state.generation == self.seen {
                state.waiting.insert(self.id, context.waker().clone());
                return Poll::Pending;
            }
            self.seen = state.generation;
            Poll::Ready(())
        })
        .await;
    }
}

impl<K: Ord + Copy> Drop for Listener<K> {
    fn drop(&mut self) {
        lock(&self.topic.state).waiting.remove(&self.id);
        let mut topics = lock(&self.topics);
        if let Some((_, listeners)) = topics.get_mut(&self.key) {
            *listeners -= 1;
            if *listeners == 0 {
                topics.remove(&self.key);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use core::{future::Future as _, pin::pin, task::Context};

    use super::*;

    fn is_ready(listener: &mut Listener<u8>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(listener.changed()).poll(&mut context).is_ready()
    }

    #[test]
    fn a_wake_between_reading_and_waiting_is_not_missed() {
        let wakers = Wakers::default();
        let (mut one, mut other) = (wakers.listen(1), wakers.listen(2));
        wakers.wake(&1);
        wakers.wake(&1);
        assert!(is_ready(&mut one));
        assert!(!is_ready(&mut one), "two wakes before a look are one");
        assert!(!is_ready(&mut other));
        wakers.wake_all();
        assert!(is_ready(&mut one) && is_ready(&mut other));
    }

    #[test]
    fn a_topic_lives_as_long_as_its_last_listener() {
        let wakers = Wakers::default();
        let (one, mut two) = (wakers.listen(1), wakers.listen(1));
        drop(one);
        wakers.wake(&1);
        assert!(is_ready(&mut two));
        drop(two);
        assert!(lock(&wakers.topics).is_empty());
    }
}
