//! `channel-group-info`: the sealed GroupInfo that a commit stored, and what that commit named, which outlives its content.

use quicprochat_wire::{
    ErrorCode, MessageId,
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
        // The last commit has none if it was lost, and offered again by somebody who had none.
        let position = match request.position {
            u64::MAX => tx.channels().newest_group_info(&request.channel)?.unwrap_or(row.last_commit.position),
            position => position,
        };
        let found = tx.channels().group_info(&request.channel, position)?.ok_or(ErrorCode::NotFound)?;
        let (commit, after_commit) = if position == 0 {
            (MessageId::new([0; 16]), found.at)
        } else {
            let point = tx.channels().point(&request.channel, position)?.ok_or(ErrorCode::NotFound)?;
            (point.id, point.after_commit)
        };
        Ok(GroupInfo { at: found.at, sealed: found.sealed, commit, after_commit })
    })
    .await
}
