//! What OpenMLS works with during one transaction: our crypto, our randomness, the client's store.

use openmls_traits::OpenMlsProvider;
use quicprochat_wire::Entropy;

use super::{crypto::Crypto, storage::Storage, store::MlsStore};

/// Crypto, randomness and storage of one transaction. Every function of [`mls`](super) that changes a group takes one.
pub struct Provider<'a> {
    crypto: Crypto<'a>,
    storage: Storage<'a>,
}

impl<'a> Provider<'a> {
    /// Works on `store` and draws from `entropy`.
    #[must_use]
    pub fn new(store: &'a dyn MlsStore, entropy: &'a mut dyn Entropy) -> Self {
        Self { crypto: Crypto::new(entropy), storage: Storage::new(store) }
    }

    /// Lends the source of randomness, for a draw that belongs to the same transaction.
    pub fn with_entropy<T>(&self, draw: impl FnOnce(&mut dyn Entropy) -> T) -> T {
        self.crypto.with_entropy(draw)
    }
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = Crypto<'a>;
    type RandProvider = Crypto<'a>;
    type StorageProvider = Storage<'a>;

    fn storage(&self) -> &Storage<'a> {
        &self.storage
    }

    fn crypto(&self) -> &Crypto<'a> {
        &self.crypto
    }

    fn rand(&self) -> &Crypto<'a> {
        &self.crypto
    }
}

impl core::fmt::Debug for Provider<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Provider(..)")
    }
}
