//! `authenticate`: the connection speaks for a device that signed its challenge (DESIGN C1).

use quicprochat_identity::{UnverifiedIdentity, authenticate_text, verify_ed25519};
use quicprochat_wire::{
    DeviceKey, ErrorCode,
    call::{Done, auth::Authenticate},
    limits::IDENTITY_ROW_BYTES,
};

use crate::{
    connection::{AccountConnection, Device},
    shared::Core,
    store::{Refusal, StoreFault, StoreTx, read},
};

pub(crate) async fn authenticate(
    core: &Core,
    connection: &AccountConnection,
    request: Authenticate,
) -> Result<Done, Refusal> {
    let device = Device { account: request.account, device: request.device };
    let key = read(&*core.store, move |tx| device_key(tx, &device)).await?;
    let text = authenticate_text(&core.config.fingerprint, &connection.challenge, &device.account, &device.device);
    verify_ed25519(key.as_bytes(), &text, &request.signature).map_err(|_| ErrorCode::BadSignature)?;
    connection.state().device = Some(device);
    Ok(Done)
}

/// Errors:   `device-revoked` if the account's identity part says so, `not-found` if nothing is known of the device.
fn device_key(tx: &mut dyn StoreTx, device: &Device) -> Result<DeviceKey, Refusal> {
    if let Some(key) = tx.directory().device_key(&device.account, &device.device)? {
        return Ok(key);
    }
    let row = tx.directory().identity(&device.account)?.ok_or(ErrorCode::NotFound)?;
    let damaged = StoreFault::Damaged { what: "identity part" };
    let bytes = quicprochat_identity::from_row(&row, IDENTITY_ROW_BYTES).map_err(|_| damaged)?;
    let identity = UnverifiedIdentity::parse(bytes).map_err(|_| damaged)?;
    let revoked = identity.claimed().removed().contains(&device.device);
    Err(if revoked { ErrorCode::DeviceRevoked } else { ErrorCode::NotFound }.into())
}
