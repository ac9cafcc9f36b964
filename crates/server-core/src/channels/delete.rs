//! `channel-delete`: the last member removes the channel and everything in it (DESIGN L10).

use quicprochat_wire::call::{Done, channel::ChannelDelete};

use super::authorise::current;
use crate::{
    connection::ChannelConnection,
    shared::Core,
    store::{Refusal, write},
};

pub(crate) async fn delete(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelDelete,
) -> Result<Done, Refusal> {
    let channel = request.channel;
    let attached = connection.keys(&channel)?;
    write(&*core.store, move |tx| {
        current(tx, &channel, &attached)?;
        Ok(tx.channels().remove(&channel)?)
    })
    .await?;
    core.channel_wakers.wake(&channel);
    Ok(Done)
}
