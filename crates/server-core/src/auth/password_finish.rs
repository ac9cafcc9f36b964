//! `password-finish`: replaces the password record and all wraps in one transaction (DESIGN A4).

use quicprochat_identity::password::check_stretch;
use quicprochat_wire::{
    ErrorCode,
    call::{Done, auth::PasswordFinish},
};

use super::opaque::OpaqueServer;
use crate::{
    connection::{AccountConnection, SignedIn},
    shared::Core,
    store::{PasswordRow, Refusal, write},
    vault::check_wraps,
};

pub(crate) async fn password_finish(
    core: &Core,
    connection: &AccountConnection,
    caller: SignedIn,
    request: PasswordFinish,
) -> Result<Done, Refusal> {
    if !core::mem::take(&mut connection.state().changing_password) {
        return Err(ErrorCode::BadRequest.into());
    }
    let PasswordFinish { upload, stretch, wraps } = request;
    check_stretch(&stretch).map_err(|_| ErrorCode::BadRequest)?;
    check_wraps(&wraps)?;
    let record = OpaqueServer::record(&upload)?;
    let version = caller.password_version.saturating_add(1);
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        tx.accounts().set_password(&caller.account, &PasswordRow { record, stretch, version })?;
        Ok(tx.vaults().set_wraps(&caller.account, &wraps)?)
    })
    .await?;
    // Whoever changed it knows the new one; every other sign-in is over.
    connection.state().signed_in = Some(SignedIn { password_version: version, ..caller });
    Ok(Done)
}
