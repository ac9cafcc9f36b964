//! A file that is there whole and on disk, or not at all, however large it is.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::{
    BackupError,
    left_over::{create_beside, remove_left_over},
};
use crate::private_file;

/// The file that is being written, under a name of its own beside its place. It is removed unless it was finished.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    beside: PathBuf,
    file: Option<File>,
}

impl Output {
    /// Creates it with mode 0600, and removes what earlier ones left that were killed.
    pub(super) fn create(path: &Path, replace: bool) -> Result<Self, BackupError> {
        if !replace && path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists { path: path.to_owned() });
        }
        remove_left_over(path);
        let made = create_beside(path);
        let (beside, file) = made.map_err(|(beside, source)| BackupError::io("create", &beside)(source))?;
        Ok(Self { path: path.to_owned(), beside, file: Some(file) })
    }

    /// Syncs it, moves it into place, and syncs the name.
    pub(super) fn finish(mut self, replace: bool) -> Result<(), BackupError> {
        if let Some(file) = &self.file {
            file.sync_all().map_err(BackupError::io("sync", &self.beside))?;
        }
        if replace {
            fs::rename(&self.beside, &self.path).map_err(BackupError::io("put in place", &self.path))?;
        } else {
            rename_new(&self.beside, &self.path).map_err(|source| {
                if source.kind() == io::ErrorKind::AlreadyExists {
                    return BackupError::Exists { path: self.path.clone() };
                }
                BackupError::io("put in place", &self.path)(source)
            })?;
        }
        self.file = None;
        Ok(private_file::sync_parent(&self.path)?)
    }
}

/// Renames, unless the name is taken; by a hard link where the file system knows no such rename. Sticks and cards know the one,
/// some network file systems the other.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.file.take().is_some()
            && let Err(error) = fs::remove_file(&self.beside)
        {
            tracing::warn!(%error, path = %self.beside.display(), "an unfinished backup stays behind");
        }
    }
}
