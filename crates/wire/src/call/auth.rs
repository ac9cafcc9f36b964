//! Accounts: OPAQUE registration and sign-in (RFC 9807), device authentication, password, deletion, invite codes.

use super::{
    directory::{IdentityPart, KeyPackagePart},
    vault::{VaultRecord, VaultWrap},
};
use crate::{
    id::{AccountId, DeviceId},
    time::Timestamp,
};

/// Argon2id parameters of a password record; public, chosen by the client, stored by the server with the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StretchParams {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

/// First half of an OPAQUE registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisterStart {
    /// The name wanted, without host.
    pub name: String,
    /// Invite code, where the server asks for one. Not used up yet.
    pub invite: Option<String>,
    /// OPAQUE RegistrationRequest.
    pub request: Vec<u8>,
    /// OPAQUE RegistrationRequest of the recovery key, if the account is to have one.
    pub recovery: Option<Vec<u8>>,
}

/// The server's half of an OPAQUE registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisterStarted {
    /// OPAQUE RegistrationResponse.
    pub response: Vec<u8>,
    /// OPAQUE RegistrationResponse for the recovery key, if one was asked for.
    pub recovery: Option<Vec<u8>>,
}

/// Creates the account with its first device, in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisterFinish {
    /// As in `register-start`.
    pub name: String,
    /// Used up here.
    pub invite: Option<String>,
    /// OPAQUE RegistrationUpload (the password record).
    pub upload: Vec<u8>,
    /// How the password was stretched.
    pub stretch: StretchParams,
    /// The account's signed identity part, naming exactly one device.
    pub identity: IdentityPart,
    /// That device's first KeyPackage part.
    pub key_package: KeyPackagePart,
    /// The vault's root key, wrapped under the OPAQUE export key of each way in.
    pub wraps: Vec<VaultWrap>,
    /// The vault's first records.
    pub records: Vec<VaultRecord>,
    /// The OPAQUE record of the recovery key, if the account is to have one.
    pub recovery: Option<OpaqueRecord>,
}

/// What the server keeps of a way in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpaqueRecord {
    /// OPAQUE RegistrationUpload.
    pub upload: Vec<u8>,
    /// How the secret was stretched.
    pub stretch: StretchParams,
}

/// First half of an OPAQUE sign-in; opens no account by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInStart {
    /// Name without host.
    pub name: String,
    /// OPAQUE KE1.
    pub request: Vec<u8>,
    /// Which way in: [`super::vault::WAY_PASSWORD`] or [`super::vault::WAY_RECOVERY`].
    pub way: u16,
}

/// The same for an unknown name or way: a fake record answers (RFC 9807, section 6.3.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInStarted {
    /// OPAQUE KE2.
    pub response: Vec<u8>,
    /// How to stretch the password.
    pub stretch: StretchParams,
}

/// Second half: proves the password to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignInFinish {
    /// OPAQUE KE3.
    pub finalization: Vec<u8>,
}

/// The connection is signed in now: `publish-identity`, `password-*`, `account-delete`, `own-record` and
/// `vault-fetch` are allowed on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// Whose name it was.
    pub account: AccountId,
    /// Every way into the vault; only a sign-in shows them.
    pub wraps: Vec<VaultWrap>,
}

/// Authenticates the connection as a device of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authenticate {
    /// The account.
    pub account: AccountId,
    /// One of its devices.
    pub device: DeviceId,
    /// Ed25519 by the device key over the authentication text of protocol.md. 64 bytes.
    pub signature: Vec<u8>,
}

/// First half of a change of the password or of another way in: a new OPAQUE registration for the account signed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasswordStart {
    /// OPAQUE RegistrationRequest.
    pub request: Vec<u8>,
    /// Of which way the secret changes.
    pub way: u16,
}

/// Second half: replaces the way's OPAQUE record, all wraps, and some records in one transaction (DESIGN A4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasswordFinish {
    /// OPAQUE RegistrationUpload.
    pub upload: Vec<u8>,
    /// How the secret was stretched.
    pub stretch: StretchParams,
    /// Every wrap there is from now on.
    pub wraps: Vec<VaultWrap>,
    /// As in `password-start`.
    pub way: u16,
    /// What to store in the vault.
    pub records: Vec<VaultRecord>,
}

/// Removes everything the server has of the account signed in. Channels cannot be found from here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountDelete {}

/// Makes an invite code, if the account has any left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteCreate {}

/// A fresh code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteCreated {
    /// To hand to one person.
    pub invite: Invite,
}

/// Lists the account's invite codes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InviteList {}

/// The account's codes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invites {
    /// Oldest first.
    pub invites: Vec<Invite>,
    /// How many more the account may make.
    pub left: u32,
}

/// An invite code. Who used it is not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// The code.
    pub code: String,
    /// When it lapses.
    pub expires: Timestamp,
    /// Whether somebody registered with it.
    pub used: bool,
}
