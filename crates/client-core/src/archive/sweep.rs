//! Looking through the objects at the server: what nothing points to is deleted, what is pointed to and not there is known.

use std::collections::BTreeSet;

use quicprochat_e2ee::vault::ArchiveRecord;
use quicprochat_wire::{
    ObjectId, Timestamp,
    call::archive::{ArchiveDelete, ArchiveList, ArchivePage},
    entropy::random_below,
    limits::MAX_PAGE_ENTRIES,
    time::Duration,
};

use super::{
    Archive, ArchiveCall,
    plan::{self, Known, Plan},
};
use crate::{engine::Cx, error::EngineError};

/// How often, and that much later at most.
const SWEEP_FROM: Duration = Duration::from_secs(24 * 3600);
const SWEEP_SPREAD: Duration = Duration::from_secs(6 * 3600);
/// An object that nothing points to may be one of a device that is about to store what does.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// A sweep under way.
#[derive(Default)]
pub(super) struct Sweep {
    found: BTreeSet<ObjectId>,
}

impl Archive {
    /// Begins a sweep, or goes on with it, when it is due.
    pub(super) fn begin_sweep(&mut self, cx: &mut Cx<'_>, record: &ArchiveRecord) -> Result<bool, EngineError> {
        if self.sweep.is_none() {
            let plan = Plan::load(cx.tx)?;
            let is_due = plan.purge
                || (self.all && !self.swept)
                || (record.enabled && !cx.is_to_come(plan.sweep, SWEEP_FROM.saturating_add(SWEEP_SPREAD)));
            if !is_due {
                return Ok(false);
            }
            self.sweep = Some(Sweep::default());
        }
        let after = self.sweep.as_ref().and_then(|sweep| sweep.found.last().copied());
        self.call(cx, ArchiveList { after, limit: 0 }, ArchiveCall::List);
        Ok(true)
    }

    pub(super) fn page_came(&mut self, cx: &mut Cx<'_>, page: &ArchivePage) -> Result<(), EngineError> {
        let Some(sweep) = &mut self.sweep else { return Ok(()) };
        let before = sweep.found.len();
        sweep.found.extend(page.entries.iter().map(|entry| entry.id));
        if page.more && sweep.found.len() > before {
            return Ok(());
        }
        let found = self.sweep.take().unwrap_or_default().found;
        self.swept = true;
        let (known, cached) = (Known::load(cx.tx)?, plan::cached(cx.tx)?);
        if cached.pointer != known.record.manifest {
            return Ok(());
        }
        let used: BTreeSet<ObjectId> = cached.objects().collect();
        let mut plan = Plan::load(cx.tx)?;
        let news = plan.bad.is_empty();
        for id in cached.manifest.segments.iter().map(|segment| segment.id).filter(|id| !found.contains(id)) {
            plan.see(id, cx.now, self.forced);
        }
        (plan.objects, plan.bytes, plan.quota, plan.looked) = (page.objects, page.bytes, page.quota, cx.now);
        let expired = expired(cx, &plan, &found, &used)?;
        let spread = u64::try_from(SWEEP_SPREAD.as_millis()).unwrap_or(u64::MAX);
        let pause = SWEEP_FROM.saturating_add(Duration::from_millis(random_below(cx.entropy, spread)));
        // After a deletion, again: there may be more of them, and it tells what is left.
        plan.sweep = if expired.is_empty() { cx.now.after(pause) } else { Timestamp(0) };
        plan.purge &= !expired.is_empty();
        plan.store(cx.tx)?;
        self.looked = false;
        if !plan.bad.is_empty() {
            self.unreadable(cx, news);
        }
        if !expired.is_empty() {
            self.swept = false;
            self.call(cx, ArchiveDelete { ids: expired }, ArchiveCall::Delete);
        } else if known.record.manifest.is_some_and(|pointer| !found.contains(&pointer.id)) {
            self.rewrite(cx, &known, cached.manifest)?;
        }
        Ok(())
    }
}

/// What is to be deleted now, as much as one call takes; keeps in mind since when the others are there.
fn expired(
    cx: &Cx<'_>,
    plan: &Plan,
    found: &BTreeSet<ObjectId>,
    used: &BTreeSet<ObjectId>,
) -> Result<Vec<ObjectId>, EngineError> {
    let mut orphans = plan::orphans(cx.tx)?;
    let before = orphans.clone();
    let loose = |id: &ObjectId| found.contains(id) && !used.contains(id);
    orphans.retain(|id, _| loose(id));
    for id in found.iter().filter(|id| loose(id)) {
        let since = orphans.entry(*id).or_insert(cx.now);
        // Of a clock that has been set back since.
        *since = cx.now.min(*since);
    }
    let expired = |since: Timestamp| plan.purge || cx.now.since(since) >= GRACE;
    let listed = orphans.iter().filter(|(_, since)| expired(**since)).map(|(id, _)| *id);
    let listed = listed.take(usize::from(MAX_PAGE_ENTRIES)).collect();
    if orphans != before {
        plan::store_orphans(cx.tx, &orphans)?;
    }
    Ok(listed)
}
