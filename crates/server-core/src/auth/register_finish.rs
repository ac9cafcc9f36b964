//! `register-finish`: the account with its first device, vault and password, in one transaction.

use quicprochat_identity::{AccountName, password::check_stretch};
use quicprochat_wire::{
    ErrorCode, Timestamp,
    call::{
        Done,
        auth::{OpaqueRecord, RegisterFinish},
        session::Registration,
        vault::WAY_RECOVERY,
    },
};

use super::{invites, opaque::OpaqueServer, register_start::check_free};
use crate::{
    connection::AccountConnection,
    directory::{device_row, identity_row, verify_identity},
    shared::Core,
    store::{AccountRow, Day, InviteRow, PasswordRow, Refusal, WayRow, write},
    vault::{check_wraps, put_records},
};

pub(crate) async fn register_finish(
    core: &Core,
    connection: &AccountConnection,
    request: RegisterFinish,
    now: Timestamp,
) -> Result<Done, Refusal> {
    let registration = core.config.registration;
    if registration == Registration::Closed {
        return Err(ErrorCode::RegistrationClosed.into());
    }
    let RegisterFinish { name, invite, upload, stretch, identity, key_package, wraps, records, recovery } = request;
    if connection.state().registering.take().as_deref() != Some(name.as_str()) {
        return Err(ErrorCode::BadRequest.into());
    }
    let name = AccountName::parse(&name).map_err(|_| ErrorCode::NameInvalid)?;
    check_stretch(&stretch).map_err(|_| ErrorCode::BadRequest)?;
    check_wraps(&wraps)?;
    let record = OpaqueServer::record(&upload)?;
    let recovery = recovery.map(way_row).transpose()?;
    let identity = verify_identity(&identity)?;
    let [entry] = identity.devices() else { return Err(ErrorCode::RecordInvalid.into()) };
    if *identity.name() != name || key_package.device != entry.device {
        return Err(ErrorCode::RecordInvalid.into());
    }
    let account = identity.account();
    let device = device_row(&identity, &key_package)?;
    let row = identity_row(&identity)?;
    let today = Day::from(now);
    let password = PasswordRow { record, stretch, version: 1 };
    let vault_bytes = core.config.limits.vault_bytes;
    write(&*core.store, move |tx| {
        check_free(tx, &name)?;
        if tx.accounts().load(&account)?.is_some() {
            return Err(ErrorCode::RecordInvalid.into());
        }
        if registration == Registration::Invite {
            let invite = invites::usable(tx, invite.as_deref(), today)?;
            tx.invites().put(&InviteRow { used: true, ..invite })?;
        }
        tx.accounts().insert(&account, &AccountRow { name: name.as_str().to_owned(), password, created: today })?;
        if let Some(recovery) = recovery {
            tx.accounts().set_way(&account, WAY_RECOVERY, &recovery)?;
        }
        tx.directory().put_identity(&account, &row)?;
        tx.directory().put_device(&account, &device)?;
        tx.vaults().set_wraps(&account, &wraps)?;
        put_records(tx, &account, &records, vault_bytes)
    })
    .await?;
    Ok(Done)
}

/// Errors:   `bad-request`.
fn way_row(OpaqueRecord { upload, stretch }: OpaqueRecord) -> Result<WayRow, ErrorCode> {
    check_stretch(&stretch).map_err(|_| ErrorCode::BadRequest)?;
    Ok(WayRow { record: OpaqueServer::record(&upload)?, stretch })
}
