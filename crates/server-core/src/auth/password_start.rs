//! `password-start`: the first half of a new OPAQUE registration, for the account signed in.

use quicprochat_identity::AccountName;
use quicprochat_wire::{
    ErrorCode,
    call::auth::{PasswordStart, RegisterStarted},
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
    let row = read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        Ok(tx.accounts().load(&caller.account)?)
    })
    .await?
    .ok_or(ErrorCode::SignInRequired)?;
    let name = AccountName::parse(&row.name).map_err(|_| StoreFault::Damaged { what: "name" })?;
    let response = core.opaque.respond(&name, &request.request)?;
    connection.state().changing_password = true;
    Ok(RegisterStarted { response })
}
