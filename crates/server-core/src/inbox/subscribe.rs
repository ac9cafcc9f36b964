//! `inbox-subscribe`: the inbox from a cursor on, and whatever arrives.

use std::sync::Arc;

use futures::stream::BoxStream;
use quicprochat_wire::{CallFailure, Response, call::inbox::InboxSubscribe, limits::MAX_PAGE_ENTRIES};

use super::page::page;
use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, StoreTx, read},
    subscription::pages,
};

/// Answers with a stream whose first page comes at once, also if it is empty. It ends with `device-revoked` when the account
/// has the device no more.
pub(crate) async fn subscribe(
    core: &Arc<Core>,
    caller: Device,
    request: InboxSubscribe,
) -> Result<BoxStream<'static, Result<Response, CallFailure>>, Refusal> {
    let listener = core.account_wakers.listen(caller.account);
    read(&*core.store, move |tx| caller.confirm(tx)).await?;
    let page = move |tx: &mut dyn StoreTx, after| page(tx, &caller, after, MAX_PAGE_ENTRIES);
    Ok(pages(core, "inbox-subscribe", listener, request.after, page))
}
