//! What an account that takes new devices from its devices only adds to the password: a secret that the devices alone have.

use core::fmt;

use quicprochat_wire::{Entropy, Reader, Writer, entropy::random_array};
use zeroize::Zeroizing;

use super::{
    StateRecord,
    records::{VERSION, versioned},
};
use crate::error::E2eeError;

/// 32 random bytes, under the state key in the vault: without a device of the account the password does not open it.
///
/// Secrets:  zeroised on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkSecret(Zeroizing<[u8; 32]>);

impl LinkSecret {
    /// Draws a fresh secret.
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        Self(Zeroizing::new(random_array(entropy)))
    }

    /// What wraps the root key: the export key of the password, and the secret.
    pub(super) fn with(&self, export_key: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([export_key, self.0.as_slice()].concat())
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(..)")
    }
}

/// Record 6: it is there if the account takes new devices from its devices only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkRecord(pub LinkSecret);

impl StateRecord for LinkRecord {
    const ID: u32 = 6;

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Writer::new().u8(VERSION).fixed(self.0.0.as_slice()).finish())
    }

    fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader: Reader<'_> = versioned(bytes)?;
        let secret = LinkSecret(Zeroizing::new(reader.array()?));
        reader.finish()?;
        Ok(Self(secret))
    }
}
