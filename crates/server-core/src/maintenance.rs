//! Housekeeping: what age removes.

use quicprochat_wire::Timestamp;

use crate::{
    channels,
    error::ServerError,
    recovery::{self, Recovery},
    shared::Core,
    store::{Day, write},
};

/// Rows removed in one transaction.
const STEP: u32 = 1024;

/// What a sweep removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Swept {
    /// Channel entries whose content was dropped.
    pub channel_entries: u64,
    /// Inbox entries.
    pub inbox_entries: u64,
    /// Spent tokens of past epochs, and issue counts of past days.
    pub token_rows: u64,
    /// Lapsed invite codes.
    pub invites: u64,
    /// The recovery time that was over.
    pub recovery: Option<Recovery>,
}

/// Removes everything that is too old, in steps that leave room for other work between them.
pub(crate) async fn sweep(core: &Core, now: Timestamp) -> Result<Swept, ServerError> {
    core.limits.sweep(now);
    core.links.sweep(now);
    let recovery = recovery::end(core, now).await?;
    let store = &*core.store;
    let retention = u64::try_from(core.config.limits.retention.as_millis()).unwrap_or(u64::MAX);
    let cutoff = Timestamp(now.0.saturating_sub(retention));
    let mut swept = Swept { recovery, ..Swept::default() };
    loop {
        let dropped = channels::expire(store, cutoff).await?;
        swept.channel_entries += dropped;
        if dropped == 0 {
            break;
        }
    }
    loop {
        let dropped = write(store, move |tx| Ok(tx.inboxes().expire(Day::from(cutoff), STEP)?)).await?;
        swept.inbox_entries += u64::from(dropped);
        if dropped < STEP {
            break;
        }
    }
    let oldest_epoch = core.issuer.oldest_epoch(now);
    loop {
        let dropped = write(store, move |tx| Ok(tx.tokens().expire(Day::from(now), oldest_epoch, STEP)?)).await?;
        swept.token_rows += u64::from(dropped);
        if dropped < STEP {
            break;
        }
    }
    loop {
        let dropped = write(store, move |tx| Ok(tx.invites().expire(Day::from(now), STEP)?)).await?;
        swept.invites += u64::from(dropped);
        if dropped < STEP {
            break;
        }
    }
    Ok(swept)
}
