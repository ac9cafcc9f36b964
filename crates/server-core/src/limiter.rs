//! Rate limits, in memory only.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quicprochat_wire::{CallFailure, Duration, ErrorCode, Timestamp};

use crate::config::Rate;

/// Keys that a [`KeyedLimiter`] remembers before it forgets those that are not exhausted, and then any.
const MAX_KEYS: usize = 100_000;

/// One bucket, as the moment at which it would be full again (the generic cell rate algorithm). Microseconds.
#[derive(Clone, Copy, Default, Debug)]
struct Bucket(u64);

impl Bucket {
    /// Takes `count` at once; more than the burst counts as the burst.
    fn take(&mut self, rate: Rate, count: u32, now: Timestamp) -> Result<(), CallFailure> {
        let now = now.0.saturating_mul(1_000);
        let window = u64::try_from(rate.per.as_micros()).unwrap_or(u64::MAX);
        let refused = |wait: u64| {
            // Rounded up, so that whoever waits as told is not refused again.
            CallFailure::retry(ErrorCode::RateLimited, Duration::from_millis(wait.div_ceil(1_000)))
        };
        let Some(step) = window.checked_div(u64::from(rate.burst)) else { return Err(refused(window)) };
        // A clock that was set back must not lock anybody out for longer than the window.
        let full_at = self.0.clamp(now, now.saturating_add(window));
        let next = full_at.saturating_add(step.saturating_mul(u64::from(count.min(rate.burst))));
        let allowed_until = now.saturating_add(window);
        if next > allowed_until {
            return Err(refused(next - allowed_until));
        }
        self.0 = next;
        Ok(())
    }

    const fn is_full(self, now: Timestamp) -> bool {
        self.0 <= now.0.saturating_mul(1_000)
    }
}

/// A limit for one thing.
#[derive(Debug)]
pub(crate) struct Limiter {
    rate: Rate,
    bucket: Mutex<Bucket>,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, bucket: Mutex::default() }
    }

    /// Errors:   `rate-limited`, with the time after which a retry is allowed.
    pub(crate) fn take(&self, now: Timestamp) -> Result<(), CallFailure> {
        lock(&self.bucket).take(self.rate, 1, now)
    }
}

/// A limit for each of many things.
#[derive(Debug)]
pub(crate) struct KeyedLimiter<K> {
    rate: Rate,
    buckets: Mutex<BTreeMap<K, Bucket>>,
}

impl<K: Ord> KeyedLimiter<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Errors:   `rate-limited`, with the time after which a retry is allowed.
    pub(crate) fn take(&self, key: K, now: Timestamp) -> Result<(), CallFailure> {
        self.take_many(key, 1, now)
    }

    /// As that many calls of [`Self::take`], all or none; what is more than the burst counts as the burst.
    ///
    /// Errors:   `rate-limited`, with the time after which a retry is allowed.
    pub(crate) fn take_many(&self, key: K, count: u32, now: Timestamp) -> Result<(), CallFailure> {
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= MAX_KEYS && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
            while buckets.len() >= MAX_KEYS {
                buckets.pop_first();
            }
        }
        buckets.entry(key).or_default().take(self.rate, count, now)
    }

    /// Forgets whatever has its full burst again.
    pub(crate) fn sweep(&self, now: Timestamp) {
        lock(&self.buckets).retain(|_, bucket| !bucket.is_full(now));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(3, Duration::from_secs(30));
    const START: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn allows_the_burst_then_one_at_a_time_and_says_when() {
        let limiter = Limiter::new(RATE);
        for _ in 0..3 {
            assert_eq!(limiter.take(START), Ok(()));
        }
        let refused = limiter.take(START).expect_err("the burst is used up");
        assert_eq!(refused, CallFailure::retry(ErrorCode::RateLimited, Duration::from_secs(10)));
        let later = START.after(Duration::from_secs(10));
        assert!(limiter.take(Timestamp(later.0 - 1)).is_err());
        assert_eq!(limiter.take(later), Ok(()));
        assert!(limiter.take(later).is_err());
    }

    #[test]
    fn many_at_once_cost_as_much_as_one_by_one() {
        let limiter = KeyedLimiter::new(RATE);
        assert_eq!(limiter.take_many((), 2, START), Ok(()));
        let refused = limiter.take_many((), 2, START).expect_err("one is left");
        assert_eq!(refused.retry_after, Some(Duration::from_secs(10)));
        assert_eq!(limiter.take((), START), Ok(()), "a refusal costs nothing");
        let later = START.after(Duration::from_secs(30));
        assert_eq!(limiter.take_many((), 1_000, later), Ok(()), "more than the burst has to wait for a full one");
        assert!(limiter.take((), later).is_err());
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out_for_longer_than_the_window() {
        let limiter = Limiter::new(RATE);
        for _ in 0..3 {
            assert_eq!(limiter.take(START), Ok(()));
        }
        let before = Timestamp(START.0 - Timestamp::DAY_MS);
        let refused = limiter.take(before).expect_err("still used up");
        assert!(refused.retry_after <= Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_rate_of_nothing_allows_nothing() {
        assert!(Limiter::new(Rate::new(0, Duration::from_secs(1))).take(START).is_err());
    }

    #[test]
    fn keys_do_not_share_and_memory_is_bounded() {
        let limiter = KeyedLimiter::new(Rate::new(1, Duration::from_secs(30)));
        assert_eq!(limiter.take(0, START), Ok(()));
        assert!(limiter.take(0, START).is_err());
        for key in 1..=MAX_KEYS + 10 {
            assert_eq!(limiter.take(key, START), Ok(()));
        }
        assert!(lock(&limiter.buckets).len() <= MAX_KEYS);
        limiter.sweep(START.after(Duration::from_secs(31)));
        assert!(lock(&limiter.buckets).is_empty());
    }
}
