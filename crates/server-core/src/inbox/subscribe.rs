//! `inbox-subscribe`: the inbox from a cursor on, and whatever arrives.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use quicprochat_wire::{
    AccountId, CallFailure, ErrorCode, Response,
    call::inbox::{InboxPage, InboxSubscribe},
    limits::MAX_PAGE_ENTRIES,
};

use super::page::page;
use crate::{
    connection::Device,
    error::failure,
    shared::Core,
    store::{Refusal, read},
    wakers::Listener,
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
    let subscription = Subscription {
        core: Arc::clone(core),
        caller,
        after: request.after,
        listener,
        caught_up: false,
        silent: false,
    };
    Ok(stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(page) => Some((Ok(page.into()), Some(subscription))),
            Err(refusal) => Some((Err(failure(refusal, "inbox-subscribe")), None)),
        }
    })
    .boxed())
}

struct Subscription {
    core: Arc<Core>,
    caller: Device,
    after: u64,
    listener: Listener<AccountId>,
    /// Everything there was has been read; wait before the next look.
    caught_up: bool,
    /// The first page has been given; an empty one says nothing any more.
    silent: bool,
}

impl Subscription {
    async fn next(&mut self) -> Result<InboxPage, Refusal> {
        loop {
            if self.core.is_draining() {
                return Err(ErrorCode::Unavailable.into());
            }
            if self.caught_up {
                self.listener.changed().await;
                self.caught_up = false;
                continue;
            }
            let (caller, after) = (self.caller, self.after);
            let page = read(&*self.core.store, move |tx| page(tx, &caller, after, MAX_PAGE_ENTRIES)).await?;
            self.caught_up = !page.more;
            if let Some(last) = page.entries.last() {
                self.after = last.seq;
            }
            if !page.entries.is_empty() || !core::mem::replace(&mut self.silent, true) {
                self.silent = true;
                return Ok(page);
            }
        }
    }
}
