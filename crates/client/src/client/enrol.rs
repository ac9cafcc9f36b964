//! Register an account, or make this home a further device of one.
//!
//! What the device is to keep is stored before the last request leaves, under a setting of its own: should the program end
//! before the answer comes, the next attempt asks the server whether it counted.

use quicprochat_client_core::{
    archive,
    auth::{self, CeremonyError, ConversationList, DeviceAccount, Password, RecoveryKey, Registration, WayIn},
    state,
    store::{KeyPackageState, OwnAccount, OwnKeyPackage, StoreTx, Stored},
    vault::adopt_conversations,
};
use quicprochat_e2ee::mls::{OwnDevice, Provider, Suite, new_key_package};
use quicprochat_identity::AccountName;
use quicprochat_transport::{AccountLink, LinkError};
use quicprochat_wire::{CallFailure, ErrorCode, ServerLink, Timestamp, call::directory::KeyPackagePart};

use super::{Client, Expected, SignedIn, blocking};
use crate::{ClientError, OsEntropy, entropy::now, session::session_error};

/// Where an account waits whose last request was not answered.
const PENDING: &str = "pending account";
/// How often an enrolment begins anew because another device changed the account.
pub(super) const TRIES: usize = 4;

/// A new account.
#[derive(Debug)]
pub struct Registered {
    /// The account with this as its first device.
    pub account: OwnAccount,
    /// Its recovery key, to show to the person. `None` if the answer to an earlier attempt was lost, of which nothing is kept
    /// here but the device: the password shows the key ([`Client::recovery_key`]).
    pub recovery_key: Option<RecoveryKey>,
}

/// Whether an account begins with this device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Account {
    New,
    Known,
}

impl Client {
    /// Checks that this home has no account yet.
    pub fn expect_fresh(&mut self) -> Result<(), ClientError> {
        match self.account()? {
            None => Ok(()),
            Some(account) => Err(ClientError::AlreadyRegistered { name: account.name }),
        }
    }

    /// Registers a name, with this as its first device. `label` is the device's name for its owner.
    pub async fn register(
        &mut self,
        server: &ServerLink,
        name: &str,
        password: Password,
        invite: Option<String>,
        label: &str,
    ) -> Result<Registered, ClientError> {
        self.expect_fresh()?;
        if let Some(account) = self.resume(server, name, Account::New).await? {
            return Ok(Registered { account, recovery_key: None });
        }
        let name = parse_name(name)?;
        let (request, registration) = Registration::start(name, password, invite, &mut OsEntropy)?;
        let (link, hello) = AccountLink::connect(&*self.connector, server).await?;
        let answer = link.call(request).await?;
        let (fingerprint, label) = (*server.fingerprint(), label.to_owned());
        let prepared =
            blocking(move || registration.prepare(&answer, &fingerprint, &label, now(), &mut OsEntropy)).await??;
        let key_package = self.key_package(&prepared.own_device()?)?;
        let at = now();
        let recovery_key = Some(prepared.recovery_key().clone());
        let (request, device) = prepared.finish(&key_package, at)?;
        let account = device.to_stored(server.clone(), hello.host)?;
        self.keep_pending(&account, &package(&request.key_package, key_package, at))?;
        self.settle(link.call(request).await)?;
        Ok(Registered { account: self.promote(Account::New, None, None)?, recovery_key })
    }

    /// Makes this home a further device of an account, with its password or recovery key.
    pub async fn login(
        &mut self,
        server: &ServerLink,
        name: &str,
        way_in: impl Into<WayIn>,
        label: &str,
    ) -> Result<OwnAccount, ClientError> {
        self.expect_fresh()?;
        if let Some(account) = self.resume(server, name, Account::Known).await? {
            return Ok(account);
        }
        let (name, way_in) = (parse_name(name)?, way_in.into());
        for _ in 0..TRIES {
            let SignedIn { link, hello, vault, .. } =
                self.signed_in(server, &name, way_in.clone(), None, Expected::Newest).await?;
            let prepared = vault.enrol(label, now(), &mut OsEntropy)?;
            let key_package = self.key_package(&prepared.own_device()?)?;
            let at = now();
            let (request, device) = prepared.finish(&key_package, at)?;
            let account = device.to_stored(server.clone(), hello.host)?;
            let part = request.key_packages.first().ok_or(CeremonyError::Malformed)?;
            self.keep_pending(&account, &package(part, key_package, at))?;
            match self.settle(link.call(request).await) {
                Err(ClientError::Link(LinkError::Refused(CallFailure {
                    code: ErrorCode::VersionConflict, ..
                }))) => {}
                Err(error) => return Err(error),
                Ok(()) => return self.promote(Account::Known, Some(vault.conversations()), vault.account_state()),
            }
        }
        Err(ClientError::Contended)
    }

    pub(super) fn key_package(&mut self, own: &OwnDevice) -> Result<Vec<u8>, ClientError> {
        let tx = self.store.begin()?;
        let mut entropy = OsEntropy;
        let package = new_key_package(&Provider::new(tx.mls(), &mut entropy), own, Suite::Hybrid)?;
        tx.commit()?;
        Ok(package)
    }

    pub(super) fn keep_pending(&mut self, account: &OwnAccount, package: &OwnKeyPackage) -> Result<(), ClientError> {
        let tx = self.store.begin()?;
        tx.upkeep().put_setting(PENDING, Some(&account.encode()?))?;
        tx.upkeep().put_key_package(package)?;
        Ok(tx.commit()?)
    }

    /// A refusal means that the server did nothing; anything else leaves the question open.
    fn settle<T>(&mut self, answer: Result<T, LinkError>) -> Result<(), ClientError> {
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                if error.refusal().is_some() {
                    self.forget_pending()?;
                }
                Err(error.into())
            }
        }
    }

    pub(super) fn forget_pending(&mut self) -> Result<(), ClientError> {
        let tx = self.store.begin()?;
        tx.upkeep().put_setting(PENDING, None)?;
        for package in tx.upkeep().key_packages()? {
            tx.upkeep().delete_key_package(&package.key_package)?;
        }
        Ok(tx.commit()?)
    }

    /// The pending account is the home's account from now on, in the conversations that the vault lists, and with the state
    /// that it holds; where these are not at hand any more, the engine takes them over with its first session.
    pub(super) fn promote(
        &mut self,
        which: Account,
        listed: Option<&ConversationList>,
        state: Option<&[u8]>,
    ) -> Result<OwnAccount, ClientError> {
        let tx = self.store.begin()?;
        if which == Account::New {
            archive::turn_on(&tx)?;
        }
        let pending = tx.upkeep().setting(PENDING)?.ok_or(ClientError::NotRegistered)?;
        let account = OwnAccount::decode(&pending).map_err(quicprochat_client_core::StoreFault::from)?;
        tx.account().put_own_account(&account)?;
        tx.upkeep().put_setting(PENDING, None)?;
        if let Some(listed) = listed {
            adopt_conversations(&tx, &account.server, listed, now())?;
        }
        if let Some(state) = state {
            state::take_over(&tx, state, &mut OsEntropy).map_err(session_error)?;
        }
        tx.commit()?;
        Ok(account)
    }

    /// An account whose last request was not answered.
    pub(super) fn pending(&mut self) -> Result<Option<OwnAccount>, ClientError> {
        let Some(pending) = self.read(|tx| Ok(tx.upkeep().setting(PENDING)?))? else { return Ok(None) };
        Ok(Some(OwnAccount::decode(&pending).map_err(quicprochat_client_core::StoreFault::from)?))
    }

    /// Finds out what became of an attempt whose answer was lost.
    async fn resume(
        &mut self,
        server: &ServerLink,
        name: &str,
        which: Account,
    ) -> Result<Option<OwnAccount>, ClientError> {
        let Some(account) = self.pending()? else { return Ok(None) };
        if account.name != name || account.server != *server {
            self.forget_pending()?;
            return Ok(None);
        }
        let device = DeviceAccount::from_stored(&account)?;
        let (link, hello) = AccountLink::connect(&*self.connector, server).await?;
        let fingerprint = server.fingerprint();
        let request =
            auth::authenticate(fingerprint, &hello.challenge, account.account, account.device, &device.device_key);
        match link.call(request).await {
            Ok(_) => self.promote(which, None, None).map(Some),
            Err(error) if error.refusal().is_some() => {
                self.forget_pending()?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn package(part: &KeyPackagePart, key_package: Vec<u8>, made: Timestamp) -> OwnKeyPackage {
    OwnKeyPackage { key_package, part: part.bytes.clone(), made, state: KeyPackageState::Published }
}

/// A name that breaks the rules is refused here, in the server's words.
fn parse_name(name: &str) -> Result<AccountName, ClientError> {
    AccountName::parse(name).map_err(|_| LinkError::Refused(ErrorCode::NameInvalid.into()).into())
}
