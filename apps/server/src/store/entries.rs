//! The entries of channels: what stands in `entries`, and what is in the journal on its way there, as one.

use std::{cmp::Ordering, ops::RangeInclusive};

use quicprochat_server_core::store::{EntryRow, LogPoint, Minute, PageLimit, StoreFault};
use quicprochat_wire::{
    AccessPublicKey, ChainHash, MessageId,
    call::channel::{ChainPoint, EntryKind},
};
use rusqlite::{Error, Row, params};

use super::{
    channel_cache::{ChannelNum, position_of},
    tx::{SqliteTx, signed, unsigned},
};

impl SqliteTx<'_> {
    /// Adds an entry; `bytes` is its channel's total with it.
    pub(super) fn put_entry(&mut self, num: ChannelNum, bytes: u64, entry: EntryRow) -> Result<(), StoreFault> {
        let at = num.at(entry.at.position).ok_or(StoreFault::Full)?;
        let journal = self.journal()?;
        if journal.takes(&entry) {
            return journal.append(at, bytes, entry);
        }
        self.write(
            "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                at,
                entry.at.hash.as_bytes(),
                kind_number(entry.kind),
                signed(bytes)?,
                entry.id.as_bytes(),
                entry.time.0,
                signed(entry.after_commit.position)?,
                entry.after_commit.hash.as_bytes(),
                entry.next_access.as_ref().map(AccessPublicKey::as_bytes),
                entry.sealed,
            ],
        )?;
        Ok(())
    }

    /// What stands at a key.
    pub(super) fn entry_point(&self, at: i64) -> Result<Option<LogPoint>, StoreFault> {
        if let Some(held) = self.held().find(at) {
            let EntryRow { at, id, kind, after_commit, .. } = held.entry;
            return Ok(Some(LogPoint { at, id, kind, after_commit }));
        }
        let columns = "SELECT hash, kind, id, after_position, after_hash FROM entries WHERE at = ?1";
        self.one(columns, [at], |row| {
            Ok(LogPoint {
                at: ChainPoint { position: position_of(at), hash: hash(row, 0)? },
                kind: kind(row, 1)?,
                id: MessageId::new(row.get(2)?),
                after_commit: ChainPoint { position: unsigned(row, 3)?, hash: hash(row, 4)? },
            })
        })
    }

    /// The last entry of a range of keys, and its channel's bytes with it.
    pub(super) fn last_entry(&self, keys: RangeInclusive<i64>) -> Result<Option<(ChainPoint, u64)>, StoreFault> {
        let stored = self.one(
            "SELECT at, hash, bytes FROM entries WHERE at BETWEEN ?1 AND ?2 ORDER BY at DESC LIMIT 1",
            [keys.start(), keys.end()],
            |row| Ok((ChainPoint { position: position_of(row.get(0)?), hash: hash(row, 1)? }, unsigned(row, 2)?)),
        )?;
        let held = self.held().last(keys).map(|held| (held.entry.at, held.bytes));
        Ok(match (stored, held) {
            (Some(stored), Some(held)) if stored.0.position.cmp(&held.0.position) == Ordering::Greater => Some(stored),
            (stored, held) => held.or(stored),
        })
    }

    /// Entries of a range of keys whose content is kept, in order.
    pub(super) fn entries(&self, keys: RangeInclusive<i64>, limit: PageLimit) -> Result<Vec<EntryRow>, StoreFault> {
        let limit = PageLimit { entries: limit.entries.max(1), bytes: limit.bytes };
        let mut page = Vec::new();
        let mut bytes = 0usize;
        self.held().each(keys.clone(), |_, held| {
            bytes = bytes.saturating_add(held.entry.sealed.len());
            page.push(held.clone());
            page.len() < usize::from(limit.entries) && bytes < limit.bytes
        });
        let mut page: Vec<EntryRow> = page.into_iter().map(|held| held.entry.clone()).collect();
        let mut bytes = 0usize;
        self.each(
            "SELECT at, hash, kind, id, minute, after_position, after_hash, next_access, sealed FROM entries
             WHERE at BETWEEN ?1 AND ?2 AND sealed IS NOT NULL ORDER BY at LIMIT ?3",
            params![keys.start(), keys.end(), limit.entries],
            |row| {
                let entry = entry(row)?;
                bytes = bytes.saturating_add(entry.sealed.len());
                page.push(entry);
                Ok(bytes < limit.bytes)
            },
        )?;
        page.sort_by_key(|entry| entry.at.position);
        page.dedup_by_key(|entry| entry.at.position);
        page.truncate(limit.entries.into());
        let mut bytes = 0usize;
        let full = page.iter().position(|entry| {
            bytes = bytes.saturating_add(entry.sealed.len());
            bytes >= limit.bytes
        });
        page.truncate(full.map_or(page.len(), |last| last.saturating_add(1)));
        Ok(page)
    }

    /// Positions, lengths and times of up to `limit` entries of a range whose content is kept, in order.
    pub(super) fn entry_ages(
        &self,
        keys: RangeInclusive<i64>,
        limit: u32,
    ) -> Result<Vec<(u64, u64, Minute)>, StoreFault> {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut ages = self.all(
            "SELECT at, length(sealed), minute FROM entries
             WHERE at BETWEEN ?1 AND ?2 AND sealed IS NOT NULL ORDER BY at LIMIT ?3",
            params![keys.start(), keys.end(), limit],
            |row| Ok((position_of(row.get(0)?), unsigned(row, 1)?, Minute(row.get(2)?))),
        )?;
        let mut left = most;
        self.held().each(keys, |_, held| {
            if left > 0 {
                let entry = &held.entry;
                let length = u64::try_from(entry.sealed.len()).unwrap_or(u64::MAX);
                ages.push((entry.at.position, length, entry.time));
            }
            left = left.saturating_sub(1);
            left > 0
        });
        ages.sort_by_key(|(position, ..)| *position);
        ages.dedup_by_key(|(position, ..)| *position);
        ages.truncate(most);
        Ok(ages)
    }

    /// Ids and positions in a range of keys.
    pub(super) fn ids(&self, keys: RangeInclusive<i64>) -> Result<Vec<(MessageId, u64)>, StoreFault> {
        let mut ids =
            self.all("SELECT id, at FROM entries WHERE at BETWEEN ?1 AND ?2", [keys.start(), keys.end()], |row| {
                Ok((MessageId::new(row.get(0)?), position_of(row.get(1)?)))
            })?;
        self.held().each(keys, |_, held| {
            ids.push((held.entry.id, held.entry.at.position));
            true
        });
        Ok(ids)
    }
}

fn entry(row: &Row<'_>) -> Result<EntryRow, Error> {
    Ok(EntryRow {
        at: ChainPoint { position: position_of(row.get(0)?), hash: hash(row, 1)? },
        kind: kind(row, 2)?,
        id: MessageId::new(row.get(3)?),
        time: Minute(row.get(4)?),
        after_commit: ChainPoint { position: unsigned(row, 5)?, hash: hash(row, 6)? },
        next_access: row.get::<_, Option<[u8; 32]>>(7)?.map(AccessPublicKey::new),
        sealed: row.get(8)?,
    })
}

/// A column that holds a chain value.
pub(super) fn hash(row: &Row<'_>, column: usize) -> Result<ChainHash, Error> {
    row.get(column).map(ChainHash::new)
}

fn kind(row: &Row<'_>, column: usize) -> Result<EntryKind, Error> {
    match row.get::<_, i64>(column)? {
        0 => Ok(EntryKind::Message),
        1 => Ok(EntryKind::Commit),
        other => Err(Error::IntegralValueOutOfRange(column, other)),
    }
}

const fn kind_number(kind: EntryKind) -> i64 {
    match kind {
        EntryKind::Message => 0,
        EntryKind::Commit => 1,
    }
}
