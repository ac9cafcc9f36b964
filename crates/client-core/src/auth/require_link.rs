//! An account that takes new devices from its devices only: the password opens the vault together with a secret that the
//! devices have. The recovery key opens it as before.

use quicprochat_e2ee::vault::{LinkRecord, LinkSecret, StateKey, StateRecord as _};
use quicprochat_wire::{
    AccountId, Entropy, Timestamp,
    call::{
        directory::{IdentityPart, PublishIdentity},
        vault::{VaultFetch, VaultRecord, WAY_LINKED, WAY_PASSWORD},
    },
};

use super::{CeremonyError, OpenVault, records};

/// Asks for the record with the secret, on a connection that is signed in or a device's.
#[must_use]
pub fn link_secret_request() -> VaultFetch {
    VaultFetch { ids: vec![LinkRecord::ID] }
}

/// The secret, with which [`super::ProvedSignIn::unwrap_linked`] opens the vault on a device of the account.
///
/// Errors:   [`CeremonyError::NotCaughtUp`] - the vault was rolled, and this device has not heard of it.
pub fn link_secret(key: &StateKey, account: AccountId, records: &[VaultRecord]) -> Result<LinkSecret, CeremonyError> {
    match records::open_link(key, account, records) {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(CeremonyError::RecordMissing { record: LinkRecord::ID }),
        Err(_) => Err(CeremonyError::NotCaughtUp),
    }
}

impl OpenVault {
    /// Whether the account takes new devices from its devices only.
    #[must_use]
    pub const fn requires_link(&self) -> bool {
        self.link_secret.is_some()
    }

    /// Lets the account take new devices from its devices only, or from whoever has the password.
    ///
    /// A `version-conflict` means that another device changed the account in between: fetch, open and try again.
    ///
    /// Errors:   [`CeremonyError::PasswordNeeded`] - it was not the password that opened the vault;
    ///           [`CeremonyError::UnknownWay`].
    pub fn require_link(
        &self,
        required: bool,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<PublishIdentity, CeremonyError> {
        let secret = required.then(|| LinkSecret::generate(entropy));
        let version = self.next_version(LinkRecord::ID);
        let record = match &secret {
            Some(secret) => records::seal_link(&self.state_key, self.account(), version, secret, entropy)?,
            None => VaultRecord { id: LinkRecord::ID, version, sealed: Vec::new() },
        };
        let export_key = self.export_key.as_ref().ok_or(CeremonyError::PasswordNeeded)?;
        let mut wraps: Vec<_> =
            self.wraps.iter().filter(|wrap| ![WAY_PASSWORD, WAY_LINKED].contains(&wrap.way)).cloned().collect();
        wraps.push(records::wrap_password(&self.root, export_key, secret.as_ref(), self.account(), entropy)?);
        let identity = self.identity.next_draft(now.day_start()).sign(&self.identity_key, entropy)?;
        Ok(PublishIdentity {
            identity: IdentityPart(identity.signed_bytes().to_vec()),
            key_packages: Vec::new(),
            wraps: Some(wraps),
            records: vec![record],
        })
    }
}
