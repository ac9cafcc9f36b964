//! A new recovery key: a new OPAQUE record, a new wrap and a new record of the vault, in one call (DESIGN A4).

use core::fmt;

use quicprochat_e2ee::vault::{RECOVERY_RECORD, RecoveryKey, RecoveryRecord};
use quicprochat_identity::password::RECOVERY_STRETCH;
use quicprochat_wire::{
    Entropy, Fingerprint,
    call::{
        auth::{PasswordFinish, PasswordStart, RegisterStarted},
        vault::WAY_RECOVERY,
    },
};

use super::{CeremonyError, OpenVault, WayIn, opaque::RegistrationExchange, records};

/// A change of the recovery key whose first request is made.
pub struct RecoveryChange {
    key: RecoveryKey,
    exchange: RegistrationExchange,
}

impl RecoveryChange {
    /// Draws a key and makes the first request, for a connection that is signed in.
    ///
    /// Errors:   [`CeremonyError::Crypto`].
    pub fn start(entropy: &mut dyn Entropy) -> Result<(PasswordStart, Self), CeremonyError> {
        let key = RecoveryKey::generate(entropy);
        let (way, secret) = WayIn::RecoveryKey(key.clone()).into_secret();
        let (request, exchange) = RegistrationExchange::start(secret, entropy)?;
        Ok((PasswordStart { request, way }, Self { key, exchange }))
    }

    /// Takes the server's answer and makes the last request, and the key to show once the server has answered that. An
    /// earlier key, if there is one, opens nothing from then on. Should the answer be lost,
    /// [`OpenVault::recovery_key`] of a fresh sign-in says which of the two it is.
    ///
    /// The vault is used up: a fresh sign-in opens what it is then.
    ///
    /// A `version-conflict` means that another device changed the key in between.
    ///
    /// Slow: stretches the key.
    ///
    /// Errors:   [`CeremonyError::Malformed`].
    pub fn finish(
        self,
        vault: OpenVault,
        answer: &RegisterStarted,
        server: &Fingerprint,
        entropy: &mut dyn Entropy,
    ) -> Result<(PasswordFinish, RecoveryKey), CeremonyError> {
        let Self { key, exchange } = self;
        let stretch = RECOVERY_STRETCH;
        let (upload, export_key) =
            exchange.finish(&answer.response, vault.identity.name(), server, &stretch, entropy)?;
        let wraps = vault.wraps_with(WAY_RECOVERY, &export_key, entropy)?;
        let record = RecoveryRecord { key: key.clone(), export_key };
        let version = vault.next_version(RECOVERY_RECORD);
        let records = vec![records::seal_recovery(&vault.root, vault.account(), version, &record, entropy)?];
        Ok((PasswordFinish { upload, stretch, wraps, way: WAY_RECOVERY, records }, key))
    }
}

impl fmt::Debug for RecoveryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryChange")
    }
}
