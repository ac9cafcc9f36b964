//! Conversations whose history is not kept any more go out of the archive, also of a full one.
//!
//! ```text
//!   a segment of such a conversation alone ──▶ the manifest does not name it any more
//!   one of others, too ──▶ it is put in once more without it; if there is no room for both, it goes, and what this device
//!                          has of it is put in afterwards
//! ```

use super::{
    Archive, FULL_PAUSE,
    coverage::Coverage,
    holdings::Holdings,
    manifest::Segment,
    plan::{self, Known, Plan},
};
use crate::{engine::Cx, error::EngineError};

impl Archive {
    /// Takes out, or writes anew, what has something that is not to be kept.
    pub(super) fn leave_out(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        if self.leaving.is_empty() || self.found_full() {
            return Ok(false);
        }
        let rest = |segment: &Segment| {
            let mut rest: Coverage = segment.coverage.clone();
            rest.retain(|channel| !known.record.excluded.contains(channel));
            rest
        };
        let plan = Plan::load(cx.tx)?;
        let mut dropped: Vec<_> = self.leaving.iter().filter(|segment| rest(segment).is_empty()).collect();
        if dropped.is_empty() && plan.full {
            // One at a time: with its room the next one may be written anew. What is at hand lacks then, and goes in again.
            let sure = Holdings::load(cx.tx)?.sure();
            let at_hand = self.leaving.iter().filter(|segment| rest(segment).is_within(&sure));
            dropped.extend(at_hand.max_by_key(|segment| segment.bytes));
        }
        let ids: Vec<_> = dropped.iter().map(|segment| segment.id).collect();
        if !ids.is_empty() {
            let mut manifest = plan::cached(cx.tx)?.manifest;
            manifest.segments.retain(|segment| !ids.contains(&segment.id));
            return self.begin(cx, known, manifest, Vec::new(), &ids);
        }
        if plan.full && !self.all && plan.due.is_some_and(|due| cx.is_to_come(due, FULL_PAUSE)) {
            return Ok(false);
        }
        let usable = self.leaving.iter().find(|segment| !plan.bad.contains_key(&segment.id)).cloned();
        Ok(usable.is_some_and(|segment| self.write_anew(cx, vec![segment])))
    }
}
