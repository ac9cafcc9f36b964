//! Files and directories that nobody else may read, made whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Most bytes that are read from a private file.
const MAX_PRIVATE_BYTES: u64 = 64 * 1024;

/// Why a private file or directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// Group or others have rights on it.
    #[error(
        "{path} is open to other users of this machine (mode {mode:04o}); close it with: chmod {wanted:o} '{path}'",
        path = path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        wanted: u32,
    },
    /// It belongs to somebody else.
    #[error("{path} belongs to user {owner}, but this process runs as user {user}", path = path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// A directory where a file should be, or the other way round.
    #[error("{path} is not a {wanted}", path = path.display())]
    Kind {
        /// Which.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// Longer than anything we would have written.
    #[error("{path} is larger than {MAX_PRIVATE_BYTES} bytes", path = path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl PrivateFileError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Makes the directory (and its parents) with mode 0700, or checks that an existing one is ours alone.
///
/// Errors:   [`PrivateFileError`]; nothing is changed about an existing directory.
pub fn private_dir(path: &Path) -> Result<(), PrivateFileError> {
    let missing = missing_dirs(path);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(PrivateFileError::io("make the directory", path))?;
    // Whatever is synced in a directory is lost with the directory's own name.
    missing.into_iter().try_for_each(sync_parent)?;
    let found = fs::metadata(path).map_err(PrivateFileError::io("look at", path))?;
    if !found.is_dir() {
        return Err(PrivateFileError::Kind { path: path.to_owned(), wanted: "directory" });
    }
    check_owner(path, &found, 0o700)
}

/// The directory and those above it that do not exist, the innermost first.
fn missing_dirs(path: &Path) -> Vec<&Path> {
    path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect()
}

/// Checks that a file, if it exists, is a plain one that is ours alone; says whether it exists.
///
/// Errors:   [`PrivateFileError`].
pub fn check_private_file(path: &Path) -> Result<bool, PrivateFileError> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(PrivateFileError::io("look at", path)(error)),
    };
    if !found.is_file() {
        return Err(PrivateFileError::Kind { path: path.to_owned(), wanted: "file" });
    }
    check_owner(path, &found, 0o600)?;
    Ok(true)
}

fn check_owner(path: &Path, found: &fs::Metadata, wanted: u32) -> Result<(), PrivateFileError> {
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), mode, wanted });
    }
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user && user != 0 {
        return Err(PrivateFileError::Foreign { path: path.to_owned(), owner: found.uid(), user });
    }
    Ok(())
}

/// The content of a private file; `None` if there is none.
///
/// Errors:   [`PrivateFileError`], also if others may read it.
pub fn read_private(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, PrivateFileError> {
    if !check_private_file(path)? {
        return Ok(None);
    }
    let file = File::open(path).map_err(PrivateFileError::io("open", path))?;
    let mut content = Zeroizing::new(Vec::with_capacity(1024));
    file.take(MAX_PRIVATE_BYTES + 1).read_to_end(&mut content).map_err(PrivateFileError::io("read", path))?;
    if content.len() as u64 > MAX_PRIVATE_BYTES {
        return Err(PrivateFileError::TooLong { path: path.to_owned() });
    }
    Ok(Some(content))
}

/// Writes a file of mode 0600 that is there in full and on disk, or not at all; replaces one that exists.
///
/// Errors:   [`PrivateFileError::Io`].
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    write_with_mode(path, content, 0o600)
}

/// The same for what everybody may read.
///
/// Errors:   [`PrivateFileError::Io`].
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    write_with_mode(path, content, 0o644)
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), PrivateFileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new.{}", std::process::id()));
    let staged = path.with_file_name(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&staged)
            .map_err(PrivateFileError::io("create", &staged))?;
        file.set_permissions(Permissions::from_mode(mode)).map_err(PrivateFileError::io("close to others", &staged))?;
        file.write_all(content).map_err(PrivateFileError::io("write", &staged))?;
        file.sync_all().map_err(PrivateFileError::io("sync", &staged))?;
        fs::rename(&staged, path).map_err(PrivateFileError::io("put in place", path))?;
        sync_parent(path)
    })();
    if written.is_err() {
        // Best effort: what counts is the error already at hand.
        drop(fs::remove_file(&staged));
    }
    written
}

/// Syncs the directory that holds `path`, so that a new name survives a power loss.
///
/// Errors:   [`PrivateFileError::Io`].
pub fn sync_parent(path: &Path) -> Result<(), PrivateFileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(PrivateFileError::io("sync", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_that_must_be_made_and_synced_is_known() {
        let temp = tempfile::tempdir().expect("a directory");
        let deep = temp.path().join("a/b/c");
        assert_eq!(missing_dirs(&deep), [deep.as_path(), &temp.path().join("a/b"), &temp.path().join("a")]);
        private_dir(&deep).expect("made and synced");
        assert!(missing_dirs(&deep).is_empty());
        assert_eq!(missing_dirs(Path::new("no-such-directory")), [Path::new("no-such-directory")]);
    }

    #[test]
    fn makes_what_is_missing_and_refuses_what_others_can_read() {
        let temp = tempfile::tempdir().expect("a directory");
        let dir = temp.path().join("a/b");
        private_dir(&dir).expect("made");
        assert_eq!(fs::metadata(&dir).expect("made").mode() & 0o777, 0o700);

        let file = dir.join("key");
        assert!(read_private(&file).expect("no file is fine").is_none());
        write_private(&file, b"one").expect("written");
        write_private(&file, b"two").expect("replaced");
        assert_eq!(read_private(&file).expect("readable").expect("there").as_slice(), b"two");
        assert_eq!(fs::read_dir(&dir).expect("readable").count(), 1, "no staged file is left");

        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("ours");
        let error = read_private(&file).expect_err("others can read it").to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("ours");
        let error = private_dir(&dir).expect_err("others can read it").to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn refuses_a_file_too_long_and_a_directory_in_its_place() {
        let temp = tempfile::tempdir().expect("a directory");
        let long = temp.path().join("long");
        write_private(&long, &vec![0; 70_000]).expect("written");
        assert!(matches!(read_private(&long), Err(PrivateFileError::TooLong { .. })));
        let dir = temp.path().join("dir");
        private_dir(&dir).expect("made");
        assert!(matches!(read_private(&dir), Err(PrivateFileError::Kind { .. })));
    }
}
