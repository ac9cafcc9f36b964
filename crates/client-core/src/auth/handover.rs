//! Going on after another device of the account rolled the vault.

use quicprochat_e2ee::vault::{Job, StateKey};
use quicprochat_identity::DeviceSecretKey;
use quicprochat_wire::call::{
    directory::Record,
    vault::{VaultRecord, VaultRecords},
};

use super::{
    CeremonyError, DeviceAccount,
    open_vault::{open_own_inbox, own_identity},
    records,
};

/// What a device has after it caught up with its account's record.
#[derive(Debug)]
pub struct Adopted {
    /// The device with the newest identity part and keys.
    pub account: DeviceAccount,
    /// What the account's devices have to do.
    pub jobs: Vec<Job>,
    /// Whether the vault had been rolled: then the new keys are to be stored before anything else is done.
    pub rolled: bool,
}

/// Takes a newer own record and the vault's records (`own-record`, `vault-fetch` of everything).
///
/// `open` tries to open a handover with the private keys of this device's KeyPackages; it is asked for each of them. A
/// KeyPackage names the identity part it was made under: publish a fresh one afterwards.
///
/// Errors:   [`CeremonyError::UnknownDevice`] - this device was revoked; [`CeremonyError::VaultSealed`] - the vault was rolled
///           and nothing handed over to this device: the person signs in again; [`CeremonyError::IdentityMismatch`],
///           [`CeremonyError::RecordRolledBack`], [`CeremonyError::VaultRolledBack`] - the server is not to be trusted.
pub fn adopt(
    account: &DeviceAccount,
    record: &Record,
    vault: &VaultRecords,
    open: impl FnMut(&[u8]) -> Option<StateKey>,
) -> Result<Adopted, CeremonyError> {
    let known = &account.identity;
    let identity = own_identity(record, known.account(), Some(known))?;
    let device = account.device;
    identity.device(&device).ok_or(CeremonyError::UnknownDevice { device })?;
    let rolled = identity.vault_version() != known.vault_version();
    let (state_key, inbox_keys) = if rolled {
        // Anybody can seal a handover: the one that counts opens the inbox key that the identity part announces.
        let mut keys = handovers(&vault.records).filter_map(open);
        keys.find_map(|key| open_own_inbox(&key, &identity, &vault.records).ok().map(|inbox| (key, inbox)))
            .ok_or(CeremonyError::VaultSealed)?
    } else {
        (account.state_key.clone(), open_own_inbox(&account.state_key, &identity, &vault.records)?)
    };
    let jobs = records::jobs(&state_key, identity.account(), &vault.records)?;
    let device_key = DeviceSecretKey::from_bytes(&account.device_key.to_bytes());
    Ok(Adopted { account: DeviceAccount { identity, device, device_key, state_key, inbox_keys }, jobs, rolled })
}

fn handovers(records: &[VaultRecord]) -> impl Iterator<Item = &[u8]> {
    let handovers = records.iter().filter(|record| records::is_handover(record.id) && !record.sealed.is_empty());
    handovers.map(|record| record.sealed.as_slice())
}
