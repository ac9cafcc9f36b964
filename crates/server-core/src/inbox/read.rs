//! `inbox-read`: a page of the caller's own inbox.

use quicprochat_wire::call::inbox::{InboxPage, InboxRead};

use super::page::page;
use crate::{connection::Device, shared::Core, store, store::Refusal};

pub(crate) async fn read(core: &Core, caller: Device, request: InboxRead) -> Result<InboxPage, Refusal> {
    store::read(&*core.store, move |tx| page(tx, &caller, request.after, request.limit)).await
}
