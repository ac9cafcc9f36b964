//! `channel-delete`: the last member removes the channel and everything in it (DESIGN L10).

use quicprochat_wire::{
    Timestamp,
    call::{Done, channel::ChannelDelete},
};

use super::authorise::current;
use crate::{
    connection::ChannelConnection,
    recovery,
    shared::Core,
    store::{Refusal, write},
};

pub(crate) async fn delete(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelDelete,
    now: Timestamp,
) -> Result<Done, Refusal> {
    let channel = request.channel;
    let attached = connection.keys(&channel)?;
    core.limits.enqueues.take(channel, now)?;
    // After a restore the key of somebody who was removed since counts again until the removal is offered.
    recovery::gate(core, now).await?;
    write(&*core.store, move |tx| {
        current(tx, &channel, &attached)?;
        Ok(tx.channels().remove(&channel)?)
    })
    .await?;
    core.channel_wakers.wake(&channel);
    Ok(Done)
}
