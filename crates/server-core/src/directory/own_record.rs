//! `own-record`: the caller's own record.

use quicprochat_wire::call::directory::Record;

use super::rows;
use crate::{
    access::Owner,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn own_record(core: &Core, caller: Owner) -> Result<Record, Refusal> {
    read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        rows::record(tx, &caller.account())
    })
    .await
}
