//! `register-start`: the first half of a registration. Nothing is stored, nothing used up.

use quicprochat_identity::AccountName;
use quicprochat_wire::{
    ErrorCode, Timestamp,
    call::{
        auth::{RegisterStart, RegisterStarted},
        session::Registration,
        vault::{WAY_PASSWORD, WAY_RECOVERY},
    },
};

use super::invites;
use crate::{
    connection::AccountConnection,
    shared::Core,
    store::{Day, Refusal, StoreTx, read},
};

pub(crate) async fn register_start(
    core: &Core,
    connection: &AccountConnection,
    request: RegisterStart,
    now: Timestamp,
) -> Result<RegisterStarted, Refusal> {
    let registration = core.config.registration;
    if registration == Registration::Closed {
        return Err(ErrorCode::RegistrationClosed.into());
    }
    connection.registrations.take(now)?;
    core.limits.registrations.take(now)?;
    let RegisterStart { name, invite, request, recovery } = request;
    let name = AccountName::parse(&name).map_err(|_| ErrorCode::NameInvalid)?;
    let response = core.opaque.respond(&name, WAY_PASSWORD, &request)?;
    let recovery = recovery.map(|request| core.opaque.respond(&name, WAY_RECOVERY, &request)).transpose()?;
    let wanted = name.clone();
    read(&*core.store, move |tx| {
        if registration == Registration::Invite {
            invites::usable(tx, invite.as_deref(), Day::from(now))?;
        }
        check_free(tx, &wanted)
    })
    .await?;
    connection.state().registering = Some(name.as_str().to_owned());
    Ok(RegisterStarted { response, recovery })
}

/// Errors:   `name-taken`.
pub(super) fn check_free(tx: &mut dyn StoreTx, name: &AccountName) -> Result<(), Refusal> {
    match tx.accounts().by_name(name.as_str())? {
        None => Ok(()),
        Some(_) => Err(ErrorCode::NameTaken.into()),
    }
}
