//! What the group state is kept in: a map from keys to values, inside one transaction of the client's store.

use core::cell::RefCell;
use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// Why the store could not do what it was asked for.
///
/// The store keeps the cause (it rolls the transaction back with it); this names only what the protocol code can act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    /// The store failed; the transaction is to be rolled back.
    #[error("the store failed")]
    Failed,
    /// A stored value is not what was written.
    #[error("a stored value is damaged")]
    Damaged,
    /// A stored value was written by a later version.
    #[error("a stored value has the unknown version {found}")]
    UnknownVersion {
        /// Version found.
        found: u8,
    },
    /// A value cannot be encoded.
    #[error("a value cannot be encoded")]
    Unencodable,
}

/// A map from keys (at most 33 bytes) to values (seldom above 8 KiB), all of whose changes belong to one transaction of the client's store.
///
/// Methods take `&self` because OpenMLS does; how an implementation changes itself is its own business.
///
/// Secrets:  values are secret, and keys hold digests of them. The implementation encrypts and authenticates both at rest, and
///           a delete is a real delete: forward secrecy rests on it.
pub trait MlsStore {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault>;
    /// Sets the value at `key`, whether or not there was one.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFault>;
    /// Removes the value at `key`; nothing happens if there is none.
    fn delete(&self, key: &[u8]) -> Result<(), StoreFault>;
}

/// A store in memory, for tests and for clients that keep nothing.
#[derive(Default, Clone)]
pub struct MemoryMlsStore {
    values: RefCell<BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>>,
}

impl MemoryMlsStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.borrow().len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys of all values, for tests that damage them.
    #[must_use]
    pub fn keys(&self) -> Vec<Vec<u8>> {
        self.values.borrow().keys().cloned().collect()
    }

    /// Bytes of all values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.values.borrow().values().map(|value| value.len()).sum()
    }
}

impl MlsStore for MemoryMlsStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        Ok(self.values.borrow().get(key).map(|value| value.to_vec()))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
        self.values.borrow_mut().insert(key.to_vec(), Zeroizing::new(value.to_vec()));
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Result<(), StoreFault> {
        self.values.borrow_mut().remove(key);
        Ok(())
    }
}

impl core::fmt::Debug for MemoryMlsStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "MemoryMlsStore({} values)", self.len())
    }
}
