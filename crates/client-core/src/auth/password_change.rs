//! Change of the password: a new OPAQUE record and a new wrap, in one call (DESIGN A4).

use core::fmt;

use quicprochat_identity::{check_password_strength, password::DEFAULT_STRETCH};
use quicprochat_wire::{
    Entropy, Fingerprint,
    call::{
        auth::{PasswordFinish, PasswordStart, RegisterStarted},
        vault::{VaultWrap, WAY_PASSWORD},
    },
};

use super::{
    CeremonyError, OpenVault, Password,
    opaque::{ExportKey, RegistrationExchange},
};

/// A change of the password whose first request is made.
pub struct PasswordChange {
    exchange: RegistrationExchange,
}

impl PasswordChange {
    /// Checks the new password and makes the first request, for the connection that was signed in with
    /// the old one or with the recovery key.
    ///
    /// Errors:   [`CeremonyError::PasswordWeak`].
    pub fn start(
        vault: &OpenVault,
        password: Password,
        entropy: &mut dyn Entropy,
    ) -> Result<(PasswordStart, Self), CeremonyError> {
        check_password_strength(password.as_str(), Some(vault.identity.name()))?;
        let (request, exchange) = RegistrationExchange::start(password, entropy)?;
        Ok((PasswordStart { request, way: WAY_PASSWORD }, Self { exchange }))
    }

    /// Takes the server's answer and makes the last request. Until the server has answered that, either password may be
    /// the one in force; afterwards [`ChangedPassword::apply`] lets the open vault go on.
    ///
    /// Slow: stretches the password.
    ///
    /// Errors:   [`CeremonyError::Malformed`].
    pub fn finish(
        self,
        vault: &OpenVault,
        answer: &RegisterStarted,
        server: &Fingerprint,
        entropy: &mut dyn Entropy,
    ) -> Result<(PasswordFinish, ChangedPassword), CeremonyError> {
        let stretch = DEFAULT_STRETCH;
        let name = vault.identity.name();
        let (upload, export_key) = self.exchange.finish(&answer.response, name, server, &stretch, entropy)?;
        let wraps = vault.wraps_with(WAY_PASSWORD, &export_key, entropy)?;
        let changed = ChangedPassword { export_key, wraps: wraps.clone() };
        Ok((PasswordFinish { upload, stretch, wraps, way: WAY_PASSWORD, records: Vec::new() }, changed))
    }
}

impl fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordChange")
    }
}

/// The new password's half of the vault.
pub struct ChangedPassword {
    export_key: ExportKey,
    wraps: Vec<VaultWrap>,
}

impl ChangedPassword {
    /// Lets later wraps of the open vault be made for the new password.
    pub fn apply(self, vault: &mut OpenVault) {
        vault.export_key = Some(self.export_key);
        vault.wraps = self.wraps;
    }
}

impl fmt::Debug for ChangedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangedPassword")
    }
}
