//! The engine's traits over the tables of [`schema`](super::schema).

use quicprochat_client_core::store::{
    AccountState, AccountStore, AnnouncedRecord, Contact, ContactStore, Conversation, ConversationSettings,
    ConversationStore, Creation, Delivery, InboxStore, Invitation, KnownContact, LogBody, LogEntry, MessageStore,
    MlsStore, MlsStoreFault, OutboxMessage, OutboxStore, OwnAccount, OwnKeyPackage, PendingCommit, RawEntry,
    RawLogStore, RawMark, RecordStore, RevocationJob, StateStore, StockToken, StoreFault, Stored, TokenStore,
    UpkeepStore,
};
use quicprochat_wire::{AccountId, ChannelId, DeviceId, Digest, MessageId, Timestamp};
use rusqlite::params;

use super::tx::{Tx, int};

const ACCOUNT: &str = "account";
const INBOX_CURSOR: &str = "inbox cursor";
const STATE: &str = "account state";

impl Tx<'_> {
    fn single(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        self.value("SELECT value FROM single WHERE name = ?1", [name])
    }

    fn put_single(&self, name: &str, value: &[u8]) -> Result<(), StoreFault> {
        self.run("INSERT OR REPLACE INTO single (name, value) VALUES (?1, ?2)", params![name, value]).map(drop)
    }
}

impl AccountStore for Tx<'_> {
    fn own_account(&self) -> Result<Option<OwnAccount>, StoreFault> {
        Ok(self.single(ACCOUNT)?.map(|row| OwnAccount::decode(&row)).transpose()?)
    }

    fn put_own_account(&self, account: &OwnAccount) -> Result<(), StoreFault> {
        self.put_single(ACCOUNT, &account.encode()?)
    }
}

impl ContactStore for Tx<'_> {
    fn contact(&self, account: &AccountId) -> Result<Option<Contact>, StoreFault> {
        self.row("SELECT row FROM contact WHERE account = ?1", [account.as_ref()])
    }

    fn contact_by_name(&self, name: &str, host: &str) -> Result<Option<Contact>, StoreFault> {
        self.row("SELECT row FROM contact WHERE name = ?1 AND host = ?2 AND named = 1", [name, host])
    }

    fn all_contacts(&self) -> Result<Vec<Contact>, StoreFault> {
        self.rows("SELECT row FROM contact ORDER BY account", [])
    }

    fn put_contact(&self, contact: &Contact) -> Result<(), StoreFault> {
        // A name that a stranger merely claims, or held before, leads nowhere.
        let named = contact.confirmed && !contact.superseded;
        self.run(
            "INSERT OR REPLACE INTO contact (account, name, host, named, row) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![contact.account.as_ref(), contact.name, contact.host, named, contact.encode()?],
        )
        .map(drop)
    }
}

impl ConversationStore for Tx<'_> {
    fn conversation(&self, channel: &ChannelId) -> Result<Option<Conversation>, StoreFault> {
        self.row("SELECT row FROM conversation WHERE channel = ?1", [channel.as_ref()])
    }

    fn all_conversations(&self) -> Result<Vec<Conversation>, StoreFault> {
        self.rows("SELECT row FROM conversation ORDER BY channel", [])
    }

    fn put_conversation(&self, conversation: &Conversation) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO conversation (channel, row) VALUES (?1, ?2)",
            params![conversation.channel.as_ref(), conversation.encode()?],
        )
        .map(drop)
    }

    fn delete_conversation(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.run("DELETE FROM conversation WHERE channel = ?1", [channel.as_ref()]).map(drop)
    }

    fn creation(&self, channel: &ChannelId) -> Result<Option<Creation>, StoreFault> {
        self.row("SELECT row FROM creation WHERE channel = ?1", [channel.as_ref()])
    }

    fn put_creation(&self, creation: &Creation) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO creation (channel, row) VALUES (?1, ?2)",
            params![creation.channel.as_ref(), creation.encode()?],
        )
        .map(drop)
    }

    fn delete_creation(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.run("DELETE FROM creation WHERE channel = ?1", [channel.as_ref()]).map(drop)
    }

    fn pending_commit(&self, channel: &ChannelId) -> Result<Option<PendingCommit>, StoreFault> {
        self.row("SELECT row FROM pending_commit WHERE channel = ?1", [channel.as_ref()])
    }

    fn put_pending_commit(&self, commit: &PendingCommit) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO pending_commit (channel, row) VALUES (?1, ?2)",
            params![commit.channel.as_ref(), commit.encode()?],
        )
        .map(drop)
    }

    fn delete_pending_commit(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.run("DELETE FROM pending_commit WHERE channel = ?1", [channel.as_ref()]).map(drop)
    }
}

impl RecordStore for Tx<'_> {
    fn put_record(&self, record: &AnnouncedRecord) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR IGNORE INTO record (channel, account, serial, hash, row) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                record.channel.as_ref(),
                record.account.as_ref(),
                int(record.serial),
                record.hash.as_ref(),
                record.encode()?
            ],
        )
        .map(drop)
    }

    fn records_of(&self, channel: &ChannelId) -> Result<Vec<AnnouncedRecord>, StoreFault> {
        self.rows("SELECT row FROM record WHERE channel = ?1 ORDER BY account, serial, hash", [channel.as_ref()])
    }

    fn record_by_hash(&self, channel: &ChannelId, hash: &Digest) -> Result<Option<AnnouncedRecord>, StoreFault> {
        self.row("SELECT row FROM record WHERE channel = ?1 AND hash = ?2", [channel.as_ref(), hash.as_ref()])
    }
}

/// A log row without its index, which is the arrival number beside it. Imported rows have arrival numbers from -1 downwards.
const ENTRY: &str = "SELECT arrival, row FROM message";

impl Tx<'_> {
    fn entries(&self, rest: &str, params: impl rusqlite::Params) -> Result<Vec<LogEntry>, StoreFault> {
        self.pairs(&format!("{ENTRY} {rest}"), params)?
            .into_iter()
            .map(|(arrival, row)| Ok(LogEntry { index: index(arrival), ..LogEntry::decode(&row)? }))
            .collect()
    }

    fn arrival_at(&self, entry: &LogEntry) -> Result<Option<i64>, StoreFault> {
        let place = params![entry.channel.as_ref(), int(entry.seq)];
        self.value("SELECT arrival FROM message WHERE channel = ?1 AND seq = ?2", place)
    }

    fn insert_entry(&self, arrival: i64, entry: &LogEntry) -> Result<(), StoreFault> {
        self.run(
            "INSERT INTO message (arrival, channel, seq, id, sender, row) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                arrival,
                entry.channel.as_ref(),
                int(entry.seq),
                entry.id.as_ref(),
                entry.sender.as_ref(),
                entry.encode()?
            ],
        )
        .map(drop)
    }
}

/// What the engine calls the index of a row: 0 for an imported one.
fn index(arrival: i64) -> u64 {
    u64::try_from(arrival).unwrap_or_default()
}

impl MessageStore for Tx<'_> {
    fn append_message(&self, entry: &LogEntry) -> Result<u64, StoreFault> {
        if let Some(arrival) = self.arrival_at(entry)? {
            return Ok(index(arrival));
        }
        // Not left to SQLite, which would go on below zero where there are imported rows alone.
        let arrival = self.last_arrival()?.saturating_add(1);
        self.insert_entry(int(arrival), entry)?;
        Ok(arrival)
    }

    fn import_message(&self, entry: &LogEntry) -> Result<bool, StoreFault> {
        if self.arrival_at(entry)?.is_some() {
            return Ok(false);
        }
        let first: Option<i64> = self.value("SELECT min(coalesce(min(arrival), 0), 0) FROM message", [])?;
        self.insert_entry(first.unwrap_or_default().saturating_sub(1), entry)?;
        Ok(true)
    }

    fn replace_body(&self, channel: &ChannelId, seq: u64, body: &LogBody) -> Result<(), StoreFault> {
        let place = params![channel.as_ref(), int(seq)];
        let there: Option<Vec<u8>> = self.value("SELECT row FROM message WHERE channel = ?1 AND seq = ?2", place)?;
        let Some(there) = there else { return Ok(()) };
        let row = LogEntry { body: body.clone(), ..LogEntry::decode(&there)? }.encode()?;
        self.run(
            "UPDATE message SET row = ?3 WHERE channel = ?1 AND seq = ?2",
            params![channel.as_ref(), int(seq), row],
        )
        .map(drop)
    }

    fn replace_message(&self, entry: &LogEntry) -> Result<(), StoreFault> {
        self.run(
            "UPDATE message SET id = ?3, sender = ?4, row = ?5 WHERE channel = ?1 AND seq = ?2",
            params![entry.channel.as_ref(), int(entry.seq), entry.id.as_ref(), entry.sender.as_ref(), entry.encode()?],
        )
        .map(drop)
    }

    fn message_seen(&self, channel: &ChannelId, sender: &AccountId, id: &MessageId) -> Result<bool, StoreFault> {
        let found: Option<i64> = self.value(
            "SELECT 1 FROM message WHERE channel = ?1 AND id = ?2 AND sender = ?3",
            [channel.as_ref(), id.as_ref(), sender.as_ref()],
        )?;
        Ok(found.is_some())
    }

    fn message_by_id(&self, channel: &ChannelId, id: &MessageId) -> Result<Option<LogEntry>, StoreFault> {
        let rest = "WHERE channel = ?1 AND id = ?2 ORDER BY seq LIMIT 1";
        Ok(self.entries(rest, [channel.as_ref(), id.as_ref()])?.pop())
    }

    fn messages_of(&self, channel: &ChannelId, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        let rest = "WHERE channel = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
        self.entries(rest, params![channel.as_ref(), int(after), int(limit as u64)])
    }

    fn last_messages(&self, channel: &ChannelId, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        let rest = "WHERE channel = ?1 ORDER BY seq DESC LIMIT ?2";
        let mut entries = self.entries(rest, params![channel.as_ref(), int(limit as u64)])?;
        entries.reverse();
        Ok(entries)
    }

    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
        self.entries("WHERE arrival > ?1 ORDER BY arrival LIMIT ?2", [int(after), int(limit as u64)])
    }

    fn last_arrival(&self) -> Result<u64, StoreFault> {
        let last: Option<i64> = self.value("SELECT coalesce(max(arrival), 0) FROM message", [])?;
        Ok(index(last.unwrap_or_default()))
    }
}

impl RawLogStore for Tx<'_> {
    fn put_raw(&self, entry: &RawEntry) -> Result<(), StoreFault> {
        let mark = entry.mark();
        self.run(
            "INSERT OR REPLACE INTO raw_log (channel, position, time, bytes, ends, row) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                entry.channel.as_ref(),
                int(mark.position),
                int(mark.time.0),
                int(mark.bytes),
                int(mark.end),
                entry.encode()?
            ],
        )?;
        if entry.roll.is_some() {
            let place = params![entry.channel.as_ref(), int(mark.position)];
            self.run("INSERT OR IGNORE INTO raw_roll (channel, position) VALUES (?1, ?2)", place)?;
        }
        Ok(())
    }

    fn raw_span(&self, channel: &ChannelId) -> Result<Option<(RawMark, RawMark)>, StoreFault> {
        const COLUMNS: &str = "SELECT position, time, ends, bytes FROM raw_log WHERE channel = ?1 ORDER BY position";
        let mark = |order: &str| {
            let found = self.numbers(&format!("{COLUMNS} {order} LIMIT 1"), [channel.as_ref()])?;
            Ok::<_, StoreFault>(found.map(|[position, time, end, bytes]| RawMark {
                position,
                time: Timestamp(time),
                end,
                bytes,
            }))
        };
        Ok(mark("ASC")?.zip(mark("DESC")?))
    }

    fn raw_after(&self, channel: &ChannelId, after: u64, limit: usize) -> Result<Vec<RawEntry>, StoreFault> {
        self.rows(
            "SELECT row FROM raw_log WHERE channel = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
            params![channel.as_ref(), int(after), int(limit as u64)],
        )
    }

    fn raw_roll_before(&self, channel: &ChannelId, before: u64) -> Result<Option<RawEntry>, StoreFault> {
        self.row(
            "SELECT row FROM raw_log WHERE channel = ?1 AND position =
                (SELECT max(position) FROM raw_roll WHERE channel = ?1 AND position < ?2)",
            params![channel.as_ref(), int(before)],
        )
    }

    fn delete_raw(&self, channel: &ChannelId, position: u64) -> Result<(), StoreFault> {
        let place = params![channel.as_ref(), int(position)];
        self.run("DELETE FROM raw_roll WHERE channel = ?1 AND position = ?2", place)?;
        self.run("DELETE FROM raw_log WHERE channel = ?1 AND position = ?2", place).map(drop)
    }

    fn clear_raw(&self, channel: &ChannelId) -> Result<(), StoreFault> {
        self.run("DELETE FROM raw_roll WHERE channel = ?1", [channel.as_ref()])?;
        self.run("DELETE FROM raw_log WHERE channel = ?1", [channel.as_ref()]).map(drop)
    }
}

impl OutboxStore for Tx<'_> {
    fn push_outbox(&self, message: &OutboxMessage) -> Result<u64, StoreFault> {
        self.run(
            "INSERT INTO outbox (intent, channel, row) VALUES (?1, ?2, x'')",
            [message.intent.as_ref(), message.channel.as_ref()],
        )?;
        let row = self.inserted();
        self.put_outbox(&OutboxMessage { row, ..message.clone() })?;
        Ok(row)
    }

    fn put_outbox(&self, message: &OutboxMessage) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO outbox (number, intent, channel, row) VALUES (?1, ?2, ?3, ?4)",
            params![int(message.row), message.intent.as_ref(), message.channel.as_ref(), message.encode()?],
        )
        .map(drop)
    }

    fn delete_outbox(&self, row: u64) -> Result<(), StoreFault> {
        self.run("DELETE FROM outbox WHERE number = ?1", [int(row)]).map(drop)
    }

    fn outbox_of(&self, channel: &ChannelId) -> Result<Vec<OutboxMessage>, StoreFault> {
        self.rows("SELECT row FROM outbox WHERE channel = ?1 ORDER BY number", [channel.as_ref()])
    }

    fn outbox_channels(&self) -> Result<Vec<ChannelId>, StoreFault> {
        let channels: Vec<[u8; 32]> = self.values("SELECT DISTINCT channel FROM outbox ORDER BY channel", [])?;
        Ok(channels.into_iter().map(ChannelId::new).collect())
    }

    fn outbox_by_intent(&self, intent: &MessageId) -> Result<Option<OutboxMessage>, StoreFault> {
        self.row("SELECT row FROM outbox WHERE intent = ?1", [intent.as_ref()])
    }

    fn put_delivery(&self, delivery: &Delivery) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO delivery (id, row) VALUES (?1, ?2)",
            params![delivery.id.as_ref(), delivery.encode()?],
        )
        .map(drop)
    }

    fn delete_delivery(&self, id: &MessageId) -> Result<(), StoreFault> {
        self.run("DELETE FROM delivery WHERE id = ?1", [id.as_ref()]).map(drop)
    }

    fn delivery(&self, id: &MessageId) -> Result<Option<Delivery>, StoreFault> {
        self.row("SELECT row FROM delivery WHERE id = ?1", [id.as_ref()])
    }

    fn deliveries(&self) -> Result<Vec<Delivery>, StoreFault> {
        self.rows("SELECT row FROM delivery ORDER BY id", [])
    }
}

impl InboxStore for Tx<'_> {
    fn inbox_cursor(&self) -> Result<u64, StoreFault> {
        match self.single(INBOX_CURSOR)? {
            None => Ok(0),
            Some(bytes) => bytes.try_into().map(u64::from_le_bytes).map_err(|_| StoreFault::Damaged),
        }
    }

    fn put_inbox_cursor(&self, cursor: u64) -> Result<(), StoreFault> {
        self.put_single(INBOX_CURSOR, &cursor.to_le_bytes())
    }

    fn invitation(&self, id: &MessageId) -> Result<Option<Invitation>, StoreFault> {
        self.row("SELECT row FROM invitation WHERE id = ?1", [id.as_ref()])
    }

    fn invitations(&self) -> Result<Vec<Invitation>, StoreFault> {
        self.rows("SELECT row FROM invitation ORDER BY id", [])
    }

    fn put_invitation(&self, invitation: &Invitation) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO invitation (id, row) VALUES (?1, ?2)",
            params![invitation.id.as_ref(), invitation.encode()?],
        )
        .map(drop)
    }

    fn delete_invitation(&self, id: &MessageId) -> Result<(), StoreFault> {
        self.run("DELETE FROM invitation WHERE id = ?1", [id.as_ref()]).map(drop)
    }
}

impl TokenStore for Tx<'_> {
    fn put_token(&self, token: &StockToken) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO token (nonce, ready, row) VALUES (?1, ?2, ?3)",
            params![token.token.nonce, int(token.ready.0), token.encode()?],
        )
        .map(drop)
    }

    fn stock(&self) -> Result<Vec<StockToken>, StoreFault> {
        self.rows("SELECT row FROM token ORDER BY ready, nonce", [])
    }

    fn delete_token(&self, nonce: &[u8]) -> Result<(), StoreFault> {
        self.run("DELETE FROM token WHERE nonce = ?1", [nonce]).map(drop)
    }
}

impl UpkeepStore for Tx<'_> {
    fn key_packages(&self) -> Result<Vec<OwnKeyPackage>, StoreFault> {
        self.rows("SELECT row FROM key_package ORDER BY made, package", [])
    }

    fn put_key_package(&self, package: &OwnKeyPackage) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO key_package (package, made, row) VALUES (?1, ?2, ?3)",
            params![package.key_package, int(package.made.0), package.encode()?],
        )
        .map(drop)
    }

    fn delete_key_package(&self, key_package: &[u8]) -> Result<(), StoreFault> {
        self.run("DELETE FROM key_package WHERE package = ?1", [key_package]).map(drop)
    }

    fn revocation_jobs(&self) -> Result<Vec<RevocationJob>, StoreFault> {
        self.rows("SELECT row FROM job ORDER BY device", [])
    }

    fn put_revocation_job(&self, job: &RevocationJob) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO job (device, row) VALUES (?1, ?2)",
            params![job.device.as_ref(), job.encode()?],
        )
        .map(drop)
    }

    fn delete_revocation_job(&self, device: &DeviceId) -> Result<(), StoreFault> {
        self.run("DELETE FROM job WHERE device = ?1", [device.as_ref()]).map(drop)
    }

    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault> {
        self.single(&format!("setting {name}"))
    }

    fn put_setting(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreFault> {
        let name = format!("setting {name}");
        match value {
            Some(value) => self.put_single(&name, value),
            None => self.run("DELETE FROM single WHERE name = ?1", [name]).map(drop),
        }
    }
}

impl StateStore for Tx<'_> {
    fn account_state(&self) -> Result<Option<AccountState>, StoreFault> {
        Ok(self.single(STATE)?.map(|row| AccountState::decode(&row)).transpose()?)
    }

    fn put_account_state(&self, state: &AccountState) -> Result<(), StoreFault> {
        self.put_single(STATE, &state.encode()?)
    }

    fn conversation_settings(&self, channel: &ChannelId) -> Result<Option<ConversationSettings>, StoreFault> {
        self.row("SELECT row FROM conversation_settings WHERE channel = ?1", [channel.as_ref()])
    }

    fn put_conversation_settings(&self, settings: &ConversationSettings) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO conversation_settings (channel, row) VALUES (?1, ?2)",
            params![settings.channel.as_ref(), settings.encode()?],
        )
        .map(drop)
    }

    fn known_contact(&self, account: &AccountId) -> Result<Option<KnownContact>, StoreFault> {
        self.row("SELECT row FROM known_contact WHERE account = ?1", [account.as_ref()])
    }

    fn known_contacts_by_name(&self, name: &str, host: &str) -> Result<Vec<KnownContact>, StoreFault> {
        self.rows(
            "SELECT row FROM known_contact WHERE name = ?1 AND host = ?2 AND pinned = 1 ORDER BY account",
            [name, host],
        )
    }

    fn put_known_contact(&self, contact: &KnownContact) -> Result<(), StoreFault> {
        self.run(
            "INSERT OR REPLACE INTO known_contact (account, name, host, pinned, row) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![contact.account.as_ref(), contact.name, contact.host, contact.key.is_some(), contact.encode()?],
        )
        .map(drop)
    }
}

impl MlsStore for Tx<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MlsStoreFault> {
        self.value("SELECT value FROM mls WHERE key = ?1", [key]).map_err(|fault| self.keep_cause(fault))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), MlsStoreFault> {
        let put = self.run("INSERT OR REPLACE INTO mls (key, value) VALUES (?1, ?2)", [key, value]);
        put.map(drop).map_err(|fault| self.keep_cause(fault))
    }

    fn delete(&self, key: &[u8]) -> Result<(), MlsStoreFault> {
        self.run("DELETE FROM mls WHERE key = ?1", [key]).map(drop).map_err(|fault| self.keep_cause(fault))
    }
}
