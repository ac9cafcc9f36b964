//! `channel-subscribe`: the log from a cursor on, and whatever is appended, as far as the key reaches (DESIGN L8, L13).

use std::sync::Arc;

use futures::stream::BoxStream;
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
    shared::Core,
    store::{Refusal, StoreTx, read},
    subscription::pages,
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
    // The key that is current when the subscription begins; each page asks anew how far it reaches.
    let access = read(&*core.store, move |tx| current(tx, &channel, &attached)).await?.access;
    let page = move |tx: &mut dyn StoreTx, after| next_page(tx, &channel, &access, after);
    Ok(pages(core, "channel-subscribe", listener, after, page))
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
