//! Making a backup of a home.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use quicprochat_client_core::backup::{self, ContentError, Item};
use quicprochat_e2ee::backup::{BackupSealer, BackupSecret};
use quicprochat_identity::password::DEFAULT_STRETCH;

use super::{
    BackupFileError, BackupSummary, Progress,
    left_over::{create_beside, remove_left_over},
};
use crate::{
    Client, ClientError, OsEntropy,
    entropy::now,
    home::{rename_new, sync_directory},
};

/// Named in every file, for people who wonder.
const PROGRAM: &str = concat!("qpc ", env!("CARGO_PKG_VERSION"));

impl Client {
    /// Writes a backup of this home to `path`: all of it, or no file. An existing file is replaced only if `replace`, and stays
    /// until the new one is whole. Blocks.
    ///
    /// Errors:   [`BackupFileError::Exists`], [`BackupFileError::Io`], [`ClientError::NotRegistered`], and the store's.
    pub fn create_backup(
        &mut self,
        path: &Path,
        secret: &BackupSecret,
        replace: bool,
        progress: Progress<'_>,
    ) -> Result<BackupSummary, ClientError> {
        self.registered()?;
        if !replace && path.symlink_metadata().is_ok() {
            return Err(BackupFileError::Exists { path: path.into() }.into());
        }
        let sealer =
            BackupSealer::new(secret, DEFAULT_STRETCH, &mut OsEntropy).map_err(|error| envelope(path, error))?;
        let mut out = Output::create(path, sealer)?;
        let tx = self.store_mut().begin_reading()?;
        let mut account = None;
        let written = backup::write::<WriteError>(&tx, now(), PROGRAM, &mut |item| {
            out.item(&item)?;
            if let Item::Account(item) = item {
                account = Some(item);
            }
            progress(out.bytes, None);
            Ok(())
        });
        drop(tx);
        let finished = written.and_then(|counts| Ok((counts, out.finish(replace)?)));
        match (finished, account) {
            (Ok((counts, bytes)), Some(account)) => Ok(BackupSummary { account, counts, bytes }),
            (Ok(_), None) => Err(ClientError::NotRegistered),
            (Err(WriteError::File(error)), _) => Err(error.into()),
            (Err(WriteError::Content(ContentError::Store(fault))), _) => Err(fault.into()),
            (Err(WriteError::Content(error)), _) => Err(BackupFileError::Content { path: path.into(), error }.into()),
        }
    }
}

enum WriteError {
    File(BackupFileError),
    Content(ContentError),
}

impl From<ContentError> for WriteError {
    fn from(error: ContentError) -> Self {
        Self::Content(error)
    }
}

impl From<BackupFileError> for WriteError {
    fn from(error: BackupFileError) -> Self {
        Self::File(error)
    }
}

/// The file that is being written. It is removed unless it was finished.
struct Output {
    path: PathBuf,
    beside: PathBuf,
    file: Option<File>,
    sealer: Option<BackupSealer>,
    sealed: Vec<u8>,
    bytes: u64,
}

impl Output {
    fn create(path: &Path, sealer: BackupSealer) -> Result<Self, BackupFileError> {
        path.file_name().ok_or_else(|| io_at(path)(io::ErrorKind::InvalidInput.into()))?;
        remove_left_over(path);
        let (beside, file) = create_beside(path).map_err(|(beside, source)| io_at(&beside)(source))?;
        let sealed = sealer.header().to_vec();
        let mut output = Self { path: path.into(), beside, file: Some(file), sealer: Some(sealer), sealed, bytes: 0 };
        output.write()?;
        Ok(output)
    }

    fn item(&mut self, item: &Item) -> Result<(), BackupFileError> {
        if let Some(sealer) = &mut self.sealer {
            sealer.push(&item.encode(), &mut self.sealed);
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), BackupFileError> {
        if let Some(file) = &mut self.file {
            file.write_all(&self.sealed).map_err(io_at(&self.beside))?;
        }
        self.bytes = self.bytes.saturating_add(self.sealed.len() as u64);
        self.sealed.clear();
        Ok(())
    }

    /// Ends, syncs, moves into place, and syncs the name.
    fn finish(mut self, replace: bool) -> Result<u64, BackupFileError> {
        if let Some(sealer) = self.sealer.take() {
            sealer.finish(&mut self.sealed);
        }
        self.write()?;
        if let Some(file) = &self.file {
            file.sync_all().map_err(io_at(&self.beside))?;
        }
        if replace {
            fs::rename(&self.beside, &self.path).map_err(io_at(&self.path))?;
        } else {
            rename_new(&self.beside, &self.path).map_err(|source| {
                if source.kind() == io::ErrorKind::AlreadyExists {
                    return BackupFileError::Exists { path: self.path.clone() };
                }
                io_at(&self.path)(source)
            })?;
        }
        self.file = None;
        let directory = self.path.parent().unwrap_or(Path::new(""));
        sync_directory(directory).map_err(|error| io_at(directory)(io::Error::other(error)))?;
        Ok(self.bytes)
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

fn envelope(path: &Path, error: quicprochat_e2ee::backup::BackupError) -> BackupFileError {
    BackupFileError::Envelope { path: path.into(), error }
}

pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> BackupFileError {
    let path = path.to_owned();
    move |source| BackupFileError::Io { path, source }
}
