//! Who may make which call: the one place that decides it (DESIGN C1 to C4).
//!
//! What comes out is proof for the services: only [`admit`] makes an [`Admitted`], and each service takes the caller it needs.

use quicprochat_wire::{
    Access, AccountId, CallFailure, ErrorCode, Timestamp,
    call::vault::{WAY_LINKED, WAY_PASSWORD},
};

use crate::{
    connection::{AccountConnection, ChannelConnection, Connection, Device, Kind, LookupConnection, SignedIn},
    shared::Core,
    store::{Refusal, StoreTx},
};

/// A caller that may make the call.
pub(crate) enum Admitted<'a> {
    /// On a connection whose kind is not chosen.
    New(&'a Connection),
    /// On an account connection.
    Account(&'a AccountConnection),
    /// With a password proved.
    SignedIn(&'a AccountConnection, SignedIn),
    /// As a device.
    Device(Device),
    /// On a channel connection.
    Channel(&'a ChannelConnection),
    /// On a look-up connection.
    Lookup(LookupCaller),
}

/// Proof that a call came on a look-up connection.
pub(crate) struct LookupCaller(());

/// Somebody who may read what belongs to an account: a device of it, or whoever proved its password.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    SignedIn(SignedIn),
    Device(Device),
}

/// Decides whether a call with this access may be made on this connection now.
pub(crate) fn admit<'a>(
    core: &Core,
    connection: &'a Connection,
    access: Access,
    now: Timestamp,
) -> Result<Admitted<'a>, CallFailure> {
    if access == Access::Any {
        return Ok(Admitted::New(connection));
    }
    let kind = connection.inner().ok_or(ErrorCode::WrongConnection)?;
    match (access, kind) {
        (Access::AccountOpen, Kind::Account(account)) => {
            account.calls.take(now)?;
            Ok(Admitted::Account(account))
        }
        (Access::AccountSignedIn, Kind::Account(account)) => {
            account.calls.take(now)?;
            let signed_in = account.state().signed_in.ok_or(ErrorCode::SignInRequired)?;
            core.limits.by_account.take(signed_in.account, now)?;
            Ok(Admitted::SignedIn(account, signed_in))
        }
        (Access::AccountDevice, Kind::Account(account)) => {
            account.calls.take(now)?;
            let device = account.state().device.ok_or(ErrorCode::NotAuthenticated)?;
            core.limits.by_account.take(device.account, now)?;
            Ok(Admitted::Device(device))
        }
        (Access::Channel, Kind::Channel(channel)) => Ok(Admitted::Channel(channel)),
        (Access::Lookup, Kind::Lookup(LookupConnection { calls })) => {
            calls.take(now)?;
            Ok(Admitted::Lookup(LookupCaller(())))
        }
        _ => Err(ErrorCode::WrongConnection.into()),
    }
}

/// A call was routed to a service that takes another caller: a mistake in this crate.
const MISROUTED: ErrorCode = ErrorCode::Internal;

impl<'a> Admitted<'a> {
    pub(crate) const fn unchosen(self) -> Result<&'a Connection, ErrorCode> {
        if let Self::New(connection) = self { Ok(connection) } else { Err(MISROUTED) }
    }

    pub(crate) const fn account(self) -> Result<&'a AccountConnection, ErrorCode> {
        if let Self::Account(account) = self { Ok(account) } else { Err(MISROUTED) }
    }

    pub(crate) const fn signed_in(self) -> Result<(&'a AccountConnection, SignedIn), ErrorCode> {
        if let Self::SignedIn(account, signed_in) = self { Ok((account, signed_in)) } else { Err(MISROUTED) }
    }

    pub(crate) const fn device(self) -> Result<Device, ErrorCode> {
        if let Self::Device(device) = self { Ok(device) } else { Err(MISROUTED) }
    }

    pub(crate) const fn channel(self) -> Result<&'a ChannelConnection, ErrorCode> {
        if let Self::Channel(channel) = self { Ok(channel) } else { Err(MISROUTED) }
    }

    pub(crate) const fn lookup(self) -> Result<LookupCaller, ErrorCode> {
        if let Self::Lookup(caller) = self { Ok(caller) } else { Err(MISROUTED) }
    }

    /// For calls that take a device or a sign-in (`own-record`, `vault-fetch`).
    pub(crate) fn owner(self) -> Result<Owner, ErrorCode> {
        let account = self.account()?;
        let state = account.state();
        let device = state.device.map(Owner::Device);
        device.or_else(|| state.signed_in.map(Owner::SignedIn)).ok_or(ErrorCode::NotAuthenticated)
    }
}

impl Device {
    /// Checks, inside the transaction of what it asks for, that the account still has the device (DESIGN A5).
    pub(crate) fn confirm(&self, tx: &mut dyn StoreTx) -> Result<(), Refusal> {
        match tx.directory().device_key(&self.account, &self.device)? {
            Some(_) => Ok(()),
            None => Err(ErrorCode::DeviceRevoked.into()),
        }
    }
}

impl SignedIn {
    /// Checks, inside the transaction of what it asks for, that the account exists and its ways in are those that
    /// there were.
    pub(crate) fn confirm(&self, tx: &mut dyn StoreTx) -> Result<(), Refusal> {
        match tx.accounts().load(&self.account)? {
            Some(row) if row.password.version == self.password_version => Ok(()),
            _ => Err(ErrorCode::SignInRequired.into()),
        }
    }
}

impl SignedIn {
    /// Checks, for what would let a new device in, that the password is not all there is where the account takes new devices
    /// from its devices only: then the connection must be one of those as well.
    ///
    /// Errors:   `link-required`, `device-revoked`.
    pub(crate) fn confirm_device(&self, tx: &mut dyn StoreTx, device: Option<Device>) -> Result<(), Refusal> {
        let linked = tx.vaults().wraps(&self.account)?.iter().any(|wrap| wrap.way == WAY_LINKED);
        if self.way != WAY_PASSWORD || !linked {
            return Ok(());
        }
        match device.filter(|device| device.account == self.account) {
            Some(device) => device.confirm(tx),
            None => Err(ErrorCode::LinkRequired.into()),
        }
    }
}

impl Owner {
    pub(crate) const fn account(&self) -> AccountId {
        match self {
            Self::SignedIn(caller) => caller.account,
            Self::Device(caller) => caller.account,
        }
    }

    pub(crate) fn confirm(&self, tx: &mut dyn StoreTx) -> Result<(), Refusal> {
        match self {
            Self::SignedIn(caller) => caller.confirm(tx),
            Self::Device(caller) => caller.confirm(tx),
        }
    }
}
