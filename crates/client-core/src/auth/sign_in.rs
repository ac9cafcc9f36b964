//! Sign-in: from a password or recovery key to an open vault.

use core::fmt;

use quicprochat_e2ee::vault::{LinkSecret, RootKey};
use quicprochat_identity::{AccountName, Succession, VerifiedIdentity};
use quicprochat_wire::{
    AccountId, Entropy, Fingerprint,
    call::{
        auth::{SignInFinish, SignInStart, SignInStarted, SignedIn},
        directory::{OwnRecord, Record},
        vault::{VaultFetch, VaultRecords, VaultWrap},
    },
};

use super::{
    CeremonyError, DeviceAccount, OpenVault, WayIn,
    opaque::{ExportKey, SignInExchange},
    open_vault::own_identity,
    records,
};

/// A sign-in whose first request is made.
pub struct SignIn {
    name: AccountName,
    way: u16,
    exchange: SignInExchange,
}

impl SignIn {
    /// Makes the first request, for a password or a recovery key.
    ///
    /// Errors:   [`CeremonyError::Crypto`] for an empty or overlong password.
    pub fn start(
        name: AccountName,
        way_in: impl Into<WayIn>,
        entropy: &mut dyn Entropy,
    ) -> Result<(SignInStart, Self), CeremonyError> {
        let (way, secret) = way_in.into().into_secret();
        let (request, exchange) = SignInExchange::start(secret, entropy)?;
        let request = SignInStart { name: name.to_string(), request, way };
        Ok((request, Self { name, way, exchange }))
    }

    /// Takes the server's answer and makes the second request, which proves the password or recovery key.
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
        let Self { name, way, exchange } = self;
        let (finalization, export_key) = exchange.finish(&answer.response, &name, server, &answer.stretch, entropy)?;
        Ok((SignInFinish { finalization }, ProvedSignIn { name, way, export_key }))
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({:?})", self.name)
    }
}

/// A sign-in whose password or recovery key was right.
pub struct ProvedSignIn {
    pub(super) name: AccountName,
    pub(super) way: u16,
    pub(super) export_key: ExportKey,
}

impl ProvedSignIn {
    /// Takes the server's answer and unwraps the vault's root key.
    ///
    /// Errors:   [`CeremonyError::VaultSealed`]; [`CeremonyError::LinkRequired`] where [`Self::needs_link`] says so.
    pub fn unwrap(self, answer: &SignedIn) -> Result<UnwrappedVault, CeremonyError> {
        if self.needs_link(answer) {
            return Err(CeremonyError::LinkRequired);
        }
        let root = records::unwrap(&answer.wraps, self.way, &self.export_key, answer.account)?;
        Ok(self.opened(root, answer))
    }

    /// Whether the account takes new devices from its devices only, so that the password does not open the vault alone.
    #[must_use]
    pub fn needs_link(&self, answer: &SignedIn) -> bool {
        records::needs_link(&answer.wraps, self.way)
    }

    /// The same on a device of such an account, which has [`super::link_secret`].
    ///
    /// Errors:   [`CeremonyError::VaultSealed`].
    pub fn unwrap_linked(self, answer: &SignedIn, secret: &LinkSecret) -> Result<UnwrappedVault, CeremonyError> {
        let root = records::unwrap_linked(&answer.wraps, &self.export_key, secret, answer.account)?;
        Ok(self.opened(root, answer))
    }

    fn opened(self, root: RootKey, answer: &SignedIn) -> UnwrappedVault {
        let Self { name, way, export_key } = self;
        let opened = Opened { name, account: answer.account, way, export_key, root, wraps: answer.wraps.clone() };
        UnwrappedVault { opened }
    }
}

impl fmt::Debug for ProvedSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvedSignIn({:?})", self.name)
    }
}

/// A vault whose root key is there and whose records are not.
pub struct UnwrappedVault {
    opened: Opened,
}

/// What the sign-in itself yields.
pub(super) struct Opened {
    pub(super) name: AccountName,
    pub(super) account: AccountId,
    /// Which way was taken.
    pub(super) way: u16,
    /// That way's export key.
    pub(super) export_key: ExportKey,
    pub(super) root: RootKey,
    /// Every wrap there is.
    pub(super) wraps: Vec<VaultWrap>,
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
    ///           [`CeremonyError::RecordForked`], [`CeremonyError::VaultRolledBack`] - the server was put back, or lies;
    ///           [`CeremonyError::RecordMissing`], [`CeremonyError::RecordSealed`] - the vault is damaged;
    ///           [`CeremonyError::Record`].
    pub fn open(
        self,
        record: &Record,
        vault: &VaultRecords,
        known: Option<&VerifiedIdentity>,
    ) -> Result<OpenVault, CeremonyError> {
        let identity = own_identity(record, self.opened.account, known)?;
        OpenVault::open(self.opened, identity, vault, None)
    }

    /// The same where a person says that the server was put back to an older backup: the record may be older than the device's, if the
    /// same identity key signed it. Nothing but [`OpenVault::renew_record`] is to be done with it.
    ///
    /// Errors:   as [`Self::open`], but never [`CeremonyError::RecordRolledBack`].
    pub fn open_older(
        self,
        record: &Record,
        vault: &VaultRecords,
        own: &DeviceAccount,
    ) -> Result<OpenVault, CeremonyError> {
        let (known, identity) = (&own.identity, own_identity(record, self.opened.account, None)?);
        match identity.succession(known) {
            Succession::Same | Succession::Newer | Succession::Older => {
                OpenVault::open(self.opened, identity, vault, Some(&own.state_key))
            }
            Succession::Forked => Err(CeremonyError::RecordForked { serial: identity.serial() }),
            Succession::ChangedKey => {
                Err(CeremonyError::IdentityMismatch { expected: known.account(), found: identity.account() })
            }
        }
    }
}

impl fmt::Debug for UnwrappedVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnwrappedVault({:?})", self.opened.account)
    }
}
