//! What a channel keeps beside its log: bytes counted, keys, the keyring, GroupInfos with the chunks of their trees, and the
//! index of ids.

use quicprochat_wire::chain;
use rusqlite::{Connection, Error, params};

use super::{Walk, has};
use crate::store::tx::unsigned;

/// What the row of a channel says of it.
pub(super) struct Beside {
    pub(super) bytes: u64,
    pub(super) group_infos: u64,
    pub(super) group_info_bytes: u64,
    pub(super) access: [u8; 32],
    pub(super) access_since: u64,
    pub(super) indexed: u64,
}

/// The tables that a channel has rows in, beside its log.
pub(super) struct Tables {
    chunks: bool,
}

impl Tables {
    pub(super) fn of(db: &Connection) -> Result<Self, Error> {
        Ok(Self { chunks: has(db, "tree_chunks")? })
    }

    /// Rows of channels that there are not.
    pub(super) fn strays(&self, db: &Connection, faults: &mut Vec<String>) -> Result<(), Error> {
        let mut tables =
            vec![("group_infos", "at >> 32"), ("entry_ids", "num"), ("access_keys", "num"), ("keyrings", "num")];
        if self.chunks {
            tables.push(("tree_chunks", "num"));
        }
        for (table, num) in tables {
            let strays = format!("SELECT count(*) FROM {table} WHERE {num} NOT IN (SELECT num FROM channels)");
            let strays: i64 = db.query_row(&strays, [], |row| row.get(0))?;
            if strays > 0 {
                faults.push(format!("{strays} rows of {table} belong to no channel"));
            }
        }
        Ok(())
    }
}

/// What does not fit the log, which was walked to its end and is sound.
pub(super) fn faults(db: &Connection, tables: &Tables, walk: &Walk<'_>) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    if walk.counted != walk.kept {
        faults.push(format!("it counts {} bytes of content, and {} are kept", walk.counted, walk.kept));
    }
    group_infos(db, tables, walk, &mut faults)?;
    keys(db, walk, &mut faults)?;
    ids(db, walk, &mut faults)?;
    Ok(faults)
}

fn group_infos(db: &Connection, tables: &Tables, walk: &Walk<'_>, faults: &mut Vec<String>) -> Result<(), Error> {
    let stored = walk.stored;
    let keys = [stored.num.at_most(0), stored.num.at_most(u64::MAX)];
    let mut query = db.prepare_cached(
        "SELECT count(*), coalesce(sum(length(sealed)), 0), coalesce(min(at), ?1) - ?1
         FROM group_infos WHERE at BETWEEN ?1 AND ?2",
    )?;
    let (count, mut bytes, oldest) =
        query.query_row(keys, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?)))?;
    if count == 0 {
        faults.push("no GroupInfo is kept: nobody can enter it again".to_owned());
    }
    if count != stored.beside.group_infos {
        faults.push(format!("it counts {} GroupInfos, and {count} are kept", stored.beside.group_infos));
    }
    // Commits are never in the journal.
    let mut query = db.prepare_cached(
        "SELECT count(*) FROM group_infos AS g LEFT JOIN entries AS e ON e.at = g.at WHERE g.at BETWEEN ?1 AND ?2
         AND CASE WHEN g.at = ?1 THEN g.hash <> ?3 ELSE e.kind IS NOT 1 OR e.hash IS NOT g.hash END",
    )?;
    let start = chain::start(&stored.channel);
    let foreign: i64 = query.query_row(params![keys[0], keys[1], start.as_bytes()], |row| row.get(0))?;
    if foreign > 0 {
        faults.push(format!("{foreign} GroupInfos are those of no commit"));
    }
    if tables.chunks {
        bytes = bytes.saturating_add(chunks(db, walk, oldest, faults)?);
    }
    if bytes != stored.beside.group_info_bytes {
        faults.push(format!(
            "it counts {} bytes of GroupInfos and chunks, and {bytes} are kept",
            stored.beside.group_info_bytes
        ));
    }
    Ok(())
}

/// Says how many bytes the chunks are. One whose use ended is kept as long as a GroupInfo from before is.
fn chunks(db: &Connection, walk: &Walk<'_>, oldest: u64, faults: &mut Vec<String>) -> Result<u64, Error> {
    let mut query = db.prepare_cached(
        "SELECT coalesce(sum(length(sealed)), 0), coalesce(sum(bytes <> length(sealed)), 0),
         coalesce(sum(until > ?3), 0), coalesce(sum(until <= ?2), 0) FROM tree_chunks WHERE num = ?1",
    )?;
    let number = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
    let asked = [walk.stored.num.column(), number(oldest), number(walk.commit.position)];
    let (bytes, sizes, late, early) = query
        .query_row(asked, |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?, unsigned(row, 3)?)))?;
    for (count, fault) in [
        (sizes, "chunks have another size than is said of them"),
        (late, "chunks end with a commit that is not there"),
        (early, "chunks are kept that no GroupInfo may name"),
    ] {
        if count > 0 {
            faults.push(format!("{count} {fault}"));
        }
    }
    Ok(bytes)
}

fn keys(db: &Connection, walk: &Walk<'_>, faults: &mut Vec<String>) -> Result<(), Error> {
    let (num, beside) = (walk.stored.num.column(), &walk.stored.beside);
    let mut query = db.prepare_cached(
        "SELECT coalesce(sum(until IS NULL), 0),
         coalesce(sum(until IS NULL AND access = ?2 AND since = ?3), 0) FROM access_keys WHERE num = ?1",
    )?;
    let since = i64::try_from(beside.access_since).unwrap_or(i64::MAX);
    let (open, current) =
        query.query_row(params![num, beside.access, since], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?;
    if (open, current) != (1, 1) {
        faults.push("its access key is not the one among its keys that is in force".to_owned());
    }
    let mut query = db.prepare_cached("SELECT position FROM keyrings WHERE num = ?1")?;
    let mut rows = query.query([num])?;
    let keyring = rows.next()?.map(|row| unsigned(row, 0)).transpose()?;
    if keyring != Some(beside.access_since) {
        faults.push("its keyring is not that of its access key".to_owned());
    }
    Ok(())
}

/// An id that is not found would be taken a second time.
fn ids(db: &Connection, walk: &Walk<'_>, faults: &mut Vec<String>) -> Result<(), Error> {
    let indexed = walk.stored.beside.indexed;
    let mut query = db.prepare_cached("SELECT count(*) FROM entry_ids WHERE num = ?1 AND position <= ?2")?;
    let most = i64::try_from(indexed).unwrap_or(i64::MAX);
    let found = query.query_row([walk.stored.num.column(), most], |row| unsigned(row, 0))?;
    if indexed > walk.at.position || found != indexed {
        faults.push(format!("{found} of the ids of its first {indexed} entries can be found"));
    }
    Ok(())
}
