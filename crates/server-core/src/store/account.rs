//! Accounts: names and passwords.

use quicprochat_wire::{AccountId, call::auth::StretchParams};

use super::{Day, StoreFault};

/// One account.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Without host; unique.
    pub name: String,
    /// How it signs in.
    pub password: PasswordRow,
    /// When it was made.
    pub created: Day,
}

/// An OPAQUE password record.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRow {
    /// The serialised record (RFC 9807).
    pub record: Vec<u8>,
    /// How the client stretches the password.
    pub stretch: StretchParams,
    /// Counts changes of the password, of other ways in and of the wraps, so that an earlier sign-in ends on every connection.
    pub version: u32,
}

/// The OPAQUE record of a way in beside the password.
#[derive(Clone, PartialEq, Eq)]
pub struct WayRow {
    /// The serialised record (RFC 9807).
    pub record: Vec<u8>,
    /// How the client stretches the secret.
    pub stretch: StretchParams,
}

impl core::fmt::Debug for WayRow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WayRow").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for AccountRow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AccountRow").field("created", &self.created).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for PasswordRow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PasswordRow").field("version", &self.version).finish_non_exhaustive()
    }
}

/// Accounts by id, with an index by name.
pub trait AccountStore {
    /// Who has this name.
    fn by_name(&mut self, name: &str) -> Result<Option<AccountId>, StoreFault>;
    /// The account, if there is one.
    fn load(&mut self, account: &AccountId) -> Result<Option<AccountRow>, StoreFault>;
    /// Adds an account. The caller has looked that neither id nor name is taken.
    fn insert(&mut self, account: &AccountId, row: &AccountRow) -> Result<(), StoreFault>;
    /// Replaces the password record of an account that exists.
    fn set_password(&mut self, account: &AccountId, password: &PasswordRow) -> Result<(), StoreFault>;
    /// The OPAQUE record of a way in beside the password, if the account has that way.
    fn way(&mut self, account: &AccountId, way: u16) -> Result<Option<WayRow>, StoreFault>;
    /// Adds or replaces the record of a way in beside the password.
    fn set_way(&mut self, account: &AccountId, way: u16, row: &WayRow) -> Result<(), StoreFault>;
    /// Removes the account with its ways in; nothing happens if there is none.
    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault>;
}
