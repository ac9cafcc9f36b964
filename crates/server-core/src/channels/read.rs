//! `channel-read`: a page of the log, for the current key.

use quicprochat_wire::call::channel::{ChannelPage, ChannelRead};

use super::{authorise::current, page::page};
use crate::{connection::ChannelConnection, shared::Core, store, store::Refusal};

pub(crate) async fn read(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelRead,
) -> Result<ChannelPage, Refusal> {
    let attached = connection.keys(&request.channel)?;
    store::read(&*core.store, move |tx| {
        let row = current(tx, &request.channel, &attached)?;
        Ok(page(tx, &request.channel, request.after, row.last.position, request.limit)?)
    })
    .await
}
