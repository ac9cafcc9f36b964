//! `archive-delete`: objects that are no longer wanted.

use quicprochat_wire::{
    ErrorCode,
    call::{Done, archive::ArchiveDelete},
    limits::MAX_PAGE_ENTRIES,
};

use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, write},
};

/// Errors:   `too-large` for more ids than fit a page.
pub(crate) async fn delete(core: &Core, caller: Device, request: ArchiveDelete) -> Result<Done, Refusal> {
    if request.ids.len() > usize::from(MAX_PAGE_ENTRIES) {
        return Err(ErrorCode::TooLarge.into());
    }
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let account = caller.account;
        let mut row = tx.archives().load(&account)?;
        for id in &request.ids {
            if let Some(bytes) = tx.archives().remove_object(&account, id)? {
                row.objects = row.objects.saturating_sub(1);
                row.bytes = row.bytes.saturating_sub(bytes);
            }
        }
        Ok(tx.archives().set_row(&account, &row)?)
    })
    .await?;
    Ok(Done)
}
