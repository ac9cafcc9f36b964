//! What the server itself must remember.

use super::StoreFault;

/// A value there is one of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StateKey {
    /// The OPAQUE server setup. Whoever loses it locks everybody out.
    OpaqueSetup,
    /// The seed from which each epoch's token key is derived.
    TokenSeed,
    /// What a restore of a backup leaves, until its recovery time is over ([`crate::Recovery`]).
    Recovery,
}

impl StateKey {
    /// Name of the row.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpaqueSetup => "opaque-setup",
            Self::TokenSeed => "token-seed",
            Self::Recovery => "recovery",
        }
    }
}

/// Values by key.
pub trait StateStore {
    /// The value, if it was ever set.
    fn get(&mut self, key: StateKey) -> Result<Option<Vec<u8>>, StoreFault>;
    /// Sets the value.
    fn put(&mut self, key: StateKey, value: &[u8]) -> Result<(), StoreFault>;
    /// Removes the value, if there is one.
    fn remove(&mut self, key: StateKey) -> Result<(), StoreFault>;
}
