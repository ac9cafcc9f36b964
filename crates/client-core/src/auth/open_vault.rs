//! An open vault: what a password gives, for as long as a ceremony lasts.

use core::fmt;
use std::collections::BTreeMap;

use quicprochat_e2ee::{
    sealed::InboxSecretKey,
    vault::{Job, RootKey, StateKey},
};
use quicprochat_identity::{AccountName, IdentitySecretKey, Succession, UnverifiedIdentity, VerifiedIdentity};
use quicprochat_wire::{
    AccountId,
    call::{
        directory::Record,
        vault::{VaultRecord, VaultRecords},
    },
};

use super::{
    CeremonyError,
    opaque::ExportKey,
    records::{self, DeviceLabel},
};

/// Everything that the password opens. Never stored: a device keeps [`super::DeviceAccount`].
///
/// Secrets:  all keys of the account, zeroised on drop.
pub struct OpenVault {
    pub(super) identity: VerifiedIdentity,
    pub(super) identity_key: IdentitySecretKey,
    pub(super) root: RootKey,
    pub(super) state_key: StateKey,
    pub(super) export_key: ExportKey,
    pub(super) inbox_keys: Vec<InboxSecretKey>,
    pub(super) labels: Vec<DeviceLabel>,
    pub(super) jobs: Vec<Job>,
    pub(super) versions: BTreeMap<u32, u64>,
    /// Which records hold something; the others are known by their version only.
    pub(super) present: Vec<u32>,
}

impl OpenVault {
    pub(super) fn open(
        name: AccountName,
        account: AccountId,
        root: RootKey,
        export_key: ExportKey,
        record: &Record,
        vault: &VaultRecords,
        known: Option<&VerifiedIdentity>,
    ) -> Result<Self, CeremonyError> {
        let identity = own_identity(record, account, known)?;
        if *identity.name() != name {
            return Err(CeremonyError::Malformed);
        }
        let sealed = &vault.records;
        if records::vault_hash(sealed)? != identity.vault_hash() {
            return Err(CeremonyError::VaultRolledBack { vault_version: identity.vault_version() });
        }
        let identity_key = records::open_identity(&root, account, sealed)?;
        if identity_key.public() != identity.key() {
            return Err(mismatch(account, identity_key.public().account_id()));
        }
        let state_key = root.state_key();
        let inbox_keys = open_own_inbox(&state_key, &identity, sealed)?;
        Ok(Self {
            labels: records::device_labels(&state_key, account, sealed)?,
            jobs: records::jobs(&state_key, account, sealed)?,
            versions: sealed.iter().map(|record| (record.id, record.version)).collect(),
            present: sealed.iter().filter(|record| !record.sealed.is_empty()).map(|record| record.id).collect(),
            identity,
            identity_key,
            root,
            state_key,
            export_key,
            inbox_keys,
        })
    }

    /// The account's newest identity part.
    #[must_use]
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// The labels of the account's devices.
    #[must_use]
    pub fn labels(&self) -> &[DeviceLabel] {
        &self.labels
    }

    /// What devices of the account still have to do.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    pub(super) fn account(&self) -> AccountId {
        self.identity.account()
    }

    /// The version that the next content of a record has.
    pub(super) fn next_version(&self, record: u32) -> u64 {
        self.versions.get(&record).copied().unwrap_or(0).saturating_add(1)
    }
}

impl fmt::Debug for OpenVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenVault({:?})", self.identity)
    }
}

/// Verifies the own record: that it is of this account, and not older than what is known of it.
pub(super) fn own_identity(
    record: &Record,
    account: AccountId,
    known: Option<&VerifiedIdentity>,
) -> Result<VerifiedIdentity, CeremonyError> {
    let identity = UnverifiedIdentity::parse(&record.identity.0)?.verify()?;
    if identity.account() != account {
        return Err(mismatch(account, identity.account()));
    }
    let Some(known) = known else { return Ok(identity) };
    match identity.succession(known) {
        Succession::Same | Succession::Newer => Ok(identity),
        Succession::Older | Succession::Forked => {
            Err(CeremonyError::RecordRolledBack { seen: known.serial(), found: identity.serial() })
        }
        Succession::ChangedKey => Err(mismatch(known.account(), identity.account())),
    }
}

/// Opens record 2 and checks that the newest key in it is the one announced.
pub(super) fn open_own_inbox(
    state_key: &StateKey,
    identity: &VerifiedIdentity,
    sealed: &[VaultRecord],
) -> Result<Vec<InboxSecretKey>, CeremonyError> {
    let keys = records::open_inbox(state_key, identity.account(), sealed)?;
    if records::inbox_public(&keys)? != *identity.inbox_key() {
        return Err(CeremonyError::VaultRolledBack { vault_version: identity.vault_version() });
    }
    Ok(keys)
}

const fn mismatch(expected: AccountId, found: AccountId) -> CeremonyError {
    CeremonyError::IdentityMismatch { expected, found }
}
