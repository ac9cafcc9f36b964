//! A home in use: its account, its ceremonies with the server, and sessions of its engine.
//!
//! ```text
//!   link ── from another device
//!   enrol ── register, log in      password ── change, check, delete, recovery key      devices ── list, rename, revoke
//! ```

mod devices;
mod enrol;
mod link;
mod password;

use std::sync::Arc;

use quicprochat_client_core::{
    Engine,
    auth::{self, DeviceAccount, OpenVault, SignIn, WayIn},
    store::{OwnAccount, StoreTx},
};
use quicprochat_identity::{AccountName, SafetyNumber, UnverifiedIdentity, VerifiedIdentity};
use quicprochat_transport::{AccountLink, Connector, LinkError};
use quicprochat_wire::{
    ErrorCode, ServerLink,
    call::auth::{Invite, InviteCreate, InviteList, Invites},
    call::session::HelloReply,
};

use crate::{ClientError, Home, OsEntropy, Session, Store, StoreKey};
pub use devices::{DeviceView, RenewedRecord};
pub use enrol::Registered;
pub use link::{AdmittedDevice, JoiningLink, LinkProblem, MetDevice, OfferedLink};

/// A home and the server of its account.
pub struct Client {
    home: Home,
    key: StoreKey,
    store: Store,
    connector: Arc<dyn Connector>,
}

impl Client {
    /// Opens the store of a home.
    pub fn open(home: Home, key: StoreKey, connector: Arc<dyn Connector>) -> Result<Self, ClientError> {
        let store = Store::open(&home, &key)?;
        Ok(Self { home, key, store, connector })
    }

    /// The directory.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// The store, for diagnosis.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) const fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Reads in one transaction.
    pub fn read<T>(&mut self, job: impl FnOnce(&dyn StoreTx) -> Result<T, ClientError>) -> Result<T, ClientError> {
        let tx = self.store.begin_reading()?;
        job(&tx)
    }

    /// The account of this home, if there is one.
    pub fn account(&mut self) -> Result<Option<OwnAccount>, ClientError> {
        self.read(|tx| Ok(tx.account().own_account()?))
    }

    /// Starts the engine on a connection of its own to the store. Must be called within a multi-threaded runtime.
    pub fn session(&mut self) -> Result<Session, ClientError> {
        let account = self.registered()?;
        let store = Store::open(&self.home, &self.key)?;
        let engine = Engine::new(Box::new(OsEntropy));
        Ok(Session::start(store, engine, account.server, Arc::clone(&self.connector)))
    }

    /// Makes an invite code.
    pub async fn create_invite(&mut self) -> Result<Invite, ClientError> {
        let (link, _) = self.authenticated().await?;
        Ok(link.call(InviteCreate {}).await?.invite)
    }

    /// The account's invite codes.
    pub async fn invites(&mut self) -> Result<Invites, ClientError> {
        let (link, _) = self.authenticated().await?;
        Ok(link.call(InviteList {}).await?)
    }

    /// The safety number with a contact, and whether it was verified. For a contact whose key changed, it is the number with
    /// the new key. `None` if the name is unknown here.
    pub fn safety_number(&mut self, name: &str) -> Result<Option<(SafetyNumber, bool)>, ClientError> {
        let own = self.registered()?;
        self.read(|tx| {
            let Some(contact) = tx.contacts().contact_by_name(name, "")? else { return Ok(None) };
            let shown = contact.changed.as_ref().unwrap_or(&contact.identity);
            let verified = contact.verified && contact.changed.is_none();
            let (ours, theirs) = (verified_identity(&own.identity)?, verified_identity(shown)?);
            Ok(Some((SafetyNumber::of(ours.key(), theirs.key()), verified)))
        })
    }

    /// How servers are reached.
    pub(crate) fn connector(&self) -> &dyn Connector {
        &*self.connector
    }

    pub(crate) fn registered(&mut self) -> Result<OwnAccount, ClientError> {
        self.account()?.ok_or(ClientError::NotRegistered)
    }

    /// An account connection that this device has authenticated.
    pub(crate) async fn authenticated(&mut self) -> Result<(AccountLink, OwnAccount), ClientError> {
        let account = self.registered()?;
        let (link, hello) = AccountLink::connect(&*self.connector, &account.server).await?;
        let device = DeviceAccount::from_stored(&account)?;
        let server = account.server.fingerprint();
        let request = auth::authenticate(server, &hello.challenge, account.account, account.device, &device.device_key);
        link.call(request).await.map_err(unknown_device)?;
        Ok((link, account))
    }

    /// An account connection that the password or recovery key has opened, and the vault it opens. `own` is this device, if it is one of
    /// the account already.
    async fn signed_in(
        &self,
        server: &ServerLink,
        name: &AccountName,
        way_in: WayIn,
        own: Option<&DeviceAccount>,
        expected: Expected,
    ) -> Result<SignedIn, ClientError> {
        let (link, hello) = AccountLink::connect(&*self.connector, server).await?;
        let (request, sign_in) = SignIn::start(name.clone(), way_in, &mut OsEntropy)?;
        let answer = link.call(request).await?;
        let fingerprint = *server.fingerprint();
        let (request, proved) = blocking(move || sign_in.prove(&answer, &fingerprint, &mut OsEntropy)).await??;
        let answer = link.call(request).await?;
        let unwrapped = match own.filter(|_| proved.needs_link(&answer)) {
            Some(own) => {
                // On a device of the account the password opens the vault together with what the devices have.
                let challenge = &hello.challenge;
                let request =
                    auth::authenticate(server.fingerprint(), challenge, own.account(), own.device, &own.device_key);
                link.call(request).await.map_err(unknown_device)?;
                let records = link.call(auth::link_secret_request()).await?.records;
                proved.unwrap_linked(&answer, &auth::link_secret(&own.state_key, own.account(), &records)?)?
            }
            None => proved.unwrap(&answer)?,
        };
        let (record, records) = unwrapped.requests();
        let (record, records) = (link.call(record).await?, link.call(records).await?);
        let vault = match (own, expected) {
            (Some(own), Expected::Older) => unwrapped.open_older(&record, &records, own)?,
            (own, _) => unwrapped.open(&record, &records, own.map(|own| &own.identity))?,
        };
        Ok(SignedIn { link, hello, vault, record })
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Client").field("home", &self.home).finish_non_exhaustive()
    }
}

/// What record of the account the server may show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// The newest that is known, or a newer one.
    Newest,
    /// An older one as well: a person says that the server was put back.
    Older,
}

/// A connection on which the password or recovery key was proved.
struct SignedIn {
    link: AccountLink,
    hello: HelloReply,
    vault: OpenVault,
    record: quicprochat_wire::call::directory::Record,
}

/// What a refused authentication means.
fn unknown_device(error: LinkError) -> ClientError {
    let is_unknown = error.refusal().is_some_and(|failure| failure.code == ErrorCode::NotFound);
    if is_unknown { ClientError::DeviceUnknown } else { error.into() }
}

/// Runs something slow where it blocks nobody.
async fn blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, ClientError> {
    tokio::task::spawn_blocking(job).await.map_err(|_| ClientError::Worker)
}

/// Stored identity parts were verified before they were stored; they are verified again because a store is input too.
fn verified_identity(signed: &[u8]) -> Result<VerifiedIdentity, ClientError> {
    Ok(UnverifiedIdentity::parse(signed)?.verify()?)
}
