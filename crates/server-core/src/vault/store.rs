//! `vault-store`: records, all or none.

use quicprochat_wire::call::{Done, vault::VaultStore};

use super::put_records;
use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, write},
};

pub(crate) async fn store(core: &Core, caller: Device, request: VaultStore) -> Result<Done, Refusal> {
    let limit = core.config.limits.vault_bytes;
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        put_records(tx, &caller.account, &request.records, limit)
    })
    .await?;
    core.account_wakers.wake(&caller.account);
    Ok(Done)
}
