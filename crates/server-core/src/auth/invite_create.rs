//! `invite-create`: a code for one person, while the account has any left.

use quicprochat_wire::{CallFailure, ErrorCode, Timestamp, call::auth::InviteCreated};

use super::invites::{self, fresh_invite};
use crate::{
    connection::Device,
    shared::Core,
    store::{Day, InviteRow, Refusal, write},
};

pub(crate) async fn invite_create(core: &Core, caller: Device, now: Timestamp) -> Result<InviteCreated, Refusal> {
    let limits = &core.config.limits;
    let expires = Day::from(now.after(limits.invite_validity));
    let row = fresh_invite(Some(caller.account), expires, &mut core.fork_entropy());
    let (allowed, fresh) = (limits.invites, row.clone());
    write(&*core.store, move |tx| {
        caller.confirm(tx)?;
        let rows = tx.invites().of_maker(&caller.account)?;
        if left(&rows, allowed, now) == 0 {
            let next = rows.iter().map(|row| row.expires).filter(|day| Day::from(now) <= *day).min();
            let failure = next.map_or(CallFailure::new(ErrorCode::QuotaFull), |day| {
                CallFailure::retry(ErrorCode::QuotaFull, Day(day.0.saturating_add(1)).start().since(now))
            });
            return Err(failure.into());
        }
        Ok(tx.invites().put(&fresh)?)
    })
    .await?;
    Ok(InviteCreated { invite: invites::to_wire(&row) })
}

/// How many more codes there may be: one that was used counts until it would have lapsed.
pub(super) fn left(rows: &[InviteRow], allowed: u32, now: Timestamp) -> u32 {
    let counting = rows.iter().filter(|row| Day::from(now) <= row.expires).count();
    allowed.saturating_sub(u32::try_from(counting).unwrap_or(u32::MAX))
}
