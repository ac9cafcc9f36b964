//! The mark of a restore, outside of a running server: left by who restores, and shown by who checks.

use quicprochat_server_core::{Recovery, store::StateKey};
use rusqlite::{Connection, Error, OptionalExtension as _, params};

use super::{
    OpenError,
    connection::{Location, Purpose, explain},
};

/// Leaves the mark that the next start of the server begins a recovery time with; one that a backup brought along goes.
pub(super) fn leave(db: &Connection) -> Result<(), Error> {
    let value = Recovery::PENDING.encode();
    db.execute("INSERT OR REPLACE INTO state VALUES (?1, ?2)", params![StateKey::Recovery.name(), value])?;
    Ok(())
}

/// What the mark of a store says, if it has one; `Err` in it if it cannot be read. May run beside the server.
///
/// Errors:   [`OpenError`] if the store cannot even be opened.
pub fn recovery(location: &Location) -> Result<Option<Result<Recovery, Unreadable>>, OpenError> {
    let db = location.open_existing(Purpose::Read)?;
    let mut query =
        db.prepare("SELECT value FROM state WHERE key = ?1").map_err(|error| explain(&location.path, error))?;
    let stored: Option<Vec<u8>> = query
        .query_row([StateKey::Recovery.name()], |row| row.get(0))
        .optional()
        .map_err(|error| explain(&location.path, error))?;
    Ok(stored.map(|stored| Recovery::decode(&stored).ok_or(Unreadable)))
}

/// The mark is nothing that this version writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the mark of a restore cannot be read")]
pub struct Unreadable;
