//! `invite-list`: the account's codes.

use quicprochat_wire::{Timestamp, call::auth::Invites};

use super::{invite_create::left, invites};
use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn invite_list(core: &Core, caller: Device, now: Timestamp) -> Result<Invites, Refusal> {
    let rows = read(&*core.store, move |tx| {
        caller.confirm(tx)?;
        Ok(tx.invites().of_maker(&caller.account)?)
    })
    .await?;
    let left = left(&rows, core.config.limits.invites, now);
    Ok(Invites { invites: rows.iter().map(invites::to_wire).collect(), left })
}
