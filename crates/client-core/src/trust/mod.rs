//! Trust: what is remembered about other people's keys, and what a deviation from it means.
//!
//! ```text
//!   Subject ──Directory::lookup──▶ server ──Directory::verify──▶ VerifiedRecord
//!   VerifiedIdentity ──ContactPin::observe──▶ Unchanged · Updated(DeviceChanges)
//!                                       └──▶ ChangedKey (blocked until a person accepts) · RolledBack · Forked
//! ```
//! The first key seen for a name is pinned. Whoever compares the safety number knows that it is the right one.

mod devices;
mod directory;
mod pin;
#[cfg(test)]
mod tests;

use quicprochat_identity::IdentityError;
use quicprochat_wire::{AccountId, DecodeError, DeviceId};

pub use devices::DeviceChanges;
pub use directory::{Directory, PlainDirectory, VerifiedRecord};
pub use pin::{ContactPin, KeyChange, Observation, PinnedKey};

/// Why a record or a key was not trusted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The account shows another composite key than the pinned one. Nothing is sent to it until a person accepts the key.
    #[error("the key of the account has changed from {} to {}", .0.pinned, .0.found)]
    ChangedKey(Box<KeyChange>),
    /// The record is older than one seen before.
    #[error("the account's record has serial {found}; serial {seen} was seen before")]
    RolledBack {
        /// Highest serial seen.
        seen: u64,
        /// Serial shown.
        found: u64,
    },
    /// Two different records bear the same serial.
    #[error("two different records of the account bear serial {serial}")]
    Forked {
        /// The serial.
        serial: u64,
    },
    /// The record is of another name than asked for.
    #[error("the record is of another name than asked for")]
    WrongName,
    /// The record is of another account than asked for.
    #[error("the record is of {found:?}, asked for was {expected:?}")]
    WrongAccount {
        /// The account asked for.
        expected: AccountId,
        /// The account shown.
        found: AccountId,
    },
    /// A KeyPackage part stands under another device's name, or a device has two.
    #[error("the record's KeyPackage parts do not match {device:?}")]
    WrongDevice {
        /// The device named.
        device: DeviceId,
    },
    /// The answer is of another call.
    #[error("the answer does not belong to a look-up")]
    UnexpectedAnswer,
    /// A key was to be accepted that is not the one shown before.
    #[error("no change to this key waits for acceptance")]
    NotPending,
    /// The safety number compared is not that of the pinned key.
    #[error("the safety number does not match")]
    SafetyNumberMismatch,
    /// The record itself is not valid.
    #[error("the account's record is not valid")]
    Record(#[from] IdentityError),
    /// Stored bytes are not what was stored.
    #[error("stored trust state is damaged")]
    Stored(#[from] DecodeError),
}

impl TrustError {
    /// Whether the user must be told: somebody, the server above all, may be cheating.
    #[must_use]
    pub const fn is_alarm(&self) -> bool {
        matches!(self, Self::ChangedKey(_) | Self::RolledBack { .. } | Self::Forked { .. })
    }
}
