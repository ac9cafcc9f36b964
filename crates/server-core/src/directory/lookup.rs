//! `lookup`: anybody's record.

use quicprochat_wire::{
    ErrorCode,
    call::directory::{Lookup, Record, Subject},
};

use super::rows;
use crate::{
    access::LookupCaller,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn lookup(core: &Core, _caller: LookupCaller, request: Lookup) -> Result<Record, Refusal> {
    read(&*core.store, move |tx| {
        let account = match request.subject {
            Subject::Account(account) => account,
            Subject::Name(name) => tx.accounts().by_name(&name)?.ok_or(ErrorCode::NotFound)?,
        };
        rows::record(tx, &account)
    })
    .await
}
