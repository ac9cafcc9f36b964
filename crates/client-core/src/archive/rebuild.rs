//! A manifest that is lost for good is made anew from the segments, which are sealed each for itself.
//!
//! ```text
//!   ids of all objects ──▶ each that opens as a segment ──▶ a manifest that names them ──▶ record 48
//! ```

use std::collections::{BTreeSet, VecDeque};

use quicprochat_e2ee::vault::{ObjectKind, object_hash, open_object};
use quicprochat_wire::{
    ObjectId,
    call::archive::{ArchiveList, ArchivePage},
};

use super::{
    Archive, ArchiveCall, FULL_PAUSE,
    coverage::Coverage,
    manifest::{Manifest, Segment},
    plan::{Known, MAX_ORPHANS},
    segment,
};
use crate::{engine::Cx, error::EngineError};

/// A rebuild under way.
#[derive(Default)]
pub(super) struct Rebuild {
    listed: BTreeSet<ObjectId>,
    /// Once all are listed: those that were not looked at.
    left: Option<VecDeque<ObjectId>>,
    found: Manifest,
}

impl Archive {
    /// The next call of a rebuild, if there is one under way.
    pub(super) fn rebuild_on(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        let Some(rebuild) = &self.rebuild else { return Ok(false) };
        let Some(left) = &rebuild.left else {
            let after = rebuild.listed.last().copied();
            self.call(cx, ArchiveList { after, limit: 0 }, ArchiveCall::Survey);
            return Ok(true);
        };
        if let Some(id) = left.front().copied() {
            self.get(cx, id, ArchiveCall::Rebuild);
            return Ok(true);
        }
        let found = self.rebuild.take().unwrap_or_default().found;
        let begun = self.rewrite(cx, known, found)?;
        if !begun {
            // No key, or too many segments for a manifest: the same would come of it again.
            self.rest(cx, FULL_PAUSE);
        }
        Ok(begun)
    }

    pub(super) fn survey_came(&mut self, page: &ArchivePage) {
        let Some(rebuild) = &mut self.rebuild else { return };
        let before = rebuild.listed.len();
        rebuild.listed.extend(page.entries.iter().map(|entry| entry.id));
        if !page.more || rebuild.listed.len() == before || rebuild.listed.len() >= MAX_ORPHANS {
            rebuild.left = Some(core::mem::take(&mut rebuild.listed).into_iter().collect());
        }
    }

    /// An object came, or is not there; what is no segment is passed over.
    pub(super) fn rebuild_came(&mut self, cx: &Cx<'_>, sealed: Option<&[u8]>) -> Result<(), EngineError> {
        let account = cx.own()?.row.account;
        let known = Known::load(cx.tx)?;
        let Some(rebuild) = &mut self.rebuild else { return Ok(()) };
        let (Some(id), Some(sealed)) = (rebuild.left.as_mut().and_then(VecDeque::pop_front), sealed) else {
            return Ok(());
        };
        let opened = open_object(&known.record.keys, &account, &id, ObjectKind::Segment, sealed).ok();
        let Some(records) = opened.and_then(|content| segment::unpack(&content).ok()) else { return Ok(()) };
        let mut coverage = Coverage::default();
        records.iter().for_each(|record| coverage.add(record.channel, record.seq, record.seq));
        rebuild.found.segments.push(Segment {
            id,
            hash: object_hash(sealed),
            bytes: u32::try_from(sealed.len()).unwrap_or(u32::MAX),
            count: u32::try_from(records.len()).unwrap_or(u32::MAX),
            newest: segment::newest(&records),
            coverage,
        });
        Ok(())
    }
}
