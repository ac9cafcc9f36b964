//! The key of the store: from the environment, or from a file that is made at first start.

use core::fmt;
use std::path::{Path, PathBuf};

use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::private_file::{self, PrivateFileError};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreKeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It is not 64 hex digits.
    #[error("the store key in {origin} is not 32 bytes in hex (64 digits)")]
    Malformed {
        /// A path, or the name of the environment variable.
        origin: String,
    },
    /// There is a store but no key to it, and a new key could not open it.
    #[error(
        "{store} exists but its key {key} is missing; put the key file back, or set {variable}",
        store = store.display(), key = key.display(), variable = StoreKey::VARIABLE
    )]
    Missing {
        /// The database.
        store: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// The operating system has no randomness.
    #[error("the operating system gives no random bytes: {error}")]
    Random {
        /// What it said.
        error: getrandom::Error,
    },
}

/// 32 bytes that open the store.
///
/// Secrets:  the key; zeroized when dropped, never shown.
#[derive(Clone, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

impl StoreKey {
    /// The environment variable that may hold it.
    pub const VARIABLE: &str = "QPC_SERVER_STORE_KEY";

    /// Wraps raw bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hex digits; `origin` says in an error where they stood.
    ///
    /// Errors:   [`StoreKeyError::Malformed`].
    pub fn parse(text: &str, origin: &str) -> Result<Self, StoreKeyError> {
        let mut bytes = [0; 32];
        let parsed = hex::decode_to_slice(text.trim(), &mut bytes);
        let key = Self(bytes);
        bytes.zeroize();
        parsed.map(|()| key).map_err(|_| StoreKeyError::Malformed { origin: origin.to_owned() })
    }

    /// Reads the key file; makes one if there is neither key nor store.
    ///
    /// Errors:   [`StoreKeyError::Missing`] if there is a store already; what else can go wrong with a file.
    pub fn load_or_create(file: &Path, store: &Path) -> Result<Self, StoreKeyError> {
        if let Some(key) = Self::load(file)? {
            return Ok(key);
        }
        if store.exists() {
            return Err(StoreKeyError::Missing { store: store.to_owned(), key: file.to_owned() });
        }
        let key = Self::generate()?;
        let mut text = Zeroizing::new(hex::encode(key.0));
        text.push('\n');
        private_file::write_private(file, text.as_bytes())?;
        Ok(key)
    }

    /// Draws one.
    ///
    /// Errors:   [`StoreKeyError::Random`].
    pub fn generate() -> Result<Self, StoreKeyError> {
        let mut key = Self([0; 32]);
        getrandom::fill(&mut key.0).map_err(|error| StoreKeyError::Random { error })?;
        Ok(key)
    }

    /// Reads the key file, if there is one.
    ///
    /// Errors:   [`StoreKeyError::Malformed`] and [`StoreKeyError::File`].
    pub fn load(file: &Path) -> Result<Option<Self>, StoreKeyError> {
        let Some(content) = private_file::read_private(file)? else { return Ok(None) };
        let origin = file.display().to_string();
        let text = core::str::from_utf8(&content).map_err(|_| StoreKeyError::Malformed { origin: origin.clone() })?;
        Self::parse(text, &origin).map(Some)
    }

    /// The statement that hands the key to SQLCipher as it is, without derivation.
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.0));
        let mut text = Zeroizing::new(String::with_capacity(96));
        text.push_str("PRAGMA key = \"x'");
        text.push_str(&digits);
        text.push_str("'\"");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_read_again() {
        let temp = tempfile::tempdir().expect("a directory");
        let (file, store) = (temp.path().join("store.key"), temp.path().join("store.db"));
        let made = StoreKey::load_or_create(&file, &store).expect("made");
        let read = StoreKey::load_or_create(&file, &store).expect("read");
        assert_eq!(*made.pragma(), *read.pragma());
        assert_eq!(format!("{made:?}"), "StoreKey(..)");
    }

    #[test]
    fn is_never_made_for_a_store_that_exists() {
        let temp = tempfile::tempdir().expect("a directory");
        let (file, store) = (temp.path().join("store.key"), temp.path().join("store.db"));
        std::fs::write(&store, b"something").expect("written");
        assert!(matches!(StoreKey::load_or_create(&file, &store), Err(StoreKeyError::Missing { .. })));
        assert!(!file.exists());
    }

    #[test]
    fn refuses_what_is_not_64_hex_digits() {
        for text in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
            assert!(StoreKey::parse(text, "here").is_err(), "{text}");
        }
        StoreKey::parse(&format!("{}\n", "aB".repeat(32)), "here").expect("a key");
    }
}
