//! Channels in memory.

use quicprochat_wire::{AccessPublicKey, ChannelId, ChunkId, MessageId, call::channel::ChainPoint};

use super::tables::Tables;
use crate::store::{
    ChannelRow, ChannelStore, ChunkRow, EntryRow, GroupInfoRow, KeyRow, KeyringRow, LogPoint, Minute, PageLimit,
    StoreFault,
};

impl ChannelStore for Tables {
    fn load(&mut self, channel: &ChannelId) -> Result<Option<ChannelRow>, StoreFault> {
        Ok(self.channels.get(channel).copied())
    }

    fn insert(&mut self, channel: &ChannelId, row: &ChannelRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.channels.insert(*channel, *row);
        Ok(())
    }

    fn save(&mut self, channel: &ChannelId, row: &ChannelRow) -> Result<(), StoreFault> {
        ChannelStore::insert(self, channel, row)
    }

    fn find_id(&mut self, channel: &ChannelId, id: &MessageId) -> Result<Option<ChainPoint>, StoreFault> {
        Ok(self.entry_ids.get(&(*channel, *id)).copied())
    }

    fn point(&mut self, channel: &ChannelId, position: u64) -> Result<Option<LogPoint>, StoreFault> {
        Ok(self.entries.get(&(*channel, position)).map(|entry| LogPoint {
            at: entry.at,
            id: entry.id,
            kind: entry.kind,
            after_commit: entry.after_commit,
        }))
    }

    fn append(&mut self, channel: &ChannelId, row: &ChannelRow, entry: EntryRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.channels.insert(*channel, *row);
        self.entry_ids.insert((*channel, entry.id), entry.at);
        self.entries.insert((*channel, entry.at.position), entry);
        Ok(())
    }

    fn page(
        &mut self,
        channel: &ChannelId,
        after: u64,
        through: u64,
        limit: PageLimit,
    ) -> Result<Vec<EntryRow>, StoreFault> {
        let mut page = Vec::new();
        let mut bytes = 0;
        let from = after.saturating_add(1).max(self.first_kept(channel));
        if after >= through || from > through {
            return Ok(page);
        }
        for (_, entry) in self.entries.range((*channel, from)..=(*channel, through)) {
            if page.len() >= usize::from(limit.entries.max(1)) || bytes >= limit.bytes.max(1) {
                break;
            }
            bytes += entry.sealed.len();
            page.push(entry.clone());
        }
        Ok(page)
    }

    fn key(&mut self, channel: &ChannelId, access: &AccessPublicKey) -> Result<Option<KeyRow>, StoreFault> {
        Ok(self.keys.get(&(*channel, *access)).copied())
    }

    fn put_key(&mut self, channel: &ChannelId, access: &AccessPublicKey, row: KeyRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.keys.insert((*channel, *access), row);
        Ok(())
    }

    fn group_info(&mut self, channel: &ChannelId, position: u64) -> Result<Option<GroupInfoRow>, StoreFault> {
        Ok(self.group_infos.get(&(*channel, position)).cloned())
    }

    fn put_group_info(&mut self, channel: &ChannelId, row: GroupInfoRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.group_infos.insert((*channel, row.at.position), row);
        Ok(())
    }

    fn oldest_group_info(&mut self, channel: &ChannelId) -> Result<Option<(u64, u64)>, StoreFault> {
        let mut rows = self.group_infos.range(positions_of(channel));
        Ok(rows.next().map(|(_, row)| (row.at.position, length(&row.sealed))))
    }

    fn newest_group_info(&mut self, channel: &ChannelId) -> Result<Option<u64>, StoreFault> {
        Ok(self.group_infos.range(positions_of(channel)).next_back().map(|(_, row)| row.at.position))
    }

    fn remove_group_info(&mut self, channel: &ChannelId, position: u64) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.group_infos.remove(&(*channel, position));
        Ok(())
    }

    fn chunk(&mut self, channel: &ChannelId, id: &ChunkId) -> Result<Option<ChunkRow>, StoreFault> {
        Ok(self.chunks.get(&(*channel, *id)).cloned())
    }

    fn put_chunk(&mut self, channel: &ChannelId, id: &ChunkId, sealed: Vec<u8>) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.chunks.insert((*channel, *id), ChunkRow { sealed, until: None });
        Ok(())
    }

    fn end_chunk(&mut self, channel: &ChannelId, id: &ChunkId, until: u64) -> Result<bool, StoreFault> {
        self.check_writable()?;
        let row = self.chunks.get(&(*channel, *id)).filter(|row| row.until.is_none()).cloned();
        let Some(row) = row else { return Ok(false) };
        self.chunks.insert((*channel, *id), ChunkRow { until: Some(until), ..row });
        Ok(true)
    }

    fn end_all_chunks(&mut self, channel: &ChannelId, until: u64) -> Result<(), StoreFault> {
        let ids: Vec<ChunkId> = self.chunks.range(chunks_of(channel)).map(|((_, id), _)| *id).collect();
        for id in ids {
            self.end_chunk(channel, &id, until)?;
        }
        Ok(())
    }

    fn chunk_bytes(&mut self, channel: &ChannelId) -> Result<u64, StoreFault> {
        let in_use = self.chunks.range(chunks_of(channel)).filter(|(_, row)| row.until.is_none());
        Ok(in_use.map(|(_, row)| length(&row.sealed)).sum())
    }

    fn drop_chunks(&mut self, channel: &ChannelId, through: u64) -> Result<u64, StoreFault> {
        self.check_writable()?;
        let ended = |row: &ChunkRow| row.until.is_some_and(|until| until <= through);
        let rows = self.chunks.range(chunks_of(channel)).filter(|(_, row)| ended(row));
        let bytes = rows.map(|(_, row)| length(&row.sealed)).sum();
        self.chunks.remove_where(chunks_of(channel), |_, row| ended(row));
        Ok(bytes)
    }

    fn keyring(&mut self, channel: &ChannelId) -> Result<Option<KeyringRow>, StoreFault> {
        Ok(self.keyrings.get(channel).cloned())
    }

    fn put_keyring(&mut self, channel: &ChannelId, row: KeyringRow) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.keyrings.insert(*channel, row);
        Ok(())
    }

    fn overdue(&mut self, before: Minute, limit: u32) -> Result<Vec<ChannelId>, StoreFault> {
        let overdue = |row: &ChannelRow| row.oldest.is_some_and(|oldest| oldest < before);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.channels.iter().filter(|(_, row)| overdue(row)).map(|(channel, _)| *channel).take(limit).collect())
    }

    fn ages(&mut self, channel: &ChannelId, from: u64, limit: u32) -> Result<Vec<(u64, u64, Minute)>, StoreFault> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let from = from.max(self.first_kept(channel));
        let rows = self.entries.range((*channel, from)..=(*channel, u64::MAX));
        Ok(rows.map(|(_, row)| (row.at.position, length(&row.sealed), row.time)).take(limit).collect())
    }

    fn drop_content(&mut self, channel: &ChannelId, first: u64) -> Result<(), StoreFault> {
        self.check_writable()?;
        let below: Vec<EntryRow> =
            self.entries.range((*channel, 0)..(*channel, first)).map(|(_, row)| row.clone()).collect();
        for row in below {
            self.entries.insert((*channel, row.at.position), EntryRow { sealed: Vec::new(), ..row });
        }
        self.dropped.insert(*channel, first);
        Ok(())
    }

    fn remove(&mut self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.channels.remove(channel);
        self.dropped.remove(channel);
        self.keyrings.remove(channel);
        self.entries.remove_where(positions_of(channel), |_, _| true);
        self.group_infos.remove_where(positions_of(channel), |_, _| true);
        self.chunks.remove_where(chunks_of(channel), |_, _| true);
        let ids = (*channel, MessageId::new([0; 16]))..=(*channel, MessageId::new([u8::MAX; 16]));
        self.entry_ids.remove_where(ids, |_, _| true);
        let keys = (*channel, AccessPublicKey::new([0; 32]))..=(*channel, AccessPublicKey::new([u8::MAX; 32]));
        self.keys.remove_where(keys, |_, _| true);
        Ok(())
    }
}

impl Tables {
    fn first_kept(&self, channel: &ChannelId) -> u64 {
        self.dropped.get(channel).copied().unwrap_or(0)
    }
}

fn positions_of(channel: &ChannelId) -> core::ops::RangeInclusive<(ChannelId, u64)> {
    (*channel, 0)..=(*channel, u64::MAX)
}

fn chunks_of(channel: &ChannelId) -> core::ops::RangeInclusive<(ChannelId, ChunkId)> {
    (*channel, ChunkId::new([0; 32]))..=(*channel, ChunkId::new([u8::MAX; 32]))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
