//! Vaults: wraps of the root key, and encrypted records.

use quicprochat_wire::{
    AccountId,
    call::vault::{VaultRecord, VaultWrap},
};

use super::StoreFault;

/// What is known of a record without its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VaultRow {
    /// Which record.
    pub id: u32,
    /// Its version.
    pub version: u64,
    /// Length of its sealed bytes; 0 if it was removed.
    pub bytes: u64,
}

/// Vaults by account.
pub trait VaultStore {
    /// All wraps, by way.
    fn wraps(&mut self, account: &AccountId) -> Result<Vec<VaultWrap>, StoreFault>;
    /// Replaces all wraps.
    fn set_wraps(&mut self, account: &AccountId, wraps: &[VaultWrap]) -> Result<(), StoreFault>;
    /// Versions and sizes of all records, also of removed ones, by id.
    fn rows(&mut self, account: &AccountId) -> Result<Vec<VaultRow>, StoreFault>;
    /// One record, also a removed one (with empty content).
    fn record(&mut self, account: &AccountId, id: u32) -> Result<Option<VaultRecord>, StoreFault>;
    /// Stores or replaces a record.
    fn put(&mut self, account: &AccountId, record: &VaultRecord) -> Result<(), StoreFault>;
    /// Removes wraps and records.
    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault>;
}
