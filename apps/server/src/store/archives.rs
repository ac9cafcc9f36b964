//! Archives.

use quicprochat_server_core::store::{ArchiveRow, ArchiveStore, StoreFault};
use quicprochat_wire::{AccountId, ObjectId, call::archive::ArchiveEntry};
use rusqlite::{Error, Row, params};

use super::tx::{SqliteTx, signed, unsigned};

impl ArchiveStore for SqliteTx<'_> {
    fn load(&mut self, account: &AccountId) -> Result<ArchiveRow, StoreFault> {
        let found =
            self.one("SELECT objects, bytes FROM archives WHERE account = ?1", [account.as_bytes()], |row| {
                Ok(ArchiveRow { objects: unsigned(row, 0)?, bytes: unsigned(row, 1)? })
            })?;
        Ok(found.unwrap_or_default())
    }

    fn set_row(&mut self, account: &AccountId, row: &ArchiveRow) -> Result<(), StoreFault> {
        self.write(
            "INSERT OR REPLACE INTO archives VALUES (?1, ?2, ?3)",
            params![account.as_bytes(), signed(row.objects)?, signed(row.bytes)?],
        )?;
        Ok(())
    }

    fn object(&mut self, account: &AccountId, id: &ObjectId) -> Result<Option<Vec<u8>>, StoreFault> {
        self.one(
            "SELECT sealed FROM archive_objects WHERE account = ?1 AND id = ?2",
            [account.as_ref(), id.as_ref()],
            |row| row.get(0),
        )
    }

    fn insert(&mut self, account: &AccountId, id: &ObjectId, sealed: &[u8]) -> Result<(), StoreFault> {
        self.write(
            "INSERT INTO archive_objects VALUES (?1, ?2, ?3)",
            params![account.as_bytes(), id.as_bytes(), sealed],
        )?;
        Ok(())
    }

    fn remove_object(&mut self, account: &AccountId, id: &ObjectId) -> Result<Option<u64>, StoreFault> {
        let key: [&[u8]; 2] = [account.as_ref(), id.as_ref()];
        let bytes =
            self.one("SELECT length(sealed) FROM archive_objects WHERE account = ?1 AND id = ?2", key, |row| {
                unsigned(row, 0)
            })?;
        self.write("DELETE FROM archive_objects WHERE account = ?1 AND id = ?2", key)?;
        Ok(bytes)
    }

    fn page(
        &mut self,
        account: &AccountId,
        after: Option<&ObjectId>,
        limit: u16,
    ) -> Result<Vec<ArchiveEntry>, StoreFault> {
        let entry = |row: &Row<'_>| -> Result<ArchiveEntry, Error> {
            let bytes = u32::try_from(unsigned(row, 1)?).unwrap_or(u32::MAX);
            Ok(ArchiveEntry { id: ObjectId::new(row.get(0)?), bytes })
        };
        // No id is shorter than another, so the empty one is below all.
        let after = after.map_or(&[][..], |after| after.as_bytes());
        self.all(
            "SELECT id, length(sealed) FROM archive_objects WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
            params![account.as_bytes(), after, limit],
            entry,
        )
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM archives WHERE account = ?1", [account.as_bytes()])?;
        self.write("DELETE FROM archive_objects WHERE account = ?1", [account.as_bytes()])?;
        Ok(())
    }
}
