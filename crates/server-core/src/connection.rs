//! What the server knows of a connection: its kind, its challenge, and what was shown on it.
//!
//! ```text
//!            ┌─ account ── sign-in-start ─▶ login ── sign-in-finish ─▶ signed in
//!  new ─hello┤         └── authenticate ─▶ device
//!            ├─ channel ── channel-attach ─▶ keys of channels
//!            └─ look-up
//! ```

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use quicprochat_wire::{AccessPublicKey, AccountId, Challenge, ChannelId, ConnectionKind, DeviceId, ErrorCode};

use crate::{auth::Login, config::Limits, limiter::Limiter};

/// Keys of one channel that stay attached: the current one and a few before it.
const KEYS_A_CHANNEL: usize = 4;

/// One connection. Made by [`crate::Server::open`]; dropped when the connection is over.
#[derive(Default)]
pub struct Connection {
    kind: OnceLock<Kind>,
}

pub(crate) enum Kind {
    Account(Box<AccountConnection>),
    Channel(ChannelConnection),
    Lookup(LookupConnection),
}

impl Connection {
    /// What the connection is for; `None` before `hello`.
    #[must_use]
    pub fn kind(&self) -> Option<ConnectionKind> {
        self.kind.get().map(|kind| match kind {
            Kind::Account(_) => ConnectionKind::Account,
            Kind::Channel(_) => ConnectionKind::Channel,
            Kind::Lookup(_) => ConnectionKind::Lookup,
        })
    }

    /// Every account, device, name, channel and access key that is remembered with this connection: for whoever looks
    /// whether one of them leads to another.
    #[must_use]
    pub fn identifiers(&self) -> Vec<Vec<u8>> {
        match self.kind.get() {
            None | Some(Kind::Lookup(_)) => Vec::new(),
            Some(Kind::Account(connection)) => connection.state().identifiers(),
            Some(Kind::Channel(connection)) => connection.identifiers(),
        }
    }

    pub(crate) fn inner(&self) -> Option<&Kind> {
        self.kind.get()
    }

    /// Errors:   `bad-request` if the kind is chosen already.
    pub(crate) fn choose(&self, kind: ConnectionKind, challenge: Challenge, limits: &Limits) -> Result<(), ErrorCode> {
        let kind = match kind {
            ConnectionKind::Account => Kind::Account(Box::new(AccountConnection::new(challenge, limits))),
            ConnectionKind::Channel => Kind::Channel(ChannelConnection::new(challenge, limits)),
            ConnectionKind::Lookup => {
                Kind::Lookup(LookupConnection { calls: Limiter::new(limits.lookup_calls_by_connection) })
            }
        };
        self.kind.set(kind).map_err(|_| ErrorCode::BadRequest)
    }
}

impl core::fmt::Debug for Connection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Connection").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// A connection of somebody who may say who they are.
pub(crate) struct AccountConnection {
    pub(crate) challenge: Challenge,
    pub(crate) calls: Limiter,
    pub(crate) sign_ins: Limiter,
    pub(crate) registrations: Limiter,
    state: Mutex<AccountState>,
}

#[derive(Default)]
pub(crate) struct AccountState {
    /// The name that `register-start` was answered for.
    pub(crate) registering: Option<String>,
    /// What `sign-in-finish` must complete.
    pub(crate) login: Option<Login>,
    /// The way for which `password-start` was answered.
    pub(crate) changing: Option<u16>,
    pub(crate) signed_in: Option<SignedIn>,
    pub(crate) device: Option<Device>,
}

impl AccountState {
    fn identifiers(&self) -> Vec<Vec<u8>> {
        let Self { registering, login, changing: _, signed_in, device } = self;
        let mut found: Vec<Vec<u8>> = registering.iter().map(|name| name.clone().into_bytes()).collect();
        found.extend(login.iter().filter_map(|login| login.subject).map(|(account, _)| account.as_bytes().to_vec()));
        found.extend(signed_in.iter().map(|signed_in| signed_in.account.as_bytes().to_vec()));
        if let Some(Device { account, device }) = device {
            found.extend([account.as_bytes().to_vec(), device.as_bytes().to_vec()]);
        }
        found
    }
}

/// Somebody whose password or recovery key was proved on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SignedIn {
    pub(crate) account: AccountId,
    /// Version of the ways in; a change of one of them, or of the wraps, ends earlier sign-ins.
    pub(crate) password_version: u32,
    /// Which way was taken.
    pub(crate) way: u16,
}

/// A device that signed this connection's challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Device {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
}

impl AccountConnection {
    fn new(challenge: Challenge, limits: &Limits) -> Self {
        Self {
            challenge,
            calls: Limiter::new(limits.account_calls_by_connection),
            sign_ins: Limiter::new(limits.sign_ins_by_connection),
            registrations: Limiter::new(limits.registrations_by_connection),
            state: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, AccountState> {
        lock(&self.state)
    }
}

/// A connection of somebody who is known by the keys of channels alone.
pub(crate) struct ChannelConnection {
    pub(crate) challenge: Challenge,
    pub(crate) attaches: Limiter,
    pub(crate) chunks: Limiter,
    max_keys: usize,
    keys: Mutex<AttachedKeys>,
}

#[derive(Default)]
struct AttachedKeys {
    /// Newest last.
    by_channel: BTreeMap<ChannelId, Vec<AccessPublicKey>>,
    count: usize,
}

impl ChannelConnection {
    fn new(challenge: Challenge, limits: &Limits) -> Self {
        Self {
            challenge,
            attaches: Limiter::new(limits.attaches_by_connection),
            chunks: Limiter::new(limits.chunk_calls_by_connection),
            max_keys: usize::try_from(limits.attached_keys).unwrap_or(usize::MAX),
            keys: Mutex::default(),
        }
    }

    /// Remembers a key whose possession was proved.
    ///
    /// Errors:   `quota-full` if the connection has as many as it may.
    pub(crate) fn attach(&self, channel: ChannelId, access: AccessPublicKey) -> Result<(), ErrorCode> {
        let mut keys = lock(&self.keys);
        let of_channel = keys.by_channel.get(&channel).map_or(&[][..], Vec::as_slice);
        if of_channel.contains(&access) {
            return Ok(());
        }
        let replaces = of_channel.len() >= KEYS_A_CHANNEL;
        if !replaces && keys.count >= self.max_keys {
            return Err(ErrorCode::QuotaFull);
        }
        let of_channel = keys.by_channel.entry(channel).or_default();
        if replaces {
            of_channel.remove(0);
        }
        of_channel.push(access);
        if !replaces {
            keys.count += 1;
        }
        Ok(())
    }

    fn identifiers(&self) -> Vec<Vec<u8>> {
        let keys = lock(&self.keys);
        let mut found = Vec::new();
        for (channel, attached) in &keys.by_channel {
            found.push(channel.as_bytes().to_vec());
            found.extend(attached.iter().map(|key| key.as_bytes().to_vec()));
        }
        found
    }

    /// The keys attached for a channel.
    ///
    /// Errors:   `access-denied` if there is none.
    pub(crate) fn keys(&self, channel: &ChannelId) -> Result<Vec<AccessPublicKey>, ErrorCode> {
        lock(&self.keys).by_channel.get(channel).cloned().ok_or(ErrorCode::AccessDenied)
    }
}

/// A connection of nobody in particular.
pub(crate) struct LookupConnection {
    pub(crate) calls: Limiter,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_keys_are_bounded_by_channel_and_connection() {
        let limits = Limits { attached_keys: 6, ..Limits::default() };
        let connection = ChannelConnection::new(Challenge::new([0; 32]), &limits);
        let (team, pair) = (ChannelId::new([1; 32]), ChannelId::new([2; 32]));
        for byte in 0..9 {
            connection.attach(team, AccessPublicKey::new([byte; 32])).expect("the oldest makes room");
        }
        let newest = (5..9).map(|byte| AccessPublicKey::new([byte; 32])).collect::<Vec<_>>();
        assert_eq!(connection.keys(&team), Ok(newest));
        assert_eq!(connection.keys(&pair), Err(ErrorCode::AccessDenied));
        for byte in 0..2 {
            connection.attach(pair, AccessPublicKey::new([byte; 32])).expect("room for six");
        }
        assert_eq!(connection.attach(pair, AccessPublicKey::new([7; 32])), Err(ErrorCode::QuotaFull));
        assert_eq!(connection.attach(pair, AccessPublicKey::new([1; 32])), Ok(()), "attached already");
        let found = connection.identifiers();
        assert_eq!(found.len(), 2 + 6, "channels and keys");
        assert!(found.contains(&team.as_bytes().to_vec()) && found.contains(&vec![8; 32]));
    }
}
