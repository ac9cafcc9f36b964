//! Going on after a server was put back to an older backup, which knows an older record of the account than this device.

use quicprochat_e2ee::vault::{DevicesRecord, StateRecord as _};
use quicprochat_identity::{IdentityDraft, Succession, VerifiedIdentity, record::MAX_REMOVED_DEVICES};
use quicprochat_wire::{
    DeviceId, Entropy, Timestamp,
    call::directory::{IdentityPart, PublishIdentity, Record},
};

use super::{CeremonyError, DeviceAccount, OpenVault, RolledVault, records};

impl OpenVault {
    /// Signs the account's record anew, on top of what the server has and above every serial that this device has seen, so that
    /// who has seen the newer one goes on. What this device knows to be revoked is revoked again, and the vault rolled, if it was
    /// rolled since. The vault comes of [`super::UnwrappedVault::open_older`]: only a person can say that the server was
    /// put back, and does not lie.
    ///
    /// A `version-conflict` means that another device changed the account in between: fetch, open and try again.
    ///
    /// Errors:   [`CeremonyError::UnknownDevice`] - this device was enrolled after the backup, and has to be enrolled again;
    ///           [`CeremonyError::RecordForked`], [`CeremonyError::IdentityMismatch`]; else as [`Self::revoke`].
    pub fn renew_record(
        &self,
        own: &DeviceAccount,
        record: &Record,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<(PublishIdentity, RolledVault), CeremonyError> {
        let (found, known) = (&self.identity, &own.identity);
        let behind = match found.succession(known) {
            Succession::Same | Succession::Newer => false,
            Succession::Older => true,
            Succession::Forked => return Err(CeremonyError::RecordForked { serial: found.serial() }),
            Succession::ChangedKey => {
                return Err(CeremonyError::IdentityMismatch { expected: known.account(), found: found.account() });
            }
        };
        found.device(&own.device).ok_or(CeremonyError::UnknownDevice { device: own.device })?;
        let mut draft = found.next_draft(now.day_start());
        draft.serial = found.serial().max(known.serial()).saturating_add(1);
        let gone = if behind { carry_over(&mut draft, known) } else { Vec::new() };
        if behind && (known.vault_version() != found.vault_version() || !gone.is_empty()) {
            draft.vault_version = found.vault_version().max(known.vault_version());
            return self.roll(draft, gone, &own.inbox_keys, record, entropy);
        }
        // The device list's record goes along although it says the same: its version is what the server compares, where the
        // serial is not the next one.
        let labels = records::labels_of(&self.labels, found);
        let version = self.next_version(DevicesRecord::ID);
        let record = records::seal_labels(&self.state_key, self.account(), version, &labels, entropy)?;
        let identity = draft.sign(&self.identity_key, entropy)?;
        let request = PublishIdentity {
            identity: IdentityPart(identity.signed_bytes().to_vec()),
            key_packages: Vec::new(),
            wraps: None,
            records: vec![record],
        };
        Ok((request, RolledVault::unrolled(self, identity)))
    }
}

/// Takes over what a newer part says of devices that are gone: whoever it does not name any more, whether or not it still knows
/// them for removed, does not come back. Returns those that the draft named.
fn carry_over(draft: &mut IdentityDraft, known: &VerifiedIdentity) -> Vec<DeviceId> {
    let gone: Vec<DeviceId> =
        draft.devices.iter().map(|entry| entry.device).filter(|device| known.device(device).is_none()).collect();
    draft.devices.retain(|entry| !gone.contains(&entry.device));
    draft.removed.retain(|device| !known.removed().contains(device));
    draft.removed.extend(known.removed().iter().filter(|device| !gone.contains(device)));
    draft.removed.extend(&gone);
    let surplus = draft.removed.len().saturating_sub(MAX_REMOVED_DEVICES);
    draft.removed.drain(..surplus);
    gone
}
