//! All tables of the memory store, and the small ones' traits.

use std::collections::BTreeSet;

use quicprochat_wire::{
    AccessPublicKey, AccountId, ChannelId, ChunkId, DeviceId, MessageId, ObjectId,
    call::{
        channel::ChainPoint,
        vault::{VaultRecord, VaultWrap},
    },
};

use super::table::Table;
use crate::store::{
    AccountRow, AccountStore, ArchiveRow, ArchiveStore, ChannelRow, ChannelStore, ChunkRow, Day, DeviceRow,
    DirectoryStore, EntryRow, GroupInfoRow, InboxEntryRow, InboxRow, InboxStore, InviteRow, InviteStore, KeyRow,
    KeyringRow, StateKey, StateStore, StoreFault, StoreTx, TokenStore, VaultStore, WayRow,
};

/// Whether a write is open, and every table.
#[derive(Default, Clone)]
pub(super) struct Tables {
    pub(super) writable: bool,
    pub(super) accounts: Table<AccountId, AccountRow>,
    pub(super) names: Table<String, AccountId>,
    pub(super) ways: Table<(AccountId, u16), WayRow>,
    pub(super) identities: Table<AccountId, Vec<u8>>,
    pub(super) devices: Table<(AccountId, DeviceId), DeviceRow>,
    pub(super) invites: Table<String, InviteRow>,
    pub(super) wraps: Table<AccountId, Vec<VaultWrap>>,
    pub(super) records: Table<(AccountId, u32), VaultRecord>,
    pub(super) archives: Table<AccountId, ArchiveRow>,
    pub(super) archive_objects: Table<(AccountId, ObjectId), Vec<u8>>,
    pub(super) issued: Table<(AccountId, Day), u32>,
    pub(super) spent: Table<(u32, [u8; 32]), ()>,
    pub(super) inboxes: Table<AccountId, InboxRow>,
    pub(super) inbox_entries: Table<(AccountId, u64), InboxEntryRow>,
    pub(super) channels: Table<ChannelId, ChannelRow>,
    pub(super) entries: Table<(ChannelId, u64), EntryRow>,
    pub(super) dropped: Table<ChannelId, u64>,
    pub(super) entry_ids: Table<(ChannelId, MessageId), ChainPoint>,
    pub(super) keys: Table<(ChannelId, AccessPublicKey), KeyRow>,
    pub(super) group_infos: Table<(ChannelId, u64), GroupInfoRow>,
    pub(super) chunks: Table<(ChannelId, ChunkId), ChunkRow>,
    pub(super) keyrings: Table<ChannelId, KeyringRow>,
    pub(super) state: Table<StateKey, Vec<u8>>,
}

macro_rules! every_table {
    ($self:ident, $method:ident) => {{
        $self.accounts.$method();
        $self.names.$method();
        $self.ways.$method();
        $self.identities.$method();
        $self.devices.$method();
        $self.invites.$method();
        $self.wraps.$method();
        $self.records.$method();
        $self.archives.$method();
        $self.archive_objects.$method();
        $self.issued.$method();
        $self.spent.$method();
        $self.inboxes.$method();
        $self.inbox_entries.$method();
        $self.channels.$method();
        $self.entries.$method();
        $self.dropped.$method();
        $self.entry_ids.$method();
        $self.keys.$method();
        $self.group_infos.$method();
        $self.chunks.$method();
        $self.keyrings.$method();
        $self.state.$method();
    }};
}

impl Tables {
    pub(super) fn undo(&mut self) {
        every_table!(self, undo);
    }

    pub(super) fn keep(&mut self) {
        every_table!(self, keep);
    }

    pub(super) const fn check_writable(&self) -> Result<(), StoreFault> {
        if self.writable { Ok(()) } else { Err(StoreFault::ReadOnly) }
    }
}

impl StoreTx for Tables {
    fn accounts(&mut self) -> &mut dyn AccountStore {
        self
    }

    fn directory(&mut self) -> &mut dyn DirectoryStore {
        self
    }

    fn invites(&mut self) -> &mut dyn InviteStore {
        self
    }

    fn vaults(&mut self) -> &mut dyn VaultStore {
        self
    }

    fn archives(&mut self) -> &mut dyn ArchiveStore {
        self
    }

    fn tokens(&mut self) -> &mut dyn TokenStore {
        self
    }

    fn inboxes(&mut self) -> &mut dyn InboxStore {
        self
    }

    fn channels(&mut self) -> &mut dyn ChannelStore {
        self
    }

    fn state(&mut self) -> &mut dyn StateStore {
        self
    }
}

impl TokenStore for Tables {
    fn issued(&mut self, account: &AccountId, day: Day) -> Result<u32, StoreFault> {
        Ok(self.issued.get(&(*account, day)).copied().unwrap_or(0))
    }

    fn set_issued(&mut self, account: &AccountId, day: Day, count: u32) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.issued.insert((*account, day), count);
        Ok(())
    }

    fn spend(&mut self, epoch: u32, nonce: &[u8; 32]) -> Result<bool, StoreFault> {
        self.check_writable()?;
        let fresh = self.spent.get(&(epoch, *nonce)).is_none();
        if fresh {
            self.spent.insert((epoch, *nonce), ());
        }
        Ok(fresh)
    }

    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.issued.remove_where((*account, Day(0))..=(*account, Day(u32::MAX)), |_, _| true);
        Ok(())
    }

    fn expire(&mut self, day: Day, epoch: u32, limit: u32) -> Result<u32, StoreFault> {
        self.check_writable()?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let counts: BTreeSet<_> =
            self.issued.iter().map(|(key, _)| *key).filter(|key| key.1 < day).take(limit).collect();
        let rest = limit.saturating_sub(counts.len());
        let spent: BTreeSet<_> = self.spent.range(..(epoch, [0; 32])).map(|(key, ())| *key).take(rest).collect();
        for key in &counts {
            self.issued.remove(key);
        }
        for key in &spent {
            self.spent.remove(key);
        }
        Ok(u32::try_from(counts.len() + spent.len()).unwrap_or(u32::MAX))
    }
}

impl StateStore for Tables {
    fn get(&mut self, key: StateKey) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.state.get(&key).cloned())
    }

    fn put(&mut self, key: StateKey, value: &[u8]) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.state.insert(key, value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: StateKey) -> Result<(), StoreFault> {
        self.check_writable()?;
        self.state.remove(&key);
        Ok(())
    }
}
