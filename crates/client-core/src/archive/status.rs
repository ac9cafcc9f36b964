//! How the archive stands, as this device last knew it.

use quicprochat_wire::{ChannelId, Timestamp};

use super::{
    holdings::Holdings,
    lacking, limits,
    plan::{self, Known, Plan},
    rollback::Lost,
    wanted,
};
use crate::store::{StoreFault, StoreTx};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveStatus {
    /// Whether history is kept.
    pub enabled: bool,
    /// What somebody asked for, and the next session tells the other devices.
    pub asked: Option<bool>,
    /// Conversations of which none is kept, with what was asked for and not told yet.
    pub excluded: Vec<ChannelId>,
    /// Entries in it.
    pub entries: u64,
    /// Positions of conversations that this device has and the archive lacks.
    pub to_store: u64,
    /// Positions that the archive has and this device lacks.
    pub to_fetch: u64,
    /// Objects that are damaged or not there.
    pub unreadable: usize,
    /// Whether the server had no room for more.
    pub full: bool,
    /// Objects at the server, when it was last asked.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many bytes there may be; 0 if it was never asked.
    pub quota: u64,
    /// When it was last asked.
    pub looked: Timestamp,
}

/// How the archive stands.
pub fn archive_status(tx: &dyn StoreTx) -> Result<ArchiveStatus, StoreFault> {
    let (plan, mut known) = (Plan::load(tx)?, Known::load(tx)?);
    if let Some(lost) = Lost::load(tx)? {
        known.record = lost.put_onto(&known);
    }
    let manifest = plan::cached(tx)?.manifest;
    let holdings = Holdings::seen(tx)?;
    let mut excluded = known.record.excluded.clone();
    for (channel, on) in &plan.wishes {
        if *on {
            excluded.remove(channel);
        } else {
            excluded.insert(*channel);
        }
    }
    let to_store = if known.record.enabled { lacking(&holdings.sure(), &manifest, &known.record).count() } else { 0 };
    let to_fetch = wanted(&manifest.coverage(), &known.record, &limits(tx)?, &holdings.have).count();
    Ok(ArchiveStatus {
        enabled: known.record.enabled,
        asked: plan.wish.filter(|wish| *wish != known.record.enabled),
        excluded: excluded.into_iter().collect(),
        entries: manifest.segments.iter().map(|segment| u64::from(segment.count)).sum(),
        to_store,
        to_fetch,
        unreadable: plan.bad.len(),
        full: plan.full,
        objects: plan.objects,
        bytes: plan.bytes,
        quota: plan.quota,
        looked: plan.looked,
    })
}

/// Has the history of a new account kept, from its first session on.
pub fn turn_on(tx: &dyn StoreTx) -> Result<(), StoreFault> {
    let mut plan = Plan::load(tx)?;
    plan.wish = Some(true);
    plan.store(tx)
}
