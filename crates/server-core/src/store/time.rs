//! Time as the store keeps it: too coarse to match rows of one kind with rows of another.

use quicprochat_wire::Timestamp;

/// Days since 1970-01-01: the precision of everything that belongs to an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Day(pub u32);

impl Day {
    /// The day's first moment.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(u64::from(self.0).saturating_mul(Timestamp::DAY_MS))
    }
}

impl From<Timestamp> for Day {
    fn from(time: Timestamp) -> Self {
        Self(time.day())
    }
}

/// Minutes since 1970-01-01T00:00Z: the precision of channel entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Minute(pub u32);

impl Minute {
    /// Length in milliseconds.
    pub const MS: u64 = 60_000;

    /// The minute's first moment.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp(u64::from(self.0).saturating_mul(Self::MS))
    }
}

impl From<Timestamp> for Minute {
    fn from(time: Timestamp) -> Self {
        Self(u32::try_from(time.0 / Self::MS).unwrap_or(u32::MAX))
    }
}
