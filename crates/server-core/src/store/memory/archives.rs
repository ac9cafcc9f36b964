//! Archives in memory.

use core::ops::Bound;

use quicprochat_wire::{AccountId, ObjectId, call::archive::ArchiveEntry};

use super::tables::Tables;
use crate::store::{ArchiveRow, ArchiveStore, StoreFault};

const LAST: ObjectId = ObjectId::new([u8::MAX; 16]);

impl ArchiveStore for Tables {
    fn load(&mut self, account: &AccountId) -> Result<ArchiveRow, StoreFault> {
        Ok(self.archives.get(account).copied().unwrap_or_default())
    }

    fn set_row(&mut self, account: &AccountId, row: &ArchiveRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.archives.insert(*account, *row);
        Ok(())
    }

    fn object(&mut self, account: &AccountId, id: &ObjectId) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.archive_objects.get(&(*account, *id)).cloned())
    }

    fn insert(&mut self, account: &AccountId, id: &ObjectId, sealed: &[u8]) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.archive_objects.insert((*account, *id), sealed.to_vec());
        Ok(())
    }

    fn remove_object(&mut self, account: &AccountId, id: &ObjectId) -> Result<Option<u64>, StoreFault> {
        self.check_writable()?;
        let bytes = self.archive_objects.get(&(*account, *id)).map(Vec::len);
        self.archive_objects.remove(&(*account, *id));
        Ok(bytes.map(|bytes| u64::try_from(bytes).unwrap_or(u64::MAX)))
    }

    fn page(
        &mut self,
        account: &AccountId,
        after: Option<&ObjectId>,
        limit: u16,
    ) -> Result<Vec<ArchiveEntry>, StoreFault> {
        let from = match after {
            Some(after) => Bound::Excluded((*account, *after)),
            None => Bound::Included((*account, ObjectId::new([0; 16]))),
        };
        if after == Some(&LAST) {
            return Ok(Vec::new());
        }
        let objects = self.archive_objects.range((from, Bound::Included((*account, LAST))));
        let entry = |((_, id), sealed): (&(AccountId, ObjectId), &Vec<u8>)| ArchiveEntry {
            id: *id,
            bytes: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
        };
        Ok(objects.take(usize::from(limit)).map(entry).collect())
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.archives.remove(account);
        self.archive_objects.remove_where((*account, ObjectId::new([0; 16]))..=(*account, LAST), |_, _| true);
        Ok(())
    }
}
