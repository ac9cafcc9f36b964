//! Account records: the identity part and a KeyPackage part for each device (DESIGN A1).

use crate::id::{AccountId, DeviceId};

/// A signed identity part, as `quicprochat-identity` encodes it. At most [`crate::limits::IDENTITY_ROW_BYTES`] bytes; not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityPart(pub Vec<u8>);

/// A device's signed KeyPackage part, as `quicprochat-identity` encodes it. At most
/// [`crate::limits::KEY_PACKAGE_ROW_BYTES`] bytes; not verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPackagePart {
    /// Whose it is.
    pub device: DeviceId,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}

/// Fetches an account's record. The server learns whose; private look-up comes with a later issue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lookup {
    /// By name or by id.
    pub subject: Subject,
}

/// Whose record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Name without host.
    Name(String),
    /// Account id.
    Account(AccountId),
}

/// Fetches the record of the account this connection is authenticated or signed in for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnRecord {}

/// An account's record. Nothing in it is verified yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Names, keys, devices.
    pub identity: IdentityPart,
    /// One for each device.
    pub key_packages: Vec<KeyPackagePart>,
}

/// Replaces the identity part: enrols or revokes devices, or announces a new inbox key. One transaction with everything
/// that must change along with it. The serial must be exactly one above the stored one, else `version-conflict`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishIdentity {
    /// The new identity part.
    pub identity: IdentityPart,
    /// KeyPackage parts of devices that it adds.
    pub key_packages: Vec<KeyPackagePart>,
    /// If present, replaces all wraps of the vault (a vault roll).
    pub wraps: Option<Vec<super::vault::VaultWrap>>,
    /// Vault records to store along with it, each checked by its version.
    pub records: Vec<super::vault::VaultRecord>,
}

/// Replaces the calling device's KeyPackage part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishKeyPackage {
    /// Must name the calling device.
    pub part: KeyPackagePart,
}
