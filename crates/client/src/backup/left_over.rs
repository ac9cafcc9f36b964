//! Files that backups left which were killed while they wrote.
//!
//! Whoever writes a file holds a lock on it, which ends with the process: one that nobody holds is nobody's.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use quicprochat_wire::entropy::random_array;

use crate::OsEntropy;

/// Between the name of a backup and eight digits.
const MARK: &str = ".new-";
/// How often a file may be taken for one that is left over before its lock is there.
const TRIES: usize = 8;

/// Makes the file beside `path`, with mode 0600, that becomes it when it is whole; it stays locked as long as it is open.
///
/// Errors:   those of the file, with its path.
pub(super) fn create_beside(path: &Path) -> Result<(PathBuf, File), (PathBuf, io::Error)> {
    let mut beside = path.to_owned();
    for _ in 0..TRIES {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!("{MARK}{}", hex::encode(random_array::<4>(&mut OsEntropy))));
        beside = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let file = file.map_err(|error| (beside.clone(), error))?;
        // Where files cannot be locked nobody removes one, either.
        if let Err(error) = file.lock() {
            tracing::debug!(%error, "the backup cannot be locked while it is written");
            return Ok((beside, file));
        }
        if file.metadata().map_err(|error| (beside.clone(), error))?.nlink() > 0 {
            return Ok((beside, file));
        }
    }
    Err((beside, io::ErrorKind::ResourceBusy.into()))
}

/// Removes what backups to `path` left that were killed. What may still be written stays; of what cannot be told the
/// person is.
pub(super) fn remove_left_over(path: &Path) {
    let Some(of) = path.file_name().and_then(|name| name.to_str()) else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Whether it can be written to shows in a moment.
    let Ok(names) = fs::read_dir(folder) else { return };
    for entry in names.flatten() {
        let name = entry.file_name();
        let is_one = name.to_str().is_some_and(|name| is_left_over(name, of));
        if !is_one || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        match remove(&path) {
            Ok(true) => tracing::info!(path = %path.display(), "removed what an interrupted backup had left"),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                path = %path.display(), %error,
                "an earlier backup that was interrupted may have left this; remove it unless a backup is being written"
            ),
        }
    }
}

/// Removes a file that nobody writes; whether it did.
fn remove(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    match file.try_lock() {
        // It may have been moved into place meanwhile; then there is none of this name.
        Ok(()) => fs::remove_file(path).map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a name is that of a file on its way to `of`.
fn is_left_over(name: &str, of: &str) -> bool {
    let digits = name.strip_prefix(of).and_then(|rest| rest.strip_prefix(MARK));
    digits.is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_writes_any_more_is_removed_and_what_is_written_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("alice.backup");
        let (live, file) = create_beside(&path).unwrap();
        let dead = temp.path().join("alice.backup.new-00000001");
        fs::write(&dead, b"sealed").unwrap();
        let foreign = ["alice.backup.new-mine", "alice.backup.new-000000012", "bob.backup.new-00000001"];
        let foreign = foreign.map(|name| temp.path().join(name));
        for path in &foreign {
            fs::write(path, b"a letter").unwrap();
        }
        remove_left_over(&path);
        assert!(live.exists() && !dead.exists());
        assert!(foreign.iter().all(|path| path.exists()), "nothing that a backup to this name makes");
        drop(file);
        remove_left_over(&path);
        assert!(!live.exists(), "its lock went with the one who wrote it");
    }
}
