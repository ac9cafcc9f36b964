//! Checking a backup, and restoring it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use quicprochat_client_core::backup::{AccountItem, Checker, ContentError, Import, Imported, Item, ItemReader};
use quicprochat_e2ee::backup::{
    BackupError, BackupHeader, BackupOpener, BackupSecret, HEADER_BYTES, SEALED_CHUNK_BYTES, SecretKind,
};

use super::{BackupFileError, BackupSummary, Progress, write::io_at};
use crate::{Client, ClientError, entropy::now};

/// A backup file that is open: what its name stands for later does not matter.
#[derive(Debug)]
pub struct BackupFile {
    path: PathBuf,
    file: File,
    header: BackupHeader,
    bytes: u64,
}

impl BackupFile {
    /// Opens a file and reads its header.
    ///
    /// Errors:   [`BackupFileError::Io`], [`BackupFileError::Envelope`].
    pub fn open(path: &Path) -> Result<Self, BackupFileError> {
        let mut file = File::open(path).map_err(io_at(path))?;
        let bytes = file.metadata().map_err(io_at(path))?.len();
        let mut header = vec![0; HEADER_BYTES];
        let found = fill(&mut file, &mut header).map_err(io_at(path))?;
        header.truncate(found);
        let header = BackupHeader::parse(&header).map_err(|error| envelope(path, error))?;
        Ok(Self { path: path.into(), file, header, bytes })
    }

    /// What protects it.
    #[must_use]
    pub const fn secret_kind(&self) -> SecretKind {
        self.header.secret_kind()
    }

    /// Reads all of it and changes nothing. Blocks.
    ///
    /// Errors:   [`BackupFileError`].
    pub fn check(&mut self, secret: &BackupSecret, progress: Progress<'_>) -> Result<BackupSummary, BackupFileError> {
        let opener = self.unlock(secret)?;
        self.check_with(opener, &|_| Ok(()), progress)
    }

    fn unlock(&self, secret: &BackupSecret) -> Result<BackupOpener, BackupFileError> {
        BackupOpener::new(&self.header, secret).map_err(|error| envelope(&self.path, error))
    }

    fn check_with(
        &mut self,
        opener: BackupOpener,
        owner: &dyn Fn(&AccountItem) -> Result<(), ContentError>,
        progress: Progress<'_>,
    ) -> Result<BackupSummary, BackupFileError> {
        let mut checker = Checker::new();
        self.items(opener, progress, &mut |item| {
            checker.check(&item)?;
            if let Item::Account(account) = &item {
                owner(account)?;
            }
            Ok(())
        })?;
        let (account, counts) = checker.finish().map_err(|error| content(&self.path, error))?;
        Ok(BackupSummary { account, counts, bytes: self.bytes })
    }

    /// Gives every item to `take`.
    fn items(
        &mut self,
        mut opener: BackupOpener,
        progress: Progress<'_>,
        take: &mut dyn FnMut(Item) -> Result<(), ContentError>,
    ) -> Result<(), BackupFileError> {
        let path = self.path.clone();
        self.file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(io_at(&path))?;
        let mut reader = ItemReader::new();
        let (mut chunk, mut next) = (vec![0; SEALED_CHUNK_BYTES], vec![0; SEALED_CHUNK_BYTES]);
        let mut found = fill(&mut self.file, &mut chunk).map_err(io_at(&path))?;
        let mut done = HEADER_BYTES as u64;
        loop {
            let following = fill(&mut self.file, &mut next).map_err(io_at(&path))?;
            let sealed = chunk.get(..found).unwrap_or_default();
            let opened = opener.open(sealed, following > 0).map_err(|error| envelope(&path, error))?;
            reader.push(&opened);
            while let Some(item) = reader.next_item().map_err(|error| content(&path, error))? {
                take(item).map_err(|error| content(&path, error))?;
            }
            done = done.saturating_add(found as u64);
            progress(done, Some(self.bytes));
            if following == 0 {
                break;
            }
            core::mem::swap(&mut chunk, &mut next);
            found = following;
        }
        reader.finish().map_err(|error| content(&path, error))
    }
}

impl Client {
    /// Takes over from a backup what this home does not have. First all of the file is read; then all of it is taken over in
    /// one transaction, or nothing. Blocks.
    ///
    /// Errors:   [`ClientError::NotRegistered`], [`BackupFileError`], and the store's.
    pub fn restore_backup(
        &mut self,
        file: &mut BackupFile,
        secret: &BackupSecret,
        progress: Progress<'_>,
    ) -> Result<(BackupSummary, Imported), ClientError> {
        let own = self.registered()?.account;
        let opener = file.unlock(secret)?;
        let again = opener.rewound();
        let owner = |item: &AccountItem| item.check_owner(own);
        let summary = file.check_with(opener, &owner, progress)?;
        let tx = self.store_mut().begin()?;
        let mut import = Import::new(&tx, now()).map_err(|error| content(&file.path, error))?;
        let path = file.path.clone();
        let taken = file.items(again, progress, &mut |item| import.take(item));
        match taken.and_then(|()| import.finish().map_err(|error| content(&path, error))) {
            Ok(imported) => {
                tx.commit()?;
                Ok((summary, imported))
            }
            Err(BackupFileError::Content { error: ContentError::Store(fault), .. }) => Err(fault.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut found = 0;
    while let Some(rest) = buffer.get_mut(found..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => found = found.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn envelope(path: &Path, error: BackupError) -> BackupFileError {
    BackupFileError::Envelope { path: path.into(), error }
}

fn content(path: &Path, error: ContentError) -> BackupFileError {
    BackupFileError::Content { path: path.into(), error }
}
