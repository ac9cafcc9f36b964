//! What a record said that the server shows no more: kept until it is put back.

use quicprochat_e2ee::vault::{ArchiveRecord, StateRecord as _};
use quicprochat_wire::{Timestamp, Writer};
use zeroize::Zeroizing;

use super::{
    Archive,
    plan::{Known, MAX_RECORD_BYTES, Plan, flag, versioned},
    write::Write,
};
use crate::{
    engine::Cx,
    error::EngineError,
    store::{StoreFault, StoreTx},
};

const SETTING: &str = "archive-lost";
const VERSION: u8 = 1;

/// See the module.
///
/// Secrets:  the archive keys; the store that it is kept in is encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lost {
    version: u64,
    record: ArchiveRecord,
    /// Whether history is kept as the server shows it: who changes that afterwards means it.
    shown: bool,
}

impl Lost {
    /// What `before` said, and what was lost before it and is not put back yet; the server shows this one.
    pub(super) fn of(before: &Known, earlier: Option<&Self>, shown: &ArchiveRecord) -> Self {
        let record = earlier.map_or_else(|| before.record.clone(), |earlier| earlier.put_onto(before));
        Self { version: before.version, record, shown: shown.enabled }
    }

    pub(super) fn load(tx: &dyn StoreTx) -> Result<Option<Self>, StoreFault> {
        let Some(stored) = tx.upkeep().setting(SETTING)?.map(Zeroizing::new) else { return Ok(None) };
        let mut reader = versioned(&stored)?;
        let (version, shown) = (reader.u64()?, flag(&mut reader)?);
        let content = reader.bytes(MAX_RECORD_BYTES)?;
        reader.finish()?;
        let record = ArchiveRecord::parse(content).map_err(|_| StoreFault::Damaged)?;
        Ok(Some(Self { version, record, shown }))
    }

    pub(super) fn store(&self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        let writer = Writer::new().u8(VERSION).u64(self.version).u8(u8::from(self.shown));
        let content = Zeroizing::new(writer.bytes(self.record.encode().as_slice()).finish());
        tx.upkeep().put_setting(SETTING, Some(&content))
    }

    /// A record with what it lacks of this one.
    pub(super) fn put_onto(&self, known: &Known) -> ArchiveRecord {
        let mut record = known.record.clone();
        record.merge(&self.record);
        if known.version < self.version && record.enabled == self.shown {
            record.enabled = self.record.enabled;
        }
        if !record.enabled {
            record.manifest = None;
        }
        record
    }
}

impl Archive {
    /// Puts back what the server lost of the record, before anything else is done with what it shows.
    pub(super) fn put_back(&mut self, cx: &mut Cx<'_>, known: &Known) -> Result<bool, EngineError> {
        let Some(lost) = Lost::load(cx.tx)? else { return Ok(false) };
        let record = lost.put_onto(known);
        if record != known.record {
            self.write = Some(Write::of_record(known.version, record));
            return self.go_on(cx);
        }
        cx.tx.upkeep().put_setting(SETTING, None)?;
        // With the older record the server has what was deleted since, and lacks what was put in: also the manifest, to which the
        // record leads again.
        let mut plan = Plan::load(cx.tx)?;
        plan.purge |= !record.enabled;
        plan.sweep = Timestamp(0);
        plan.store(cx.tx)?;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use quicprochat_e2ee::vault::{ArchiveKey, ManifestPointer};
    use quicprochat_wire::{ChannelId, Digest, ObjectId};

    use super::*;
    use crate::{store::MemoryStore, testing::SeededEntropy};

    const TEA: ChannelId = ChannelId::new([1; 32]);
    const POINTER: ManifestPointer =
        ManifestPointer { version: 3, id: ObjectId::new([3; 16]), hash: Digest::new([4; 32]) };

    fn known(version: u64, enabled: bool) -> Known {
        Known { version, record: ArchiveRecord { enabled, ..ArchiveRecord::default() } }
    }

    fn on(version: u64) -> Known {
        let mut known = known(version, true);
        known.record.manifest = Some(POINTER);
        known
    }

    #[test]
    fn what_was_lost_reads_back() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        assert_eq!(Lost::load(&tx), Ok(None));
        for (shown, lost) in [(true, false), (false, true)] {
            let lost = Lost::of(&known(9, lost), None, &known(3, shown).record);
            lost.store(&tx).expect("stores");
            assert_eq!(Lost::load(&tx), Ok(Some(lost)));
        }
    }

    #[test]
    fn keys_what_is_left_out_and_the_newer_manifest_are_put_back() {
        let mut entropy = SeededEntropy::new(1);
        let keys = [ArchiveKey::generate(&mut entropy), ArchiveKey::generate(&mut entropy)];
        let mut before = on(9);
        before.record.excluded.insert(TEA);
        before.record.keys = keys.to_vec();
        let mut shown = known(3, true);
        shown.record.keys = keys[1..].to_vec();
        let put_back = Lost::of(&before, None, &shown.record).put_onto(&shown);
        assert_eq!((put_back.enabled, put_back.manifest), (true, Some(POINTER)));
        assert!(put_back.excluded.contains(&TEA) && keys.iter().all(|key| put_back.keys.contains(key)));
    }

    #[test]
    fn an_archive_that_was_off_is_off_again_and_leads_nowhere() {
        let put_back = Lost::of(&known(9, false), None, &on(3).record).put_onto(&on(3));
        assert_eq!(put_back, known(3, false).record);
    }

    #[test]
    fn what_somebody_said_since_stands() {
        let off = Lost::of(&known(9, false), None, &on(3).record);
        assert!(!off.put_onto(&on(4)).enabled, "another device wrote something else");
        assert!(off.put_onto(&on(10)).enabled, "the server shows what is newer");
        let kept = Lost::of(&on(9), None, &on(3).record);
        assert!(!kept.put_onto(&known(4, false)).enabled);
    }

    #[test]
    fn what_was_lost_twice_is_put_back_whole() {
        let mut before = on(9);
        before.record.excluded.insert(TEA);
        let first = Lost::of(&before, None, &on(5).record);
        let second = Lost::of(&on(5), Some(&first), &on(2).record);
        assert!(second.put_onto(&on(2)).excluded.contains(&TEA));
        let off = Lost::of(&known(9, false), None, &on(5).record);
        assert!(!Lost::of(&on(5), Some(&off), &on(2).record).put_onto(&on(2)).enabled);
    }
}
