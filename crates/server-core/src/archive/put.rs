//! `archive-put`: an object, once.

use quicprochat_wire::{
    ErrorCode,
    call::{Done, archive::ArchivePut},
    limits::MAX_ARCHIVE_BYTES,
};

use crate::{
    connection::Device,
    shared::Core,
    store::{ArchiveRow, Refusal, write},
};

/// Errors:   `bad-request` for no bytes, `too-large`, `version-conflict` for other bytes under a known id, `quota-full`.
pub(crate) async fn put(core: &Core, caller: Device, request: ArchivePut) -> Result<Done, Refusal> {
    let ArchivePut { id, sealed } = request;
    if sealed.is_empty() {
        return Err(ErrorCode::BadRequest.into());
    }
    if sealed.len() > MAX_ARCHIVE_BYTES {
        return Err(ErrorCode::TooLarge.into());
    }
    let (most_bytes, most_objects) = (core.config.limits.archive_bytes, core.config.limits.archive_objects);
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let account = caller.account;
        if let Some(stored) = tx.archives().object(&account, &id)? {
            return if stored == sealed { Ok(()) } else { Err(ErrorCode::VersionConflict.into()) };
        }
        let before = tx.archives().load(&account)?;
        let bytes = u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        let row = ArchiveRow { objects: before.objects.saturating_add(1), bytes: before.bytes.saturating_add(bytes) };
        if row.objects > most_objects || row.bytes > most_bytes {
            return Err(ErrorCode::QuotaFull.into());
        }
        tx.archives().insert(&account, &id, &sealed)?;
        Ok(tx.archives().set_row(&account, &row)?)
    })
    .await?;
    Ok(Done)
}
