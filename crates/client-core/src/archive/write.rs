//! What goes into the archive: segments, then the manifest that names them, then record 48 that names the manifest.

use std::collections::{BTreeMap, VecDeque};

use quicprochat_e2ee::vault::{
    ArchiveKey, ArchiveRecord, ManifestPointer, ObjectKind, StateKey, object_hash, seal_object,
};
use quicprochat_wire::{
    ChannelId, ObjectId, Timestamp,
    call::{
        archive::{ArchiveDelete, ArchivePut},
        vault::VaultStore,
    },
    entropy::random_array,
};

use super::{
    Archive, ArchiveCall, DELAY_FROM, DELAY_SPREAD, FULL_PAUSE,
    coverage::Coverage,
    holdings::Holdings,
    lacking,
    manifest::{Cached, Manifest, Segment},
    plan::{self, Known, MAX_WISHES, Plan},
    segment::{self, Chunk},
};
use crate::{
    auth,
    command::CommandError,
    engine::Cx,
    error::EngineError,
    event::{ArchiveLoss, ArchiveWarning, Event},
    history::HistoryRecord,
};

/// A write on its way: objects, the record, and then the deletion of what is not needed any more.
pub(super) struct Write {
    /// Version of record 48 that it goes on top of.
    base: u64,
    record: ArchiveRecord,
    /// What the new manifest says, if there is a new one.
    manifest: Option<Manifest>,
    puts: VecDeque<(ObjectId, Vec<u8>)>,
    /// What was put.
    put: Vec<ObjectId>,
    /// What the record no longer leads to.
    old: Vec<ObjectId>,
    /// The wishes that it fulfils.
    wish: Option<bool>,
    wishes: BTreeMap<ChannelId, bool>,
    /// What it gives up.
    pub(super) lost: Option<ArchiveLoss>,
    /// Once the record is stored, or refused: what is to be deleted.
    remove: Option<Vec<ObjectId>>,
}

impl Write {
    /// A write of the record alone.
    pub(super) const fn of_record(base: u64, record: ArchiveRecord) -> Self {
        Self {
            base,
            record,
            manifest: None,
            puts: VecDeque::new(),
            put: Vec::new(),
            old: Vec::new(),
            wish: None,
            wishes: BTreeMap::new(),
            lost: None,
            remove: None,
        }
    }
}

impl Archive {
    /// Puts into the record what somebody asked for.
    pub(super) fn fulfil(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        let mut plan = Plan::load(cx.tx)?;
        if plan.wish.is_none() && plan.wishes.is_empty() {
            return Ok(false);
        }
        let mut record = known.record.clone();
        if let Some(on) = plan.wish {
            record.enabled = on;
            if on && record.keys.is_empty() {
                record.add_key(ArchiveKey::generate(cx.entropy));
            }
            if !on {
                record.manifest = None;
            }
        }
        for (channel, on) in &plan.wishes {
            if *on {
                record.excluded.remove(channel);
            } else if record.excluded.len() < MAX_WISHES {
                record.excluded.insert(*channel);
            }
        }
        if record == known.record {
            if plan.wish == Some(false) {
                // The answer to what stored it was lost, or another device did: what was put in is still there, perhaps.
                (plan.purge, plan.sweep) = (true, Timestamp(0));
            }
            plan.wish = None;
            plan.wishes.clear();
            plan.store(cx.tx)?;
            return Ok(false);
        }
        let (wish, wishes) = (plan.wish, plan.wishes);
        self.write = Some(Write { wish, wishes, ..Write::of_record(known.version, record) });
        self.go_on(cx)
    }

    /// Puts in what the archive lacks, when that is due.
    pub(super) fn upload(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        if !self.lacking {
            return Ok(false);
        }
        let mut plan = Plan::load(cx.tx)?;
        let longest = if plan.full { FULL_PAUSE } else { DELAY_FROM.saturating_add(DELAY_SPREAD) };
        if (!self.all || self.found_full()) && plan.due.is_some_and(|due| cx.is_to_come(due, longest)) {
            return Ok(false);
        }
        let holdings = Holdings::load(cx.tx)?;
        let cached = plan::cached(cx.tx)?;
        let sure = holdings.sure();
        let (manifest, lost) = cached.manifest.without_lost(&plan, &sure);
        let (records, covered) = segment::gather(cx.tx, &lacking(&sure, &manifest, &known.record))?;
        if records.is_empty() && lost.is_empty() {
            self.lacking = false;
            plan.due = None;
            plan.store(cx.tx)?;
            return Ok(false);
        }
        let ids: Vec<_> = lost.iter().map(|segment| segment.id).collect();
        let begun = self.begin(cx, known, manifest, segment::packed(&records, covered), &ids)?;
        if let Some(write) = self.write.as_mut().filter(|_| !lost.is_empty()) {
            let mut missing = Coverage::default();
            lost.iter().for_each(|segment| missing.extend(&segment.coverage));
            write.lost = Some(ArchiveLoss { objects: lost.len(), missing: missing.minus(&sure).count() });
        }
        Ok(begun)
    }

    /// Puts records in the place of segments.
    pub(super) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        known: &Known,
        replaced: &[Segment],
        mut records: Vec<HistoryRecord>,
    ) -> Result<(), EngineError> {
        records.retain(|record| !known.record.excluded.contains(&record.channel));
        let mut covered = Coverage::default();
        replaced.iter().for_each(|segment| covered.extend(&segment.coverage));
        covered.retain(|channel| !known.record.excluded.contains(channel));
        let ids: Vec<_> = replaced.iter().map(|segment| segment.id).collect();
        let mut manifest = plan::cached(cx.tx)?.manifest;
        manifest.segments.retain(|segment| !ids.contains(&segment.id));
        let chunks = segment::packed(&records, covered);
        if ids.len() > 1 && chunks.len() >= ids.len() {
            // They would be put together again and again.
            let mut whole = plan::whole(cx.tx)?;
            whole.extend(ids);
            plan::store_whole(cx.tx, &whole)?;
            self.looked = false;
            return Ok(());
        }
        self.begin(cx, known, manifest, chunks, &ids).map(drop)
    }

    /// Begins to write these segments, and a manifest that names them behind what is in it.
    pub(super) fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        known: &Known,
        mut manifest: Manifest,
        chunks: Vec<Chunk<'_>>,
        replaced: &[ObjectId],
    ) -> Result<bool, EngineError> {
        let account = cx.own()?.row.account;
        let Some(key) = known.record.keys.first() else { return Ok(false) };
        let mut write = Write::of_record(known.version, known.record.clone());
        for Chunk { content, records, covered } in chunks {
            let id = ObjectId::new(random_array(cx.entropy));
            let sealed = seal_object(key, &account, &id, ObjectKind::Segment, &content, cx.entropy)?;
            manifest.segments.push(Segment {
                id,
                hash: object_hash(&sealed),
                bytes: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
                count: u32::try_from(records.len()).unwrap_or(u32::MAX),
                newest: segment::newest(records),
                coverage: covered,
            });
            write.puts.push_back((id, sealed));
        }
        let version = known.record.manifest.map_or(0, |pointer| pointer.version).saturating_add(1);
        let Some(content) = manifest.content(version) else {
            tracing::warn!(segments = manifest.segments.len(), "the manifest fits no object");
            self.full(cx)?;
            return Ok(false);
        };
        let id = ObjectId::new(random_array(cx.entropy));
        let sealed = seal_object(key, &account, &id, ObjectKind::Manifest, &content, cx.entropy)?;
        write.record.manifest = Some(ManifestPointer { version, id, hash: object_hash(&sealed) });
        write.puts.push_back((id, sealed));
        write.old = replaced.iter().copied().chain(known.record.manifest.map(|pointer| pointer.id)).collect();
        write.manifest = Some(manifest);
        self.write = Some(write);
        self.go_on(cx)
    }

    /// Writes a manifest in the place of one that the server lost.
    pub(super) fn rewrite(&mut self, cx: &mut Cx<'_>, known: &Known, manifest: Manifest) -> Result<bool, EngineError> {
        let begun = self.begin(cx, known, manifest, Vec::new(), &[])?;
        if let Some(write) = &mut self.write {
            write.lost = Some(ArchiveLoss { objects: 1, missing: 0 });
        }
        Ok(begun)
    }

    /// The next call of a write.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>) -> Result<bool, EngineError> {
        let Some(write) = &mut self.write else { return Ok(false) };
        if let Some(ids) = write.remove.take() {
            if ids.is_empty() {
                self.write = None;
                return Ok(false);
            }
            self.call(cx, ArchiveDelete { ids }, ArchiveCall::Delete);
            return Ok(true);
        }
        if let Some((id, sealed)) = write.puts.front().cloned() {
            self.call(cx, ArchivePut { id, sealed }, ArchiveCall::Put);
            return Ok(true);
        }
        let (version, record) = (write.base.saturating_add(1), write.record.clone());
        let own = cx.own()?;
        let (account, key) = (own.row.account, StateKey::from_bytes(own.row.state_key.expose()));
        let record = auth::seal_archive(&key, account, version, &record, cx.entropy).map_err(|error| {
            tracing::warn!(%error, "the archive's record cannot be sealed");
            EngineError::OwnState
        })?;
        self.call(cx, VaultStore { records: vec![record] }, ArchiveCall::Store);
        Ok(true)
    }

    pub(super) fn put_done(&mut self) {
        if let Some(write) = &mut self.write
            && let Some((id, _)) = write.puts.pop_front()
        {
            write.put.push(id);
        }
    }

    /// The record leads to what was put.
    pub(super) fn stored(&mut self, cx: &mut Cx<'_>) -> Result<(), EngineError> {
        let Some(write) = &mut self.write else { return Ok(()) };
        let version = write.base.saturating_add(1);
        let known = Known { version, record: write.record.clone() };
        known.store(cx.tx)?;
        let mut plan = Plan::load(cx.tx)?;
        if let Some(manifest) = write.manifest.take() {
            plan::store_cached(cx.tx, &Cached { pointer: known.record.manifest, manifest })?;
            plan.full = false;
        }
        if known.record.manifest.is_none() {
            plan::store_cached(cx.tx, &Cached::default())?;
        }
        if write.wish.is_some() {
            // What was put in before is deleted when it was turned off, and stays what it is else.
            plan.purge = write.wish == Some(false);
            plan.sweep = Timestamp(0);
            plan.full = false;
        }
        plan.wish = plan.wish.filter(|wish| write.wish != Some(*wish));
        let done = core::mem::take(&mut write.wishes);
        plan.wishes.retain(|channel, on| done.get(channel) != Some(on));
        plan.store(cx.tx)?;
        write.remove = Some(core::mem::take(&mut write.old));
        if let Some(loss) = write.lost.take() {
            self.loss.objects = self.loss.objects.saturating_add(loss.objects);
            self.loss.missing = self.loss.missing.saturating_add(loss.missing);
            cx.notify(Event::Archive(ArchiveWarning::Lost(loss)));
        }
        self.shown = Some(version);
        self.looked = false;
        if self.found_full() {
            self.failure = None;
        }
        Ok(())
    }

    /// Whether there was no room, since somebody asked.
    pub(super) fn found_full(&self) -> bool {
        self.failure == Some(CommandError::ArchiveFull)
    }

    /// The record was changed by another device, or there is no room: what was put is deleted.
    pub(super) fn take_back(&mut self) {
        if let Some(write) = &mut self.write {
            write.remove = Some(core::mem::take(&mut write.put));
            write.puts.clear();
        }
        self.stale = true;
        self.looked = false;
    }
}
