//! `channel-subscribe`: the log from a cursor on, and whatever is appended, as far as the key reaches (DESIGN L8, L13).

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use quicprochat_wire::{
    AccessPublicKey, CallFailure, ChannelId, ErrorCode, Response,
    call::channel::{ChannelPage, ChannelSubscribe},
    limits::MAX_PAGE_ENTRIES,
};

use super::{
    authorise::{current, reach},
    page::page,
};
use crate::{
    connection::ChannelConnection,
    error::failure,
    shared::Core,
    store::{Refusal, StoreTx, read},
    wakers::Listener,
};

/// Answers with a stream whose first page comes at once, also if it is empty. It ends with `access-denied` once the key is
/// replaced and the rolling commit has been given, or the channel is gone.
pub(crate) async fn subscribe(
    core: &Arc<Core>,
    connection: &ChannelConnection,
    request: ChannelSubscribe,
) -> Result<BoxStream<'static, Result<Response, CallFailure>>, Refusal> {
    let ChannelSubscribe { channel, after } = request;
    let attached = connection.keys(&channel)?;
    let listener = core.channel_wakers.listen(channel);
    let row = read(&*core.store, move |tx| current(tx, &channel, &attached)).await?;
    let subscription = Subscription {
        core: Arc::clone(core),
        channel,
        access: row.access,
        after,
        listener,
        caught_up: false,
        first_given: false,
    };
    Ok(stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        match subscription.next().await {
            Ok(page) => Some((Ok(page.into()), Some(subscription))),
            Err(refusal) => Some((Err(failure(refusal, "channel-subscribe")), None)),
        }
    })
    .boxed())
}

struct Subscription {
    core: Arc<Core>,
    channel: ChannelId,
    /// The key that was current when the subscription began; each page asks anew how far it reaches.
    access: AccessPublicKey,
    after: u64,
    listener: Listener<ChannelId>,
    /// Everything there was has been read; wait before the next look.
    caught_up: bool,
    /// The first page has been given; from then on an empty one says nothing.
    first_given: bool,
}

impl Subscription {
    async fn next(&mut self) -> Result<ChannelPage, Refusal> {
        loop {
            if self.core.is_draining() {
                return Err(ErrorCode::Unavailable.into());
            }
            if self.caught_up {
                self.listener.changed().await;
                self.caught_up = false;
                continue;
            }
            let (channel, access, after) = (self.channel, self.access, self.after);
            let page = read(&*self.core.store, move |tx| next_page(tx, &channel, &access, after)).await?;
            self.caught_up = !page.more;
            if let Some(last) = page.entries.last() {
                self.after = last.seq;
            }
            if !page.entries.is_empty() || !self.first_given {
                self.first_given = true;
                return Ok(page);
            }
        }
    }
}

/// Errors:   `access-denied` if the key reaches no further than `after`.
fn next_page(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    access: &AccessPublicKey,
    after: u64,
) -> Result<ChannelPage, Refusal> {
    let (row, reach) = reach(tx, channel, access)?;
    let through = row.last.position.min(reach.through());
    let mut page = page(tx, channel, after, through, MAX_PAGE_ENTRIES)?;
    if reach.through() != u64::MAX {
        if page.entries.is_empty() {
            return Err(ErrorCode::AccessDenied.into());
        }
        // The end of the subscription comes after this page.
        page.more = true;
    }
    Ok(page)
}
