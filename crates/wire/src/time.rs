//! Time as the protocol has it: handed in, never read from a clock here.

pub use core::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Length of a [`Self::day`].
    pub const DAY_MS: u64 = 86_400_000;

    /// Days since the epoch: the only precision at which the server keeps most times.
    #[must_use]
    pub const fn day(self) -> u32 {
        (self.0 / Self::DAY_MS) as u32
    }

    /// The first moment of its day: what a record that the server keeps may say about when it was made, because a finer time
    /// could be matched with that of a channel's entry.
    #[must_use]
    pub const fn day_start(self) -> Self {
        Self(self.0 - self.0 % Self::DAY_MS)
    }

    /// The moment `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
