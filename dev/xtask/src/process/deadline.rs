//! A budget of time that has begun to run.

use std::fmt;
use std::time::{Duration, Instant};

/// How often a long wait says that it is still waiting.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// When something must be done, and what it is.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    name: String,
    started: Instant,
    budget: Duration,
}

impl Deadline {
    /// Starts the clock of a budget in minutes.
    pub(crate) fn minutes(name: &str, minutes: u64) -> Self {
        Self::after(name, Duration::from_secs(minutes * 60))
    }

    /// Starts the clock of a budget.
    pub(crate) fn after(name: &str, budget: Duration) -> Self {
        Self { name: name.to_owned(), started: Instant::now(), budget }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time that is left; zero when over.
    pub(crate) fn left(&self) -> Duration {
        self.budget.saturating_sub(self.elapsed())
    }

    /// True once the budget is used up.
    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// How long to wait until the deadline or the next sign of life, whichever is first.
    pub(crate) fn next_wait(&self) -> Duration {
        self.left().min(HEARTBEAT)
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |time: Duration| time.as_secs_f64() / 60.0;
        write!(f, "{}: {:.1} of {:.1} minutes", self.name, minutes(self.elapsed()), minutes(self.budget))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_nothing_is_over_at_once_and_says_so() {
        let deadline = Deadline::after("probe", Duration::ZERO);
        assert!(deadline.is_over());
        assert_eq!(deadline.next_wait(), Duration::ZERO);
        assert_eq!(deadline.to_string(), "probe: 0.0 of 0.0 minutes");
    }

    #[test]
    fn a_long_wait_is_cut_into_heartbeats() {
        assert_eq!(Deadline::minutes("probe", 5).next_wait(), HEARTBEAT);
    }
}
