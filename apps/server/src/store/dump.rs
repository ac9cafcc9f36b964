//! Everything in the store as text, and whether it is sound. Both may run beside the server.

use std::io::Write;

use rusqlite::{Connection, Error, types::ValueRef};
use serde_json::{Map, Value, json};

use super::{
    OpenError,
    connection::{Location, Purpose, explain},
    error::is_damage,
};

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
    Ok(faults)
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
