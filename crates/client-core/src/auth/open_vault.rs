//! An open vault: what a password or recovery key gives, for as long as a ceremony lasts.

use core::fmt;
use std::collections::BTreeMap;

use quicprochat_e2ee::{
    sealed::InboxSecretKey,
    vault::{
        ArchiveRecord, ConversationList, Job, LinkRecord, LinkSecret, RECOVERY_RECORD, RecoveryKey, RecoveryRecord,
        RootKey, StateKey, StateRecord as _,
    },
};
use quicprochat_identity::{IdentitySecretKey, Succession, UnverifiedIdentity, VerifiedIdentity};
use quicprochat_wire::{
    AccountId, Entropy,
    call::{
        directory::Record,
        vault::{VaultRecord, VaultRecords, VaultWrap, WAY_LINKED, WAY_PASSWORD, WAY_RECOVERY},
    },
};
use zeroize::Zeroizing;

use super::{
    CeremonyError,
    account_state::account_state,
    archive::archive,
    conversation_list,
    opaque::ExportKey,
    records::{self, DeviceLabel},
    sign_in::Opened,
};

/// Everything that the password or recovery key opens. Never stored: a device keeps [`super::DeviceAccount`].
///
/// Secrets:  all keys of the account, zeroised on drop.
pub struct OpenVault {
    pub(super) identity: VerifiedIdentity,
    pub(super) identity_key: IdentitySecretKey,
    pub(super) root: RootKey,
    pub(super) state_key: StateKey,
    /// The password's export key, if it was the password that opened the vault.
    pub(super) export_key: Option<ExportKey>,
    pub(super) recovery: Option<RecoveryRecord>,
    /// What the password is taken together with, if the account takes new devices from its devices only.
    pub(super) link_secret: Option<LinkSecret>,
    /// Every wrap there is.
    pub(super) wraps: Vec<VaultWrap>,
    pub(super) inbox_keys: Vec<InboxSecretKey>,
    pub(super) labels: Vec<DeviceLabel>,
    pub(super) jobs: Vec<Job>,
    pub(super) conversations: ConversationList,
    /// Opened for a roll alone: who signs in must not be held up by what no key depends on.
    pub(super) account_state: Result<Option<Zeroizing<Vec<u8>>>, CeremonyError>,
    /// Likewise.
    pub(super) archive: Result<ArchiveRecord, CeremonyError>,
    pub(super) versions: BTreeMap<u32, u64>,
    /// Which records hold something; the others are known by their version only.
    pub(super) present: Vec<u32>,
}

impl OpenVault {
    /// `beside` is a state key of a roll that the server has lost: a device that has it may have stored under it what there was
    /// nothing of.
    pub(super) fn open(
        opened: Opened,
        identity: VerifiedIdentity,
        vault: &VaultRecords,
        beside: Option<&StateKey>,
    ) -> Result<Self, CeremonyError> {
        let Opened { name, account, way, export_key, root, wraps } = opened;
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
        let recovery = records::open_recovery(&root, account, sealed)?;
        if recovery.is_none() && wraps.iter().any(|wrap| wrap.way == WAY_RECOVERY) {
            return Err(CeremonyError::RecordMissing { record: RECOVERY_RECORD });
        }
        let link_secret = records::open_link(&state_key, account, sealed)?;
        let has = |way| wraps.iter().any(|wrap| wrap.way == way);
        if link_secret.is_none() && has(WAY_LINKED) {
            return Err(CeremonyError::RecordMissing { record: LinkRecord::ID });
        }
        if link_secret.is_some() && has(WAY_PASSWORD) {
            // Wraps of before the account was set so.
            return Err(CeremonyError::VaultRolledBack { vault_version: identity.vault_version() });
        }
        let keys = (&state_key, beside);
        Ok(Self {
            labels: records::device_labels(&state_key, account, sealed)?,
            jobs: records::jobs(&state_key, account, sealed)?,
            conversations: under(keys, |key| conversation_list::conversations(key, account, sealed))?,
            account_state: under(keys, |key| account_state(key, account, sealed)),
            archive: under(keys, |key| archive(key, account, sealed)).map(Option::unwrap_or_default),
            versions: sealed.iter().map(|record| (record.id, record.version)).collect(),
            present: sealed.iter().filter(|record| !record.sealed.is_empty()).map(|record| record.id).collect(),
            identity,
            identity_key,
            root,
            state_key,
            export_key: (way == WAY_PASSWORD).then_some(export_key),
            recovery,
            link_secret,
            wraps,
            inbox_keys,
        })
    }

    /// The account's newest identity part.
    #[must_use]
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// The account's state, if there is one that opens.
    #[must_use]
    pub fn account_state(&self) -> Option<&[u8]> {
        self.account_state.as_ref().ok()?.as_ref().map(|content| content.as_slice())
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

    /// The account's conversations, for a new device.
    #[must_use]
    pub const fn conversations(&self) -> &ConversationList {
        &self.conversations
    }

    /// The recovery key, to show it again to whoever proved the password.
    ///
    /// Errors:   [`CeremonyError::NoRecoveryKey`].
    pub fn recovery_key(&self) -> Result<&RecoveryKey, CeremonyError> {
        self.recovery.as_ref().map(|recovery| &recovery.key).ok_or(CeremonyError::NoRecoveryKey)
    }

    /// The wraps there are with that of one way replaced: the others stay as they are, the root key being the same.
    pub(super) fn wraps_with(
        &self,
        way: u16,
        export_key: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<VaultWrap>, CeremonyError> {
        let replaced: &[u16] = if way == WAY_PASSWORD { &[WAY_PASSWORD, WAY_LINKED] } else { &[way] };
        let mut wraps: Vec<_> = self.wraps.iter().filter(|wrap| !replaced.contains(&wrap.way)).cloned().collect();
        let secret = self.link_secret.as_ref().filter(|_| way == WAY_PASSWORD);
        wraps.push(match secret {
            Some(_) => records::wrap_password(&self.root, export_key, secret, self.account(), entropy)?,
            None => records::wrap(&self.root, way, export_key, self.account(), entropy)?,
        });
        Ok(wraps)
    }

    /// Wraps of a new root key, one for each way there is; that of the password with a new link secret, if the account has one.
    ///
    /// Errors:   [`CeremonyError::PasswordNeeded`], [`CeremonyError::UnknownWay`].
    pub(super) fn wraps_of(
        &self,
        root: &RootKey,
        secret: Option<&LinkSecret>,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<VaultWrap>, CeremonyError> {
        let known = [WAY_PASSWORD, WAY_RECOVERY, WAY_LINKED];
        if let Some(wrap) = self.wraps.iter().find(|wrap| !known.contains(&wrap.way)) {
            return Err(CeremonyError::UnknownWay { way: wrap.way });
        }
        let password = self.export_key.as_ref().ok_or(CeremonyError::PasswordNeeded)?;
        let mut wraps = vec![records::wrap_password(root, password, secret, self.account(), entropy)?];
        if let Some(recovery) = &self.recovery {
            wraps.push(records::wrap(root, WAY_RECOVERY, &recovery.export_key, self.account(), entropy)?);
        }
        Ok(wraps)
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

/// Verifies the own record as the server shows it to this device: that it is of this account, and not older than what is known.
///
/// Errors:   [`CeremonyError::RecordRolledBack`], [`CeremonyError::RecordForked`], [`CeremonyError::IdentityMismatch`],
///           [`CeremonyError::Record`].
pub fn check_own_record(record: &Record, known: &VerifiedIdentity) -> Result<VerifiedIdentity, CeremonyError> {
    own_identity(record, known.account(), Some(known))
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
        Succession::Older => Err(CeremonyError::RecordRolledBack { seen: known.serial(), found: identity.serial() }),
        Succession::Forked => Err(CeremonyError::RecordForked { serial: identity.serial() }),
        Succession::ChangedKey => Err(mismatch(known.account(), identity.account())),
    }
}

/// What opens under the first key, or else under the other one.
fn under<T>(
    (key, beside): (&StateKey, Option<&StateKey>),
    open: impl Fn(&StateKey) -> Result<T, CeremonyError>,
) -> Result<T, CeremonyError> {
    open(key).or_else(|error| beside.and_then(|beside| open(beside).ok()).ok_or(error))
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
