//! Tokens: how many an account got today, and which were spent.

use quicprochat_wire::AccountId;

use super::{Day, StoreFault};

/// Issue counts by account and day; spent tokens by epoch and nonce. Nothing ties the two.
pub trait TokenStore {
    /// How many tokens the account got on that day.
    fn issued(&mut self, account: &AccountId, day: Day) -> Result<u32, StoreFault>;
    /// Sets that number.
    fn set_issued(&mut self, account: &AccountId, day: Day, count: u32) -> Result<(), StoreFault>;
    /// Remembers a token as spent; `false` if it was already.
    fn spend(&mut self, epoch: u32, nonce: &[u8; 32]) -> Result<bool, StoreFault>;
    /// Removes an account's counts.
    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault>;
    /// Forgets counts of days before `day` and spent tokens of epochs before `epoch`, up to `limit` rows; says how many.
    fn expire(&mut self, day: Day, epoch: u32, limit: u32) -> Result<u32, StoreFault>;
}
