//! Looking at every object that the manifest leads to, because somebody asked to have mended what is amiss.

use std::collections::VecDeque;

use quicprochat_e2ee::vault::object_hash;
use quicprochat_wire::{Digest, ObjectId};

use super::{
    Archive, ArchiveCall,
    plan::{self, Known},
};
use crate::{engine::Cx, error::EngineError};

/// How far a check is.
#[derive(Default)]
pub(super) enum Check {
    /// Nobody asked.
    #[default]
    None,
    /// Somebody asked.
    Due,
    /// These are left, with their hashes.
    Left(VecDeque<(ObjectId, Digest)>),
}

impl Archive {
    /// The next call of a check, if one is due.
    pub(super) fn check_on(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        if matches!(self.check, Check::Due) {
            let manifest = known.record.manifest.iter().map(|pointer| (pointer.id, pointer.hash));
            let cached = plan::cached(cx.tx)?.manifest;
            // What this device lacks is fetched anyway.
            let is_fetched = |id: ObjectId| self.wanted.iter().any(|segment| segment.id == id);
            let segments = cached.segments.iter().filter(|segment| !is_fetched(segment.id));
            self.check = Check::Left(manifest.chain(segments.map(|segment| (segment.id, segment.hash))).collect());
        }
        let Check::Left(left) = &self.check else { return Ok(false) };
        if let Some((id, _)) = left.front().copied() {
            self.get(cx, id, ArchiveCall::Check);
            return Ok(true);
        }
        self.check = Check::None;
        Ok(false)
    }

    /// An object came, or is not there.
    pub(super) fn checked(&mut self, cx: &mut Cx<'_>, sealed: Option<&[u8]>) -> Result<(), EngineError> {
        let Check::Left(left) = &mut self.check else { return Ok(()) };
        let Some((id, hash)) = left.pop_front() else { return Ok(()) };
        if sealed.is_some_and(|sealed| object_hash(sealed) == hash) {
            return Ok(());
        }
        self.is_bad(cx, id).map(drop)
    }
}
