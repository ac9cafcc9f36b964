//! `channel-group-info`: the sealed GroupInfo that a commit stored.

use quicprochat_wire::{
    ErrorCode,
    call::channel::{ChannelGroupInfo, GroupInfo},
};

use super::authorise::current;
use crate::{
    connection::ChannelConnection,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn group_info(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelGroupInfo,
) -> Result<GroupInfo, Refusal> {
    let attached = connection.keys(&request.channel)?;
    read(&*core.store, move |tx| {
        let row = current(tx, &request.channel, &attached)?;
        let position = if request.position == u64::MAX { row.last_commit.position } else { request.position };
        let found = tx.channels().group_info(&request.channel, position)?.ok_or(ErrorCode::NotFound)?;
        Ok(GroupInfo { at: found.at, sealed: found.sealed })
    })
    .await
}
