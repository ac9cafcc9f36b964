//! Who somebody is: the public keys of accounts and devices, and everything that is signed with or checked against them.
//!
//! This crate is layer 1 and pure: no socket, file, clock or randomness of its own. The server and the client use it alike; it
//! never sees a message key. A newcomer starts at [`composite`] (the account's key), then [`record`] (what the directory keeps).
//!
//! ```text
//!   IdentitySecretKey ──signs──▶ identity part ──names──▶ device keys, inbox key, removed devices
//!          └──certifies (Ed25519)──▶ DeviceKey ──signs──▶ KeyPackage part, MLS leaf, challenge
//! ```
//!
//! Whatever arrives from outside has a type that begins with `Unverified` until its signatures have been checked.
#![forbid(unsafe_code)]

pub mod composite;
pub mod credential;
pub mod device;
pub mod did;
pub mod error;
pub mod key_package;
pub mod name;
pub mod password;
#[cfg(not(feature = "simulation"))]
mod primitive;
#[cfg(feature = "simulation")]
pub mod primitive;
pub mod record;
pub mod rng;
pub mod safety;

#[cfg(test)]
mod test_support;

pub use composite::{IdentityPublicKey, IdentitySecretKey};
pub use credential::{CREDENTIAL_TYPE, LeafCredential, issue_device_certificate, verify_device_certificate};
pub use device::{AccessSecretKey, DeviceSecretKey, attach_text, authenticate_text, verify_ed25519};
pub use did::{did_key, parse_did_key};
pub use error::{IdentityError, KeyRole, Signed};
pub use key_package::{UnverifiedKeyPackagePart, VerifiedKeyPackagePart, sign_key_package_part};
pub use name::{AccountName, NameAtHost};
pub use password::{OPAQUE_CONTEXT, OpaqueSuite, check_password_strength};
pub use record::{
    ClassicalIdentity, DeviceEntry, IdentityContent, IdentityDraft, InboxPublicKey, Succession, UnverifiedIdentity,
    VerifiedIdentity, from_row, to_row, verify_classical,
};
pub use rng::EntropyRng;
pub use safety::{SafetyNumber, safety_number};
