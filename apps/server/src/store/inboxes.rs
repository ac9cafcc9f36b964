//! Inboxes.

use quicprochat_server_core::store::{Day, InboxEntryRow, InboxRow, InboxStore, PageLimit, StoreFault};
use quicprochat_wire::{AccountId, MessageId};
use rusqlite::params;

use super::tx::{SqliteTx, count, signed, unsigned};

impl InboxStore for SqliteTx<'_> {
    fn load(&mut self, account: &AccountId) -> Result<InboxRow, StoreFault> {
        let found =
            self.one("SELECT last, entries, bytes FROM inboxes WHERE account = ?1", [account.as_bytes()], |row| {
                Ok(InboxRow { last: unsigned(row, 0)?, entries: unsigned(row, 1)?, bytes: unsigned(row, 2)? })
            })?;
        Ok(found.unwrap_or_default())
    }

    fn find_id(&mut self, account: &AccountId, id: &MessageId) -> Result<Option<u64>, StoreFault> {
        self.one(
            "SELECT seq FROM inbox_entries WHERE account = ?1 AND id = ?2",
            [account.as_ref(), id.as_ref()],
            |row| unsigned(row, 0),
        )
    }

    fn append(&mut self, account: &AccountId, row: &InboxRow, entry: &InboxEntryRow) -> Result<(), StoreFault> {
        self.write(
            "INSERT OR REPLACE INTO inboxes VALUES (?1, ?2, ?3, ?4)",
            params![account.as_bytes(), signed(row.last)?, signed(row.entries)?, signed(row.bytes)?],
        )?;
        self.write(
            "INSERT INTO inbox_entries VALUES (?1, ?2, ?3, ?4, ?5)",
            params![account.as_bytes(), signed(entry.seq)?, entry.id.as_bytes(), entry.day.0, entry.sealed],
        )?;
        Ok(())
    }

    fn page(&mut self, account: &AccountId, after: u64, limit: PageLimit) -> Result<Vec<InboxEntryRow>, StoreFault> {
        let Ok(after) = signed(after) else { return Ok(Vec::new()) };
        let mut page = Vec::new();
        let mut bytes = 0usize;
        self.each(
            "SELECT seq, id, day, sealed FROM inbox_entries WHERE account = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            params![account.as_bytes(), after, limit.entries.max(1)],
            |row| {
                let sealed: Vec<u8> = row.get(3)?;
                bytes = bytes.saturating_add(sealed.len());
                let id = MessageId::new(row.get(1)?);
                page.push(InboxEntryRow { seq: unsigned(row, 0)?, id, sealed, day: Day(row.get(2)?) });
                Ok(bytes < limit.bytes)
            },
        )?;
        Ok(page)
    }

    fn expire(&mut self, day: Day, limit: u32) -> Result<u32, StoreFault> {
        let old = self.all(
            "SELECT account, seq, length(sealed) FROM inbox_entries WHERE day < ?1 LIMIT ?2",
            params![day.0, limit],
            |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        )?;
        for (account, seq, bytes) in &old {
            self.write("DELETE FROM inbox_entries WHERE account = ?1 AND seq = ?2", params![account, seq])?;
            self.write(
                "UPDATE inboxes SET entries = max(entries - 1, 0), bytes = max(bytes - ?2, 0) WHERE account = ?1",
                params![account, bytes],
            )?;
        }
        Ok(count(old.len()))
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.write("DELETE FROM inboxes WHERE account = ?1", [account.as_bytes()])?;
        self.write("DELETE FROM inbox_entries WHERE account = ?1", [account.as_bytes()])?;
        Ok(())
    }
}
