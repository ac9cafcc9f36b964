//! `archive-get`: an object as it was stored.

use quicprochat_wire::{
    ErrorCode,
    call::archive::{ArchiveGet, ArchiveObject},
};

use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, read},
};

/// Errors:   `not-found`.
pub(crate) async fn get(core: &Core, caller: Device, request: ArchiveGet) -> Result<ArchiveObject, Refusal> {
    read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let sealed = tx.archives().object(&caller.account, &request.id)?.ok_or(ErrorCode::NotFound)?;
        Ok(ArchiveObject { sealed })
    })
    .await
}
