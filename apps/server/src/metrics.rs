//! Counters of this process. They count methods and outcomes, never who or what.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use quicprochat_wire::{CallFailure, ErrorCode, Request};

/// Above every method's number.
const METHODS: usize = 128;
/// Above every error code's number; 0 stands for success.
const OUTCOMES: usize = 32;

/// What a call came to.
#[derive(Debug, Default)]
struct Method {
    name: OnceLock<&'static str>,
    outcomes: [AtomicU64; OUTCOMES],
}

/// Counters since start.
#[derive(Debug)]
pub struct Metrics {
    methods: Vec<Method>,
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let methods = (0..METHODS).map(|_| Method::default()).collect();
        Self { methods, opened: AtomicU64::new(0), closed: AtomicU64::new(0) }
    }
}

/// A call that is being answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallLabel {
    number: usize,
    name: &'static str,
}

impl CallLabel {
    pub(crate) fn of(request: &Request) -> Self {
        Self { number: usize::from(request.number()), name: request.name() }
    }
}

impl Metrics {
    pub(crate) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_call(&self, call: CallLabel, failure: Option<&CallFailure>) {
        let Some(method) = self.methods.get(call.number) else { return };
        method.name.get_or_init(|| call.name);
        let outcome = failure.map_or(0, |failure| usize::from(failure.code.number()));
        if let Some(counter) = method.outcomes.get(outcome) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.opened.load(Ordering::Relaxed).saturating_sub(self.closed.load(Ordering::Relaxed))
    }

    /// Calls so far: method, outcome (`ok` or an error code's name), count; those that happened.
    #[must_use]
    pub fn calls(&self) -> Vec<(&'static str, &'static str, u64)> {
        let mut calls = Vec::new();
        for method in &self.methods {
            let Some(name) = method.name.get() else { continue };
            for (outcome, counter) in (0u16..).zip(&method.outcomes) {
                let count = counter.load(Ordering::Relaxed);
                let outcome =
                    if outcome == 0 { "ok" } else { ErrorCode::from_number(outcome).map_or("?", ErrorCode::name) };
                if count > 0 {
                    calls.push((*name, outcome, count));
                }
            }
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::call::token::TokenKeys;

    use super::*;

    #[test]
    fn calls_are_counted_by_method_and_outcome() {
        let metrics = Metrics::default();
        let label = CallLabel::of(&TokenKeys {}.into());
        metrics.count_call(label, None);
        metrics.count_call(label, None);
        metrics.count_call(label, Some(&ErrorCode::ChannelExists.into()));
        assert_eq!(metrics.calls(), [("token-keys", "ok", 2), ("token-keys", "channel-exists", 1)]);
        assert!(ErrorCode::ALL.iter().all(|code| usize::from(code.number()) < OUTCOMES));
    }
}
