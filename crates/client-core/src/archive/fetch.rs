//! What comes out of the archive: the record, the manifest, and segments, of which each is what the thing that names it says.

use std::collections::{BTreeMap, VecDeque};

use quicprochat_e2ee::vault::{ObjectKind, StateKey, object_hash, open_object};
use quicprochat_wire::{
    ChannelId, Digest, ObjectId,
    call::{archive::ArchiveGet, vault::VaultRecord},
    time::Duration,
};
use zeroize::Zeroizing;

use super::{
    ARCHIVE_RECORD, Archive, ArchiveCall, PAUSE,
    coverage::Coverage,
    holdings::{Holdings, is_kept},
    limits,
    manifest::{Cached, Manifest, Segment},
    plan::{self, Known, Plan},
    rollback::Lost,
    segment, wanted,
};
use crate::{
    auth::{self, CeremonyError},
    command::CommandError,
    engine::Cx,
    error::EngineError,
    event::{ArchiveWarning, Event, TrustWarning},
    history::{HistoryRecord, import_own},
    store::{LogEntry, StoreFault, StoreTx},
};

/// Pause after a record that does not open: another device rolled the vault, most likely, and this one is about to hear of it.
const SEALED_PAUSE: Duration = Duration::from_secs(3);
/// Pause after a manifest that is not there, or damaged.
const MANIFEST_PAUSE: Duration = Duration::from_secs(600);
/// Only after so many of these a person is told.
const SEALED_TRIES: u32 = 3;

/// Segments that are fetched to be written anew as one.
pub(super) struct Merge {
    left: VecDeque<Segment>,
    segments: Vec<Segment>,
    records: BTreeMap<(ChannelId, u64), HistoryRecord>,
}

impl Archive {
    pub(super) fn get(&mut self, cx: &mut Cx<'_>, id: ObjectId, call: ArchiveCall) {
        self.call(cx, ArchiveGet { id }, call);
    }

    /// Takes record 48; whether the own record is to be looked at, because this one does not open.
    pub(super) fn record_came(&mut self, cx: &mut Cx<'_>, records: &[VaultRecord]) -> Result<bool, EngineError> {
        let own = cx.own()?;
        let (account, vault_version) = (own.row.account, own.identity()?.vault_version());
        let key = StateKey::from_bytes(own.row.state_key.expose());
        let found = match auth::archive(&key, account, records) {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => {
                self.sealed += 1;
                let is_lasting = self.sealed >= SEALED_TRIES;
                self.rest(cx, if is_lasting { PAUSE } else { SEALED_PAUSE });
                if is_lasting {
                    self.warn(cx, error);
                }
                return Ok(true);
            }
        };
        self.sealed = 0;
        self.stale = false;
        let version = records.iter().find(|record| record.id == ARCHIVE_RECORD).map_or(0, |record| record.version);
        let before = Known::load(cx.tx)?;
        if version < before.version {
            self.warn(cx, CeremonyError::VaultRolledBack { vault_version });
            Lost::of(&before, Lost::load(cx.tx)?.as_ref(), &found).store(cx.tx)?;
        }
        let mut plan = Plan::load(cx.tx)?;
        if plan.purge && found.enabled {
            // Somebody turned it on since, and may have objects on their way.
            plan.purge = false;
            plan.store(cx.tx)?;
        }
        let known = Known { version, record: found };
        if known != before {
            known.store(cx.tx)?;
            self.look_anew();
            self.merge = None;
            self.sweep = None;
        }
        if self.asked.is_some_and(|told| version < told) {
            // It had told of a newer one, and does not show it.
            self.shown = Some(version);
            self.rest(cx, PAUSE);
        }
        // What came is known, even if it was not told of yet; one that was told of meanwhile is fetched next.
        self.shown = self.shown.max(Some(version));
        Ok(false)
    }

    pub(super) fn manifest_came(&mut self, cx: &mut Cx<'_>, sealed: &[u8]) -> Result<(), EngineError> {
        let known = Known::load(cx.tx)?;
        let Some(pointer) = known.record.manifest else { return Ok(()) };
        let opened = open(cx, &known, &pointer.id, &pointer.hash, ObjectKind::Manifest, sealed)?;
        match opened.and_then(|content| Manifest::parse(&content, pointer.version).ok()) {
            Some(manifest) => Ok(plan::store_cached(cx.tx, &Cached { pointer: Some(pointer), manifest })?),
            None => self.manifest_is_bad(cx, pointer.id),
        }
    }

    fn manifest_is_bad(&mut self, cx: &mut Cx<'_>, id: ObjectId) -> Result<(), EngineError> {
        if !self.is_bad(cx, id)? {
            self.rest(cx, MANIFEST_PAUSE);
        }
        Ok(())
    }

    pub(super) fn segment_came(&mut self, cx: &mut Cx<'_>, sealed: &[u8]) -> Result<(), EngineError> {
        let Some(segment) = self.wanted.pop() else { return Ok(()) };
        let known = Known::load(cx.tx)?;
        let Some(records) = records_of(cx, &known, &segment, sealed)? else {
            return self.segment_is_bad(cx, segment.id);
        };
        self.imported += 1;
        let mut plan = Plan::load(cx.tx)?;
        if plan.bad.remove(&segment.id).is_some() {
            plan.store(cx.tx)?;
        }
        let mut holdings = Holdings::load(cx.tx)?;
        let wanted = wanted(&segment.coverage, &known.record, &limits(cx.tx)?, &holdings.have);
        let (mut entries, mut elsewhere) = (0, Coverage::default());
        for record in records.into_iter().filter(|record| wanted.contains(&record.channel, record.seq)) {
            let (channel, seq) = (record.channel, record.seq);
            let Ok(entry) = record.into_entry() else {
                // What only a later version can show stays in the archive.
                elsewhere.add(channel, seq, seq);
                continue;
            };
            if !is_kept(&entry.body) {
                continue;
            }
            if import(cx.tx, &entry)? {
                entries += 1;
            } else if !stands(cx.tx, &channel, seq)? {
                // So does what stands where this device came in.
                elsewhere.add(channel, seq, seq);
            }
        }
        holdings.import(cx.tx, &wanted, &elsewhere)?;
        cx.notify(Event::HistoryImported { entries, segments_left: self.wanted.len() });
        Ok(())
    }

    /// Fetches the next of the segments that are to become one.
    pub(super) fn next_part(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(id) = self.merge.as_ref().and_then(|merge| merge.left.front()).map(|segment| segment.id) else {
            return false;
        };
        self.get(cx, id, ArchiveCall::Merge);
        true
    }

    pub(super) fn begin_merge(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.candidates.is_empty() || self.found_full() {
            return false;
        }
        let segments = core::mem::take(&mut self.candidates);
        self.write_anew(cx, segments)
    }

    /// Fetches segments, to put their records in once more.
    pub(super) fn write_anew(&mut self, cx: &mut Cx<'_>, segments: Vec<Segment>) -> bool {
        self.merge = Some(Merge { left: segments.iter().cloned().collect(), segments, records: BTreeMap::new() });
        self.next_part(cx)
    }

    pub(super) fn part_came(&mut self, cx: &mut Cx<'_>, sealed: &[u8]) -> Result<(), EngineError> {
        let Some(segment) = self.merge.as_mut().and_then(|merge| merge.left.pop_front()) else { return Ok(()) };
        let known = Known::load(cx.tx)?;
        let Some(records) = records_of(cx, &known, &segment, sealed)? else {
            self.merge = None;
            return self.segment_is_bad(cx, segment.id);
        };
        let Some(merge) = &mut self.merge else { return Ok(()) };
        for record in records {
            merge.records.entry((record.channel, record.seq)).or_insert(record);
        }
        if !merge.left.is_empty() {
            return Ok(());
        }
        let Some(Merge { segments, records, .. }) = self.merge.take() else { return Ok(()) };
        self.replace(cx, &known, &segments, records.into_values().collect())
    }

    /// An object is not there. Another device may have replaced it since: that shows in the record.
    pub(super) fn not_there(&mut self, cx: &mut Cx<'_>, call: ArchiveCall) -> Result<(), EngineError> {
        let known = Known::load(cx.tx)?;
        let merge = self.merge.take();
        let id = if call == ArchiveCall::Manifest {
            known.record.manifest.map(|pointer| pointer.id)
        } else if call == ArchiveCall::Merge {
            merge.and_then(|merge| merge.left.front().map(|segment| segment.id))
        } else {
            self.wanted.last().map(|segment| segment.id)
        };
        let Some(id) = id else { return Ok(()) };
        if self.absent != Some((id, known.version)) {
            self.absent = Some((id, known.version));
            self.stale = true;
            return Ok(());
        }
        if call == ArchiveCall::Manifest {
            return self.manifest_is_bad(cx, id);
        }
        self.wanted.retain(|segment| segment.id != id);
        self.segment_is_bad(cx, id)
    }

    /// Nothing of it comes in, and it is not asked for again before a while.
    fn segment_is_bad(&mut self, cx: &mut Cx<'_>, id: ObjectId) -> Result<(), EngineError> {
        self.tried.insert(id);
        self.is_bad(cx, id).map(drop)
    }

    /// Notes that an object is not what names it, or not there; whether it is given up.
    pub(super) fn is_bad(&mut self, cx: &mut Cx<'_>, id: ObjectId) -> Result<bool, EngineError> {
        let mut plan = Plan::load(cx.tx)?;
        let news = plan.bad.is_empty();
        plan.see(id, cx.now, self.forced);
        plan.store(cx.tx)?;
        self.unreadable(cx, news);
        self.looked = false;
        Ok(plan.is_lost(&id))
    }

    pub(super) fn unreadable(&mut self, cx: &mut Cx<'_>, news: bool) {
        if news {
            cx.notify(Event::Archive(ArchiveWarning::Unreadable));
        }
        self.failure = Some(CommandError::ArchiveUnreadable);
    }

    fn warn(&mut self, cx: &mut Cx<'_>, reason: CeremonyError) {
        tracing::warn!(error = %reason, "the archive's record in the vault");
        if !core::mem::replace(&mut self.warned, true) {
            cx.notify(Event::Trust(TrustWarning::OwnRecord { reason }));
        }
    }
}

/// Puts an entry in, as [`import_own`].
fn import(tx: &dyn StoreTx, entry: &LogEntry) -> Result<bool, StoreFault> {
    if tx.conversations().pending_commit(&entry.channel)?.is_some_and(|pending| pending.id == entry.id) {
        // The own commit, of which the answer is still to come: in this place stands how this device came in, with the gap before.
        return Ok(false);
    }
    import_own(tx, entry)
}

/// Whether an entry that can be put in again stands at a position.
fn stands(tx: &dyn StoreTx, channel: &ChannelId, seq: u64) -> Result<bool, StoreFault> {
    let there = tx.messages().messages_of(channel, seq.saturating_sub(1), 1)?.pop();
    Ok(there.is_some_and(|there| there.seq == seq && is_kept(&there.body)))
}

/// The content of an object, if it is the one that was named.
pub(super) fn open(
    cx: &Cx<'_>,
    known: &Known,
    id: &ObjectId,
    hash: &Digest,
    kind: ObjectKind,
    sealed: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, EngineError> {
    let account = cx.own()?.row.account;
    if object_hash(sealed) != *hash {
        return Ok(None);
    }
    Ok(open_object(&known.record.keys, &account, id, kind, sealed).ok())
}

fn records_of(
    cx: &Cx<'_>,
    known: &Known,
    segment: &Segment,
    sealed: &[u8],
) -> Result<Option<Vec<HistoryRecord>>, EngineError> {
    let content = open(cx, known, &segment.id, &segment.hash, ObjectKind::Segment, sealed)?;
    Ok(content.and_then(|content| segment::unpack(&content).ok()))
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{AccountId, ChainHash, DeviceId, MessageId, Timestamp, call::channel::ChainPoint};

    use super::*;
    use crate::store::{LogBody, MemoryStore, PendingCommit, PendingGroupInfo, Secret};

    #[test]
    fn the_own_commit_that_waits_for_its_answer_does_not_come_in_as_history() {
        let (channel, id) = (ChannelId::new([1; 32]), MessageId::new([2; 16]));
        let entry = LogEntry {
            index: 0,
            channel,
            seq: 4,
            id,
            sender: AccountId::new([3; 32]),
            device: DeviceId::new([4; 16]),
            time: Timestamp(5),
            sent_at: Timestamp(5),
            intent: None,
            body: LogBody::Updated,
        };
        let pending = PendingCommit {
            channel,
            id,
            after: ChainPoint { position: 2, hash: ChainHash::new([6; 32]) },
            sealed: vec![7],
            group_info: PendingGroupInfo::Open { group_info: vec![8], ratchet_tree: vec![9] },
            roll: None,
            next_keys: Secret::new([0; 96]),
            records: Vec::new().into(),
            lease: None,
        };
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        tx.conversations().put_pending_commit(&pending).expect("stores");
        assert_eq!(import(&tx, &entry), Ok(false), "in its place stands how this device came in");
        assert_eq!(import(&tx, &LogEntry { seq: 3, id: MessageId::new([9; 16]), ..entry.clone() }), Ok(true));
        tx.conversations().delete_pending_commit(&channel).expect("deletes");
        assert_eq!(import(&tx, &entry), Ok(true));
    }
}
