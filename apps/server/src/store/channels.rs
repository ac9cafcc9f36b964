//! Channels.

use std::collections::HashMap;

use quicprochat_server_core::store::{
    ChannelRow, ChannelStore, ChunkRow, EntryRow, GroupInfoRow, KeyRow, KeyringRow, LogPoint, Minute, PageLimit,
    StoreFault,
};
use quicprochat_wire::{AccessPublicKey, ChannelId, ChunkId, Digest, MessageId, call::channel::ChainPoint};
use rusqlite::{Error, Row, params};

use super::{
    channel_cache::{CachedChannel, ChannelNum, position_of},
    entries::hash,
    tx::{SqliteTx, signed, unsigned},
};

/// Entries whose ids wait before they go into `entry_ids` together: sorted, many share a page.
const INDEX_BATCH: u64 = 512;
/// How often a random number that is taken is drawn again.
const MAX_DRAWS: usize = 64;

impl ChannelStore for SqliteTx<'_> {
    fn load(&mut self, channel: &ChannelId) -> Result<Option<ChannelRow>, StoreFault> {
        Ok(self.cached(channel)?.map(|cached| cached.row))
    }

    fn insert(&mut self, channel: &ChannelId, row: &ChannelRow) -> Result<(), StoreFault> {
        let num = self.draw_num()?;
        self.cache.touch(channel);
        self.write(
            "INSERT INTO channels VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                num.column(),
                channel.as_bytes(),
                row.access.as_bytes(),
                signed(row.access_since)?,
                signed(row.last_commit.position)?,
                row.last_commit.hash.as_bytes(),
                signed(row.last.position)?,
                row.last.hash.as_bytes(),
                signed(row.first)?,
                row.oldest.map(|minute| minute.0),
                signed(row.bytes)?,
                row.group_infos,
                signed(row.group_info_bytes)?,
                row.created_with.as_bytes(),
                signed(row.last.position)?,
            ],
        )?;
        let indexed = row.last.position;
        self.cache.put(channel, CachedChannel { num, row: *row, stored: *row, indexed, recent: Some(HashMap::new()) });
        Ok(())
    }

    fn save(&mut self, channel: &ChannelId, row: &ChannelRow) -> Result<(), StoreFault> {
        let num = self.num(channel)?;
        self.cache.touch(channel);
        self.store_row(num, row)?;
        if let Some(cached) = self.cache.find(channel) {
            (cached.row, cached.stored) = (*row, *row);
        }
        Ok(())
    }

    fn find_id(&mut self, channel: &ChannelId, id: &MessageId) -> Result<Option<ChainPoint>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(None) };
        let (num, indexed) = (cached.num, cached.indexed);
        self.load_recent(channel)?;
        let recent = self.cache.find(channel).and_then(|cached| cached.recent.as_ref()?.get(id).copied());
        let position = match recent {
            Some(position) => Some(position),
            None if indexed == 0 => None,
            None => self.one(
                "SELECT position FROM entry_ids WHERE num = ?1 AND id = ?2",
                params![num.column(), id.as_bytes()],
                |row| unsigned(row, 0),
            )?,
        };
        let Some(position) = position else { return Ok(None) };
        Ok(ChannelStore::point(self, channel, position)?.map(|point| point.at))
    }

    fn point(&mut self, channel: &ChannelId, position: u64) -> Result<Option<LogPoint>, StoreFault> {
        let Some(at) = self.cached(channel)?.and_then(|cached| cached.num.at(position)) else { return Ok(None) };
        self.entry_point(at)
    }

    fn append(&mut self, channel: &ChannelId, row: &ChannelRow, entry: EntryRow) -> Result<(), StoreFault> {
        let num = self.num(channel)?;
        let (at, id) = (entry.at, entry.id);
        self.cache.touch(channel);
        self.put_entry(num, row.bytes, entry)?;
        let Some(cached) = self.cache.find(channel) else { return Err(StoreFault::Damaged { what: "channel" }) };
        cached.row = *row;
        let follows = row.last == at && *row == ChannelRow { last: row.last, bytes: row.bytes, ..cached.stored };
        if let Some(recent) = &mut cached.recent {
            recent.insert(id, at.position);
            self.cache.count_ids(1);
        }
        if !follows {
            self.store_row(num, row)?;
            if let Some(cached) = self.cache.find(channel) {
                cached.stored = *row;
            }
        }
        self.index_when_due(channel, at.position)
    }

    fn page(
        &mut self,
        channel: &ChannelId,
        after: u64,
        through: u64,
        limit: PageLimit,
    ) -> Result<Vec<EntryRow>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(Vec::new()) };
        let from = after.saturating_add(1).max(cached.row.first);
        if after >= through || from > through {
            return Ok(Vec::new());
        }
        let (from, through) = (cached.num.at(from), cached.num.at_most(through));
        let Some(from) = from else { return Ok(Vec::new()) };
        self.entries(from..=through, limit)
    }

    fn key(&mut self, channel: &ChannelId, access: &AccessPublicKey) -> Result<Option<KeyRow>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(None) };
        let num = cached.num.column();
        self.one(
            "SELECT since, until FROM access_keys WHERE num = ?1 AND access = ?2",
            params![num, access.as_bytes()],
            |row| {
                let until = if row.get::<_, Option<i64>>(1)?.is_some() { Some(unsigned(row, 1)?) } else { None };
                Ok(KeyRow { since: unsigned(row, 0)?, until })
            },
        )
    }

    fn put_key(&mut self, channel: &ChannelId, access: &AccessPublicKey, row: KeyRow) -> Result<(), StoreFault> {
        let num = self.num(channel)?.column();
        let until = row.until.map(signed).transpose()?;
        self.write(
            "INSERT OR REPLACE INTO access_keys VALUES (?1, ?2, ?3, ?4)",
            params![num, access.as_bytes(), signed(row.since)?, until],
        )?;
        Ok(())
    }

    fn group_info(&mut self, channel: &ChannelId, position: u64) -> Result<Option<GroupInfoRow>, StoreFault> {
        let Some(at) = self.cached(channel)?.and_then(|cached| cached.num.at(position)) else { return Ok(None) };
        self.one("SELECT hash, sealed FROM group_infos WHERE at = ?1", [at], |row| {
            Ok(GroupInfoRow { at: ChainPoint { position, hash: hash(row, 0)? }, sealed: row.get(1)? })
        })
    }

    fn put_group_info(&mut self, channel: &ChannelId, row: GroupInfoRow) -> Result<(), StoreFault> {
        let at = self.num(channel)?.at(row.at.position).ok_or(StoreFault::Full)?;
        self.write(
            "INSERT OR REPLACE INTO group_infos VALUES (?1, ?2, ?3)",
            params![at, row.at.hash.as_bytes(), row.sealed],
        )?;
        Ok(())
    }

    fn oldest_group_info(&mut self, channel: &ChannelId) -> Result<Option<(u64, u64)>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(None) };
        let (from, through) = (cached.num.at_most(0), cached.num.at_most(u64::MAX));
        self.one(
            "SELECT at, length(sealed) FROM group_infos WHERE at BETWEEN ?1 AND ?2 ORDER BY at LIMIT 1",
            [from, through],
            |row| Ok((position_of(row.get(0)?), unsigned(row, 1)?)),
        )
    }

    fn newest_group_info(&mut self, channel: &ChannelId) -> Result<Option<u64>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(None) };
        let (from, through) = (cached.num.at_most(0), cached.num.at_most(u64::MAX));
        self.one(
            "SELECT at FROM group_infos WHERE at BETWEEN ?1 AND ?2 ORDER BY at DESC LIMIT 1",
            [from, through],
            |row| Ok(position_of(row.get(0)?)),
        )
    }

    fn remove_group_info(&mut self, channel: &ChannelId, position: u64) -> Result<(), StoreFault> {
        let Some(at) = self.cached(channel)?.and_then(|cached| cached.num.at(position)) else { return Ok(()) };
        self.write("DELETE FROM group_infos WHERE at = ?1", [at])?;
        Ok(())
    }

    fn chunk(&mut self, channel: &ChannelId, id: &ChunkId) -> Result<Option<ChunkRow>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(None) };
        let num = cached.num.column();
        self.one(
            "SELECT sealed, until FROM tree_chunks WHERE num = ?1 AND id = ?2",
            params![num, id.as_bytes()],
            |row| {
                let until = if row.get::<_, Option<i64>>(1)?.is_some() { Some(unsigned(row, 1)?) } else { None };
                Ok(ChunkRow { sealed: row.get(0)?, until })
            },
        )
    }

    fn put_chunk(&mut self, channel: &ChannelId, id: &ChunkId, sealed: Vec<u8>) -> Result<(), StoreFault> {
        let num = self.num(channel)?.column();
        let bytes = i64::try_from(sealed.len()).map_err(|_| StoreFault::Full)?;
        self.write(
            "INSERT OR REPLACE INTO tree_chunks VALUES (?1, ?2, NULL, ?3, ?4)",
            params![num, id.as_bytes(), bytes, sealed],
        )?;
        Ok(())
    }

    fn end_chunk(&mut self, channel: &ChannelId, id: &ChunkId, until: u64) -> Result<bool, StoreFault> {
        let num = self.num(channel)?.column();
        let ended = self.write(
            "UPDATE tree_chunks SET until = ?3 WHERE num = ?1 AND id = ?2 AND until IS NULL",
            params![num, id.as_bytes(), signed(until)?],
        )?;
        Ok(ended > 0)
    }

    fn end_all_chunks(&mut self, channel: &ChannelId, until: u64) -> Result<(), StoreFault> {
        let num = self.num(channel)?.column();
        self.write("UPDATE tree_chunks SET until = ?2 WHERE num = ?1 AND until IS NULL", [num, signed(until)?])?;
        Ok(())
    }

    fn chunk_bytes(&mut self, channel: &ChannelId) -> Result<u64, StoreFault> {
        let num = self.num(channel)?.column();
        let sum = "SELECT coalesce(sum(bytes), 0) FROM tree_chunks WHERE num = ?1 AND until IS NULL";
        Ok(self.one(sum, [num], |row| unsigned(row, 0))?.unwrap_or(0))
    }

    fn drop_chunks(&mut self, channel: &ChannelId, through: u64) -> Result<u64, StoreFault> {
        let num = self.num(channel)?.column();
        let ended = [num, signed(through)?];
        let sum = "SELECT coalesce(sum(bytes), 0) FROM tree_chunks WHERE num = ?1 AND until <= ?2";
        let bytes = self.one(sum, ended, |row| unsigned(row, 0))?.unwrap_or(0);
        if bytes > 0 {
            self.write("DELETE FROM tree_chunks WHERE num = ?1 AND until <= ?2", ended)?;
        }
        Ok(bytes)
    }

    fn keyring(&mut self, channel: &ChannelId) -> Result<Option<KeyringRow>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(None) };
        let num = cached.num.column();
        self.one("SELECT position, hash, keyring FROM keyrings WHERE num = ?1", [num], |row| {
            let at = ChainPoint { position: unsigned(row, 0)?, hash: hash(row, 1)? };
            Ok(KeyringRow { at, keyring: row.get(2)? })
        })
    }

    fn put_keyring(&mut self, channel: &ChannelId, row: KeyringRow) -> Result<(), StoreFault> {
        let num = self.num(channel)?.column();
        self.write(
            "INSERT OR REPLACE INTO keyrings VALUES (?1, ?2, ?3, ?4)",
            params![num, signed(row.at.position)?, row.at.hash.as_bytes(), row.keyring],
        )?;
        Ok(())
    }

    fn overdue(&mut self, before: Minute, limit: u32) -> Result<Vec<ChannelId>, StoreFault> {
        self.all(
            "SELECT channel FROM channels WHERE oldest_minute IS NOT NULL AND oldest_minute < ?1 LIMIT ?2",
            params![before.0, limit],
            |row| Ok(ChannelId::new(row.get(0)?)),
        )
    }

    fn ages(&mut self, channel: &ChannelId, from: u64, limit: u32) -> Result<Vec<(u64, u64, Minute)>, StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(Vec::new()) };
        let through = cached.num.at_most(u64::MAX);
        let Some(from) = cached.num.at(from.max(cached.row.first)) else { return Ok(Vec::new()) };
        self.entry_ages(from..=through, limit)
    }

    fn drop_content(&mut self, channel: &ChannelId, first: u64) -> Result<(), StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(()) };
        // What the row says is kept is where to begin, unless the row was moved on before. What is in the journal is dropped
        // when it moves.
        let from = if cached.row.first < first { cached.row.first } else { 0 };
        let (from, below) = (cached.num.at_most(from), cached.num.at_most(first));
        self.write(
            "UPDATE entries SET sealed = NULL, next_access = NULL WHERE at >= ?1 AND at < ?2 AND sealed IS NOT NULL",
            [from, below],
        )?;
        Ok(())
    }

    fn remove(&mut self, channel: &ChannelId) -> Result<(), StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(()) };
        let num = cached.num;
        self.cache.touch(channel);
        let all = [num.at_most(0), num.at_most(u64::MAX)];
        self.write("DELETE FROM entries WHERE at BETWEEN ?1 AND ?2", all)?;
        self.write("DELETE FROM group_infos WHERE at BETWEEN ?1 AND ?2", all)?;
        self.write("DELETE FROM tree_chunks WHERE num = ?1", [num.column()])?;
        self.write("DELETE FROM entry_ids WHERE num = ?1", [num.column()])?;
        self.write("DELETE FROM access_keys WHERE num = ?1", [num.column()])?;
        self.write("DELETE FROM keyrings WHERE num = ?1", [num.column()])?;
        self.write("DELETE FROM channels WHERE num = ?1", [num.column()])?;
        self.cache.evict(&[*channel]);
        Ok(())
    }
}

impl SqliteTx<'_> {
    /// The channel, from memory or from its row and its last entry.
    fn cached(&mut self, channel: &ChannelId) -> Result<Option<&CachedChannel>, StoreFault> {
        if self.cache.find(channel).is_none() {
            let Some((num, stored, indexed)) = self.one(
                "SELECT num, access, access_since, commit_position, commit_hash, last_position, last_hash, first,
                 oldest_minute, bytes, group_infos, group_info_bytes, created_with, indexed
                 FROM channels WHERE channel = ?1",
                [channel.as_bytes()],
                channel_row,
            )?
            else {
                return Ok(None);
            };
            let num = ChannelNum::from_column(num).ok_or(StoreFault::Damaged { what: "channel" })?;
            let above = num.at_most(stored.last.position).saturating_add(1);
            let newer = self.last_entry(above..=num.at_most(u64::MAX))?;
            let row = newer.map_or(stored, |(last, bytes)| ChannelRow { last, bytes, ..stored });
            self.cache.put(channel, CachedChannel { num, row, stored, indexed, recent: None });
        }
        Ok(self.cache.find(channel).map(|cached| &*cached))
    }

    /// The number of a channel that the caller knows to exist.
    fn num(&mut self, channel: &ChannelId) -> Result<ChannelNum, StoreFault> {
        self.cached(channel)?.map(|cached| cached.num).ok_or(StoreFault::Damaged { what: "channel" })
    }

    fn draw_num(&mut self) -> Result<ChannelNum, StoreFault> {
        for _ in 0..MAX_DRAWS {
            let bits = getrandom::u32().map_err(|_| StoreFault::Backend { code: -1 })?;
            let Some(num) = ChannelNum::from_bits(bits) else { continue };
            let taken = self.one("SELECT 1 FROM channels WHERE num = ?1", [num.column()], |_| Ok(()))?;
            // Messages of a removed channel are in the journal until it is moved.
            if taken.is_none() && self.held().last(num.at_most(0)..=num.at_most(u64::MAX)).is_none() {
                return Ok(num);
            }
        }
        Err(StoreFault::Full)
    }

    fn store_row(&mut self, num: ChannelNum, row: &ChannelRow) -> Result<(), StoreFault> {
        self.write(
            "UPDATE channels SET access = ?2, access_since = ?3, commit_position = ?4, commit_hash = ?5,
             last_position = ?6, last_hash = ?7, first = ?8, oldest_minute = ?9, bytes = ?10, group_infos = ?11,
             group_info_bytes = ?12, created_with = ?13 WHERE num = ?1",
            params![
                num.column(),
                row.access.as_bytes(),
                signed(row.access_since)?,
                signed(row.last_commit.position)?,
                row.last_commit.hash.as_bytes(),
                signed(row.last.position)?,
                row.last.hash.as_bytes(),
                signed(row.first)?,
                row.oldest.map(|minute| minute.0),
                signed(row.bytes)?,
                row.group_infos,
                signed(row.group_info_bytes)?,
                row.created_with.as_bytes(),
            ],
        )?;
        Ok(())
    }

    /// Reads the ids that are not in `entry_ids` yet, if they are not known.
    fn load_recent(&mut self, channel: &ChannelId) -> Result<(), StoreFault> {
        let Some(cached) = self.cached(channel)? else { return Ok(()) };
        if cached.recent.is_some() {
            return Ok(());
        }
        let above = cached.num.at_most(cached.indexed).saturating_add(1);
        let through = cached.num.at_most(u64::MAX);
        let ids = self.ids(above..=through)?;
        self.cache.count_ids(ids.len());
        if let Some(cached) = self.cache.find(channel) {
            cached.recent = Some(ids.into_iter().collect());
        }
        Ok(())
    }

    /// Moves the waiting ids into `entry_ids` when there are enough of them.
    fn index_when_due(&mut self, channel: &ChannelId, last: u64) -> Result<(), StoreFault> {
        let Some(cached) = self.cache.find(channel) else { return Ok(()) };
        // Channels that are written alike must not all come due at once.
        let batch = INDEX_BATCH - u64::from(cached.num.column().to_le_bytes()[0]);
        if last.saturating_sub(cached.indexed) < batch {
            return Ok(());
        }
        self.load_recent(channel)?;
        let Some(cached) = self.cache.find(channel) else { return Ok(()) };
        let num = cached.num.column();
        cached.indexed = last;
        let mut ids: Vec<(MessageId, u64)> = cached.recent.replace(HashMap::new()).into_iter().flatten().collect();
        ids.sort_unstable();
        for (id, position) in ids {
            self.write(
                "INSERT OR IGNORE INTO entry_ids VALUES (?1, ?2, ?3)",
                params![num, id.as_bytes(), signed(position)?],
            )?;
        }
        self.write("UPDATE channels SET indexed = ?2 WHERE num = ?1", [num, signed(last)?])?;
        Ok(())
    }
}

fn channel_row(row: &Row<'_>) -> Result<(i64, ChannelRow, u64), Error> {
    let stored = ChannelRow {
        access: AccessPublicKey::new(row.get(1)?),
        access_since: unsigned(row, 2)?,
        last_commit: ChainPoint { position: unsigned(row, 3)?, hash: hash(row, 4)? },
        last: ChainPoint { position: unsigned(row, 5)?, hash: hash(row, 6)? },
        first: unsigned(row, 7)?,
        oldest: row.get::<_, Option<u32>>(8)?.map(Minute),
        bytes: unsigned(row, 9)?,
        group_infos: row.get(10)?,
        group_info_bytes: unsigned(row, 11)?,
        created_with: Digest::new(row.get(12)?),
    };
    Ok((row.get(0)?, stored, unsigned(row, 13)?))
}
