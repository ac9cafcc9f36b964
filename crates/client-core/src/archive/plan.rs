//! What is wanted of the archive and when, and what it takes at the server: kept with the device, because most processes are
//! short.

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::vault::{ArchiveRecord, StateRecord as _};
use quicprochat_wire::{ChannelId, DecodeError, ObjectId, Reader, Timestamp, Writer, time::Duration};
use zeroize::Zeroizing;

use super::manifest::Cached;
use crate::engine::Cx;
use crate::store::{StoreFault, StoreTx};

const PLAN: &str = "archive-plan";
const RECORD: &str = "archive-record";
const MANIFEST: &str = "archive-manifest";
const ORPHANS: &str = "archive-orphans";
const WHOLE: &str = "archive-whole";
const VERSION: u8 = 1;
/// Of the plan; a plan of version 1 knows only which objects are bad.
const PLAN_VERSION: u8 = 2;
/// Most conversations in one wish; as many as record 48 takes.
pub(super) const MAX_WISHES: usize = 1024;
/// Most objects that are kept in mind; more than a server keeps of an account.
pub(super) const MAX_ORPHANS: usize = 65_536;
pub(super) const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// That an object is bad counts once in this time.
pub(super) const SIGHT_PAUSE: Duration = Duration::from_secs(3600);
/// What was seen to be bad so often is lost.
const LOST_AFTER: u8 = 3;

/// How often an object was seen to be bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sighting {
    pub(super) times: u8,
    pub(super) last: Timestamp,
}

impl Sighting {
    pub(super) const fn is_lost(&self) -> bool {
        self.times >= LOST_AFTER
    }

    /// Whether to look at it again; asks to be called when that is.
    pub(super) fn is_due(&self, cx: &mut Cx<'_>) -> bool {
        !self.is_lost() && !cx.is_to_come(self.last.after(SIGHT_PAUSE), SIGHT_PAUSE)
    }
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Plan {
    /// When what arrived is to be put into the archive.
    pub(super) due: Option<Timestamp>,
    /// When to look for objects that nothing points to.
    pub(super) sweep: Timestamp,
    /// Whether history is to be kept, if somebody said so and the vault does not have it yet.
    pub(super) wish: Option<bool>,
    /// Conversations whose history is to be kept, or not: likewise.
    pub(super) wishes: BTreeMap<ChannelId, bool>,
    /// What nothing points to is deleted without waiting: history was turned off, and nobody turned it on since.
    pub(super) purge: bool,
    /// Objects that are not what names them, or not there, and how often that was seen.
    pub(super) bad: BTreeMap<ObjectId, Sighting>,
    /// The server had no room.
    pub(super) full: bool,
    /// Objects and bytes at the server, and bytes that it takes, when it was last asked.
    pub(super) objects: u64,
    pub(super) bytes: u64,
    pub(super) quota: u64,
    /// When it was last asked.
    pub(super) looked: Timestamp,
}

impl Plan {
    pub(super) fn load(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        let Some(stored) = tx.upkeep().setting(PLAN)? else { return Ok(Self::default()) };
        Ok(Self::decode(&stored)?)
    }

    /// Notes that an object was seen to be bad, for good if somebody asked to have it mended now.
    pub(super) fn see(&mut self, id: ObjectId, now: Timestamp, for_good: bool) {
        let before = self.bad.get(&id).copied();
        let seen = self.bad.entry(id).or_insert(Sighting { times: 0, last: now });
        let counts = before.is_none_or(|before| before.last > now || now.since(before.last) >= SIGHT_PAUSE);
        if counts {
            *seen = Sighting { times: seen.times.saturating_add(1), last: now };
        }
        if for_good {
            seen.times = seen.times.max(LOST_AFTER);
        }
    }

    /// Whether an object was seen to be bad so often that it is lost.
    pub(super) fn is_lost(&self, id: &ObjectId) -> bool {
        self.bad.get(id).is_some_and(Sighting::is_lost)
    }

    pub(super) fn store(&self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        tx.upkeep().put_setting(PLAN, Some(&self.encode()))
    }

    fn encode(&self) -> Vec<u8> {
        let wish = match self.wish {
            None => 0,
            Some(true) => 1,
            Some(false) => 2,
        };
        let bad: Vec<_> = self.bad.iter().take(MAX_ORPHANS).collect();
        let wishes: Vec<_> = self.wishes.iter().collect();
        Writer::new()
            .u8(PLAN_VERSION)
            .u64(self.due.map_or(0, |due| due.0))
            .u64(self.sweep.0)
            .u8(wish)
            .list(&wishes, |writer, (channel, on)| writer.fixed(channel).u8(u8::from(**on)))
            .u8(u8::from(self.purge))
            .list(&bad, |writer, (id, seen)| writer.fixed(id).u8(seen.times).u64(seen.last.0))
            .u8(u8::from(self.full))
            .u64(self.objects)
            .u64(self.bytes)
            .u64(self.quota)
            .u64(self.looked.0)
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if !(VERSION..=PLAN_VERSION).contains(&version) {
            return Err(DecodeError::WrongLabel);
        }
        let plan = Self {
            due: Some(reader.u64()?).filter(|due| *due != 0).map(Timestamp),
            sweep: Timestamp(reader.u64()?),
            wish: match reader.u8()? {
                0 => None,
                1 => Some(true),
                2 => Some(false),
                found => return Err(DecodeError::BadValue { found: found.into() }),
            },
            wishes: reader
                .list::<_, DecodeError>(MAX_WISHES, |item| Ok((ChannelId::new(item.array()?), flag(item)?)))?
                .into_iter()
                .collect(),
            purge: flag(&mut reader)?,
            bad: reader
                .list::<_, DecodeError>(MAX_ORPHANS, |item| {
                    Ok((ObjectId::new(item.array()?), sighting(item, version)?))
                })?
                .into_iter()
                .collect(),
            full: flag(&mut reader)?,
            objects: reader.u64()?,
            bytes: reader.u64()?,
            quota: reader.u64()?,
            looked: Timestamp(reader.u64()?),
        };
        reader.finish()?;
        Ok(plan)
    }
}

fn sighting(item: &mut Reader<'_>, version: u8) -> Result<Sighting, DecodeError> {
    if version == VERSION {
        return Ok(Sighting { times: 1, last: Timestamp(0) });
    }
    Ok(Sighting { times: item.u8()?, last: Timestamp(item.u64()?) })
}

/// Record 48 as this device last knew it, and its version.
///
/// Secrets:  the archive keys; the store that it is kept in is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Known {
    pub(super) version: u64,
    pub(super) record: ArchiveRecord,
}

impl Known {
    pub(super) fn load(tx: &dyn StoreTx) -> Result<Self, StoreFault> {
        let Some(stored) = tx.upkeep().setting(RECORD)?.map(Zeroizing::new) else { return Ok(Self::default()) };
        let mut reader = versioned(&stored)?;
        let version = reader.u64()?;
        let content = reader.bytes(MAX_RECORD_BYTES)?;
        reader.finish()?;
        let record = ArchiveRecord::parse(content).map_err(|_| StoreFault::Damaged)?;
        Ok(Self { version, record })
    }

    pub(super) fn store(&self, tx: &dyn StoreTx) -> Result<(), StoreFault> {
        let content = Writer::new().u8(VERSION).u64(self.version).bytes(self.record.encode().as_slice());
        tx.upkeep().put_setting(RECORD, Some(&Zeroizing::new(content.finish())))
    }
}

/// The manifest as this device last knew it.
pub(super) fn cached(tx: &dyn StoreTx) -> Result<Cached, StoreFault> {
    let Some(stored) = tx.upkeep().setting(MANIFEST)? else { return Ok(Cached::default()) };
    Ok(Cached::decode(&stored)?)
}

pub(super) fn store_cached(tx: &dyn StoreTx, cached: &Cached) -> Result<(), StoreFault> {
    tx.upkeep().put_setting(MANIFEST, Some(&cached.encode()))
}

/// Objects that nothing pointed to, and when they were first seen.
pub(super) fn orphans(tx: &dyn StoreTx) -> Result<BTreeMap<ObjectId, Timestamp>, StoreFault> {
    let Some(stored) = tx.upkeep().setting(ORPHANS)? else { return Ok(BTreeMap::new()) };
    let mut reader = versioned(&stored)?;
    let listed = reader
        .list::<_, DecodeError>(MAX_ORPHANS, |item| Ok((ObjectId::new(item.array()?), Timestamp(item.u64()?))))?;
    reader.finish()?;
    Ok(listed.into_iter().collect())
}

pub(super) fn store_orphans(tx: &dyn StoreTx, orphans: &BTreeMap<ObjectId, Timestamp>) -> Result<(), StoreFault> {
    let listed: Vec<_> = orphans.iter().take(MAX_ORPHANS).collect();
    let writer = Writer::new().u8(VERSION).list(&listed, |writer, (id, since)| writer.fixed(id).u64(since.0));
    tx.upkeep().put_setting(ORPHANS, Some(&writer.finish()))
}

/// Segments that do not become fewer when they are put together: small as they are sealed, they are large.
pub(super) fn whole(tx: &dyn StoreTx) -> Result<BTreeSet<ObjectId>, StoreFault> {
    let Some(stored) = tx.upkeep().setting(WHOLE)? else { return Ok(BTreeSet::new()) };
    let mut reader = versioned(&stored)?;
    let listed = reader.list::<_, DecodeError>(MAX_ORPHANS, |item| Ok(ObjectId::new(item.array()?)))?;
    reader.finish()?;
    Ok(listed.into_iter().collect())
}

pub(super) fn store_whole(tx: &dyn StoreTx, whole: &BTreeSet<ObjectId>) -> Result<(), StoreFault> {
    let listed: Vec<_> = whole.iter().take(MAX_ORPHANS).collect();
    let writer = Writer::new().u8(VERSION).list(&listed, |writer, id| writer.fixed(id));
    tx.upkeep().put_setting(WHOLE, Some(&writer.finish()))
}

pub(super) fn versioned(bytes: &[u8]) -> Result<Reader<'_>, DecodeError> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? == VERSION { Ok(reader) } else { Err(DecodeError::WrongLabel) }
}

pub(super) fn flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::BadValue { found: found.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn a_plan_of_before_is_read_and_what_it_knows_to_be_bad_was_seen_once() {
        let head = || Writer::new().u8(1).u64(7).u64(9).u8(1).u32(0).u8(0);
        let stored = head().list(&[[3; 16]], |writer, id: &[u8; 16]| writer.fixed(id));
        let stored = stored.u8(1).u64(3).u64(4).u64(5).u64(10).finish();
        let plan = Plan::decode(&stored).expect("reads");
        let seen = Sighting { times: 1, last: Timestamp(0) };
        assert_eq!(plan.bad, BTreeMap::from([(ObjectId::new([3; 16]), seen)]));
        assert_eq!((plan.wish, plan.full, plan.looked), (Some(true), true, Timestamp(10)));
        assert_eq!(Plan::decode(&plan.encode()), Ok(plan));
    }

    #[test]
    fn an_object_is_lost_once_it_was_bad_at_three_moments_an_hour_apart_or_somebody_has_it_mended() {
        let (id, mut plan) = (ObjectId::new([3; 16]), Plan::default());
        let at = |minutes: u64| Timestamp(minutes * 60_000);
        plan.see(id, at(0), false);
        for minutes in [1, 59, 60, 119] {
            plan.see(id, at(minutes), false);
            assert!(!plan.is_lost(&id), "{minutes}");
        }
        plan.see(id, at(120), false);
        assert!(plan.is_lost(&id));
        let other = ObjectId::new([4; 16]);
        plan.see(other, at(0), true);
        assert!(plan.is_lost(&other));
    }

    #[test]
    fn what_is_kept_reads_back_and_nothing_else_does() {
        for wish in [None, Some(true), Some(false)] {
            let plan = Plan {
                due: wish.map(|_| Timestamp(7)),
                sweep: Timestamp(9),
                wish,
                wishes: [(ChannelId::new([1; 32]), true), (ChannelId::new([2; 32]), false)].into(),
                purge: true,
                bad: [(ObjectId::new([3; 16]), Sighting { times: 2, last: Timestamp(8) })].into(),
                full: false,
                objects: 3,
                bytes: 4,
                quota: 5,
                looked: Timestamp(10),
            };
            assert_eq!(Plan::decode(&plan.encode()), Ok(plan.clone()));
            for cut in 0..plan.encode().len() {
                assert!(Plan::decode(&plan.encode()[..cut]).is_err(), "{cut}");
            }
        }
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("opens");
        assert_eq!(Known::load(&tx), Ok(Known::default()));
        let known = Known { version: 4, record: ArchiveRecord { enabled: true, ..ArchiveRecord::default() } };
        known.store(&tx).expect("stores");
        assert_eq!(Known::load(&tx), Ok(known));
        let seen = BTreeMap::from([(ObjectId::new([1; 16]), Timestamp(5))]);
        store_orphans(&tx, &seen).expect("stores");
        assert_eq!(orphans(&tx), Ok(seen));
        let ids = BTreeSet::from([ObjectId::new([1; 16]), ObjectId::new([2; 16])]);
        store_whole(&tx, &ids).expect("stores");
        assert_eq!(whole(&tx), Ok(ids));
    }
}
