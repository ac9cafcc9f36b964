//! Looking through the objects at the server: what nothing points to is deleted, what is pointed to and not there is known.
//!
//! ```text
//!   list, page by page ──▶ the record once more ──the same as before──▶ judged ──▶ deleted
//!                                               └─another one─▶ nothing follows from the list: it is made anew
//! ```

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_wire::{
    ObjectId, Timestamp,
    call::archive::{ArchiveDelete, ArchiveList, ArchivePage},
    entropy::random_below,
    limits::MAX_PAGE_ENTRIES,
    time::Duration,
};

use super::{
    Archive, ArchiveCall,
    plan::{self, Known, MAX_ORPHANS, Plan},
};
use crate::{command::CommandError, engine::Cx, error::EngineError};

/// How often, and that much later at most.
const SWEEP_FROM: Duration = Duration::from_secs(24 * 3600);
const SWEEP_SPREAD: Duration = Duration::from_secs(6 * 3600);
/// An object that nothing points to may be one of a device that is about to store what does.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// How far a sweep is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    #[default]
    Listing,
    /// Another device may have changed the record meanwhile, so it is fetched before anything follows from the list.
    Listed,
    Removing,
}

/// A sweep under way.
#[derive(Default)]
pub(super) struct Sweep {
    stage: Stage,
    /// The record's version all the while.
    version: u64,
    /// Every object, with its bytes.
    found: BTreeMap<ObjectId, u32>,
    /// The server tells of more than an archive has: of ids above the last one nothing is known.
    is_cut: bool,
    quota: u64,
    /// What is to be deleted.
    remove: Vec<ObjectId>,
    /// Whether the manifest is to be written once more.
    rewrite: bool,
}

impl Sweep {
    fn is_missing(&self, id: &ObjectId) -> bool {
        let is_told = !self.is_cut || self.found.last_key_value().is_some_and(|(last, _)| id <= last);
        is_told && !self.found.contains_key(id)
    }
}

impl Archive {
    /// Begins a sweep, or goes on with it, when it is due.
    pub(super) fn begin_sweep(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        if self.sweep.as_ref().is_none_or(|sweep| sweep.version != known.version) {
            self.sweep = None;
            let plan = Plan::load(cx.tx)?;
            let is_due = plan.purge
                || (self.all && !self.swept)
                // Also if history is off: another device may have died with objects on their way.
                || !cx.is_to_come(plan.sweep, SWEEP_FROM.saturating_add(SWEEP_SPREAD));
            if !is_due {
                return Ok(false);
            }
            self.sweep = Some(Sweep { version: known.version, ..Sweep::default() });
        }
        let Some(sweep) = &mut self.sweep else { return Ok(false) };
        if sweep.stage == Stage::Listing {
            let after = sweep.found.last_key_value().map(|(id, _)| *id);
            self.call(cx, ArchiveList { after, limit: 0 }, ArchiveCall::List);
            return Ok(true);
        }
        let few = sweep.remove.len().min(usize::from(MAX_PAGE_ENTRIES));
        let ids: Vec<_> = sweep.remove.drain(..few).collect();
        if ids.is_empty() {
            return self.end_sweep(cx, known);
        }
        for id in &ids {
            sweep.found.remove(id);
        }
        self.call(cx, ArchiveDelete { ids }, ArchiveCall::Remove);
        Ok(true)
    }

    pub(super) fn page_came(&mut self, page: &ArchivePage) {
        let Some(sweep) = &mut self.sweep else { return };
        let before = sweep.found.len();
        sweep.found.extend(page.entries.iter().map(|entry| (entry.id, entry.bytes)));
        if page.more && sweep.found.len() > before && sweep.found.len() < MAX_ORPHANS {
            return;
        }
        (sweep.stage, sweep.is_cut, sweep.quota) = (Stage::Listed, page.more, page.quota);
        self.stale = true;
    }

    /// Sees what follows from the list, once it is known that the record was the same all the while.
    pub(super) fn judge_sweep(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<(), EngineError> {
        let is_listed = |sweep: &&mut Sweep| sweep.stage == Stage::Listed && sweep.version == known.version;
        let Some(sweep) = self.sweep.as_mut().filter(is_listed) else { return Ok(()) };
        let cached = plan::cached(cx.tx)?;
        if cached.pointer != known.record.manifest {
            // What is in use has to be known.
            self.sweep = None;
            return Ok(());
        }
        let used: BTreeSet<ObjectId> = cached.objects().collect();
        let mut plan = Plan::load(cx.tx)?;
        let news = plan.bad.is_empty();
        for id in cached.manifest.segments.iter().map(|segment| segment.id).filter(|id| sweep.is_missing(id)) {
            plan.see(id, cx.now, self.forced);
        }
        plan.purge &= !known.record.enabled;
        sweep.remove = expired(cx, &plan, &sweep.found, &used)?;
        sweep.rewrite = known.record.manifest.is_some_and(|pointer| sweep.is_missing(&pointer.id));
        sweep.stage = Stage::Removing;
        plan.store(cx.tx)?;
        if sweep.is_cut {
            tracing::warn!(objects = sweep.found.len(), "the server tells of more objects than an archive has");
            self.failure = Some(CommandError::Protocol);
        }
        self.looked = false;
        if !plan.bad.is_empty() {
            self.unreadable(cx, news);
        }
        Ok(())
    }

    /// All that was to be deleted is deleted.
    fn end_sweep(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        let sweep = self.sweep.take().unwrap_or_default();
        self.swept = true;
        let mut plan = Plan::load(cx.tx)?;
        let spread = u64::try_from(SWEEP_SPREAD.as_millis()).unwrap_or(u64::MAX);
        let pause = SWEEP_FROM.saturating_add(Duration::from_millis(random_below(cx.entropy, spread)));
        plan.sweep = cx.now.after(pause);
        plan.purge = false;
        plan.objects = u64::try_from(sweep.found.len()).unwrap_or(u64::MAX);
        plan.bytes = sweep.found.values().fold(0, |sum: u64, bytes| sum.saturating_add((*bytes).into()));
        (plan.quota, plan.looked) = (sweep.quota, cx.now);
        plan.store(cx.tx)?;
        if !sweep.rewrite {
            return Ok(false);
        }
        let manifest = plan::cached(cx.tx)?.manifest;
        self.rewrite(cx, known, manifest)
    }
}

/// What is to be deleted now; keeps in mind since when the others are there.
fn expired(
    cx: &Cx<'_>,
    plan: &Plan,
    found: &BTreeMap<ObjectId, u32>,
    used: &BTreeSet<ObjectId>,
) -> Result<Vec<ObjectId>, EngineError> {
    let mut orphans = plan::orphans(cx.tx)?;
    let before = orphans.clone();
    let loose = |id: &ObjectId| found.contains_key(id) && !used.contains(id);
    orphans.retain(|id, _| loose(id));
    for id in found.keys().filter(|id| loose(id)) {
        let since = orphans.entry(*id).or_insert(cx.now);
        // Of a clock that has been set back since.
        *since = cx.now.min(*since);
    }
    let expired = |since: Timestamp| plan.purge || cx.now.since(since) >= GRACE;
    let listed = orphans.iter().filter(|(_, since)| expired(**since)).map(|(id, _)| *id).collect();
    if orphans != before {
        plan::store_orphans(cx.tx, &orphans)?;
    }
    Ok(listed)
}
