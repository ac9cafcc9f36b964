//! The vault's keys and the wrap of the root key.

use core::fmt;

use quicprochat_wire::{AccountId, Entropy, Writer, entropy::random_array, limits::MAX_VAULT_BYTES};
use zeroize::Zeroizing;

use super::LinkSecret;
use crate::{
    aead,
    error::{E2eeError, Sealed},
};

const WRAP_LABEL: &str = "qpc/1 vault wrap";
const LINKED_LABEL: &str = "qpc/1 vault linked wrap";

/// The vault's root key: opens everything. Never on a device in the clear; there only while the password is at hand.
///
/// Secrets:  zeroised on drop.
pub struct RootKey(Zeroizing<[u8; 32]>);

impl RootKey {
    /// Draws a fresh key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(random_array(entropy)))
    }

    /// The key of the records that devices work with.
    #[must_use]
    pub fn state_key(&self) -> StateKey {
        StateKey(aead::derive_key(self.0.as_slice(), "qpc/1 vault state"))
    }

    /// Wraps the key for a way in, of which `export_key` is the secret (OPAQUE's export key of that way).
    ///
    /// Shape:    `nonce (24) || ciphertext`.
    pub fn wrap(
        &self,
        account: &AccountId,
        export_key: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, E2eeError> {
        self.wrap_under(WRAP_LABEL, account, export_key, entropy)
    }

    /// Wraps the key for the password together with the link secret.
    ///
    /// Shape:    as [`Self::wrap`]; neither opens as the other.
    pub fn wrap_linked(
        &self,
        account: &AccountId,
        export_key: &[u8],
        secret: &LinkSecret,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, E2eeError> {
        self.wrap_under(LINKED_LABEL, account, &secret.with(export_key), entropy)
    }

    fn wrap_under(
        &self,
        label: &str,
        account: &AccountId,
        secret: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, E2eeError> {
        let key = aead::derive_key(secret, label);
        let sealed = aead::seal(&key, &wrap_text(label, account), self.0.as_slice(), Sealed::Wrap, entropy)?;
        debug_assert!(sealed.len() <= MAX_VAULT_BYTES, "a wrap is 72 bytes");
        Ok(sealed)
    }

    /// Unwraps the key.
    ///
    /// Errors:   [`E2eeError::CannotOpen`] for another secret, account or wrap.
    pub fn unwrap(account: &AccountId, export_key: &[u8], wrap: &[u8]) -> Result<Self, E2eeError> {
        Self::unwrap_under(WRAP_LABEL, account, export_key, wrap)
    }

    /// Unwraps what [`Self::wrap_linked`] made.
    ///
    /// Errors:   [`E2eeError::CannotOpen`] for another secret, account or wrap.
    pub fn unwrap_linked(
        account: &AccountId,
        export_key: &[u8],
        secret: &LinkSecret,
        wrap: &[u8],
    ) -> Result<Self, E2eeError> {
        Self::unwrap_under(LINKED_LABEL, account, &secret.with(export_key), wrap)
    }

    fn unwrap_under(label: &str, account: &AccountId, secret: &[u8], wrap: &[u8]) -> Result<Self, E2eeError> {
        let key = aead::derive_key(secret, label);
        let opened = aead::open(&key, &wrap_text(label, account), wrap, Sealed::Wrap)?;
        let bytes =
            <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| E2eeError::CannotOpen { what: Sealed::Wrap })?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    pub(super) fn identity_key(&self) -> Zeroizing<[u8; 32]> {
        aead::derive_key(self.0.as_slice(), "qpc/1 vault identity")
    }

    pub(super) fn recovery_key(&self) -> Zeroizing<[u8; 32]> {
        aead::derive_key(self.0.as_slice(), "qpc/1 vault recovery")
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// The key of all vault records but the identity: every device keeps it.
///
/// Secrets:  zeroised on drop.
#[derive(Clone)]
pub struct StateKey(Zeroizing<[u8; 32]>);

impl StateKey {
    /// The key with these bytes, from the device's encrypted store or a handover.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The bytes, for the device's encrypted store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

fn wrap_text(label: &str, account: &AccountId) -> Vec<u8> {
    Writer::labelled(label).fixed(account).finish()
}
