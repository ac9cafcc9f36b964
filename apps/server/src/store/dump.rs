//! Everything in the store as text, and whether it is sound. Both may run beside the server.

use std::io::Write;

use quicprochat_server_core::store::StoreFault;
use rusqlite::{Connection, Error, Statement, types::ValueRef};
use serde_json::{Map, Value, json};

use super::{
    OpenError,
    connection::{Location, Purpose, explain},
    error::is_damage,
    journal::{Held, read_block},
};

const JOURNAL: &str = "journal";
const UNREADABLE: StoreFault = StoreFault::Damaged { what: "block of the journal" };

/// Why a dump or a check ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nobody takes the output.
    #[error("the output cannot be written")]
    Output(#[from] std::io::Error),
}

/// Writes every row of every table, one JSON object a line: `{"table": ..., "row": {column: value}}`.
///
/// A row of `journal` is shown as the messages in it, each with the columns of `entries`; as it is if it cannot be read.
///
/// Shape:    a number or text stands as it is; bytes as `{"hex": ..., "text": ...}`, the text with U+FFFD for what is no UTF-8.
/// Secrets:  everything the server knows, its own long-term secrets included.
/// Errors:   [`DumpError`].
pub fn dump(location: &Location, out: &mut dyn Write) -> Result<(), DumpError> {
    let db = location.open_existing(Purpose::Read)?;
    let failed = |error| explain(&location.path, error);
    // One snapshot for all tables.
    db.execute_batch("BEGIN").map_err(failed)?;
    for table in tables(&db).map_err(failed)? {
        let mut query = db.prepare(&format!("SELECT * FROM {table}")).map_err(failed)?;
        if table == JOURNAL {
            dump_journal(&mut query, out, failed)?;
            continue;
        }
        let columns: Vec<String> = query.column_names().map(str::to_owned).collect();
        let mut rows = query.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let mut object = Map::new();
            for (index, column) in columns.iter().enumerate() {
                object.insert(column.clone(), shown(row.get_ref(index).map_err(failed)?));
            }
            writeln!(out, "{}", json!({ "table": table, "row": object }))?;
        }
    }
    Ok(())
}

fn dump_journal(
    query: &mut Statement<'_>,
    out: &mut dyn Write,
    failed: impl Fn(Error) -> OpenError,
) -> Result<(), DumpError> {
    let mut rows = query.query([]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let seq: i64 = row.get(0).map_err(&failed)?;
        let block = row.get_ref(1).map_err(&failed)?;
        let shown = match block.as_blob().map_err(|_| UNREADABLE).and_then(|bytes| read_block(seq, bytes)) {
            Ok(messages) => messages.iter().map(|(at, held)| message(*at, held)).collect(),
            Err(_) => vec![json!({ "seq": seq, "block": shown(block) })],
        };
        for row in shown {
            writeln!(out, "{}", json!({ "table": JOURNAL, "row": row }))?;
        }
    }
    Ok(())
}

/// A message of the journal, with the columns that it will have in `entries`.
fn message(at: i64, held: &Held) -> Value {
    let entry = &held.entry;
    json!({
        "seq": held.seq,
        "at": at,
        "hash": shown(ValueRef::Blob(entry.at.hash.as_bytes())),
        "kind": 0,
        "bytes": held.bytes,
        "id": shown(ValueRef::Blob(entry.id.as_bytes())),
        "minute": entry.time.0,
        "after_position": entry.after_commit.position,
        "after_hash": shown(ValueRef::Blob(entry.after_commit.hash.as_bytes())),
        "next_access": Value::Null,
        "sealed": shown(ValueRef::Blob(&entry.sealed)),
    })
}

/// What is wrong with the store; empty if it is sound.
///
/// Errors:   [`OpenError`] if it cannot even be opened.
pub fn check(location: &Location) -> Result<Vec<String>, OpenError> {
    let db = location.open_existing(Purpose::Read)?;
    let mut faults = Vec::new();
    for pragma in ["cipher_integrity_check", "integrity_check"] {
        match lines(&db, pragma) {
            Ok(found) => faults.extend(found.into_iter().filter(|line| line != "ok")),
            Err(error) if is_damage(&error) => faults.push(format!("{pragma}: {error}")),
            Err(error) => return Err(explain(&location.path, error)),
        }
    }
    match unreadable_blocks(&db) {
        Ok(found) => faults.extend(found.into_iter().map(|seq| format!("row {seq} of the journal cannot be read"))),
        Err(error) if is_damage(&error) => faults.push(format!("the journal: {error}")),
        Err(error) => return Err(explain(&location.path, error)),
    }
    Ok(faults)
}

fn unreadable_blocks(db: &Connection) -> Result<Vec<i64>, Error> {
    let mut found = Vec::new();
    // A store of version 1 has no journal.
    if tables(db)?.iter().any(|table| table == JOURNAL) {
        let mut query = db.prepare("SELECT seq, block FROM journal ORDER BY seq")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            if row.get_ref(1)?.as_blob().map_err(|_| UNREADABLE).and_then(|block| read_block(seq, block)).is_err() {
                found.push(seq);
            }
        }
    }
    Ok(found)
}

fn lines(db: &Connection, pragma: &str) -> Result<Vec<String>, Error> {
    let mut query = db.prepare(&format!("PRAGMA {pragma}"))?;
    query.query_map([], |row| row.get(0))?.collect()
}

fn tables(db: &Connection) -> Result<Vec<String>, Error> {
    let mut query = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    query.query_map([], |row| row.get(0))?.collect()
}

fn shown(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!({ "hex": hex::encode(bytes), "text": String::from_utf8_lossy(bytes) }),
    }
}
