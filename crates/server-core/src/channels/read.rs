//! `channel-read`: a page of the log, as far as the key reaches.

use quicprochat_wire::call::channel::{ChannelPage, ChannelRead};

use super::{authorise::readable, page::page};
use crate::{connection::ChannelConnection, shared::Core, store, store::Refusal};

pub(crate) async fn read(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelRead,
) -> Result<ChannelPage, Refusal> {
    let attached = connection.keys(&request.channel)?;
    store::read(&*core.store, move |tx| {
        let through = readable(tx, &request.channel, &attached)?;
        Ok(page(tx, &request.channel, request.after, through, request.limit)?)
    })
    .await
}
