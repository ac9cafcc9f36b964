//! `archive-list`: which objects there are, and what the archive takes.

use quicprochat_wire::call::archive::{ArchiveList, ArchivePage};

use crate::{
    connection::Device,
    shared::Core,
    store::{PageLimit, Refusal, read},
};

pub(crate) async fn list(core: &Core, caller: Device, request: ArchiveList) -> Result<ArchivePage, Refusal> {
    let quota = core.config.limits.archive_bytes;
    let limit = PageLimit::asked(request.limit).entries;
    read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let account = caller.account;
        // One more than wanted shows whether there are further ones.
        let mut entries = tx.archives().page(&account, request.after.as_ref(), limit.saturating_add(1))?;
        let more = entries.len() > usize::from(limit);
        entries.truncate(usize::from(limit));
        let row = tx.archives().load(&account)?;
        Ok(ArchivePage { entries, more, objects: row.objects, bytes: row.bytes, quota })
    })
    .await
}
