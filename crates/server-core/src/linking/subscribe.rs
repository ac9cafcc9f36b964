//! `link-subscribe`: a side's messages from a number on, and whatever it adds.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use quicprochat_wire::{
    CallFailure, ErrorCode, LinkId, Response, Timestamp,
    call::linking::{LinkPage, LinkSide, LinkSubscribe},
};

use crate::{shared::Core, store::Refusal, wakers::Listener};

/// Answers with a stream whose first page comes at once, also if it is empty. It ends with `link-expired` when the link is gone.
pub(crate) fn subscribe(
    core: &Arc<Core>,
    request: &LinkSubscribe,
    now: Timestamp,
) -> Result<BoxStream<'static, Result<Response, CallFailure>>, Refusal> {
    let LinkSubscribe { link, side, from } = *request;
    let listener = core.links.wakers.listen(link);
    core.links.opener(&link, now)?;
    let from = usize::from(from);
    let subscription = Subscription { core: Arc::clone(core), link, side, from, listener, first_given: false };
    let pages = stream::unfold(Some(subscription), |subscription| async move {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(page) => Some((Ok(page.into()), Some(subscription))),
            Err(code) => Some((Err(code.into()), None)),
        }
    });
    Ok(pages.boxed())
}

struct Subscription {
    core: Arc<Core>,
    link: LinkId,
    side: LinkSide,
    from: usize,
    listener: Listener<LinkId>,
    /// The first page has been given; from then on an empty one says nothing.
    first_given: bool,
}

impl Subscription {
    async fn next(&mut self) -> Result<LinkPage, ErrorCode> {
        loop {
            if self.core.is_draining() {
                return Err(ErrorCode::Unavailable);
            }
            let messages = self.core.links.messages(&self.link, self.side, self.from).ok_or(ErrorCode::LinkExpired)?;
            if !messages.is_empty() || !self.first_given {
                self.first_given = true;
                self.from = self.from.saturating_add(messages.len());
                return Ok(LinkPage { messages });
            }
            self.listener.changed().await;
        }
    }
}
