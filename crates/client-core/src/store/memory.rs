//! The store in memory: for tests, the simulator, and as the shortest description of what a backend must do.
//!
//! Rows are kept encoded, as a real backend keeps them. A transaction writes into an overlay that commit folds in; dropping
//! it rolls back. Several handles on one store behave like several processes on one database file.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quicprochat_wire::{AccountId, ChannelId, DeviceId, Digest, MessageId};

use super::{
    AccountState, AccountStore, AnnouncedRecord, Contact, ContactStore, Conversation, ConversationSettings,
    ConversationStore, Creation, Delivery, InboxStore, Invitation, KnownContact, LogBody, LogEntry, MessageStore,
    MlsStore, MlsStoreFault, OutboxMessage, OutboxStore, OwnAccount, OwnKeyPackage, PendingCommit, RawEntry,
    RawLogStore, RawMark, RecordStore, RevocationJob, StateStore, StockToken, StoreFault, StoreTx, Stored, TokenStore,
    UpkeepStore,
};

/// The tables, in the order of their key prefix.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Table {
    Account,
    Contact,
    Conversation,
    Creation,
    Pending,
    Record,
    Message,
    Arrival,
    Outbox,
    Delivery,
    InboxCursor,
    Invitation,
    Token,
    KeyPackage,
    Job,
    Setting,
    Mls,
    Counter,
    State,
    Settings,
    KnownContact,
    RawLog,
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Default)]
struct Shared {
    rows: Rows,
    commits: u64,
    handles: u64,
    open: bool,
}

/// A handle on a store in memory.
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
    own_commits: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::default(), own_commits: 0 }
    }

    /// Another handle on the same store, as another process would have.
    #[must_use]
    pub fn another(&self) -> Self {
        lock(&self.shared).handles += 1;
        Self { shared: Arc::clone(&self.shared), own_commits: 0 }
    }

    /// Begins a transaction.
    ///
    /// Errors:   [`StoreFault::Locked`] while another transaction is open.
    pub fn begin(&mut self) -> Result<MemoryTx<'_>, StoreFault> {
        let mut shared = lock(&self.shared);
        if shared.open {
            return Err(StoreFault::Locked);
        }
        shared.open = true;
        let version = shared.commits.saturating_sub(self.own_commits);
        drop(shared);
        Ok(MemoryTx { store: self, overlay: RefCell::default(), version, read: Cell::new(0) })
    }

    /// A copy of everything committed, to go back to.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let rows = lock(&self.shared).rows.clone();
        Self { shared: Arc::new(Mutex::new(Shared { rows, ..Shared::default() })), own_commits: 0 }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A transaction; rolls back when dropped.
pub struct MemoryTx<'a> {
    store: &'a mut MemoryStore,
    overlay: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    version: u64,
    read: Cell<usize>,
}

impl MemoryTx<'_> {
    /// Makes everything written visible to later transactions.
    pub fn commit(self) {
        let overlay = self.overlay.take();
        if overlay.is_empty() {
            return;
        }
        let mut shared = lock(&self.store.shared);
        shared.commits += 1;
        for (key, value) in overlay {
            match value {
                Some(value) => shared.rows.insert(key, value),
                None => shared.rows.remove(&key),
            };
        }
        drop(shared);
        self.store.own_commits += 1;
    }

    /// How many log entries and waiting messages it has handed out in lists: what a step costs grows with it.
    #[must_use]
    pub fn entries_read(&self) -> usize {
        self.read.get()
    }

    fn handed_out<T>(&self, rows: Vec<T>) -> Vec<T> {
        self.read.set(self.read.get().saturating_add(rows.len()));
        rows
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let key = full_key(table, key);
        match self.overlay.borrow().get(&key) {
            Some(value) => value.clone(),
            None => lock(&self.store.shared).rows.get(&key).cloned(),
        }
    }

    fn put(&self, table: Table, key: &[u8], value: Vec<u8>) {
        self.overlay.borrow_mut().insert(full_key(table, key), Some(value));
    }

    fn remove(&self, table: Table, key: &[u8]) {
        let key = full_key(table, key);
        let stored = lock(&self.store.shared).rows.contains_key(&key);
        let mut overlay = self.overlay.borrow_mut();
        if stored {
            overlay.insert(key, None);
        } else {
            overlay.remove(&key);
        }
    }

    /// Rows whose key begins with `prefix`, in the order of their keys, without the table's prefix.
    fn scan(&self, table: Table, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let start = full_key(table, prefix);
        let in_range = |key: &&Vec<u8>| key.starts_with(&start);
        let shared = lock(&self.store.shared);
        let mut rows: Rows = shared
            .rows
            .range(start.clone()..)
            .take_while(|(key, _)| in_range(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        drop(shared);
        for (key, value) in self.overlay.borrow().range(start.clone()..).take_while(|(key, _)| in_range(key)) {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        rows.into_iter().map(|(key, value)| (key.get(1..).unwrap_or_default().to_vec(), value)).collect()
    }

    /// The first key with that prefix which is sought. Values are left alone: a table may have a thousand large ones.
    fn find(&self, table: Table, prefix: &[u8], sought: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let start = full_key(table, prefix);
        let overlay = self.overlay.borrow();
        let shared = lock(&self.store.shared);
        let stored = shared.rows.range(start.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&start));
        let stored = stored.filter(|key| !overlay.contains_key(*key));
        let new = overlay.range(start.clone()..).take_while(|(key, _)| key.starts_with(&start));
        let new = new.filter_map(|(key, value)| value.as_ref().map(|_| key));
        stored.chain(new).filter_map(|key| key.get(1..)).find(|key| sought(key)).map(<[u8]>::to_vec)
    }

    /// The first or last key with that prefix. Values are left alone.
    fn edge(&self, table: Table, prefix: &[u8], last: bool) -> Option<Vec<u8>> {
        let start = full_key(table, prefix);
        // No id is of nothing but the highest byte.
        let end = [start.as_slice(), &[u8::MAX; 16]].concat();
        let (overlay, shared) = (self.overlay.borrow(), lock(&self.store.shared));
        let mut stored = shared.rows.range(start.clone()..end.clone()).map(|(key, _)| key);
        let gone = |key: &&Vec<u8>| !overlay.contains_key(*key);
        let mut new = overlay.range(start..end).filter(|(_, value)| value.is_some()).map(|(key, _)| key);
        let found = if last {
            stored.rfind(gone).into_iter().chain(new.next_back()).max()
        } else {
            stored.find(gone).into_iter().chain(new.next()).min()
        };
        found.and_then(|key| key.get(1..)).map(<[u8]>::to_vec)
    }

    fn row<T: Stored>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StoreFault> {
        self.get(table, key).map(|bytes| T::decode(&bytes).map_err(StoreFault::from)).transpose()
    }

    fn rows<T: Stored>(&self, table: Table, prefix: &[u8]) -> Result<Vec<T>, StoreFault> {
        self.scan(table, prefix).iter().map(|(_, bytes)| T::decode(bytes).map_err(StoreFault::from)).collect()
    }

    /// The next number of a counter, from 1.
    fn next(&self, counter: &str) -> Result<u64, StoreFault> {
        let last = self.number(counter)?;
        let next = last.saturating_add(1);
        self.put(Table::Counter, counter.as_bytes(), next.to_be_bytes().to_vec());
        Ok(next)
    }

    fn number(&self, counter: &str) -> Result<u64, StoreFault> {
        match self.get(Table::Counter, counter.as_bytes()) {
            None => Ok(0),
            Some(bytes) => bytes.try_into().map(u64::from_be_bytes).map_err(|_| StoreFault::Damaged),
        }
    }
}

impl Drop for MemoryTx<'_> {
    fn drop(&mut self) {
        lock(&self.store.shared).open = false;
    }
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(table as u8);
    full.extend_from_slice(key);
    full
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

impl StoreTx for MemoryTx<'_> {
    fn version(&self) -> Result<u64, StoreFault> {
        Ok(self.version)
    }
    fn account(&self) -> &dyn AccountStore {
        self
    }
    fn contacts(&self) -> &dyn ContactStore {
        self
    }
    fn conversations(&self) -> &dyn ConversationStore {
        self
    }
    fn records(&self) -> &dyn RecordStore {
        self
    }
    fn messages(&self) -> &dyn MessageStore {
        self
    }
    fn raw_log(&self) -> &dyn RawLogStore {
        self
    }
    fn outbox(&self) -> &dyn OutboxStore {
        self
    }
    fn inbox(&self) -> &dyn InboxStore {
        self
    }
    fn tokens(&self) -> &dyn TokenStore {
        self
    }
    fn upkeep(&self) -> &dyn UpkeepStore {
        self
    }
    fn state(&self) -> &dyn StateStore {
        self
    }
    fn mls(&self) -> &dyn MlsStore {
        self
    }
}

impl AccountStore for MemoryTx<'_> {
    fn own_account(&self) -> Result<Option<OwnAccount>, StoreFault> {
        self.row(Table::Account, &[])
    }

    fn put_own_account(&self, account: &OwnAccount) -> Result<(), StoreFault> {
        self.put(Table::Account, &[], account.encode()?);
        Ok(())
    }
}

impl ContactStore for MemoryTx<'_> {
    fn contact(&self, account: &AccountId) -> Result<Option<Contact>, StoreFault> {
        self.row(Table::Contact, account.as_ref())
    }

    fn contact_by_name(&self, name: &str, host: &str) -> Result<Option<Contact>, StoreFault> {
        let named = |contact: &Contact| {
            contact.confirmed && !contact.superseded && contact.name == name && contact.host == host
        };
        Ok(self.all_contacts()?.into_iter().find(named))
    }

    fn all_contacts(&self) -> Result<Vec<Contact>, StoreFault> {
        self.rows(Table::Contact, &[])
    }

    fn put_contact(&self, contact: &Contact) -> Result<(), StoreFault> {
        self.put(Table::Contact, contact.account.as_ref(), contact.encode()?);
        Ok(())
    }
}

impl ConversationStore for MemoryTx<'_> {
    fn conversation(&self, channel: &ChannelId) -> Result<Option<Conversation>, StoreFault> {
        self.row(Table::Conversation, channel.as_ref())
    }

    fn all_conversations(&self) -> Result<Vec<Conversation>, StoreFault> {
        self.rows(Table::Conversation, &[])
    }

    fn put_conversation(&self, conversation: &Conversation) -> Result<(), StoreFault> {
        self.put(Table::Conversation, conversation.channel.as_ref(), conversation.encode()?);
        Ok(())
    }

    fn delete_conversation(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.remove(Table::Conversation, channel.as_ref());
        Ok(())
    }

    fn creation(&self, channel: &ChannelId) -> Result<Option<Creation>, StoreFault> {
        self.row(Table::Creation, channel.as_ref())
    }

    fn put_creation(&self, creation: &Creation) -> Result<(), StoreFault> {
        self.put(Table::Creation, creation.channel.as_ref(), creation.encode()?);
        Ok(())
    }

    fn delete_creation(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.remove(Table::Creation, channel.as_ref());
        Ok(())
    }

    fn pending_commit(&self, channel: &ChannelId) -> Result<Option<PendingCommit>, StoreFault> {
        self.row(Table::Pending, channel.as_ref())
    }

    fn put_pending_commit(&self, commit: &PendingCommit) -> Result<(), StoreFault> {
        self.put(Table::Pending, commit.channel.as_ref(), commit.encode()?);
        Ok(())
    }

    fn delete_pending_commit(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.remove(Table::Pending, channel.as_ref());
        Ok(())
    }
}

impl RecordStore for MemoryTx<'_> {
    fn put_record(&self, record: &AnnouncedRecord) -> Result<(), StoreFault> {
        let key = joined(&[
            record.channel.as_ref(),
            record.account.as_ref(),
            &record.serial.to_be_bytes(),
            record.hash.as_ref(),
        ]);
        if self.get(Table::Record, &key).is_none() {
            self.put(Table::Record, &key, record.encode()?);
        }
        Ok(())
    }

    fn records_of(&self, channel: &ChannelId) -> Result<Vec<AnnouncedRecord>, StoreFault> {
        self.rows(Table::Record, channel.as_ref())
    }

    fn record_by_hash(&self, channel: &ChannelId, hash: &Digest) -> Result<Option<AnnouncedRecord>, StoreFault> {
        let key = self.find(Table::Record, channel.as_ref(), |key| key.ends_with(hash.as_ref()));
        key.map_or(Ok(None), |key| self.row(Table::Record, &key))
    }
}

impl MemoryTx<'_> {
    fn entry_at(&self, key: &[u8]) -> Result<Option<LogEntry>, StoreFault> {
        self.row(Table::Message, key)
    }
}

impl MessageStore for MemoryTx<'_> {
    fn append_message(&self, entry: &LogEntry) -> Result<u64, StoreFault> {
        let key = joined(&[entry.channel.as_ref(), &entry.seq.to_be_bytes()]);
        if let Some(there) = self.entry_at(&key)? {
            return Ok(there.index);
        }
        let index = self.next("arrival")?;
        self.put(Table::Message, &key, LogEntry { index, ..entry.clone() }.encode()?);
        self.put(Table::Arrival, &index.to_be_bytes(), key);
        Ok(index)
    }

    fn import_message(&self, entry: &LogEntry) -> Result<bool, StoreFault> {
        let key = joined(&[entry.channel.as_ref(), &entry.seq.to_be_bytes()]);
        let missing = self.entry_at(&key)?.is_none();
        if missing {
            self.put(Table::Message, &key, LogEntry { index: 0, ..entry.clone() }.encode()?);
        }
        Ok(missing)
    }

    fn replace_body(&self, channel: &ChannelId, seq: u64, body: &LogBody) -> Result<(), StoreFault> {
        let key = joined(&[channel.as_ref(), &seq.to_be_bytes()]);
        if let Some(there) = self.entry_at(&key)? {
            self.put(Table::Message, &key, LogEntry { body: body.clone(), ..there }.encode()?);
        }
        Ok(())
    }

    fn replace_message(&self, entry: &LogEntry) -> Result<(), StoreFault> {
        let key = joined(&[entry.channel.as_ref(), &entry.seq.to_be_bytes()]);
        if let Some(there) = self.entry_at(&key)? {
            self.put(Table::Message, &key, LogEntry { index: there.index, ..entry.clone() }.encode()?);
        }
        Ok(())
    }

    fn message_seen(&self, channel: &ChannelId, sender: &AccountId, id: &MessageId) -> Result<bool, StoreFault> {
        let entries: Vec<LogEntry> = self.rows(Table::Message, channel.as_ref())?;
        Ok(entries.iter().any(|entry| entry.sender == *sender && entry.id == *id))
    }

    fn message_by_id(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<LogEntry>, StoreFault> {
        let entries: Vec<LogEntry> = self.rows(Table::Message, channel.as_ref())?;
        Ok(entries.into_iter().find(|entry| entry.id == *id))
    }

    fn messages_of(&self, channel: &ChannelId, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        let entries: Vec<LogEntry> = self.rows(Table::Message, channel.as_ref())?;
        let page = entries.into_iter().filter(|entry| entry.seq > after).take(limit).collect();
        Ok(self.handed_out(page))
    }

    fn last_messages(&self, channel: &ChannelId, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        let mut entries: Vec<LogEntry> = self.rows(Table::Message, channel.as_ref())?;
        let surplus = entries.len().saturating_sub(limit);
        entries.drain(..surplus);
        Ok(entries)
    }

    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        let mut entries = Vec::new();
        for (index, key) in self.scan(Table::Arrival, &[]) {
            let index = index.try_into().map(u64::from_be_bytes).map_err(|_| StoreFault::Damaged)?;
            if index > after && entries.len() < limit {
                entries.push(self.entry_at(&key)?.ok_or(StoreFault::Damaged)?);
            }
        }
        Ok(entries)
    }

    fn last_arrival(&self) -> Result<u64, StoreFault> {
        self.number("arrival")
    }
}

fn raw_key(channel: &ChannelId, position: u64) -> Vec<u8> {
    joined(&[channel.as_ref(), &position.to_be_bytes()])
}

impl RawLogStore for MemoryTx<'_> {
    fn put_raw(&self, entry: &RawEntry) -> Result<(), StoreFault> {
        self.put(Table::RawLog, &raw_key(&entry.channel, entry.position), entry.encode()?);
        Ok(())
    }

    fn raw_span(&self, channel: &ChannelId) -> Result<Option<(RawMark, RawMark)>, StoreFault> {
        let mark = |last: bool| {
            let Some(key) = self.edge(Table::RawLog, channel.as_ref(), last) else { return Ok(None) };
            Ok::<_, StoreFault>(self.row::<RawEntry>(Table::RawLog, &key)?.map(|entry| entry.mark()))
        };
        Ok(mark(false)?.zip(mark(true)?))
    }

    fn raw_after(&self, channel: &ChannelId, after: u64, limit: usize) -> Result<Vec<RawEntry>, StoreFault> {
        let mut entries = Vec::new();
        let mut position = after;
        while let Some(next) = position.checked_add(1).filter(|_| entries.len() < limit) {
            match self.row(Table::RawLog, &raw_key(channel, next))? {
                Some(entry) => entries.push(entry),
                None if entries.is_empty() => {
                    // What was asked for lies before the span.
                    let first = self.raw_span(channel)?.map(|(first, _)| first.position);
                    let Some(first) = first.filter(|first| *first > next) else { break };
                    position = first.saturating_sub(1);
                    continue;
                }
                None => break,
            }
            position = next;
        }
        Ok(entries)
    }

    fn raw_roll_before(&self, channel: &ChannelId, before: u64) -> Result<Option<RawEntry>, StoreFault> {
        let entries: Vec<RawEntry> = self.rows(Table::RawLog, channel.as_ref())?;
        Ok(entries.into_iter().rev().find(|entry| entry.position < before && entry.roll.is_some()))
    }

    fn delete_raw(&self, channel: &ChannelId, position: u64) -> Result<(), StoreFault> {
        self.remove(Table::RawLog, &raw_key(channel, position));
        Ok(())
    }

    fn clear_raw(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        while let Some(key) = self.edge(Table::RawLog, channel.as_ref(), false) {
            self.remove(Table::RawLog, &key);
        }
        Ok(())
    }
}

impl OutboxStore for MemoryTx<'_> {
    fn push_outbox(&self, message: &OutboxMessage) -> Result<u64, StoreFault> {
        let row = self.next("outbox")?;
        self.put(Table::Outbox, &row.to_be_bytes(), OutboxMessage { row, ..message.clone() }.encode()?);
        Ok(row)
    }

    fn put_outbox(&self, message: &OutboxMessage) -> Result<(), StoreFault> {
        self.put(Table::Outbox, &message.row.to_be_bytes(), message.encode()?);
        Ok(())
    }

    fn delete_outbox(&self, row: u64) -> Result<(), StoreFault> {
        self.remove(Table::Outbox, &row.to_be_bytes());
        Ok(())
    }

    fn outbox_of(&self, channel: &ChannelId) -> Result<Vec<OutboxMessage>, StoreFault> {
        let rows: Vec<OutboxMessage> = self.rows(Table::Outbox, &[])?;
        let of_channel = rows.into_iter().filter(|row| row.channel == *channel).collect();
        Ok(self.handed_out(of_channel))
    }

    fn outbox_channels(&self) -> Result<Vec<ChannelId>, StoreFault> {
        let rows: Vec<OutboxMessage> = self.rows(Table::Outbox, &[])?;
        let mut channels: Vec<ChannelId> = rows.into_iter().map(|row| row.channel).collect();
        channels.sort();
        channels.dedup();
        Ok(channels)
    }

    fn outbox_by_intent(&self, intent: &MessageId) -> Result<Option<OutboxMessage>, StoreFault> {
        let rows: Vec<OutboxMessage> = self.rows(Table::Outbox, &[])?;
        Ok(rows.into_iter().find(|row| row.intent == *intent))
    }

    fn put_delivery(&self, delivery: &Delivery) -> Result<(), StoreFault> {
        self.put(Table::Delivery, delivery.id.as_ref(), delivery.encode()?);
        Ok(())
    }

    fn delete_delivery(&self, id: &MessageId) -> Result<(), StoreFault> {
        self.remove(Table::Delivery, id.as_ref());
        Ok(())
    }

    fn delivery(&self, id: &MessageId) -> Result<Option<Delivery>, StoreFault> {
        self.row(Table::Delivery, id.as_ref())
    }

    fn deliveries(&self) -> Result<Vec<Delivery>, StoreFault> {
        self.rows(Table::Delivery, &[])
    }
}

impl InboxStore for MemoryTx<'_> {
    fn inbox_cursor(&self) -> Result<u64, StoreFault> {
        match self.get(Table::InboxCursor, &[]) {
            None => Ok(0),
            Some(bytes) => bytes.try_into().map(u64::from_be_bytes).map_err(|_| StoreFault::Damaged),
        }
    }

    fn put_inbox_cursor(&self, cursor: u64) -> Result<(), StoreFault> {
        self.put(Table::InboxCursor, &[], cursor.to_be_bytes().to_vec());
        Ok(())
    }

    fn invitation(&self, id: &MessageId) -> Result<Option<Invitation>, StoreFault> {
        self.row(Table::Invitation, id.as_ref())
    }

    fn invitations(&self) -> Result<Vec<Invitation>, StoreFault> {
        self.rows(Table::Invitation, &[])
    }

    fn put_invitation(&self, invitation: &Invitation) -> Result<(), StoreFault> {
        self.put(Table::Invitation, invitation.id.as_ref(), invitation.encode()?);
        Ok(())
    }

    fn delete_invitation(&self, id: &MessageId) -> Result<(), StoreFault> {
        self.remove(Table::Invitation, id.as_ref());
        Ok(())
    }
}

impl TokenStore for MemoryTx<'_> {
    fn put_token(&self, token: &StockToken) -> Result<(), StoreFault> {
        self.put(Table::Token, &token.token.nonce, token.encode()?);
        Ok(())
    }

    fn stock(&self) -> Result<Vec<StockToken>, StoreFault> {
        let mut tokens: Vec<StockToken> = self.rows(Table::Token, &[])?;
        tokens.sort_by_key(|token| token.ready);
        Ok(tokens)
    }

    fn delete_token(&self, nonce: &[u8]) -> Result<(), StoreFault> {
        self.remove(Table::Token, nonce);
        Ok(())
    }
}

impl UpkeepStore for MemoryTx<'_> {
    fn key_packages(&self) -> Result<Vec<OwnKeyPackage>, StoreFault> {
        let mut packages: Vec<OwnKeyPackage> = self.rows(Table::KeyPackage, &[])?;
        packages.sort_by_key(|package| package.made);
        Ok(packages)
    }

    fn put_key_package(&self, package: &OwnKeyPackage) -> Result<(), StoreFault> {
        self.put(Table::KeyPackage, &package.key_package, package.encode()?);
        Ok(())
    }

    fn delete_key_package(&self, key_package: &[u8]) -> Result<(), StoreFault> {
        self.remove(Table::KeyPackage, key_package);
        Ok(())
    }

    fn revocation_jobs(&self) -> Result<Vec<RevocationJob>, StoreFault> {
        self.rows(Table::Job, &[])
    }

    fn put_revocation_job(&self, job: &RevocationJob) -> Result<(), StoreFault> {
        self.put(Table::Job, job.device.as_ref(), job.encode()?);
        Ok(())
    }

    fn delete_revocation_job(&self, device: &DeviceId) -> Result<(), StoreFault> {
        self.remove(Table::Job, device.as_ref());
        Ok(())
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.get(Table::Setting, name.as_bytes()))
    }

    fn put_setting(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreFault> {
        match value {
            Some(value) => self.put(Table::Setting, name.as_bytes(), value.to_vec()),
            None => self.remove(Table::Setting, name.as_bytes()),
        }
        Ok(())
    }
}

impl StateStore for MemoryTx<'_> {
    fn account_state(&self) -> Result<Option<AccountState>, StoreFault> {
        self.row(Table::State, &[])
    }

    fn put_account_state(&self, state: &AccountState) -> Result<(), StoreFault> {
        self.put(Table::State, &[], state.encode()?);
        Ok(())
    }

    fn conversation_settings(&self, channel: &ChannelId) -> Result<Option<ConversationSettings>, StoreFault> {
        self.row(Table::Settings, channel.as_ref())
    }

    fn put_conversation_settings(&self, settings: &ConversationSettings) -> Result<(), StoreFault> {
        self.put(Table::Settings, settings.channel.as_ref(), settings.encode()?);
        Ok(())
    }

    fn known_contact(&self, account: &AccountId) -> Result<Option<KnownContact>, StoreFault> {
        self.row(Table::KnownContact, account.as_ref())
    }

    fn known_contacts_by_name(&self, name: &str, host: &str) -> Result<Vec<KnownContact>, StoreFault> {
        let mut rows: Vec<KnownContact> = self.rows(Table::KnownContact, &[])?;
        rows.retain(|known| known.key.is_some() && known.name == name && known.host == host);
        Ok(rows)
    }

    fn put_known_contact(&self, contact: &KnownContact) -> Result<(), StoreFault> {
        self.put(Table::KnownContact, contact.account.as_ref(), contact.encode()?);
        Ok(())
    }
}

impl MlsStore for MemoryTx<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MlsStoreFault> {
        Ok(MemoryTx::get(self, Table::Mls, key))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), MlsStoreFault> {
        MemoryTx::put(self, Table::Mls, key, value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), MlsStoreFault> {
        self.remove(Table::Mls, key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, Backend};

    struct Memory(MemoryStore);

    impl Backend for Memory {
        fn transact(&mut self, keep: bool, job: &mut dyn FnMut(&dyn StoreTx)) {
            let tx = self.0.begin().expect("no other transaction is open");
            job(&tx);
            if keep {
                tx.commit();
            }
        }

        fn another(&self) -> Box<dyn Backend> {
            Box::new(Self(self.0.another()))
        }
    }

    #[test]
    fn memory_store_conforms() {
        conformance::run(&mut || Box::new(Memory(MemoryStore::new())));
    }

    #[test]
    fn second_transaction_is_refused_while_one_is_open() {
        let mut one = MemoryStore::new();
        let mut two = one.another();
        let open = one.begin().expect("first");
        assert_eq!(two.begin().err(), Some(StoreFault::Locked));
        drop(open);
        assert!(two.begin().is_ok());
    }
}
