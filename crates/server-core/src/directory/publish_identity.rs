//! `publish-identity`: enrols and revokes devices, with whatever of the vault must change along (DESIGN A5).

use std::collections::BTreeMap;

use quicprochat_identity::{IdentityContent, VerifiedIdentity};
use quicprochat_wire::{
    DeviceId, ErrorCode,
    call::{
        Done,
        directory::{KeyPackagePart, PublishIdentity},
    },
    mutant::{Mutant, is_on},
};

use super::rows::{device_row, identity_row, stored_identity, verify_identity};
use crate::{
    connection::{AccountConnection, SignedIn},
    shared::Core,
    store::{DeviceRow, Refusal, StoreTx, write},
    vault::{check_wraps, new_version, put_records},
};

pub(crate) async fn publish_identity(
    core: &Core,
    connection: &AccountConnection,
    caller: SignedIn,
    request: PublishIdentity,
) -> Result<Done, Refusal> {
    let PublishIdentity { identity, key_packages, wraps, records } = request;
    let identity = verify_identity(&identity)?;
    if identity.account() != caller.account {
        return Err(ErrorCode::RecordInvalid.into());
    }
    if let Some(wraps) = &wraps {
        check_wraps(wraps)?;
    }
    let added = rows_by_device(&identity, &key_packages)?;
    let row = identity_row(&identity)?;
    let vault_bytes = core.config.limits.vault_bytes;
    let devices: Vec<DeviceId> = identity.devices().iter().map(|entry| entry.device).collect();
    let device = connection.state().device;
    let signed_in = write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        if wraps.is_some() || !added.is_empty() {
            caller.confirm_device(tx, device)?;
        }
        check_succession(&identity, stored_identity(tx, &caller.account)?.claimed(), !records.is_empty())?;
        replace_devices(tx, &identity, added)?;
        tx.directory().put_identity(&caller.account, &row)?;
        let mut signed_in = caller;
        if let Some(wraps) = wraps {
            tx.vaults().set_wraps(&caller.account, &wraps)?;
            signed_in = new_version(tx, caller)?;
        }
        put_records(tx, &caller.account, &records, vault_bytes)?;
        Ok(signed_in)
    })
    .await?;
    connection.state().signed_in = Some(signed_in);
    // Subscriptions of a device that is gone end now, and so do its links.
    core.links.keep_devices(&caller.account, |device| devices.contains(device));
    core.account_wakers.wake(&caller.account);
    Ok(Done)
}

fn rows_by_device(
    identity: &IdentityContent,
    parts: &[KeyPackagePart],
) -> Result<BTreeMap<DeviceId, DeviceRow>, ErrorCode> {
    let mut rows = BTreeMap::new();
    for part in parts {
        if rows.insert(part.device, device_row(identity, part)?).is_some() {
            return Err(ErrorCode::RecordInvalid);
        }
    }
    Ok(rows)
}

/// A serial may be passed over where vault records come along, whose versions say what the part follows on: after a restore from a
/// backup the account's devices have seen serials that this server has not.
///
/// Errors:   `version-conflict` for a serial that does not follow, `record-invalid` for what a new part may not change.
fn check_succession(new: &VerifiedIdentity, stored: &IdentityContent, compared: bool) -> Result<(), ErrorCode> {
    if new.key() != stored.key() || new.name() != stored.name() {
        return Err(ErrorCode::RecordInvalid);
    }
    let follows = Some(new.serial()) == stored.serial().checked_add(1) || (compared && new.serial() > stored.serial());
    if !follows {
        return Err(ErrorCode::VersionConflict);
    }
    let came_back = |device: &DeviceId| stored.removed().contains(device);
    if new.devices().iter().any(|entry| came_back(&entry.device)) {
        return Err(ErrorCode::RecordInvalid);
    }
    let gone = stored.devices().iter().filter(|entry| new.device(&entry.device).is_none());
    if gone.into_iter().any(|entry| !new.removed().contains(&entry.device)) {
        return Err(ErrorCode::RecordInvalid);
    }
    Ok(())
}

/// Drops the devices that the part does not name any more, and stores those it adds. A device that is new, or has a new key,
/// comes with a KeyPackage part; others do not.
fn replace_devices(
    tx: &mut dyn StoreTx,
    identity: &IdentityContent,
    mut added: BTreeMap<DeviceId, DeviceRow>,
) -> Result<(), Refusal> {
    let account = identity.account();
    let stored = tx.directory().devices(&account)?;
    for row in &stored {
        if identity.device(&row.device).is_none() && !is_on(Mutant::RevokedDeviceSignsIn) {
            tx.directory().remove_device(&account, &row.device)?;
        }
    }
    for entry in identity.devices() {
        let unchanged = stored.iter().any(|row| row.device == entry.device && row.key == entry.key);
        match added.remove(&entry.device) {
            Some(row) if !unchanged => tx.directory().put_device(&account, &row)?,
            None if unchanged => {}
            _ => return Err(ErrorCode::RecordInvalid.into()),
        }
    }
    Ok(())
}
