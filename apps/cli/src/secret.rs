//! Passwords and passphrases: from a file, or asked for without echo.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Longest password or passphrase, bytes.
const MAX_BYTES: u64 = 1024;

/// Why no password could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is empty or far too long.
    #[error("{path} holds no password: its first line must have 1 to {MAX_BYTES} bytes")]
    NotOne {
        /// Which.
        path: PathBuf,
    },
    /// There is no terminal to ask on.
    #[error("there is no terminal to ask on; use --password-file (or --recovery-key-file): {source}")]
    NoTerminal {
        /// Why.
        source: io::Error,
    },
    /// The input ended instead.
    #[error("no password was given")]
    NotGiven,
    /// The two entries differ.
    #[error("the two passwords are not the same")]
    Differ,
}

/// The first line of a file.
pub(crate) fn from_file(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let at = |source| SecretError::File { path: path.into(), source };
    if fs::metadata(path).map_err(at)?.len() > MAX_BYTES + 2 {
        return Err(SecretError::NotOne { path: path.into() });
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(at)?);
    match text.lines().next() {
        Some(line) if !line.is_empty() && line.len() as u64 <= MAX_BYTES => Ok(Zeroizing::new(line.to_owned())),
        Some(_) | None => Err(SecretError::NotOne { path: path.into() }),
    }
}

/// From the file if one is given, else from the terminal.
pub(crate) fn from_file_or_terminal(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, SecretError> {
    match file {
        Some(path) => from_file(path),
        None => ask(prompt),
    }
}

/// A new password: asked for twice on a terminal.
pub(crate) fn new_from_file_or_terminal(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, SecretError> {
    let Some(path) = file else {
        let first = ask(prompt)?;
        let second = ask("Again: ")?;
        return if *first == *second { Ok(first) } else { Err(SecretError::Differ) };
    };
    from_file(path)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, SecretError> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|source| {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            SecretError::NotGiven
        } else {
            SecretError::NoTerminal { source }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_line_and_refuses_nothing_or_too_much() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        fs::write(&path, "secret word\nrest\n").unwrap();
        assert_eq!(*from_file(&path).unwrap(), "secret word");
        for bad in [String::new(), "\n".to_owned(), "x".repeat(2000)] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(from_file(&path), Err(SecretError::NotOne { .. })));
        }
        assert!(matches!(from_file(&dir.path().join("none")), Err(SecretError::File { .. })));
    }
}
