//! Revocation of a device: a new vault that it cannot open, and a new inbox that it cannot read (DESIGN A5).

use core::fmt;

use quicprochat_e2ee::{
    sealed::InboxSecretKey,
    vault::{
        ArchiveRecord, DevicesRecord, HANDOVER_RECORDS, IDENTITY_RECORD, InboxRecord, Job, JobsRecord, LinkRecord,
        LinkSecret, RECOVERY_RECORD, RootKey, StateKey, StateRecord as _,
    },
};
use quicprochat_identity::{DeviceSecretKey, IdentityDraft, UnverifiedKeyPackagePart, VerifiedIdentity};
use quicprochat_wire::{
    DeviceId, Entropy, Timestamp,
    call::{
        directory::{IdentityPart, PublishIdentity, Record},
        vault::VaultRecord,
    },
};

use super::{CeremonyError, DeviceAccount, OpenVault, account_state, archive, conversation_list, records};

impl OpenVault {
    /// Removes a device from the account and rolls the vault. `record` is the account's record with the KeyPackages of the
    /// remaining devices, to which the new state key is handed over.
    ///
    /// Errors:   [`CeremonyError::UnknownDevice`]; [`CeremonyError::UnknownRecord`] - the vault holds something that only a
    ///           newer client can carry over; [`CeremonyError::UnknownWay`] - the same of a way in;
    ///           [`CeremonyError::PasswordNeeded`] - it was not the password that opened the vault.
    pub fn revoke(
        &self,
        device: DeviceId,
        record: &Record,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<(PublishIdentity, RolledVault), CeremonyError> {
        let mut draft = self.identity.next_draft(now.day_start());
        draft.remove_device(device)?;
        self.roll(draft, vec![device], &[], record, entropy)
    }

    /// Rolls the vault away from devices that the draft does not name any more; `beside` are inbox keys that the vault may lack.
    pub(super) fn roll(
        &self,
        mut draft: IdentityDraft,
        gone: Vec<DeviceId>,
        beside: &[InboxSecretKey],
        record: &Record,
        entropy: &mut dyn Entropy,
    ) -> Result<(PublishIdentity, RolledVault), CeremonyError> {
        if let Some(record) = self.present.iter().find(|id| !records::is_known(**id)) {
            return Err(CeremonyError::UnknownRecord { record: *record });
        }
        let account = self.account();
        let root = RootKey::generate(entropy);
        let state_key = root.state_key();
        let mut inbox_keys = vec![InboxSecretKey::generate(entropy)];
        for key in beside.iter().chain(&self.inbox_keys).take(records::MAX_INBOX_KEYS - 1) {
            if inbox_keys.iter().all(|known| known.as_bytes() != key.as_bytes()) {
                inbox_keys.push(key.clone());
            }
        }
        let mut labels = records::labels_of(&self.labels, &self.identity);
        labels.retain(|label| !gone.contains(&label.device));
        let mut jobs = self.jobs.clone();
        jobs.extend(gone.iter().map(|device| Job::RemoveDevice(*device)));

        let next = |id| self.next_version(id);
        let mut sealed = vec![
            records::seal_identity(&root, account, next(IDENTITY_RECORD), &self.identity_key, entropy)?,
            records::seal_inbox(&state_key, account, next(InboxRecord::ID), &inbox_keys, entropy)?,
            records::seal_labels(&state_key, account, next(DevicesRecord::ID), &labels, entropy)?,
            records::seal_jobs(&state_key, account, next(JobsRecord::ID), &jobs, entropy)?,
        ];
        if let Some(recovery) = &self.recovery {
            sealed.push(records::seal_recovery(&root, account, next(RECOVERY_RECORD), recovery, entropy)?);
        }
        // The device that goes knows the old one.
        let link_secret = self.link_secret.as_ref().map(|_| LinkSecret::generate(entropy));
        if let Some(secret) = &link_secret {
            sealed.push(records::seal_link(&state_key, account, next(LinkRecord::ID), secret, entropy)?);
        }
        // Also if there are none: a device that has not heard of the roll cannot then store its own under the old key.
        sealed.extend(conversation_list::seal(&state_key, account, &self.conversations, next, entropy)?);
        let state = self.account_state.clone()?.unwrap_or_default();
        sealed.extend(account_state::seal_account_state(&state_key, account, &state, &self.versions, entropy)?);
        // Likewise. New objects are sealed under a key that the revoked device does not have.
        let rolled = self.archive.clone()?.rolled(entropy);
        sealed.push(archive::seal_archive(&state_key, account, next(ArchiveRecord::ID), &rolled, entropy)?);
        let remaining: Vec<_> = draft.devices.iter().map(|entry| entry.device).collect();
        let (handovers, without_handover) = self.handovers(&remaining, record, &state_key, entropy)?;
        sealed.extend(handovers);

        draft.inbox_key = records::inbox_public(&inbox_keys)?;
        draft.vault_version = draft.vault_version.saturating_add(1);
        draft.vault_hash = records::vault_hash(&sealed)?;
        let identity = draft.sign(&self.identity_key, entropy)?;
        let request = PublishIdentity {
            identity: IdentityPart(identity.signed_bytes().to_vec()),
            key_packages: Vec::new(),
            wraps: Some(self.wraps_of(&root, link_secret.as_ref(), entropy)?),
            records: sealed,
        };
        Ok((request, RolledVault { identity, state_key, inbox_keys, jobs, gone, without_handover }))
    }

    /// A handover for each remaining device that has a valid KeyPackage. Older ones in places not needed stay: what they hand
    /// over opens nothing any more.
    fn handovers(
        &self,
        remaining: &[DeviceId],
        record: &Record,
        state_key: &StateKey,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<VaultRecord>, Vec<DeviceId>), CeremonyError> {
        let (mut sealed, mut without) = (Vec::new(), Vec::new());
        for device in remaining {
            let id = HANDOVER_RECORDS.saturating_add(u32::try_from(sealed.len()).unwrap_or(u32::MAX));
            let version = self.next_version(id);
            let package = self.key_package_of(*device, record);
            let handover = package
                .and_then(|package| records::seal_handover(&package, self.account(), *device, state_key, entropy));
            match handover {
                Some(handover) => sealed.push(VaultRecord { id, version, sealed: handover }),
                None => without.push(*device),
            }
        }
        Ok((sealed, without))
    }

    /// The KeyPackage that a device published last, if its part verifies.
    fn key_package_of(&self, device: DeviceId, record: &Record) -> Option<Vec<u8>> {
        let part = record.key_packages.iter().find(|part| part.device == device)?;
        let verified = UnverifiedKeyPackagePart::parse(&part.bytes).ok()?.verify(&self.identity).ok()?;
        (verified.device() == device).then(|| verified.key_package().to_vec())
    }
}

/// What the account has after a revocation, or its renewed record, was published.
pub struct RolledVault {
    identity: VerifiedIdentity,
    state_key: StateKey,
    inbox_keys: Vec<InboxSecretKey>,
    jobs: Vec<Job>,
    gone: Vec<DeviceId>,
    without_handover: Vec<DeviceId>,
}

impl RolledVault {
    /// With the keys of before, under a new identity part.
    pub(super) fn unrolled(vault: &OpenVault, identity: VerifiedIdentity) -> Self {
        Self {
            identity,
            state_key: vault.state_key.clone(),
            inbox_keys: vault.inbox_keys.clone(),
            jobs: vault.jobs.clone(),
            gone: Vec::new(),
            without_handover: Vec::new(),
        }
    }

    /// Carries the new keys over to the device that revoked, once the server has answered.
    ///
    /// Errors:   [`CeremonyError::UnknownDevice`] if it was this device that was revoked.
    pub fn apply(self, account: &DeviceAccount) -> Result<DeviceAccount, CeremonyError> {
        let device = account.device;
        self.identity.device(&device).ok_or(CeremonyError::UnknownDevice { device })?;
        Ok(DeviceAccount {
            identity: self.identity,
            state_key: self.state_key,
            inbox_keys: self.inbox_keys,
            device,
            device_key: DeviceSecretKey::from_bytes(&account.device_key.to_bytes()),
        })
    }

    /// The new identity part.
    #[must_use]
    pub const fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// What the account's devices have to do now: remove the device from every conversation.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The devices that were revoked with it.
    #[must_use]
    pub fn gone(&self) -> &[DeviceId] {
        &self.gone
    }

    /// Remaining devices to which nothing could be handed over; they go on with the password.
    #[must_use]
    pub fn without_handover(&self) -> &[DeviceId] {
        &self.without_handover
    }
}

impl fmt::Debug for RolledVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RolledVault({:?})", self.identity)
    }
}
