//! The schema, one step a file, forward only.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::{OpenError, connection::explain};

/// Step n brings a database from version n - 1 to version n.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
];

/// The version this program writes.
#[must_use]
pub fn known_version() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Brings the schema up to date, in one transaction.
///
/// Errors:   [`OpenError::TooNew`] if a later version wrote it; it is not touched.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error| explain(path, error);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = check_version(&tx, path)?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    if done < STEPS.len() {
        for step in STEPS.iter().skip(done) {
            tx.execute_batch(step).map_err(failed)?;
        }
        tx.pragma_update(None, "user_version", known_version()).map_err(failed)?;
    }
    tx.commit().map_err(failed)
}

/// Makes an empty database of an earlier version, in one transaction.
pub(super) fn make(db: &mut Connection, version: u32, path: &Path) -> Result<(), OpenError> {
    let failed = |error| explain(path, error);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for step in STEPS.iter().take(usize::try_from(version).unwrap_or(usize::MAX)) {
        tx.execute_batch(step).map_err(failed)?;
    }
    tx.pragma_update(None, "user_version", version).map_err(failed)?;
    tx.commit().map_err(failed)
}

/// The version of the database.
///
/// Errors:   [`OpenError::TooNew`] if it is beyond ours.
pub(super) fn check_version(db: &Connection, path: &Path) -> Result<u32, OpenError> {
    let found =
        db.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).map_err(|error| explain(path, error))?;
    if found > known_version() {
        return Err(OpenError::TooNew { path: path.to_owned(), found, known: known_version() });
    }
    Ok(found)
}
