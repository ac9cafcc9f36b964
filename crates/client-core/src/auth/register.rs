//! Registration: a new account with its first device.

use core::fmt;

use quicprochat_e2ee::{
    mls::OwnDevice,
    sealed::InboxSecretKey,
    vault::{RecoveryKey, RecoveryRecord, RootKey, StateKey},
};
use quicprochat_identity::{
    AccountName, DeviceSecretKey, IdentityDraft, IdentitySecretKey, VerifiedIdentity, check_password_strength,
    password::{DEFAULT_STRETCH, RECOVERY_STRETCH},
};
use quicprochat_wire::{
    DeviceId, Entropy, Fingerprint, Timestamp,
    call::{
        auth::{OpaqueRecord, RegisterFinish, RegisterStart, RegisterStarted},
        directory::IdentityPart,
        vault::{VaultRecord, VaultWrap, WAY_PASSWORD, WAY_RECOVERY},
    },
    entropy::random_array,
};

use super::{
    CeremonyError, DeviceAccount, Password, WayIn,
    device::{key_package_part, own_device},
    opaque::RegistrationExchange,
    records::{self, DeviceLabel},
};

/// A registration whose first request is made.
pub struct Registration {
    name: AccountName,
    invite: Option<String>,
    exchange: RegistrationExchange,
    recovery_key: RecoveryKey,
    recovery_exchange: RegistrationExchange,
}

impl Registration {
    /// Checks the password, draws a recovery key and makes the first request.
    ///
    /// Errors:   [`CeremonyError::PasswordWeak`].
    pub fn start(
        name: AccountName,
        password: Password,
        invite: Option<String>,
        entropy: &mut dyn Entropy,
    ) -> Result<(RegisterStart, Self), CeremonyError> {
        check_password_strength(password.as_str(), Some(&name))?;
        let (request, exchange) = RegistrationExchange::start(password, entropy)?;
        let recovery_key = RecoveryKey::generate(entropy);
        let (_, secret) = WayIn::RecoveryKey(recovery_key.clone()).into_secret();
        let (recovery, recovery_exchange) = RegistrationExchange::start(secret, entropy)?;
        let request =
            RegisterStart { name: name.to_string(), invite: invite.clone(), request, recovery: Some(recovery) };
        Ok((request, Self { name, invite, exchange, recovery_key, recovery_exchange }))
    }

    /// Takes the server's answer; makes the identity, the device and the vault. `label` is the device's name for people.
    ///
    /// Slow: stretches the password and the recovery key.
    ///
    /// Errors:   [`CeremonyError::Malformed`], [`CeremonyError::LabelTooLong`].
    pub fn prepare(
        self,
        answer: &RegisterStarted,
        server: &Fingerprint,
        label: &str,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<PreparedRegistration, CeremonyError> {
        let Self { name, invite, exchange, recovery_key, recovery_exchange } = self;
        let (upload, password_key) = exchange.finish(&answer.response, &name, server, &DEFAULT_STRETCH, entropy)?;
        let response = answer.recovery.as_ref().ok_or(CeremonyError::Malformed)?;
        let (recovery_upload, export_key) =
            recovery_exchange.finish(response, &name, server, &RECOVERY_STRETCH, entropy)?;
        let recovery = RecoveryRecord { key: recovery_key, export_key };

        let identity_key = IdentitySecretKey::generate(entropy);
        let account = identity_key.public().account_id();
        let inbox_keys = vec![InboxSecretKey::generate(entropy)];
        let root = RootKey::generate(entropy);
        let state_key = root.state_key();
        let device = DeviceId::new(random_array(entropy));
        let device_key = DeviceSecretKey::generate(entropy);
        let labels = [DeviceLabel::new(device, label)?];

        let sealed_identity = records::seal_identity(&root, account, 1, &identity_key, entropy)?;
        let records = vec![
            sealed_identity,
            records::seal_inbox(&state_key, account, 1, &inbox_keys, entropy)?,
            records::seal_labels(&state_key, account, 1, &labels, entropy)?,
            records::seal_recovery(&root, account, 1, &recovery, entropy)?,
        ];
        let wraps = vec![
            records::wrap(&root, WAY_PASSWORD, &password_key, account, entropy)?,
            records::wrap(&root, WAY_RECOVERY, &recovery.export_key, account, entropy)?,
        ];
        let mut draft = IdentityDraft {
            name,
            serial: 1,
            time: now.day_start(),
            inbox_key: records::inbox_public(&inbox_keys)?,
            devices: Vec::new(),
            removed: Vec::new(),
            vault_version: 1,
            vault_hash: records::vault_hash(&records)?,
        };
        draft.add_device(&identity_key, device, device_key.public());
        let identity = draft.sign(&identity_key, entropy)?;
        Ok(PreparedRegistration {
            invite,
            upload,
            recovery_upload,
            recovery_key: recovery.key,
            wraps,
            records,
            identity,
            device,
            device_key,
            state_key,
            inbox_keys,
        })
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({:?})", self.name)
    }
}

/// A registration that lacks only its KeyPackage.
pub struct PreparedRegistration {
    invite: Option<String>,
    upload: Vec<u8>,
    recovery_upload: Vec<u8>,
    recovery_key: RecoveryKey,
    wraps: Vec<VaultWrap>,
    records: Vec<VaultRecord>,
    identity: VerifiedIdentity,
    device: DeviceId,
    device_key: DeviceSecretKey,
    state_key: StateKey,
    inbox_keys: Vec<InboxSecretKey>,
}

impl PreparedRegistration {
    /// What the first KeyPackage is to be made for.
    ///
    /// Errors:   none in practice: the identity part was made with this device.
    pub fn own_device(&self) -> Result<OwnDevice, CeremonyError> {
        let unknown = CeremonyError::UnknownDevice { device: self.device };
        let entry = self.identity.device(&self.device).ok_or(unknown)?;
        Ok(own_device(&self.identity, entry, &self.device_key))
    }

    /// The account's recovery key, to show it to the person once the account is there. [`super::OpenVault::recovery_key`]
    /// shows it again.
    #[must_use]
    pub const fn recovery_key(&self) -> &RecoveryKey {
        &self.recovery_key
    }

    /// Makes the last request, and what the device is to store before it sends the request.
    ///
    /// Errors:   [`CeremonyError::Record`] for a KeyPackage that does not fit its row.
    pub fn finish(self, key_package: &[u8], now: Timestamp) -> Result<(RegisterFinish, DeviceAccount), CeremonyError> {
        let account = self.identity.account();
        let request = RegisterFinish {
            name: self.identity.name().to_string(),
            invite: self.invite,
            upload: self.upload,
            stretch: DEFAULT_STRETCH,
            identity: IdentityPart(self.identity.signed_bytes().to_vec()),
            key_package: key_package_part(account, self.device, &self.device_key, key_package, now)?,
            wraps: self.wraps,
            records: self.records,
            recovery: Some(OpaqueRecord { upload: self.recovery_upload, stretch: RECOVERY_STRETCH }),
        };
        let account = DeviceAccount {
            identity: self.identity,
            device: self.device,
            device_key: self.device_key,
            state_key: self.state_key,
            inbox_keys: self.inbox_keys,
        };
        Ok((request, account))
    }
}

impl fmt::Debug for PreparedRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedRegistration({:?})", self.identity)
    }
}
