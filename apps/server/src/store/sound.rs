//! Whether the rows of a store keep the services' promises. SQLite knows nothing of these.

use std::collections::BTreeMap;

use quicprochat_wire::{
    ChainHash, ChannelId, MessageId,
    call::channel::{ChainPoint, EntryKind},
    chain,
};
use rusqlite::{Connection, Error, Row};

use self::kept::{Beside, Tables};
use super::{
    OpenError,
    channel_cache::{ChannelNum, position_of},
    connection::{Location, Purpose, explain},
    copy::{JournalError, journal},
    entries::hash,
    error::is_damage,
    journal::Held,
    tx::unsigned,
};

/// Most faults that are listed; a store with more is no better known by all of them.
const MOST: usize = 100;
/// Tables whose rows belong to an account.
const OF_ACCOUNTS: &[&str] = &[
    "identities",
    "devices",
    "ways",
    "vault_records",
    "vault_wraps",
    "inboxes",
    "inbox_entries",
    "archives",
    "archive_objects",
];

/// Which promises the rows break; empty if none. One snapshot; may run beside the server.
///
/// - The log of a channel has no hole, its hashes are those of its entries, and every entry names the last commit before it.
/// - What the row of a channel says of its log is so.
/// - Content is missing only where it has expired.
/// - A channel counts the bytes, GroupInfos and chunks that are kept, has its key, its keyring and a GroupInfo, and each of
///   these stands at a commit of its log. Which chunks a GroupInfo names is sealed: one that is missing shows in the bytes.
/// - Inboxes and archives hold as many entries and bytes as they count, and no inbox has given out a number above its last.
/// - What belongs to an account or a channel belongs to one that there is.
///
/// Errors:   [`OpenError`] if the store cannot even be opened.
pub fn faults(location: &Location) -> Result<Vec<String>, OpenError> {
    let db = location.open_existing(Purpose::Read)?;
    let mut faults = Vec::new();
    match look(&db, &mut faults) {
        Ok(()) => {}
        Err(JournalError::Damaged { seq }) => faults.push(format!("row {seq} of the journal cannot be read")),
        Err(JournalError::Database(error)) if !is_database_fault(&error) => {
            faults.push(format!("a row cannot be read: {error}"));
        }
        Err(JournalError::Database(error)) => return Err(explain(&location.path, error)),
    }
    faults.truncate(MOST);
    Ok(faults)
}

/// Whether SQLite itself failed; anything else is a column with what is never written.
fn is_database_fault(error: &Error) -> bool {
    !is_damage(error) && error.sqlite_error_code().is_some()
}

fn look(db: &Connection, faults: &mut Vec<String>) -> Result<(), JournalError> {
    db.execute_batch("BEGIN")?;
    let held = journal(db)?;
    channels(db, &held, faults)?;
    counters(db, "inboxes", "entries", "inbox_entries", faults)?;
    numbers(db, faults)?;
    if has(db, "archives")? {
        counters(db, "archives", "objects", "archive_objects", faults)?;
    }
    for table in OF_ACCOUNTS {
        // A backup of an earlier schema is looked at when it was brought up to date, a store perhaps before.
        if !has(db, table)? {
            continue;
        }
        let strays = format!("SELECT count(*) FROM {table} WHERE account NOT IN (SELECT account FROM accounts)");
        let strays: i64 = db.query_row(&strays, [], |row| row.get(0))?;
        if strays > 0 {
            faults.push(format!("{strays} rows of {table} belong to no account"));
        }
    }
    Ok(())
}

fn has(db: &Connection, table: &str) -> Result<bool, Error> {
    db.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?1", [table], |row| row.get(0))
}

/// What a channel's row says of its log.
struct Stored {
    num: ChannelNum,
    channel: ChannelId,
    commit: ChainPoint,
    last: ChainPoint,
    first: u64,
    beside: Beside,
}

fn channels(db: &Connection, held: &BTreeMap<i64, Held>, faults: &mut Vec<String>) -> Result<(), Error> {
    let mut query = db.prepare(
        "SELECT num, channel, commit_position, commit_hash, last_position, last_hash, first, bytes, group_infos,
         group_info_bytes, access, access_since, indexed FROM channels ORDER BY num",
    )?;
    let tables = Tables::of(db)?;
    let mut rows = query.query([])?;
    let mut seen = 0i64;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let channel = ChannelId::new(row.get(1)?);
        let Some(num) = ChannelNum::from_column(number) else {
            faults.push(format!("channel {} has the number {number}", hex::encode(channel.as_bytes())));
            continue;
        };
        let stored = Stored {
            num,
            channel,
            commit: ChainPoint { position: unsigned(row, 2)?, hash: hash(row, 3)? },
            last: ChainPoint { position: unsigned(row, 4)?, hash: hash(row, 5)? },
            first: unsigned(row, 6)?,
            beside: Beside {
                bytes: unsigned(row, 7)?,
                group_infos: unsigned(row, 8)?,
                group_info_bytes: unsigned(row, 9)?,
                access: row.get(10)?,
                access_since: unsigned(row, 11)?,
                indexed: unsigned(row, 12)?,
            },
        };
        let walked = log(db, held, &stored)?;
        seen = seen.saturating_add(walked.rows);
        let name = hex::encode(stored.channel.as_bytes());
        if let Some(fault) = &walked.fault {
            faults.push(format!("channel {name}: {fault}"));
        } else {
            // What is counted of a log with holes says nothing more.
            let beside = kept::faults(db, &tables, &walked)?;
            faults.extend(beside.into_iter().map(|fault| format!("channel {name}: {fault}")));
        }
    }
    let all: i64 = db.query_row("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    if all != seen {
        faults.push(format!("{} entries belong to no channel", all.saturating_sub(seen)));
    }
    tables.strays(db, faults)
}

/// A log, entry by entry.
struct Walk<'s> {
    stored: &'s Stored,
    at: ChainPoint,
    commit: ChainPoint,
    /// Rows of `entries`.
    rows: i64,
    /// Bytes of the content that is kept.
    kept: u64,
    /// The same, as the channel counts them.
    counted: u64,
    fault: Option<String>,
}

fn log<'s>(db: &Connection, held: &BTreeMap<i64, Held>, stored: &'s Stored) -> Result<Walk<'s>, Error> {
    let start = ChainPoint { position: 0, hash: chain::start(&stored.channel) };
    let mut walk =
        Walk { stored, at: start, commit: start, rows: 0, kept: 0, counted: stored.beside.bytes, fault: None };
    let keys = [stored.num.at_most(0), stored.num.at_most(u64::MAX)];
    let mut waiting = held.range(keys[0]..=keys[1]).peekable();
    let mut query = db.prepare_cached(
        "SELECT at, hash, kind, id, after_position, after_hash, sealed, bytes FROM entries
         WHERE at BETWEEN ?1 AND ?2 ORDER BY at",
    )?;
    let mut rows = query.query(keys)?;
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(0)?;
        walk.rows = walk.rows.saturating_add(1);
        while let Some((_, held)) = waiting.next_if(|(key, _)| **key < at) {
            walk.held(held);
        }
        // It may be in both places (ADR 0005).
        waiting.next_if(|(key, _)| **key == at);
        walk.entry(at, row)?;
    }
    for (_, held) in waiting {
        walk.held(held);
    }
    walk.end();
    Ok(walk)
}

impl Walk<'_> {
    fn held(&mut self, held: &Held) {
        let entry = &held.entry;
        self.step(entry.at, entry.kind, &entry.id, &entry.after_commit, Some(&entry.sealed));
        self.count(entry.at.position, Some(&entry.sealed), held.bytes);
    }

    fn entry(&mut self, key: i64, row: &Row<'_>) -> Result<(), Error> {
        let kind = match row.get::<_, i64>(2)? {
            0 => EntryKind::Message,
            1 => EntryKind::Commit,
            other => return Err(Error::IntegralValueOutOfRange(2, other)),
        };
        let at = ChainPoint { position: position_of(key), hash: hash(row, 1)? };
        let after = ChainPoint { position: unsigned(row, 4)?, hash: hash(row, 5)? };
        let sealed = row.get_ref(6)?.as_blob_or_null()?;
        self.step(at, kind, &MessageId::new(row.get(3)?), &after, sealed);
        self.count(at.position, sealed, unsigned(row, 7)?);
        Ok(())
    }

    /// `total` is what the channel counted with this entry: its row says it for the log as of its last full write.
    fn count(&mut self, position: u64, sealed: Option<&[u8]>, total: u64) {
        if position >= self.stored.first {
            let bytes = sealed.map_or(0, |sealed| u64::try_from(sealed.len()).unwrap_or(u64::MAX));
            self.kept = self.kept.saturating_add(bytes);
        }
        if position > self.stored.last.position {
            self.counted = total;
        }
    }

    fn step(&mut self, at: ChainPoint, kind: EntryKind, id: &MessageId, after: &ChainPoint, sealed: Option<&[u8]>) {
        let position = at.position;
        let fault = if position != self.at.position.saturating_add(1) {
            Some(format!(
                "entries {} to {} are missing",
                self.at.position.saturating_add(1),
                position.saturating_sub(1)
            ))
        } else if *after != self.commit {
            Some(format!("entry {position} was accepted after another commit than the last"))
        } else if sealed.is_none() && position >= self.stored.first {
            Some(format!("the content of entry {position} is missing"))
        } else if sealed.is_some_and(|sealed| self.hash(position, id, kind, after, sealed) != at.hash) {
            Some(format!("the hash of entry {position} is not that of its content"))
        } else if position == self.stored.last.position && at.hash != self.stored.last.hash {
            Some(format!("the hash of entry {position} is not the one in the channel's row"))
        } else {
            None
        };
        self.note(fault);
        self.at = at;
        if kind == EntryKind::Commit {
            self.commit = at;
        }
    }

    fn hash(&self, n: u64, id: &MessageId, kind: EntryKind, after: &ChainPoint, sealed: &[u8]) -> ChainHash {
        chain::link(&self.at.hash, n, id, kind, after, sealed)
    }

    fn end(&mut self) {
        let stored = self.stored;
        if self.at.position < stored.last.position {
            self.note(Some(format!("entries after {} are missing", self.at.position)));
        } else if self.commit != stored.commit {
            self.note(Some(format!(
                "the last commit is at {}, not at {}",
                self.commit.position, stored.commit.position
            )));
        }
    }

    /// The first fault says it; those that follow from it would only hide it.
    fn note(&mut self, fault: Option<String>) {
        if self.fault.is_none() {
            self.fault = fault;
        }
    }
}

/// Compares what `table` counts with the rows of `of`.
fn counters(db: &Connection, table: &str, column: &str, of: &str, faults: &mut Vec<String>) -> Result<(), Error> {
    let wrong: i64 = db.query_row(
        &format!(
            "SELECT count(*) FROM
             (SELECT account, count(*) AS n, sum(length(sealed)) AS b FROM {of} GROUP BY account) AS found
             FULL JOIN {table} AS counted ON counted.account = found.account
             WHERE coalesce(n, 0) <> coalesce(counted.{column}, 0) OR coalesce(b, 0) <> coalesce(counted.bytes, 0)"
        ),
        [],
        |row| row.get(0),
    )?;
    if wrong > 0 {
        faults.push(format!("{wrong} rows of {table} count other {column} or bytes than there are"));
    }
    Ok(())
}

fn numbers(db: &Connection, faults: &mut Vec<String>) -> Result<(), Error> {
    let beyond: i64 = db.query_row(
        "SELECT count(*) FROM inbox_entries AS e JOIN inboxes AS i ON i.account = e.account WHERE e.seq > i.last",
        [],
        |row| row.get(0),
    )?;
    if beyond > 0 {
        faults.push(format!("{beyond} entries of inboxes have a number above the last"));
    }
    Ok(())
}

mod kept;
#[cfg(test)]
mod tests;
