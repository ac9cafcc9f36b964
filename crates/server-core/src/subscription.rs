//! What every subscription does: a log page by page from a cursor on, then whatever is appended, each page read in a
//! transaction of its own, which decides anew whether the subscriber may have it.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use quicprochat_wire::{
    CallFailure, ErrorCode, Response,
    call::{channel::ChannelPage, inbox::InboxPage},
};

use crate::{
    error::failure,
    shared::Core,
    store::{Refusal, StoreTx, read},
    wakers::Listener,
};

/// What a subscription must know of a page.
pub(crate) trait Page: Into<Response> + Send + 'static {
    /// Position of its last entry.
    fn last(&self) -> Option<u64>;

    /// Whether there is more to read right away.
    fn more(&self) -> bool;
}

impl Page for ChannelPage {
    fn last(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.seq)
    }

    fn more(&self) -> bool {
        self.more
    }
}

impl Page for InboxPage {
    fn last(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.seq)
    }

    fn more(&self) -> bool {
        self.more
    }
}

/// A stream whose first page comes at once, also if it is empty; it ends with the refusal of `page`, which reads on from a
/// position. The listener must be older than whatever `page` was asked before.
pub(crate) fn pages<K, P>(
    core: &Arc<Core>,
    method: &'static str,
    listener: Listener<K>,
    after: u64,
    page: impl Fn(&mut dyn StoreTx, u64) -> Result<P, Refusal> + Copy + Send + 'static,
) -> BoxStream<'static, Result<Response, CallFailure>>
where
    K: Ord + Copy + Send + 'static,
    P: Page,
{
    let subscription = Subscription { core: Arc::clone(core), after, listener, caught_up: false, first_given: false };
    stream::unfold(Some(subscription), move |subscription| async move {
        let mut subscription = subscription?;
        match subscription.next(page).await {
            Ok(page) => Some((Ok(page.into()), Some(subscription))),
            Err(refusal) => Some((Err(failure(refusal, method)), None)),
        }
    })
    .boxed()
}

struct Subscription<K: Ord + Copy> {
    core: Arc<Core>,
    after: u64,
    listener: Listener<K>,
    /// Everything there was has been read; wait before the next look.
    caught_up: bool,
    /// The first page has been given; from then on an empty one says nothing.
    first_given: bool,
}

impl<K: Ord + Copy> Subscription<K> {
    async fn next<P: Page>(
        &mut self,
        page: impl Fn(&mut dyn StoreTx, u64) -> Result<P, Refusal> + Copy + Send + 'static,
    ) -> Result<P, Refusal> {
        loop {
            if self.core.is_draining() {
                return Err(ErrorCode::Unavailable.into());
            }
            if self.caught_up {
                self.listener.changed().await;
                self.caught_up = false;
                continue;
            }
            let after = self.after;
            let page = read(&*self.core.store, move |tx| page(tx, after)).await?;
            self.caught_up = !page.more();
            let last = page.last();
            self.after = last.unwrap_or(self.after);
            if last.is_some() || !self.first_given {
                self.first_given = true;
                return Ok(page);
            }
        }
    }
}
