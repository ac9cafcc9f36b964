//! Archives: sealed objects of an account's history.

use quicprochat_wire::{AccountId, ObjectId, call::archive::ArchiveEntry};

use super::StoreFault;

/// What an archive takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ArchiveRow {
    /// Objects kept.
    pub objects: u64,
    /// Bytes of sealed content kept.
    pub bytes: u64,
}

/// Archives by account.
pub trait ArchiveStore {
    /// What the archive takes; all zero if there is none.
    fn load(&mut self, account: &AccountId) -> Result<ArchiveRow, StoreFault>;
    /// Replaces the row of the archive.
    fn set_row(&mut self, account: &AccountId, row: &ArchiveRow) -> Result<(), StoreFault>;
    /// The sealed bytes of an object.
    fn object(&mut self, account: &AccountId, id: &ObjectId) -> Result<Option<Vec<u8>>, StoreFault>;
    /// Adds an object. The caller has looked that there is none with this id.
    fn insert(&mut self, account: &AccountId, id: &ObjectId, sealed: &[u8]) -> Result<(), StoreFault>;
    /// Removes an object; says how many bytes it had, if there was one.
    fn remove_object(&mut self, account: &AccountId, id: &ObjectId) -> Result<Option<u64>, StoreFault>;
    /// At most `limit` objects with ids above `after`, by id.
    fn page(
        &mut self,
        account: &AccountId,
        after: Option<&ObjectId>,
        limit: u16,
    ) -> Result<Vec<ArchiveEntry>, StoreFault>;
    /// Removes the archive.
    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault>;
}
