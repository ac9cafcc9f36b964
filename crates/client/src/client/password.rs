//! What only the password, or the recovery key in its place, may do to the account as a whole.

use quicprochat_client_core::auth::{
    self, DeviceAccount, Password, PasswordChange, RecoveryChange, RecoveryKey, WayIn,
};
use quicprochat_transport::LinkError;
use quicprochat_wire::{CallFailure, ErrorCode};

use super::{Client, Expected, SignedIn, blocking};
use crate::{ClientError, OsEntropy, entropy::now};

impl Client {
    /// Changes the password: the server's record and the vault's wrap, in one transaction there. Who has forgotten the old
    /// one proves the recovery key.
    pub async fn change_password(&mut self, proof: impl Into<WayIn>, new: Password) -> Result<(), ClientError> {
        let server = self.registered()?.server;
        let SignedIn { link, vault, .. } = self.own_sign_in(proof).await?;
        let (request, change) = PasswordChange::start(&vault, new, &mut OsEntropy)?;
        let answer = link.call(request).await?;
        let fingerprint = *server.fingerprint();
        let (request, _) = blocking(move || change.finish(&vault, &answer, &fingerprint, &mut OsEntropy)).await??;
        link.call(request).await?;
        Ok(())
    }

    /// The recovery key, to print it again.
    pub async fn recovery_key(&mut self, password: Password) -> Result<RecoveryKey, ClientError> {
        Ok(self.own_sign_in(password).await?.vault.recovery_key()?.clone())
    }

    /// Makes a new recovery key; an earlier one opens nothing from then on.
    pub async fn new_recovery_key(&mut self, password: Password) -> Result<RecoveryKey, ClientError> {
        let server = self.registered()?.server;
        let SignedIn { link, vault, .. } = self.own_sign_in(password).await?;
        let (request, change) = RecoveryChange::start(&mut OsEntropy)?;
        let answer = link.call(request).await?;
        let fingerprint = *server.fingerprint();
        let (request, key) = blocking(move || change.finish(vault, &answer, &fingerprint, &mut OsEntropy)).await??;
        match link.call(request).await {
            Ok(_) => Ok(key),
            Err(LinkError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. })) => {
                Err(ClientError::Contended)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the account take new devices from its devices only, or from whoever has the password; false if it was so already.
    pub async fn require_link(&mut self, required: bool, password: Password) -> Result<bool, ClientError> {
        for _ in 0..super::enrol::TRIES {
            let SignedIn { link, vault, .. } = self.own_sign_in(password.clone()).await?;
            if vault.requires_link() == required {
                return Ok(false);
            }
            match link.call(vault.require_link(required, now(), &mut OsEntropy)?).await {
                Err(LinkError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. })) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(true),
            }
        }
        Err(ClientError::Contended)
    }

    /// Whether this is the account's password, by signing in with it.
    pub async fn check_password(&mut self, password: Password) -> Result<(), ClientError> {
        self.own_sign_in(password).await.map(drop)
    }

    /// Removes everything that the server has of the account, then this home's store and key. Leave the groups first.
    pub async fn delete_account(&mut self, password: Password) -> Result<(), ClientError> {
        let SignedIn { link, .. } = self.own_sign_in(password).await?;
        link.call(auth::delete_account()).await?;
        self.home.erase().map_err(ClientError::from)
    }

    /// Signs in to the home's own account, on a connection of its own.
    pub(super) async fn own_sign_in(&mut self, way_in: impl Into<WayIn>) -> Result<SignedIn, ClientError> {
        self.own_sign_in_to(way_in, Expected::Newest).await
    }

    /// The same, with leave to find an older record of the account.
    pub(super) async fn own_sign_in_to(
        &mut self,
        way_in: impl Into<WayIn>,
        expected: Expected,
    ) -> Result<SignedIn, ClientError> {
        let account = self.registered()?;
        let device = DeviceAccount::from_stored(&account)?;
        self.signed_in(&account.server, device.identity.name(), way_in.into(), Some(&device), expected).await
    }
}
