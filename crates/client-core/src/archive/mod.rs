//! The account's history at its server, sealed: what this device has goes in, and what it lacks comes out (protocol.md, section
//! 11).
//!
//! ```text
//!   record 48 ──▶ manifest ──▶ segments ──newest first──▶ log
//!   log ──due──▶ segments, then the manifest ──▶ record 48 ──▶ what they replace is deleted
//!                                                    └─version-conflict─▶ what was put is deleted, and all begins anew
//! ```
//!
//! One call is in flight at a time. A process that ends anywhere leaves at worst objects that nothing points to; a later sweep
//! deletes them. The server sees sizes and times of what goes in and comes out, never what it is.

mod check;
mod coverage;
mod deflate;
mod fetch;
mod holdings;
mod leave_out;
mod manifest;
mod plan;
mod rebuild;
mod rollback;
mod segment;
mod status;
mod sweep;
mod task;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::vault::{ArchiveRecord, StateRecord as _};
use quicprochat_wire::{
    CallFailure, ChannelId, ConnectionKind, ErrorCode, ObjectId, Response, Timestamp, entropy::random_below,
    time::Duration,
};

pub(crate) use holdings::{came_alone, forget as forget_holdings};
pub use status::{ArchiveStatus, archive_status, turn_on};
pub(crate) use task::{SetHistory, SyncHistory, went_on};
#[doc(hidden)]
pub use {manifest::check as check_manifest, segment::check as check_segment};

use self::{
    check::Check,
    coverage::Coverage,
    fetch::Merge,
    holdings::{Holdings, is_kept},
    manifest::Segment,
    plan::{Known, Plan, SIGHT_PAUSE},
    rebuild::Rebuild,
    sweep::Sweep,
    write::Write,
};
use crate::{
    command::CommandError,
    engine::{Cx, LinkStatus, Mode, Purpose},
    error::EngineError,
    event::{ArchiveLoss, ArchiveWarning, Event},
    input::CallError,
    repair::Awaited,
    store::{ConversationState, RejoinReason, StoreFault, StoreTx},
};

/// What arrived is put into the archive so long afterwards at the earliest, and that much later at most.
const DELAY_FROM: Duration = Duration::from_secs(20);
const DELAY_SPREAD: Duration = Duration::from_secs(100);
/// How long a full archive is left alone.
const FULL_PAUSE: Duration = Duration::from_secs(3600);
/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(60);
/// Segments that a `Sync` takes in; whoever listens takes all.
const FEW_SEGMENTS: usize = 4;
/// Log entries looked at in one go.
const BATCH: usize = 1024;

/// The vault's record of the archive.
pub(crate) const ARCHIVE_RECORD: u32 = ArchiveRecord::ID;

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ArchiveCall {
    Record,
    Manifest,
    Segment,
    Merge,
    Put,
    Store,
    Delete,
    List,
    Check,
    Survey,
    Rebuild,
    Remove,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Archive {
    /// Version of record 48 at the server, once it has told.
    shown: Option<u64>,
    /// The same when the record was asked for.
    asked: Option<u64>,
    /// Whether the record is to be fetched whatever was told.
    stale: bool,
    calling: bool,
    /// Whether nothing more can be done now.
    settled: bool,
    write: Option<Write>,
    merge: Option<Merge>,
    sweep: Option<Sweep>,
    check: Check,
    rebuild: Option<Rebuild>,
    /// Whether manifest and log were compared since either changed.
    looked: bool,
    /// The last arrival that was looked at.
    heard: Option<u64>,
    /// Segments with something that this device lacks, the newest last.
    wanted: Vec<Segment>,
    /// Segments to become one.
    candidates: Vec<Segment>,
    /// Segments with something that is not to be kept any more.
    leaving: Vec<Segment>,
    /// What they are to bring.
    to_come: Coverage,
    /// Whether this device has something that the archive lacks, or the manifest names what is lost.
    lacking: bool,
    /// Segments taken in since `Sync` was asked for.
    imported: usize,
    /// Somebody waits for all of it.
    all: bool,
    /// What is bad is given up at once.
    forced: bool,
    /// Bad objects that were asked for again since somebody waits for all.
    tried: BTreeSet<ObjectId>,
    /// What was given up since then.
    loss: ArchiveLoss,
    swept: bool,
    /// An object that was not there, and the version of the record that named it.
    absent: Option<(ObjectId, u64)>,
    /// When to look at bad objects again.
    retry: Option<Timestamp>,
    rest_until: Option<Timestamp>,
    failure: Option<CommandError>,
    sealed: u32,
    warned: bool,
}

impl Archive {
    /// Forgets refusals, for a new wish.
    pub(crate) fn again(&mut self) {
        self.rest_until = None;
        self.failure = None;
        self.imported = 0;
        self.settled = false;
    }

    /// The account's keys are others: what did not open may open now.
    pub(crate) const fn keys_changed(&mut self) {
        self.rest_until = None;
        self.stale = true;
    }

    /// There may be other conversations than before.
    pub(crate) const fn look_again(&mut self) {
        self.looked = false;
    }

    /// Whether nothing more can be done now.
    pub(crate) const fn is_idle(&self) -> bool {
        !self.calling && self.settled
    }

    /// From now on everything is done at once: what is lacking here and there.
    fn begin_all(&mut self) {
        self.again();
        self.all = true;
        self.tried.clear();
        self.loss = ArchiveLoss::default();
        self.swept = false;
        self.stale = true;
        self.looked = false;
    }

    /// Why not everything could be done, since it was asked for.
    fn end_all(&mut self) -> Option<CommandError> {
        self.all = false;
        self.failure.take()
    }

    /// As [`Self::begin_all`], and looks at every object; what is bad is given up at once, and put in again from what this
    /// device has.
    pub(crate) fn begin_repair(&mut self) {
        self.begin_all();
        self.forced = true;
        self.check = Check::Due;
    }

    /// What was given up since [`Self::begin_repair`].
    pub(crate) fn end_repair(&mut self) -> ArchiveLoss {
        self.end_all();
        self.forced = false;
        self.check = Check::None;
        core::mem::take(&mut self.loss)
    }

    /// What gaps need not be asked for, because it is about to come in from here.
    pub(crate) fn awaited(&self, cx: &Cx<'_>, told: Option<u64>) -> Awaited {
        let is_reading =
            if told.is_some() { !self.settled && !self.looked } else { cx.net.down(ConnectionKind::Account).is_none() };
        if is_reading { Awaited::Everything } else { Awaited::Only(holdings::all_spans(&self.to_come)) }
    }

    /// Does what is due. `told`: the version of record 48 that the server told of.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, mode: Mode, told: Option<u64>) -> Result<(), EngineError> {
        let Some(told) = told.filter(|_| mode.active()) else {
            self.shown = None;
            self.settled = true;
            return Ok(());
        };
        self.shown = Some(self.shown.map_or(told, |shown| shown.max(told)));
        if self.calling {
            return Ok(());
        }
        self.settled = true;
        if self.retry.is_some_and(|retry| retry <= cx.now) {
            self.retry = None;
            self.looked = false;
        }
        if self.rest_until.is_some_and(|until| until > cx.now) {
            return Ok(());
        }
        match cx.link(ConnectionKind::Account) {
            LinkStatus::Ready => self.settled = !self.step(cx, mode)?,
            LinkStatus::Waiting => self.settled = false,
            LinkStatus::Down(_) | LinkStatus::Refused => {}
        }
        Ok(())
    }

    /// The next call, if one is due.
    fn step(&mut self, cx: &mut Cx<'_>, mode: Mode) -> Result<bool, EngineError> {
        if self.go_on(cx)? {
            return Ok(true);
        }
        let known = Known::load(cx.tx)?;
        if self.stale || self.shown != Some(known.version) {
            self.asked = self.shown;
            self.call(cx, crate::auth::archive_request(), ArchiveCall::Record);
            return Ok(true);
        }
        if self.put_back(cx, &known)? || self.fulfil(cx, &known)? || self.rebuild_on(cx, &known)? {
            return Ok(true);
        }
        if known.version == 0 || self.rest_until.is_some_and(|until| until > cx.now) {
            return Ok(false);
        }
        self.judge_sweep(cx, &known)?;
        self.hear(cx, &known.record)?;
        if !self.looked && self.look(cx, &known)? {
            return Ok(true);
        }
        if self.next_part(cx) || self.check_on(cx, &known)? {
            return Ok(true);
        }
        let all = mode.listen || self.all || self.imported < FEW_SEGMENTS;
        if let Some(id) = self.wanted.last().filter(|_| all).map(|segment| segment.id) {
            self.get(cx, id, ArchiveCall::Segment);
            return Ok(true);
        }
        let is_kept = known.record.enabled;
        if is_kept && (self.leave_out(cx, &known)? || self.upload(cx, &known)? || self.begin_merge(cx)) {
            return Ok(true);
        }
        self.begin_sweep(cx, &known)
    }

    fn call(&mut self, cx: &mut Cx<'_>, request: impl Into<quicprochat_wire::Request>, call: ArchiveCall) {
        self.calling = true;
        cx.call(ConnectionKind::Account, request, Purpose::Archive(call));
    }

    /// Sees whether what arrived is to be kept, or opens a gap.
    fn hear(&mut self, cx: &mut Cx<'_>, record: &ArchiveRecord) -> Result<(), EngineError> {
        let last = cx.tx.messages().last_arrival()?;
        let before = self.heard.replace(last);
        // What was there before is looked at as a whole.
        let Some(before) = before.filter(|before| *before < last && self.looked) else { return Ok(()) };
        let news = cx.tx.messages().arrivals(before, BATCH)?;
        if news.len() == BATCH || news.iter().any(|entry| !is_kept(&entry.body)) {
            self.looked = false;
            return Ok(());
        }
        let is_kept = |channel: &ChannelId| !record.excluded.contains(channel);
        if record.enabled && news.iter().any(|entry| is_kept(&entry.channel)) {
            self.lacking = true;
            let mut plan = Plan::load(cx.tx)?;
            if plan.due.is_none() {
                plan.due = Some(draw(cx));
                plan.store(cx.tx)?;
            }
        }
        Ok(())
    }

    /// Compares what this device has with what the manifest says; fetches the manifest first if it is another one.
    fn look(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        let cached = plan::cached(cx.tx)?;
        let mut plan = Plan::load(cx.tx)?;
        let pointer = known.record.manifest;
        let is_lost = pointer.is_some_and(|pointer| plan.is_lost(&pointer.id));
        if cached.pointer != pointer {
            if is_lost {
                self.rebuild = Some(Rebuild::default());
                return self.rebuild_on(cx, known);
            }
            if let Some(pointer) = pointer {
                self.get(cx, pointer.id, ArchiveCall::Manifest);
                return Ok(true);
            }
            plan::store_cached(cx.tx, &manifest::Cached::default())?;
        }
        if is_lost {
            return self.rewrite(cx, known, cached.manifest);
        }
        let manifest = if pointer.is_some() { cached.manifest } else { manifest::Manifest::default() };
        let holdings = Holdings::load(cx.tx)?;
        let before = plan.clone();
        plan.bad.retain(|id, _| manifest.segments.iter().any(|segment| segment.id == *id));
        let record = &known.record;
        let sure = holdings.sure();
        let (kept, lost) = manifest.without_lost(&plan, &sure);
        self.lacking = record.enabled && !(lost.is_empty() && lacking(&sure, &kept, record).is_empty());
        match plan.due {
            None if self.lacking => plan.due = Some(draw(cx)),
            Some(_) if !self.lacking => plan.due = None,
            Some(_) | None => {}
        }
        let mut whole = plan::whole(cx.tx)?;
        let known_before = whole.len();
        whole.retain(|id| manifest.segments.iter().any(|segment| segment.id == *id));
        if whole.len() != known_before {
            plan::store_whole(cx.tx, &whole)?;
        }
        self.leaving = manifest.leaving(&record.excluded);
        self.candidates = manifest.candidates(&plan, &whole);
        // Another device of the account may have found room.
        plan.full &= self.lacking || !self.candidates.is_empty() || !self.leaving.is_empty();
        if plan != before {
            plan.store(cx.tx)?;
        }
        let limits = limits(cx.tx)?;
        let bad: BTreeSet<ObjectId> = self.resting(cx, &plan);
        self.wanted.clear();
        self.to_come = Coverage::default();
        for segment in manifest.segments.iter().filter(|segment| !bad.contains(&segment.id)) {
            let wanted = wanted(&segment.coverage, record, &limits, &holdings.have);
            if !wanted.is_empty() {
                self.to_come.extend(&wanted);
                self.wanted.push(segment.clone());
            }
        }
        self.wanted.sort_by_key(|segment| segment.newest);
        self.looked = true;
        Ok(false)
    }

    /// Bad objects that are not asked for now.
    fn resting(&mut self, cx: &mut Cx<'_>, plan: &Plan) -> BTreeSet<ObjectId> {
        let at_once = |id: &ObjectId| self.all && !self.tried.contains(id);
        let is_resting =
            |(id, seen): &(&ObjectId, &plan::Sighting)| seen.is_lost() || !(at_once(id) || seen.is_due(cx));
        let resting = plan.bad.iter().filter(is_resting).map(|(id, _)| *id).collect();
        self.retry = plan.bad.values().filter(|seen| !seen.is_lost()).map(|seen| seen.last.after(SIGHT_PAUSE)).min();
        resting
    }

    /// Takes an answer; whether the own record is to be looked at, because the record does not open.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: ArchiveCall,
        result: Result<Response, CallError>,
    ) -> Result<bool, EngineError> {
        self.calling = false;
        match (call, result) {
            (ArchiveCall::Record, Ok(Response::VaultRecords(records))) => {
                return self.record_came(cx, &records.records);
            }
            (ArchiveCall::Manifest, Ok(Response::ArchiveObject(object))) => self.manifest_came(cx, &object.sealed)?,
            (ArchiveCall::Segment, Ok(Response::ArchiveObject(object))) => self.segment_came(cx, &object.sealed)?,
            (ArchiveCall::Merge, Ok(Response::ArchiveObject(object))) => self.part_came(cx, &object.sealed)?,
            (ArchiveCall::Check, Ok(Response::ArchiveObject(object))) => self.checked(cx, Some(&object.sealed))?,
            (ArchiveCall::Survey, Ok(Response::ArchivePage(page))) => self.survey_came(&page),
            (ArchiveCall::Rebuild, Ok(Response::ArchiveObject(object))) => {
                self.rebuild_came(cx, Some(&object.sealed))?;
            }
            (ArchiveCall::Check, Err(CallError::Refused(CallFailure { code: ErrorCode::NotFound, .. }))) => {
                self.checked(cx, None)?;
            }
            (ArchiveCall::Rebuild, Err(CallError::Refused(CallFailure { code: ErrorCode::NotFound, .. }))) => {
                self.rebuild_came(cx, None)?;
            }
            (
                ArchiveCall::Manifest | ArchiveCall::Segment | ArchiveCall::Merge,
                Err(CallError::Refused(CallFailure { code: ErrorCode::NotFound, .. })),
            ) => self.not_there(cx, call)?,
            (ArchiveCall::Put, Ok(Response::Done(_))) => self.put_done(),
            (ArchiveCall::Store, Ok(Response::Done(_))) => self.stored(cx)?,
            (ArchiveCall::Store, Err(CallError::Refused(CallFailure { code: ErrorCode::VersionConflict, .. }))) => {
                self.take_back();
            }
            (ArchiveCall::Put, Err(CallError::Refused(CallFailure { code: ErrorCode::QuotaFull, .. }))) => {
                self.take_back();
                self.full(cx)?;
            }
            (ArchiveCall::Delete, Ok(_) | Err(CallError::Refused(_))) => self.write = None,
            (ArchiveCall::List, Ok(Response::ArchivePage(page))) => self.page_came(&page),
            (ArchiveCall::Remove, Ok(Response::Done(_))) => {}
            // Whether it was stored shows with the record.
            (_, Err(CallError::LinkLost)) => self.begin_anew(),
            (_, Err(CallError::Refused(failure))) => {
                self.begin_anew();
                self.failure = Some(CommandError::Refused(failure));
                self.rest(cx, failure.retry_after.unwrap_or(PAUSE));
            }
            (_, Ok(_)) => {
                self.begin_anew();
                self.failure = Some(CommandError::Protocol);
                self.rest(cx, PAUSE);
            }
        }
        Ok(false)
    }

    fn begin_anew(&mut self) {
        self.write = None;
        self.merge = None;
        self.sweep = None;
        self.look_anew();
        self.stale = true;
    }

    /// The record names another manifest, perhaps.
    fn look_anew(&mut self) {
        self.rebuild = None;
        if matches!(self.check, Check::Left(_)) {
            self.check = Check::Due;
        }
        self.looked = false;
    }

    /// The server has no room.
    fn full(&mut self, cx: &mut Cx<'_>) -> Result<(), EngineError> {
        let mut plan = Plan::load(cx.tx)?;
        if !core::mem::replace(&mut plan.full, true) {
            cx.notify(Event::Archive(ArchiveWarning::Full));
        }
        plan.due = Some(cx.wake_after(FULL_PAUSE));
        plan.store(cx.tx)?;
        // Once more would be refused again.
        self.lacking = false;
        self.candidates.clear();
        self.failure = Some(CommandError::ArchiveFull);
        Ok(())
    }

    fn rest(&mut self, cx: &mut Cx<'_>, pause: Duration) {
        self.rest_until = Some(cx.wake_after(pause));
    }
}

/// What this device has and the manifest does not cover, as far as it is to be kept.
fn lacking(have: &Coverage, manifest: &manifest::Manifest, record: &ArchiveRecord) -> Coverage {
    let mut lacking = have.minus(&manifest.coverage());
    lacking.retain(|channel| !record.excluded.contains(channel));
    lacking
}

/// What of a segment is to come in.
fn wanted(coverage: &Coverage, record: &ArchiveRecord, limits: &BTreeMap<ChannelId, u64>, have: &Coverage) -> Coverage {
    let limit = |channel: &ChannelId| limits.get(channel).copied().filter(|_| !record.excluded.contains(channel));
    coverage.up_to(limit).minus(have)
}

/// Up to where entries of each conversation may come in. What a device is still to read itself would else be no news to it.
fn limits(tx: &dyn StoreTx) -> Result<BTreeMap<ChannelId, u64>, StoreFault> {
    let limit = |conversation: &crate::store::Conversation| match conversation.state {
        // It begins to read where it enters, behind everything that any device has read.
        ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice } => u64::MAX,
        ConversationState::Left
        | ConversationState::Removed
        | ConversationState::Gone
        | ConversationState::Replaced { .. } => u64::MAX,
        ConversationState::Creating
        | ConversationState::Active
        | ConversationState::Leaving
        | ConversationState::NeedsRejoin { .. }
        | ConversationState::Diverged
        | ConversationState::Replacing { .. }
        | ConversationState::Spoilt => conversation.cursor.position,
    };
    let all = tx.conversations().all_conversations()?;
    Ok(all.iter().map(|conversation| (conversation.channel, limit(conversation))).collect())
}

/// A random moment for what arrived; asks to be called then.
fn draw(cx: &mut Cx<'_>) -> Timestamp {
    let bound = u64::try_from(DELAY_SPREAD.as_millis()).unwrap_or(u64::MAX);
    let random = Duration::from_millis(random_below(cx.entropy, bound));
    cx.wake_after(DELAY_FROM.saturating_add(random))
}
