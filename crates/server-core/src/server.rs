//! Takes calls, checks who makes them, and hands them to the services.

use std::sync::{Arc, atomic::Ordering};

use futures::stream::BoxStream;
use quicprochat_wire::{CallFailure, Entropy, ErrorCode, Request, Response, Timestamp, call::auth::Invite};

use crate::{
    access::admit,
    archive,
    auth::{self, OpaqueServer},
    channels,
    config::ServerConfig,
    connection::Connection,
    directory,
    error::{ServerError, failure},
    inbox, linking,
    maintenance::{Swept, sweep},
    recovery::{self, Recovery},
    session,
    shared::Core,
    store::{Refusal, Store},
    tokens::{self, Issuer},
    vault,
};

/// What a call is answered with.
pub enum Reply {
    /// One response.
    One(Response),
    /// A refusal.
    Refused(CallFailure),
    /// Responses as they come up; a refusal is the last of them. Dropping it ends the subscription.
    Stream(BoxStream<'static, Result<Response, CallFailure>>),
}

impl core::fmt::Debug for Reply {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::One(response) => f.debug_tuple("One").field(response).finish(),
            Self::Refused(failure) => f.debug_tuple("Refused").field(failure).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A server. Clones are the same one.
#[derive(Clone)]
pub struct Server {
    core: Arc<Core>,
}

impl Server {
    /// Starts on a store, which gets the server's long-term secrets if it has none yet.
    ///
    /// Secrets:  `entropy` must be a CSPRNG; keys come from it.
    /// Errors:   [`ServerError::Store`]; [`ServerError::StateDamaged`] if a stored secret cannot be read;
    ///           [`ServerError::LimitInvalid`].
    pub async fn start(
        config: ServerConfig,
        store: Arc<dyn Store>,
        mut entropy: Box<dyn Entropy>,
    ) -> Result<Self, ServerError> {
        let opaque = OpaqueServer::load(&*store, config.fingerprint, &mut *entropy).await?;
        let issuer = Issuer::load(&*store, &config.fingerprint, &config.limits, &mut *entropy).await?;
        let recovery = recovery::Clock::load(&*store).await?;
        Ok(Self { core: Arc::new(Core::new(config, store, opaque, issuer, recovery, entropy)) })
    }

    /// A connection came up.
    #[must_use]
    pub fn open(&self) -> Connection {
        Connection::default()
    }

    /// Answers a call. Calls of one connection may run side by side.
    ///
    /// `now` is the time at which the call came in. A response was durable before it is returned.
    pub async fn handle(&self, connection: &Connection, request: Request, now: Timestamp) -> Reply {
        let method = request.name();
        if self.core.is_draining() {
            return Reply::Refused(ErrorCode::Unavailable.into());
        }
        match self.route(connection, request, now).await {
            Ok(reply) => reply,
            Err(refusal) => Reply::Refused(failure(refusal, method)),
        }
    }

    /// Removes what is too old. To be called every hour or so.
    ///
    /// Errors:   the store's; what was removed before stays removed.
    pub async fn sweep(&self, now: Timestamp) -> Result<Swept, ServerError> {
        sweep(&self.core, now).await
    }

    /// Begins the recovery time that a restore left to begin, if one did; says what is stored of it. To be called when the server
    /// begins to take calls. Otherwise it begins with the first entry that somebody wants to write.
    ///
    /// Errors:   the store's.
    pub async fn begin_recovery(&self, now: Timestamp) -> Result<Option<Recovery>, ServerError> {
        Ok(recovery::begin(&self.core, now).await?)
    }

    /// When the recovery time is over, if it is on. A [`Server::sweep`] then removes what is stored of it.
    #[must_use]
    pub fn recovery_ends(&self) -> Option<Timestamp> {
        self.core.recovery.ends()
    }

    /// Entries that were offered again and taken since this server started.
    #[must_use]
    pub fn restored_entries(&self) -> u64 {
        self.core.recovery.restored()
    }

    /// Makes invite codes for the operator to hand out.
    ///
    /// Errors:   the store's; then there are none.
    pub async fn create_invites(&self, count: u32, now: Timestamp) -> Result<Vec<Invite>, ServerError> {
        Ok(auth::operator_invites(&self.core, count, now).await?)
    }

    /// Refuses new calls with `unavailable`, and ends all subscriptions with it. Calls under way are finished.
    pub fn drain(&self) {
        self.core.draining.store(true, Ordering::Release);
        self.core.channel_wakers.wake_all();
        self.core.account_wakers.wake_all();
        self.core.links.wake_all();
    }

    /// Every call, with the caller it takes.
    async fn route(&self, connection: &Connection, request: Request, now: Timestamp) -> Result<Reply, Refusal> {
        let core = &*self.core;
        let caller = admit(core, connection, request.access(), now)?;
        let response: Response = match request {
            Request::Hello(request) => session::hello(core, caller.unchosen()?, &request, now)?.into(),

            Request::RegisterStart(request) => {
                auth::register_start(core, caller.account()?, request, now).await?.into()
            }
            Request::RegisterFinish(request) => {
                auth::register_finish(core, caller.account()?, request, now).await?.into()
            }
            Request::SignInStart(request) => auth::sign_in_start(core, caller.account()?, request, now).await?.into(),
            Request::SignInFinish(request) => auth::sign_in_finish(core, caller.account()?, request).await?.into(),
            Request::Authenticate(request) => auth::authenticate(core, caller.account()?, request).await?.into(),
            Request::PasswordStart(request) => {
                let (connection, caller) = caller.signed_in()?;
                auth::password_start(core, connection, caller, request).await?.into()
            }
            Request::PasswordFinish(request) => {
                let (connection, caller) = caller.signed_in()?;
                auth::password_finish(core, connection, caller, request).await?.into()
            }
            Request::AccountDelete(_) => auth::account_delete(core, caller.signed_in()?.1).await?.into(),
            Request::InviteCreate(_) => auth::invite_create(core, caller.device()?, now).await?.into(),
            Request::InviteList(_) => auth::invite_list(core, caller.device()?, now).await?.into(),

            Request::Lookup(request) => directory::lookup(core, caller.lookup()?, request).await?.into(),
            Request::OwnRecord(_) => directory::own_record(core, caller.owner()?).await?.into(),
            Request::PublishIdentity(request) => {
                let (connection, caller) = caller.signed_in()?;
                directory::publish_identity(core, connection, caller, request).await?.into()
            }
            Request::PublishKeyPackage(request) => {
                directory::publish_key_package(core, caller.device()?, request).await?.into()
            }

            Request::VaultFetch(request) => vault::fetch(core, caller.owner()?, request).await?.into(),
            Request::VaultStore(request) => vault::store(core, caller.device()?, request).await?.into(),
            Request::VaultSubscribe(request) => {
                return Ok(Reply::Stream(vault::subscribe(&self.core, caller.device()?, request).await?));
            }

            Request::ArchivePut(request) => archive::put(core, caller.device()?, request).await?.into(),
            Request::ArchiveGet(request) => archive::get(core, caller.device()?, request).await?.into(),
            Request::ArchiveList(request) => archive::list(core, caller.device()?, request).await?.into(),
            Request::ArchiveDelete(request) => archive::delete(core, caller.device()?, request).await?.into(),

            Request::TokenKeys(_) => tokens::keys(core, caller.device()?, now).await?.into(),
            Request::TokenIssue(request) => tokens::issue(core, caller.device()?, request, now).await?.into(),

            Request::InboxDeliver(request) => inbox::deliver(core, caller.lookup()?, request, now).await?.into(),
            Request::InboxRead(request) => inbox::read(core, caller.device()?, request).await?.into(),
            Request::InboxSubscribe(request) => {
                return Ok(Reply::Stream(inbox::subscribe(&self.core, caller.device()?, request).await?));
            }

            Request::LinkOpen(request) => linking::open(core, caller.device()?, request, now).await?.into(),
            Request::LinkPut(request) => linking::put(core, caller.account()?, request, now).await?.into(),
            Request::LinkSubscribe(request) => {
                caller.account()?;
                return Ok(Reply::Stream(linking::subscribe(&self.core, &request, now)?));
            }

            Request::ChannelCreate(request) => channels::create(core, caller.channel()?, request, now).await?.into(),
            Request::ChannelAttach(request) => channels::attach(core, caller.channel()?, request, now).await?.into(),
            Request::ChannelEnqueue(request) => channels::enqueue(core, caller.channel()?, request, now).await?.into(),
            Request::ChannelRead(request) => channels::read(core, caller.channel()?, request).await?.into(),
            Request::ChannelSubscribe(request) => {
                return Ok(Reply::Stream(channels::subscribe(&self.core, caller.channel()?, request).await?));
            }
            Request::ChannelGroupInfo(request) => channels::group_info(core, caller.channel()?, request).await?.into(),
            Request::ChannelKeyring(request) => channels::keyring(core, caller.channel()?, request).await?.into(),
            Request::ChannelChunks(request) => channels::chunks(core, caller.channel()?, request, now).await?.into(),
            Request::ChannelRestore(request) => channels::restore(core, caller.channel()?, request, now).await?.into(),
            Request::ChannelDelete(request) => channels::delete(core, caller.channel()?, request, now).await?.into(),
        };
        Ok(Reply::One(response))
    }
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
