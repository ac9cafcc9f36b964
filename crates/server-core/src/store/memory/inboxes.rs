//! Inboxes in memory.

use quicprochat_wire::{AccountId, MessageId};

use super::tables::Tables;
use crate::store::{Day, InboxEntryRow, InboxRow, InboxStore, PageLimit, StoreFault};

impl InboxStore for Tables {
    fn load(&mut self, account: &AccountId) -> Result<InboxRow, StoreFault> {
        Ok(self.inboxes.get(account).copied().unwrap_or_default())
    }

    fn find_id(&mut self, account: &AccountId, id: &MessageId) -> Result<Option<u64>, StoreFault> {
        let mut entries = self.inbox_entries.range(entries_of(account, 0));
        Ok(entries.find(|(_, entry)| entry.id == *id).map(|(_, entry)| entry.seq))
    }

    fn append(&mut self, account: &AccountId, row: &InboxRow, entry: &InboxEntryRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.inboxes.insert(*account, *row);
        self.inbox_entries.insert((*account, entry.seq), entry.clone());
        Ok(())
    }

    fn page(&mut self, account: &AccountId, after: u64, limit: PageLimit) -> Result<Vec<InboxEntryRow>, StoreFault> {
        let mut page = Vec::new();
        let mut bytes = 0;
        let Some(from) = after.checked_add(1) else { return Ok(page) };
        for (_, entry) in self.inbox_entries.range(entries_of(account, from)) {
            if page.len() >= usize::from(limit.entries.max(1)) || bytes >= limit.bytes.max(1) {
                break;
            }
            bytes += entry.sealed.len();
            page.push(entry.clone());
        }
        Ok(page)
    }

    fn expire(&mut self, day: Day, limit: u32) -> Result<u32, StoreFault> {
        self.check_writable()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let old: Vec<((AccountId, u64), u64)> = self
            .inbox_entries
            .iter()
            .filter(|(_, entry)| entry.day < day)
            .map(|(key, entry)| (*key, u64::try_from(entry.sealed.len()).unwrap_or(u64::MAX)))
            .take(limit)
            .collect();
        for (key, bytes) in &old {
            self.inbox_entries.remove(key);
            if let Some(row) = self.inboxes.get(&key.0).copied() {
                let left = InboxRow {
                    last: row.last,
                    entries: row.entries.saturating_sub(1),
                    bytes: row.bytes.saturating_sub(*bytes),
                };
                self.inboxes.insert(key.0, left);
            }
        }
        Ok(u32::try_from(old.len()).unwrap_or(u32::MAX))
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.inboxes.remove(account);
        self.inbox_entries.remove_where(entries_of(account, 0), |_, _| true);
        Ok(())
    }
}

fn entries_of(account: &AccountId, from: u64) -> core::ops::RangeInclusive<(AccountId, u64)> {
    (*account, from)..=(*account, u64::MAX)
}
