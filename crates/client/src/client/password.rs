//! What only the password may do to the account as a whole.

use quicprochat_client_core::auth::{self, DeviceAccount, Password, PasswordChange};

use super::{Client, SignedIn, blocking, verified_identity};
use crate::{ClientError, OsEntropy};

impl Client {
    /// Changes the password: the server's record and the vault's wrap, in one transaction there.
    pub async fn change_password(&mut self, old: Password, new: Password) -> Result<(), ClientError> {
        let server = self.registered()?.server;
        let SignedIn { link, vault, .. } = self.own_sign_in(old).await?;
        let (request, change) = PasswordChange::start(&vault, new, &mut OsEntropy)?;
        let answer = link.call(request).await?;
        let fingerprint = *server.fingerprint();
        let (request, _) = blocking(move || change.finish(&vault, &answer, &fingerprint, &mut OsEntropy)).await??;
        link.call(request).await?;
        Ok(())
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
    pub(super) async fn own_sign_in(&mut self, password: Password) -> Result<SignedIn, ClientError> {
        let account = self.registered()?;
        let device = DeviceAccount::from_stored(&account)?;
        let known = verified_identity(&account.identity)?;
        self.signed_in(&account.server, device.identity.name(), password, Some(&known)).await
    }
}
