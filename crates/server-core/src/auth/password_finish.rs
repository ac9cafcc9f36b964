//! `password-finish`: replaces the OPAQUE record of a way, all wraps, and records of the vault in one transaction (DESIGN A4).

use quicprochat_identity::password::check_stretch;
use quicprochat_wire::{
    ErrorCode,
    call::{Done, auth::PasswordFinish, vault::WAY_PASSWORD},
};

use super::opaque::OpaqueServer;
use crate::{
    connection::{AccountConnection, SignedIn},
    shared::Core,
    store::{PasswordRow, Refusal, WayRow, write},
    vault::{check_wraps, new_version, put_records},
};

pub(crate) async fn password_finish(
    core: &Core,
    connection: &AccountConnection,
    caller: SignedIn,
    request: PasswordFinish,
) -> Result<Done, Refusal> {
    let PasswordFinish { upload, stretch, wraps, way, records } = request;
    if connection.state().changing.take() != Some(way) {
        return Err(ErrorCode::BadRequest.into());
    }
    check_stretch(&stretch).map_err(|_| ErrorCode::BadRequest)?;
    check_wraps(&wraps)?;
    let record = OpaqueServer::record(&upload)?;
    let vault_bytes = core.config.limits.vault_bytes;
    let device = connection.state().device;
    let signed_in = write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        caller.confirm_device(tx, device)?;
        let signed_in = new_version(tx, caller)?;
        if way == WAY_PASSWORD {
            let row = PasswordRow { record, stretch, version: signed_in.password_version };
            tx.accounts().set_password(&caller.account, &row)?;
        } else {
            tx.accounts().set_way(&caller.account, way, &WayRow { record, stretch })?;
        }
        tx.vaults().set_wraps(&caller.account, &wraps)?;
        put_records(tx, &caller.account, &records, vault_bytes)?;
        Ok(signed_in)
    })
    .await?;
    // Whoever changed it knows the new one; every other sign-in is over, also one in another way: it would replace these wraps.
    connection.state().signed_in = Some(signed_in);
    core.account_wakers.wake(&signed_in.account);
    Ok(Done)
}
