//! The move from the journal into `entries`.

use std::sync::Arc;

use rusqlite::{Connection, Error, OptionalExtension as _, params};

use super::Held;
use crate::store::channel_cache::ChannelNum;

/// Moves messages, sorted by key, and deletes the rows of the journal up to `last`, in one transaction.
///
/// The rows go first: the pages that they leave are taken by what is inserted, so that a nearly full store can do it, and no
/// page keeps the order in which messages came. A message may be there already: `invite create` beside the server does
/// this, too.
///
/// Errors:   SQLite's; nothing is changed then.
pub(super) fn settle(db: &Connection, messages: &[(i64, Arc<Held>)], last: i64) -> Result<(), Error> {
    let execute = |sql: &str| db.prepare_cached(sql)?.execute([]).map(drop);
    execute("BEGIN IMMEDIATE")?;
    let moved = insert(db, messages, last).and_then(|()| execute("COMMIT"));
    if moved.is_err()
        && !db.is_autocommit()
        && let Err(error) = execute("ROLLBACK")
    {
        tracing::error!(%error, "a failed move of messages cannot be rolled back");
    }
    moved
}

fn insert(db: &Connection, messages: &[(i64, Arc<Held>)], last: i64) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM journal WHERE seq <= ?1")?.execute([last])?;
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO entries VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, NULL, ?8)")?;
    let mut find = db.prepare_cached("SELECT first FROM channels WHERE num = ?1")?;
    let mut channel = None;
    for (at, held) in messages {
        let num = ChannelNum::of_key(*at).map_or(0, ChannelNum::column);
        let first = match channel {
            Some((known, first)) if known == num => first,
            _ => find.query_row([num], |row| row.get::<_, i64>(0)).optional()?,
        };
        channel = Some((num, first));
        // The channel was removed.
        let Some(first) = first else { continue };
        let entry = &held.entry;
        let position = column(entry.at.position)?;
        // What has expired keeps its place only.
        let sealed = (position >= first).then_some(&entry.sealed);
        insert.execute(params![
            at,
            entry.at.hash.as_bytes(),
            column(held.bytes)?,
            entry.id.as_bytes(),
            entry.time.0,
            column(entry.after_commit.position)?,
            entry.after_commit.hash.as_bytes(),
            sealed,
        ])?;
    }
    Ok(())
}

fn column(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|error| Error::ToSqlConversionFailure(Box::new(error)))
}
