//! The identity part of an account's record: who it is, which devices it has, where to reach it (DESIGN A1).
//!
//! ```text
//!   bytes ──parse──▶ UnverifiedIdentity ──verify──────────▶ VerifiedIdentity    both halves of the signature
//!                                       └─verify_classical─▶ ClassicalIdentity   Ed25519 alone (DESIGN L9)
//!   IdentityDraft ──sign──▶ VerifiedIdentity ──next_draft──▶ IdentityDraft       one serial later
//! ```
//!
//! Shape:    `label("qpc/1 identity") || body || composite signature bytes`; body as [`IdentityContent`] has its fields.
//! Source:   protocol.md, section 6.

mod content;
mod draft;
mod row;

use core::ops::Deref;

pub use content::{DeviceEntry, IdentityContent, InboxPublicKey, MAX_REMOVED_DEVICES};
pub use draft::IdentityDraft;
pub use row::{from_row, to_row};

use crate::error::{IdentityError, Signed};

/// Label of the encoding, and context of the signature.
const LABEL: &str = "qpc/1 identity";

/// A well-formed identity part whose signature nobody has checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnverifiedIdentity(IdentityContent);

impl UnverifiedIdentity {
    /// Takes an identity part and checks every rule that needs no signature.
    ///
    /// Errors:   [`IdentityError::Decode`], [`IdentityError::KeyInvalid`], [`IdentityError::NameInvalid`],
    ///           [`IdentityError::DuplicateDevice`], [`IdentityError::RemovedDevice`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        IdentityContent::parse(bytes).map(Self)
    }

    /// What the part claims, for messages about a record that is about to be refused; nothing to act upon.
    #[must_use]
    pub const fn claimed(&self) -> &IdentityContent {
        &self.0
    }

    /// Checks both halves of the signature and every device's certificate.
    ///
    /// Errors:   [`IdentityError::BadSignature`].
    pub fn verify(self) -> Result<VerifiedIdentity, IdentityError> {
        let content = self.0;
        content
            .key()
            .verify(LABEL.as_bytes(), content.text(), content.signature())
            .map_err(|_| IdentityError::BadSignature { over: Signed::IdentityPart })?;
        content.verify_certificates()?;
        Ok(VerifiedIdentity(content))
    }
}

/// Checks the Ed25519 half of the signature and every device's certificate: what decides whether a commit counts (DESIGN L9).
///
/// An adder and whoever trusts a key for more than this uses [`UnverifiedIdentity::verify`].
///
/// Errors:   [`IdentityError::BadSignature`].
pub fn verify_classical(identity: &UnverifiedIdentity) -> Result<ClassicalIdentity, IdentityError> {
    let content = &identity.0;
    content
        .key()
        .verify_ed25519_half(LABEL.as_bytes(), content.text(), content.signature())
        .map_err(|_| IdentityError::BadSignature { over: Signed::IdentityPart })?;
    content.verify_certificates()?;
    Ok(ClassicalIdentity(content.clone()))
}

/// An identity part that its account signed with both halves of its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedIdentity(IdentityContent);

impl VerifiedIdentity {
    /// How this part relates to one seen before.
    #[must_use]
    pub fn succession(&self, before: &IdentityContent) -> Succession {
        if self.key() != before.key() {
            return Succession::ChangedKey;
        }
        match self.serial().cmp(&before.serial()) {
            core::cmp::Ordering::Greater => Succession::Newer,
            core::cmp::Ordering::Less => Succession::Older,
            core::cmp::Ordering::Equal if self.signed_bytes() == before.signed_bytes() => Succession::Same,
            core::cmp::Ordering::Equal => Succession::Forked,
        }
    }
}

impl Deref for VerifiedIdentity {
    type Target = IdentityContent;

    fn deref(&self) -> &IdentityContent {
        &self.0
    }
}

/// An identity part of which only the Ed25519 half of the signature was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClassicalIdentity(IdentityContent);

impl Deref for ClassicalIdentity {
    type Target = IdentityContent;

    fn deref(&self) -> &IdentityContent {
        &self.0
    }
}

/// How a verified identity part relates to an earlier one of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Succession {
    /// The very same bytes.
    Same,
    /// Same key, higher serial: take it.
    Newer,
    /// Same key, lower serial: somebody shows an old part.
    Older,
    /// Same key and serial, other bytes: the account signed twice, or a client of it is broken.
    Forked,
    /// Another composite key: a person must decide.
    ChangedKey,
}

#[cfg(test)]
mod tests;
