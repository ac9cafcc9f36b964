//! The account's devices: what they are called, and revoking one.

use quicprochat_client_core::{
    auth::{self, DeviceAccount, Password},
    store::{RevocationJob, StoreTx},
};
use quicprochat_transport::LinkError;
use quicprochat_wire::{
    CallFailure, DeviceId, ErrorCode,
    call::{directory::OwnRecord, vault::VaultFetch},
};

use super::{Client, Expected, SignedIn};
use crate::{ClientError, OsEntropy, entropy::now};

/// How often a change begins anew because another device changed the same record.
const TRIES: usize = 4;

/// A device of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Its id.
    pub device: DeviceId,
    /// What its owner calls it.
    pub label: Option<String>,
    /// Whether it is this one.
    pub this: bool,
}

/// What became of an account's record that was signed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewedRecord {
    /// Its number.
    pub serial: u64,
    /// Devices that the server had back, and has no more.
    pub revoked: Vec<DeviceId>,
    /// Devices that the server does not know any more: each has to log in again.
    pub missing: Vec<DeviceId>,
}

impl Client {
    /// The devices on the account's record, with their labels from the vault.
    pub async fn devices(&mut self) -> Result<Vec<DeviceView>, ClientError> {
        let (link, account) = self.authenticated().await?;
        let record = link.call(OwnRecord {}).await?;
        let device = DeviceAccount::from_stored(&account)?;
        let identity = auth::check_own_record(&record, &device.identity)?;
        let records = link.call(VaultFetch { ids: Vec::new() }).await?.records;
        let labels = auth::device_labels(&device.state_key, account.account, &records)?;
        let label = |id| labels.iter().find(|label| label.device == id).map(|label| label.label.clone());
        let views = identity.devices().iter().map(|entry| DeviceView {
            device: entry.device,
            label: label(entry.device),
            this: entry.device == account.device,
        });
        Ok(views.collect())
    }

    /// Gives a device a name that only the account's own devices see.
    pub async fn rename_device(&mut self, device: DeviceId, label: &str) -> Result<(), ClientError> {
        let (link, account) = self.authenticated().await?;
        let own = DeviceAccount::from_stored(&account)?;
        for _ in 0..TRIES {
            let records = link.call(VaultFetch { ids: Vec::new() }).await?.records;
            let request =
                auth::rename_device(&own.state_key, account.account, &records, device, label, &mut OsEntropy)?;
            match link.call(request).await {
                Err(LinkError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. })) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
        Err(ClientError::Contended)
    }

    /// Signs the account's record anew, above every serial that this device has seen, where the server was put back to an older
    /// backup; what was revoked since is revoked again. Only to be done when a person says that the server was put back: who runs
    /// it decides what it shows. The removal from conversations goes on with the next sync.
    ///
    /// Errors:   [`ClientError::DeviceUnknown`] - this device was added after the backup: log in again.
    pub async fn renew_record(&mut self, password: Password) -> Result<RenewedRecord, ClientError> {
        for _ in 0..TRIES {
            let account = self.registered()?;
            let own = DeviceAccount::from_stored(&account)?;
            let SignedIn { link, vault, record, .. } = self.own_sign_in_to(password.clone(), Expected::Older).await?;
            if vault.identity().device(&own.device).is_none() {
                return Err(ClientError::DeviceUnknown);
            }
            let listed = |device: &DeviceId| vault.identity().device(device).is_some();
            let before = own.identity.devices().iter().map(|entry| entry.device);
            let behind = vault.identity().serial() < own.identity.serial();
            let missing = before.filter(|device| behind && !listed(device)).collect();
            let (request, renewed) = vault.renew_record(&own, &record, now(), &mut OsEntropy)?;
            match link.call(request).await {
                Err(LinkError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. })) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            let (serial, revoked) = (renewed.identity().serial(), renewed.gone().to_vec());
            let own = renewed.apply(&own)?;
            let tx = self.store.begin()?;
            tx.account().put_own_account(&own.to_stored(account.server.clone(), account.host)?)?;
            for device in &revoked {
                tx.upkeep().put_revocation_job(&RevocationJob { device: *device, since: now() })?;
            }
            tx.commit()?;
            return Ok(RenewedRecord { serial, revoked, missing });
        }
        Err(ClientError::Contended)
    }

    /// Revokes a device: the record and the vault at once; its removal from the conversations is a job in the store that the
    /// engine works off (`Command::RemoveDevice`).
    pub async fn revoke_device(&mut self, device: DeviceId, password: Password) -> Result<(), ClientError> {
        for _ in 0..TRIES {
            let account = self.registered()?;
            let SignedIn { link, vault, record, .. } = self.own_sign_in(password.clone()).await?;
            let (request, rolled) = vault.revoke(device, &record, now(), &mut OsEntropy)?;
            match link.call(request).await {
                Err(LinkError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. })) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            let own = rolled.apply(&DeviceAccount::from_stored(&account)?)?;
            let tx = self.store.begin()?;
            tx.account().put_own_account(&own.to_stored(account.server.clone(), account.host)?)?;
            tx.upkeep().put_revocation_job(&RevocationJob { device, since: now() })?;
            return Ok(tx.commit()?);
        }
        Err(ClientError::Contended)
    }
}
