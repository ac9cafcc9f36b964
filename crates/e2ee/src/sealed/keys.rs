//! Inbox keys.

use core::fmt;

use quicprochat_identity::InboxPublicKey;
use quicprochat_wire::{Entropy, entropy::random_array};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::envelope::{self, XWING_PUBLIC_BYTES, XWing};

/// The private half of an account's inbox key: an X-Wing seed, shared by the account's devices.
///
/// Secrets:  zeroised on drop.
#[derive(Clone)]
pub struct InboxSecretKey(Zeroizing<[u8; 32]>);

impl InboxSecretKey {
    /// Draws a fresh key.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(random_array(entropy)))
    }

    /// The key of this seed. Every value is a key.
    #[must_use]
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// The seed, for the vault and the encrypted store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half, for the identity part.
    #[must_use]
    pub fn public(&self) -> InboxPublicKey {
        let public = envelope::public_key::<XWing>(self.0.as_slice()).unwrap_or_default();
        let mut bytes = [0; XWING_PUBLIC_BYTES];
        for (out, byte) in bytes.iter_mut().zip(public) {
            *out = byte;
        }
        InboxPublicKey::new(bytes)
    }
}

impl PartialEq for InboxSecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for InboxSecretKey {}

impl fmt::Debug for InboxSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboxSecretKey(..)")
    }
}
