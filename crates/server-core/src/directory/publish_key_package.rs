//! `publish-key-package`: replaces the calling device's KeyPackage part.

use quicprochat_wire::{
    ErrorCode,
    call::{Done, directory::PublishKeyPackage},
};

use super::rows::{device_row, stored_identity};
use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, write},
};

pub(crate) async fn publish_key_package(
    core: &Core,
    caller: Device,
    request: PublishKeyPackage,
) -> Result<Done, Refusal> {
    if request.part.device != caller.device {
        return Err(ErrorCode::RecordInvalid.into());
    }
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let identity = stored_identity(tx, &caller.account)?;
        let row = device_row(identity.claimed(), &request.part)?;
        Ok(tx.directory().put_device(&caller.account, &row)?)
    })
    .await?;
    Ok(Done)
}
