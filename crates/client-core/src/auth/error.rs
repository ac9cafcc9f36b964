//! Why a ceremony failed.

use quicprochat_identity::{IdentityError, password::PasswordProblem};
use quicprochat_wire::{AccountId, DeviceId, call::auth::StretchParams};

/// Why a ceremony did not go on. Nothing was changed on the server unless its last request was sent.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// Wrong password or recovery key, or no such account: which of them nobody can tell.
    #[error("wrong password or recovery key, or unknown account")]
    SignInFailed,
    /// The server says that the password is to be stretched less than is safe, or so much that it would hang the client.
    #[error("the server asks for password stretching outside the accepted range")]
    StretchRefused(StretchParams),
    /// A new password is too easy to guess.
    #[error("the password is not acceptable: {problem}")]
    PasswordWeak {
        /// What is wrong with it.
        problem: PasswordProblem,
    },
    /// An answer of the server is not what the protocol says.
    #[error("the server's answer is malformed")]
    Malformed,
    /// No wrap opens with the password or recovery key, though the sign-in succeeded.
    #[error("the vault does not open with this password or recovery key")]
    VaultSealed,
    /// The account takes new devices from its devices only; this is none.
    #[error("the account takes new devices from its other devices only")]
    LinkRequired,
    /// Another device rolled the vault, and this one has not heard of it: let it sync first.
    #[error("another device changed the account's keys; let this one sync first")]
    NotCaughtUp,
    /// The account has no recovery key.
    #[error("the account has no recovery key")]
    NoRecoveryKey,
    /// The vault was opened by the recovery key, and this needs the password: set a new one first.
    #[error("this needs the password")]
    PasswordNeeded,
    /// There is a way into the vault that this client does not know; a newer client is to do this.
    #[error("the vault has a way in, {way}, which this client does not know")]
    UnknownWay {
        /// Which.
        way: u16,
    },
    /// A record of the vault is missing.
    #[error("record {record} of the vault is missing")]
    RecordMissing {
        /// Which.
        record: u32,
    },
    /// A record of the vault does not open with the vault's key, or is no valid record.
    #[error("record {record} of the vault does not open")]
    RecordSealed {
        /// Which.
        record: u32,
    },
    /// The vault and the account's public record are not of one account, or not of the account that was known.
    #[error("expected account {expected:?}, found {found:?}")]
    IdentityMismatch {
        /// The account expected.
        expected: AccountId,
        /// The account found.
        found: AccountId,
    },
    /// The vault is not the one that the account's record names: somebody shows an old one.
    #[error("the vault is not the one that the account's record of vault version {vault_version} names")]
    VaultRolledBack {
        /// The version that the record names.
        vault_version: u64,
    },
    /// The account's record is older than one this device has seen.
    #[error("the account's record has serial {found}; serial {seen} was seen before")]
    RecordRolledBack {
        /// Highest serial seen.
        seen: u64,
        /// Serial shown.
        found: u64,
    },
    /// The account's record is another one than the one of that serial which this device has seen: after the server was put back
    /// the account was changed elsewhere, or somebody else signs with its key.
    #[error("the account's record with serial {serial} is not the one that was seen before")]
    RecordForked {
        /// Of both.
        serial: u64,
    },
    /// The account has as many devices as it may have.
    #[error("the account has {limit} devices, as many as it may have")]
    TooManyDevices {
        /// The limit.
        limit: usize,
    },
    /// The device is not on the account's record.
    #[error("{device:?} is not a device of this account")]
    UnknownDevice {
        /// Which.
        device: DeviceId,
    },
    /// The vault holds a record that this client does not know; a newer client is to do this.
    #[error("the vault holds record {record}, which this client does not know")]
    UnknownRecord {
        /// Which.
        record: u32,
    },
    /// More conversations than fit the vault.
    #[error("the vault has no room for so many conversations")]
    TooManyConversations,
    /// More of the account's state than fits the vault.
    #[error("the vault has no room for an account state of {found} bytes")]
    StateTooLarge {
        /// Its size.
        found: usize,
    },
    /// The device's label is above its limit.
    #[error("a device label of {found} bytes is above the limit of {limit}")]
    LabelTooLong {
        /// The limit.
        limit: usize,
        /// Its length.
        found: usize,
    },
    /// The account's record, a name or a KeyPackage part is not valid.
    #[error("the account's record is not valid")]
    Record(IdentityError),
    /// A cryptographic operation failed that cannot fail with honest inputs.
    #[error("a cryptographic operation failed")]
    Crypto,
}

impl From<IdentityError> for CeremonyError {
    fn from(error: IdentityError) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "what is not named above is told as it is")]
        match error {
            IdentityError::StretchOutOfRange { memory_kib, iterations, parallelism } => {
                Self::StretchRefused(StretchParams { memory_kib, iterations, parallelism })
            }
            IdentityError::PasswordWeak { problem } => Self::PasswordWeak { problem },
            IdentityError::UnknownDevice { device } => Self::UnknownDevice { device },
            other => Self::Record(other),
        }
    }
}
