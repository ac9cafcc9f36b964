//! `password-start`: the first half of a new OPAQUE registration of the password or recovery key, for the account signed in.

use quicprochat_identity::AccountName;
use quicprochat_wire::{
    ErrorCode,
    call::{
        auth::{PasswordStart, RegisterStarted},
        vault::{WAY_PASSWORD, WAY_RECOVERY},
    },
};

use crate::{
    connection::{AccountConnection, SignedIn},
    shared::Core,
    store::{Refusal, StoreFault, read},
};

pub(crate) async fn password_start(
    core: &Core,
    connection: &AccountConnection,
    caller: SignedIn,
    request: PasswordStart,
) -> Result<RegisterStarted, Refusal> {
    let PasswordStart { request, way } = request;
    if ![WAY_PASSWORD, WAY_RECOVERY].contains(&way) {
        return Err(ErrorCode::BadRequest.into());
    }
    let row = read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        Ok(tx.accounts().load(&caller.account)?)
    })
    .await?
    .ok_or(ErrorCode::SignInRequired)?;
    let name = AccountName::parse(&row.name).map_err(|_| StoreFault::Damaged { what: "name" })?;
    let response = core.opaque.respond(&name, way, &request)?;
    connection.state().changing = Some(way);
    Ok(RegisterStarted { response, recovery: None })
}
