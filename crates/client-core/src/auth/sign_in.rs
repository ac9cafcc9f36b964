//! Sign-in: from a password to an open vault.

use core::fmt;

use quicprochat_e2ee::vault::RootKey;
use quicprochat_identity::{AccountName, VerifiedIdentity};
use quicprochat_wire::{
    AccountId, Entropy, Fingerprint,
    call::{
        auth::{SignInFinish, SignInStart, SignInStarted, SignedIn},
        directory::{OwnRecord, Record},
        vault::{VaultFetch, VaultRecords},
    },
};

use super::{
    CeremonyError, OpenVault, Password,
    opaque::{ExportKey, SignInExchange},
    records,
};

/// A sign-in whose first request is made.
pub struct SignIn {
    name: AccountName,
    exchange: SignInExchange,
}

impl SignIn {
    /// Makes the first request.
    ///
    /// Errors:   [`CeremonyError::Crypto`] for an empty or overlong password.
    pub fn start(
        name: AccountName,
        password: Password,
        entropy: &mut dyn Entropy,
    ) -> Result<(SignInStart, Self), CeremonyError> {
        let (request, exchange) = SignInExchange::start(password, entropy)?;
        let request = SignInStart { name: name.to_string(), request };
        Ok((request, Self { name, exchange }))
    }

    /// Takes the server's answer and makes the second request, which proves the password.
    ///
    /// Slow: stretches the password.
    ///
    /// Errors:   [`CeremonyError::SignInFailed`], [`CeremonyError::StretchRefused`], [`CeremonyError::Malformed`].
    pub fn prove(
        self,
        answer: &SignInStarted,
        server: &Fingerprint,
        entropy: &mut dyn Entropy,
    ) -> Result<(SignInFinish, ProvedSignIn), CeremonyError> {
        let Self { name, exchange } = self;
        let (finalization, export_key) = exchange.finish(&answer.response, &name, server, &answer.stretch, entropy)?;
        Ok((SignInFinish { finalization }, ProvedSignIn { name, export_key }))
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({:?})", self.name)
    }
}

/// A sign-in whose password was right.
pub struct ProvedSignIn {
    pub(super) name: AccountName,
    pub(super) export_key: ExportKey,
}

impl ProvedSignIn {
    /// Takes the server's answer and unwraps the vault's root key.
    ///
    /// Errors:   [`CeremonyError::VaultSealed`].
    pub fn unwrap(self, answer: &SignedIn) -> Result<UnwrappedVault, CeremonyError> {
        let root = records::unwrap(&answer.wraps, &self.export_key, answer.account)?;
        Ok(UnwrappedVault { name: self.name, account: answer.account, export_key: self.export_key, root })
    }
}

impl fmt::Debug for ProvedSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvedSignIn({:?})", self.name)
    }
}

/// A vault whose root key is there and whose records are not.
pub struct UnwrappedVault {
    name: AccountName,
    account: AccountId,
    export_key: ExportKey,
    root: RootKey,
}

impl UnwrappedVault {
    /// What to ask next on the same connection.
    #[must_use]
    pub const fn requests(&self) -> (OwnRecord, VaultFetch) {
        (OwnRecord {}, VaultFetch { ids: Vec::new() })
    }

    /// Opens the vault and checks it against the account's record, and the record against `known`, the newest own identity
    /// part that this device has seen, if it has seen one.
    ///
    /// Errors:   [`CeremonyError::IdentityMismatch`], [`CeremonyError::RecordRolledBack`],
    ///           [`CeremonyError::VaultRolledBack`] - the server is not to be trusted;
    ///           [`CeremonyError::RecordMissing`], [`CeremonyError::RecordSealed`] - the vault is damaged;
    ///           [`CeremonyError::Record`].
    pub fn open(
        self,
        record: &Record,
        vault: &VaultRecords,
        known: Option<&VerifiedIdentity>,
    ) -> Result<OpenVault, CeremonyError> {
        OpenVault::open(self.name, self.account, self.root, self.export_key, record, vault, known)
    }
}

impl fmt::Debug for UnwrappedVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnwrappedVault({:?})", self.account)
    }
}
