//! Invite codes.

use quicprochat_wire::AccountId;

use super::{Day, StoreFault};

/// One code. Who used it is not kept.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// The code; the key of the row.
    pub code: String,
    /// Which account made it; `None` for the operator's.
    pub maker: Option<AccountId>,
    /// The last day on which it counts.
    pub expires: Day,
    /// Whether somebody registered with it.
    pub used: bool,
}

impl core::fmt::Debug for InviteRow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InviteRow").field("expires", &self.expires).field("used", &self.used).finish_non_exhaustive()
    }
}

/// Codes by code, with an index by maker.
pub trait InviteStore {
    /// The row of a code.
    fn by_code(&mut self, code: &str) -> Result<Option<InviteRow>, StoreFault>;
    /// All codes of one maker, by day of expiry and then by code.
    fn of_maker(&mut self, maker: &AccountId) -> Result<Vec<InviteRow>, StoreFault>;
    /// Stores or replaces a code.
    fn put(&mut self, row: &InviteRow) -> Result<(), StoreFault>;
    /// Removes all codes of one maker.
    fn remove_maker(&mut self, maker: &AccountId) -> Result<(), StoreFault>;
    /// Removes up to `limit` codes that expired before `today`; says how many.
    fn expire(&mut self, today: Day, limit: u32) -> Result<u32, StoreFault>;
}
