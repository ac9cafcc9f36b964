//! The cipher suites a conversation can have.

use openmls_traits::types::Ciphersuite;

use crate::error::E2eeError;

/// A cipher suite. It belongs to a conversation for good; there is no falling back from one to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub enum Suite {
    /// X25519+ML-KEM-768, AES-128-GCM, SHA-256, Ed25519: every conversation's, unless somebody asks for the other by name.
    #[default]
    Hybrid,
    /// X25519, AES-128-GCM, SHA-256, Ed25519: safe against no quantum computer.
    Classical,
}

impl Suite {
    /// The number in MLS structures.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Hybrid => 0x004F,
            Self::Classical => 0x0001,
        }
    }

    /// The suite with this number.
    ///
    /// Errors:   [`E2eeError::Unsupported`].
    pub fn from_number(number: u16) -> Result<Self, E2eeError> {
        match number {
            0x004F => Ok(Self::Hybrid),
            0x0001 => Ok(Self::Classical),
            found => Err(E2eeError::Unsupported { what: "cipher suite", found: found.into() }),
        }
    }

    /// The name shown to people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "X25519+ML-KEM-768",
            Self::Classical => "X25519 (classical)",
        }
    }

    pub(super) const fn ciphersuite(self) -> Ciphersuite {
        match self {
            Self::Hybrid => Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
            Self::Classical => Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
        }
    }

    pub(super) fn from_ciphersuite(suite: Ciphersuite) -> Result<Self, E2eeError> {
        Self::from_number(u16::from(suite))
    }
}
