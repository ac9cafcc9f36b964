//! Invite codes of the operator: how the first people get in where registration asks for one.

use quicprochat_wire::{Timestamp, call::auth::Invite};

use super::invites::{self, fresh_invite};
use crate::{
    shared::Core,
    store::{Day, InviteRow, Refusal, write},
};

pub(crate) async fn operator_invites(core: &Core, count: u32, now: Timestamp) -> Result<Vec<Invite>, Refusal> {
    let expires = Day::from(now.after(core.config.limits.invite_validity));
    let rows: Vec<InviteRow> = (0..count).map(|_| fresh_invite(None, expires, &mut core.fork_entropy())).collect();
    let fresh = rows.clone();
    write(&*core.store, move |tx| {
        for row in &fresh {
            tx.invites().put(row)?;
        }
        Ok(())
    })
    .await?;
    Ok(rows.iter().map(invites::to_wire).collect())
}
