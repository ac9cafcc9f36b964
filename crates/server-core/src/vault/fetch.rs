//! `vault-fetch`: records by id, or all there are.

use quicprochat_wire::{
    ErrorCode,
    call::vault::{VaultFetch, VaultRecords},
    limits::MAX_VAULT_RECORDS,
};

use crate::{
    access::Owner,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn fetch(core: &Core, caller: Owner, request: VaultFetch) -> Result<VaultRecords, Refusal> {
    if request.ids.len() > MAX_VAULT_RECORDS {
        return Err(ErrorCode::TooLarge.into());
    }
    read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let account = caller.account();
        let mut ids = request.ids;
        if ids.is_empty() {
            ids = tx.vaults().rows(&account)?.iter().filter(|row| row.bytes > 0).map(|row| row.id).collect();
        }
        ids.sort_unstable();
        ids.dedup();
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            // A removed record asked for by id shows its version, which the next write must name.
            records.extend(tx.vaults().record(&account, id)?);
        }
        Ok(VaultRecords { records })
    })
    .await
}
