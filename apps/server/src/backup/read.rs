//! Reading backups: to check one, and to restore it.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder},
    io::{self, Read},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use quicprochat_transport::ServerIdentity;
use zeroize::Zeroizing;

use super::{
    BackupError, Progress, Summary,
    format::{Cell, Frame, FrameReader, Head, TableHead, cells},
};
use crate::{
    data_dir::{DataDir, RESTORING},
    private_file,
    store::{Filling, Location, dump, known_schema, sound, tables_of_schema},
    store_key::StoreKey,
};

/// What takes the rows of a backup.
pub trait Rows {
    /// Begins a table; `columns` are those of the schema.
    ///
    /// Errors:   of what takes them.
    fn table(&mut self, name: &str, columns: usize) -> Result<(), BackupError>;

    /// A row of the table begun last.
    ///
    /// Errors:   of what takes them.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), BackupError>;
}

/// What becomes of a store whose database is whole, and whose rows do not fit each other: a count that is wrong, a row that belongs
/// to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Faults {
    /// It is not put in place.
    Refused,
    /// It is, and they are told: where there is no better backup, it is better than none.
    Told,
}

/// Reads a backup to its end and keeps nothing.
///
/// Errors:   [`BackupError`], whatever is wrong with it.
pub fn check_backup(input: impl Read, total: Option<u64>, progress: Progress<'_>) -> Result<Summary, BackupError> {
    struct Nowhere;
    impl Rows for Nowhere {
        fn table(&mut self, _: &str, _: usize) -> Result<(), BackupError> {
            Ok(())
        }
        fn row(&mut self, _: &[Cell<'_>]) -> Result<(), BackupError> {
            Ok(())
        }
    }
    let opened = Opened::begin(input)?;
    opened.rows(&mut Nowhere, total, progress)
}

/// Restores a backup into a directory of its own below `folder`, which nobody else may read, looks at it as [`restore_backup`]
/// does, and removes it. It is encrypted with a key that is nowhere: what is left behind if the process is killed is of no use.
///
/// Errors:   [`BackupError`], [`BackupError::Unsound`] among them.
pub fn check_restored(
    folder: &Path,
    input: impl Read,
    total: Option<u64>,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let opened = Opened::begin(input)?;
    let scratch = Scratch::new(folder)?;
    let key = StoreKey::generate().map_err(|error| {
        let source = io::Error::other(error.to_string());
        BackupError::Io { action: "make a key for", path: scratch.path.clone(), source }
    })?;
    let location = Location { path: scratch.path.join("store.db"), key };
    let checked = fill_store(&location, opened, total, Faults::Refused, progress);
    let removed = scratch.remove();
    let summary = checked.map_err(|error| error.while_checking(folder))?;
    removed?;
    Ok(summary)
}

/// A directory that goes with this value.
struct Scratch {
    path: PathBuf,
    removed: bool,
}

impl Scratch {
    fn new(folder: &Path) -> Result<Self, BackupError> {
        let mut number = [0; 8];
        let path = |number: [u8; 8]| folder.join(format!("qpc-server-check-{:016x}", u64::from_be_bytes(number)));
        getrandom::fill(&mut number).map_err(|error| {
            let source = io::Error::other(error.to_string());
            BackupError::Io { action: "make a directory in", path: folder.to_owned(), source }
        })?;
        let path = path(number);
        DirBuilder::new().mode(0o700).create(&path).map_err(BackupError::io("make the directory", &path))?;
        Ok(Self { path, removed: false })
    }

    fn remove(mut self) -> Result<(), BackupError> {
        self.removed = true;
        fs::remove_dir_all(&self.path).map_err(BackupError::io("remove", &self.path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a directory is left over");
        }
    }
}

/// Restores a backup into a data directory that is empty or does not exist. Nothing is in its place before all of the file was
/// read, its hash was right, and the store in it passed every check. `key` says what the store is to be encrypted with, given
/// where store and key lie meanwhile.
///
/// Errors:   [`BackupError`]; the directory is empty then, but for its lock.
pub fn restore_backup(
    data: &Path,
    input: impl Read,
    total: Option<u64>,
    faults: Faults,
    key: impl FnOnce(&Path, &Path) -> anyhow::Result<StoreKey>,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    refuse_full(data)?;
    let opened = Opened::begin(input)?;
    let dir = DataDir::open_for_restore(data)?;
    // Nobody came in between.
    refuse_full(data)?;
    let staged = dir.path().join(RESTORING);
    clear(dir.path())?;
    DirBuilder::new().mode(0o700).create(&staged).map_err(BackupError::io("make the directory", &staged))?;
    let restored = fill(&staged, opened, total, faults, key, progress);
    if restored.is_err() {
        clear(dir.path())?;
        return restored;
    }
    settle(&staged, dir.path())?;
    restored
}

/// What `restore` itself leaves in a directory, if it is interrupted.
const OWN: &[&str] = &["store.key", "server.key", "store.db"];
const LOCK: &str = "lock";

fn refuse_full(data: &Path) -> Result<(), BackupError> {
    let names = match fs::read_dir(data) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BackupError::io("read", data)(error)),
    };
    // An interrupted one began in an empty directory, and no server starts in it since.
    let interrupted = data.join(RESTORING).exists();
    for name in names {
        let name = name.map_err(BackupError::io("read", data))?.file_name().to_string_lossy().into_owned();
        let own = name == LOCK || (interrupted && (name == RESTORING || OWN.contains(&name.as_str())));
        if !own {
            return Err(BackupError::NotEmpty { path: data.to_owned(), found: name });
        }
    }
    Ok(())
}

/// Removes what an interrupted restore left; the mark that it was one last.
fn clear(data: &Path) -> Result<(), BackupError> {
    let staged = data.join(RESTORING);
    if !staged.exists() {
        return Ok(());
    }
    for name in OWN {
        let path = data.join(name);
        if path.exists() {
            fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
        }
    }
    fs::remove_dir_all(&staged).map_err(BackupError::io("remove", &staged))
}

fn fill<R: Read>(
    staged: &Path,
    opened: Opened<R>,
    total: Option<u64>,
    faults: Faults,
    key: impl FnOnce(&Path, &Path) -> anyhow::Result<StoreKey>,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let (path, key_file) = (staged.join("store.db"), staged.join("store.key"));
    let key = key(&path, &key_file).map_err(|error| {
        let source = io::Error::other(format!("{error:#}"));
        BackupError::Io { action: "get the key of", path: path.clone(), source }
    })?;
    private_file::write_private(&staged.join("server.key"), &opened.server_key)?;
    fill_store(&Location { path, key }, opened, total, faults, progress)
}

/// Puts every row into a new store, and looks at all of it.
fn fill_store<R: Read>(
    location: &Location,
    opened: Opened<R>,
    total: Option<u64>,
    wanted: Faults,
    progress: Progress<'_>,
) -> Result<Summary, BackupError> {
    let mut filling = Filling::create(location, opened.head.schema)?;
    let mut summary = opened.rows(&mut filling, total, progress)?;
    filling.finish()?;
    let mut damage = dump::check(location)?;
    // SQLite removes its log when the last connection closes; what stood in it would stay behind.
    if location.path.with_extension("db-wal").exists() {
        damage.push("the database's log was not moved into it".to_owned());
    }
    if !damage.is_empty() {
        return Err(BackupError::Unsound { faults: damage, readable: false });
    }
    summary.faults = sound::faults(location)?;
    if summary.faults.is_empty() || wanted == Faults::Told {
        return Ok(summary);
    }
    Err(BackupError::Unsound { faults: summary.faults, readable: true })
}

/// A backup whose head was read.
struct Opened<R: Read> {
    head: Head,
    server_key: Zeroizing<Vec<u8>>,
    frames: FrameReader<R>,
}

impl<R: Read> Opened<R> {
    fn begin(input: R) -> Result<Self, BackupError> {
        let mut frames = FrameReader::begin(input)?;
        let Frame::Head(head) = frames.next()? else { return Err(BackupError::Damaged { what: "it has no head" }) };
        if head.schema == 0 {
            return Err(BackupError::Damaged { what: "its schema has no version" });
        }
        if head.schema > known_schema() {
            let (found, known) = (head.schema, known_schema());
            return Err(BackupError::LaterVersion { what: "schema version", found, known });
        }
        let Frame::ServerKey(server_key) = frames.next()? else {
            return Err(BackupError::Damaged { what: "it has no server key" });
        };
        // Any host: only the key counts.
        if ServerIdentity::from_key("localhost", &server_key).is_err() {
            return Err(BackupError::Damaged { what: "the server key in it is none" });
        }
        Ok(Self { head, server_key, frames })
    }

    /// Hands on every row; each table of the schema comes once, with the columns that it has there.
    fn rows(mut self, rows: &mut dyn Rows, total: Option<u64>, progress: Progress<'_>) -> Result<Summary, BackupError> {
        let mut missing = tables_of_schema(self.head.schema)?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut current: Option<(String, usize)> = None;
        loop {
            match self.frames.next()? {
                Frame::Table(TableHead { name, columns }) => {
                    if missing.remove(&name).as_ref() != Some(&columns) {
                        return Err(BackupError::Damaged { what: "a table is none of the schema" });
                    }
                    rows.table(&name, columns.len())?;
                    counts.insert(name.clone(), 0);
                    current = Some((name, columns.len()));
                }
                Frame::Row(body) => {
                    let Some((name, columns)) = &current else {
                        return Err(BackupError::Damaged { what: "a row belongs to no table" });
                    };
                    rows.row(&cells(&body, *columns)?)?;
                    if let Some(count) = counts.get_mut(name) {
                        *count = count.saturating_add(1);
                    }
                    progress(self.frames.bytes(), total);
                }
                Frame::End => break,
                Frame::Head(_) | Frame::ServerKey(_) => {
                    return Err(BackupError::Damaged { what: "it begins twice" });
                }
            }
        }
        if !missing.is_empty() {
            return Err(BackupError::Damaged { what: "a table is missing" });
        }
        Ok(Summary { head: self.head, rows: counts, bytes: self.frames.bytes(), faults: Vec::new() })
    }
}

/// Moves everything into place; the mark that something is missing goes last.
fn settle(staged: &Path, data: &Path) -> Result<(), BackupError> {
    private_file::sync_parent(&staged.join(LOCK))?;
    for name in OWN {
        let (from, to) = (staged.join(name), data.join(name));
        // A key that is kept elsewhere is not here.
        if from.exists() {
            fs::rename(&from, &to).map_err(BackupError::io("put in place", &to))?;
        }
    }
    private_file::sync_parent(staged)?;
    fs::remove_dir_all(staged).map_err(BackupError::io("remove", staged))?;
    Ok(private_file::sync_parent(staged)?)
}
