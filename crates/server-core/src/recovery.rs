//! Recovery time: what a server that was restored from a backup lets happen first (DESIGN L3).
//!
//! ```text
//!   restore ──▶ pending ──first start──▶ until T ──T──▶ (no mark)
//!                  └ nothing new for any channel: whoever knows more of one offers it first
//! ```
//!
//! The mark is a row of the store, so that a restart neither ends nor prolongs it.

use std::sync::atomic::{AtomicU64, Ordering};

use quicprochat_wire::{CallFailure, ErrorCode, Timestamp};

use crate::{
    error::ServerError,
    shared::Core,
    store::{Refusal, StateKey, Store, StoreTx, read, write},
};

const VERSION: u8 = 1;

/// What the store keeps of a recovery time, under [`StateKey::Recovery`].
///
/// Shape:    `u8 1 || until u64 (0: no server has started since the restore) || restored u64`, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// When it is over; `None` if no server has started since the restore.
    pub until: Option<Timestamp>,
    /// Entries that holders have offered and the server lacked, so far.
    pub restored: u64,
}

impl Recovery {
    /// What a restore leaves.
    pub const PENDING: Self = Self { until: None, restored: 0 };

    /// As stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let until = self.until.map_or(0, |until| until.0);
        [&[VERSION][..], &until.to_le_bytes(), &self.restored.to_le_bytes()].concat()
    }

    /// What is stored; `None` if it is nothing that this version writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (until, rest) = rest.split_first_chunk()?;
        let restored = u64::from_le_bytes(rest.try_into().ok()?);
        let until = Some(u64::from_le_bytes(*until)).filter(|until| *until != 0).map(Timestamp);
        Some(Self { until, restored })
    }
}

/// What this process knows of it.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Milliseconds since 1970; or one of the two below.
    until: AtomicU64,
    /// Entries restored since this process started, in a recovery time or not.
    restored: AtomicU64,
}

const NONE: u64 = 0;
const PENDING: u64 = u64::MAX;

impl Clock {
    /// Errors:   [`ServerError::StateDamaged`] for a mark that cannot be read.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, ServerError> {
        let stored = read(store, |tx| Ok(tx.state().get(StateKey::Recovery)?)).await?;
        let until = match stored {
            None => NONE,
            Some(stored) => match Recovery::decode(&stored) {
                Some(recovery) => recovery.until.map_or(PENDING, |until| until.0),
                None => return Err(ServerError::StateDamaged { what: "mark of a restore" }),
            },
        };
        Ok(Self { until: AtomicU64::new(until), restored: AtomicU64::new(0) })
    }

    fn get(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    fn set(&self, until: u64) {
        self.until.store(until, Ordering::Release);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.get() != NONE
    }

    /// When it is over, if it is on and has begun.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        match self.get() {
            NONE | PENDING => None,
            until => Some(Timestamp(until)),
        }
    }

    pub(crate) fn restored(&self) -> u64 {
        self.restored.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, entries: u32) {
        self.restored.fetch_add(entries.into(), Ordering::Relaxed);
    }
}

/// Begins the recovery time that a restore left to begin; says what is stored of it. One that has begun goes on, but for no
/// longer than is configured: a clock that was set back does not prolong it.
///
/// Errors:   the store's; then nothing new is taken for channels.
pub(crate) async fn begin(core: &Core, now: Timestamp) -> Result<Option<Recovery>, Refusal> {
    if !core.recovery.is_on() {
        return Ok(None);
    }
    let latest = now.after(core.config.limits.recovery);
    let found = write(&*core.store, move |tx| {
        let Some(mut recovery) = stored(tx)? else { return Ok(None) };
        let until = recovery.until.map_or(latest, |until| until.min(latest));
        if until <= now {
            tx.state().remove(StateKey::Recovery)?;
            return Ok(None);
        }
        if recovery.until != Some(until) {
            recovery.until = Some(until);
            tx.state().put(StateKey::Recovery, &recovery.encode())?;
        }
        Ok(Some(recovery))
    })
    .await?;
    core.recovery.set(found.and_then(|recovery| recovery.until).map_or(NONE, |until| until.0));
    Ok(found)
}

/// Whether something new may be written to channels.
///
/// Errors:   `restoring`, with the time that is left.
pub(crate) async fn gate(core: &Core, now: Timestamp) -> Result<(), Refusal> {
    // A clock that was set back does not prolong it.
    let latest = now.after(core.config.limits.recovery);
    if core.recovery.get() == PENDING || core.recovery.ends().is_some_and(|until| until > latest) {
        begin(core, now).await?;
    }
    match core.recovery.ends() {
        Some(until) if now < until => Err(CallFailure::retry(ErrorCode::Restoring, until.since(now)).into()),
        _ => Ok(()),
    }
}

/// Counts entries that were restored, in their transaction.
pub(crate) fn count(tx: &mut dyn StoreTx, added: u32) -> Result<(), Refusal> {
    if let Some(mut recovery) = stored(tx)? {
        recovery.restored = recovery.restored.saturating_add(added.into());
        tx.state().put(StateKey::Recovery, &recovery.encode())?;
    }
    Ok(())
}

/// Removes the mark of a recovery time that is over; says what it was.
pub(crate) async fn end(core: &Core, now: Timestamp) -> Result<Option<Recovery>, Refusal> {
    if core.recovery.ends().is_none_or(|until| now < until) {
        return Ok(None);
    }
    let over = write(&*core.store, |tx| {
        let recovery = stored(tx)?;
        tx.state().remove(StateKey::Recovery)?;
        Ok(recovery)
    })
    .await?;
    core.recovery.set(NONE);
    Ok(over)
}

/// Errors:   `internal` for a mark that cannot be read; it was read when the server started.
fn stored(tx: &mut dyn StoreTx) -> Result<Option<Recovery>, Refusal> {
    let Some(stored) = tx.state().get(StateKey::Recovery)? else { return Ok(None) };
    Ok(Some(Recovery::decode(&stored).ok_or(ErrorCode::Internal)?))
}

#[cfg(test)]
mod tests;
