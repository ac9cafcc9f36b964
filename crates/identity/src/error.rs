//! What can be wrong with names, keys, records, credentials and passwords.

use quicprochat_wire::{AccountId, DecodeError, DeviceId};

use crate::{name::NameProblem, password::PasswordProblem};

/// Which public key a failure is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum KeyRole {
    /// An account's composite identity key.
    Identity,
    /// A device's key.
    Device,
    /// A channel's access key, or any other Ed25519 key handed to [`crate::verify_ed25519`].
    Signer,
}

/// What a signature stands under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Signed {
    /// Any text, checked with a lone Ed25519 key.
    Text,
    /// Any text, checked with a composite key.
    Composite,
    /// An account's identity part.
    IdentityPart,
    /// The certificate of a device.
    DeviceCertificate,
    /// A device's KeyPackage part.
    KeyPackagePart,
}

/// Why this crate refused something.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The bytes are not the encoding of what was expected.
    #[error("not a valid encoding")]
    Decode(#[from] DecodeError),
    /// A public key has the wrong length, is no point of the curve, or is one of its weak points.
    #[error("the {key:?} key is not a usable public key")]
    KeyInvalid {
        /// Which key.
        key: KeyRole,
    },
    /// A signature does not verify.
    #[error("the signature over {over:?} does not verify")]
    BadSignature {
        /// What it should have stood under.
        over: Signed,
    },
    /// A signature context is above 255 bytes.
    #[error("a signature context of {found} bytes is above the limit of 255")]
    ContextTooLong {
        /// Its length.
        found: usize,
    },
    /// The signature scheme gave up; another attempt uses other randomness.
    #[error("signing failed")]
    SigningFailed,
    /// A name breaks the rules for names.
    #[error("the account name is not valid: {problem}")]
    NameInvalid {
        /// Which rule.
        problem: NameProblem,
    },
    /// The part behind `@` is no host name or address.
    #[error("the part behind @ is no valid host")]
    HostInvalid,
    /// The text is no `did:key` of an Ed25519 key.
    #[error("not a did:key of an Ed25519 key")]
    DidInvalid,
    /// A list is longer than a record may carry.
    #[error("a list of {found} exceeds its limit of {limit}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// The length found.
        found: usize,
    },
    /// A device, or its key, is named twice.
    #[error("{device:?} or its key is named twice")]
    DuplicateDevice {
        /// The second one.
        device: DeviceId,
    },
    /// A device is named as present and as removed.
    #[error("{device:?} is both present and removed")]
    RemovedDevice {
        /// Which.
        device: DeviceId,
    },
    /// The record does not name the device.
    #[error("{device:?} is not on the record")]
    UnknownDevice {
        /// Which.
        device: DeviceId,
    },
    /// The bytes belong to another account than they should.
    #[error("expected {expected:?}, found {found:?}")]
    WrongAccount {
        /// The account meant.
        expected: AccountId,
        /// The account named.
        found: AccountId,
    },
    /// Content does not fit into its row.
    #[error("{found} bytes do not fit into a row with room for {limit}")]
    RowFull {
        /// Room in the row.
        limit: usize,
        /// Length of the content.
        found: usize,
    },
    /// A row has another size than it must, or something other than zero behind its content.
    #[error("the row is malformed")]
    RowInvalid,
    /// Key-stretching parameters outside the range that clients accept.
    #[error("stretching with {memory_kib} KiB, {iterations} passes, {parallelism} lanes is outside the accepted range")]
    StretchOutOfRange {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        iterations: u32,
        /// Lanes.
        parallelism: u32,
    },
    /// A new password is too easy to guess.
    #[error("the password is not acceptable: {problem}")]
    PasswordWeak {
        /// What is wrong with it.
        problem: PasswordProblem,
    },
    /// The text is no safety number.
    #[error("not a safety number")]
    SafetyNumberInvalid,
}

impl IdentityError {
    /// Whether a signature failed, as opposed to a malformed or forbidden value: the wire tells the two apart.
    #[must_use]
    pub const fn is_bad_signature(&self) -> bool {
        matches!(self, Self::BadSignature { .. })
    }
}
