//! A log entry in a form that every later version reads.
//!
//! The rows of a store may change with it; this does not. A record says where the entry stands and what it says, and nothing
//! of the device that kept it: no order of arrival, no intent of an outbox.

use quicprochat_wire::{
    AccountId, ChannelId, DecodeError, DeviceId, MessageId, Reader, Timestamp, Writer, limits::MAX_MESSAGE_BYTES,
};

use crate::store::{LogBody, LogEntry};

/// The version of a record that this program writes, and the one it reads.
const VERSION: u8 = 1;
/// The version of a list.
const LIST_VERSION: u8 = 1;
/// Largest body of a record: the largest message and the lists of the largest change of members are below it.
pub const MAX_BODY_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
/// Largest record: its body, and the fields before it.
pub const MAX_RECORD_BYTES: usize = MAX_BODY_BYTES + HEAD_BYTES;
/// Most records of one list.
pub const MAX_LIST_RECORDS: usize = 65_536;
/// Kinds below this one are known here. Whoever adds one raises it: what a device took in before, it then looks at again.
pub(crate) const KINDS: u8 = 9;
/// Most accounts in one list of a change of members.
const MAX_ACCOUNTS: usize = 8_000;
/// Largest title.
const MAX_TITLE_BYTES: usize = 64 * 1024;
/// Version, channel, position, id, sender, device, two times, kind, and the body's length.
const HEAD_BYTES: usize = 1 + 32 + 8 + 16 + 32 + 16 + 8 + 8 + 1 + 4;

/// Why bytes are no record, or a record cannot become an entry here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are damaged.
    #[error("a history record is damaged: {0}")]
    Damaged(#[from] DecodeError),
    /// The record, or the list, is of a form that only a later version reads.
    #[error("a history record of version {found}; this program reads up to {known}")]
    LaterVersion {
        /// Its version.
        found: u8,
        /// The newest one known here.
        known: u8,
    },
    /// The entry means something that only a later version knows.
    #[error("a history record of kind {kind}, which a later version wrote")]
    LaterKind {
        /// Its kind.
        kind: u8,
    },
}

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordBody {
    /// Something that this version can show.
    Known(LogBody),
    /// A kind of a later version, kept as it is: written again it has the same bytes, so that nothing is lost on the way
    /// through an older program.
    Later {
        /// Its kind.
        kind: u8,
        /// What belongs to it.
        bytes: Vec<u8>,
    },
}

/// A log entry apart from its store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryRecord {
    /// Which conversation.
    pub channel: ChannelId,
    /// Position in the channel.
    pub seq: u64,
    /// The entry's id.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: AccountId,
    /// On which device.
    pub device: DeviceId,
    /// When the server took it, to the minute.
    pub time: Timestamp,
    /// When the writer says it was written.
    pub sent_at: Timestamp,
    /// What it says.
    pub body: RecordBody,
}

impl From<&LogEntry> for HistoryRecord {
    fn from(entry: &LogEntry) -> Self {
        Self {
            channel: entry.channel,
            seq: entry.seq,
            id: entry.id,
            sender: entry.sender,
            device: entry.device,
            time: entry.time,
            sent_at: entry.sent_at,
            body: RecordBody::Known(entry.body.clone()),
        }
    }
}

impl HistoryRecord {
    /// The entry to import.
    ///
    /// Errors:   [`RecordError::LaterKind`] if this version cannot show it.
    pub fn into_entry(self) -> Result<LogEntry, RecordError> {
        let body = match self.body {
            RecordBody::Known(body) => body,
            RecordBody::Later { kind, .. } => return Err(RecordError::LaterKind { kind }),
        };
        Ok(LogEntry {
            index: 0,
            channel: self.channel,
            seq: self.seq,
            id: self.id,
            sender: self.sender,
            device: self.device,
            time: self.time,
            sent_at: self.sent_at,
            intent: None,
            body,
        })
    }

    /// The record's bytes.
    ///
    /// Shape:    `u8 1 || channel fixed(32) || position u64 || id fixed(16) || sender fixed(32) || device fixed(16) ||
    ///           time u64 || sent at u64 || kind u8 || body bytes`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match &self.body {
            RecordBody::Known(body) => encode_body(body),
            RecordBody::Later { kind, bytes } => (*kind, bytes.clone()),
        };
        Writer::new()
            .u8(VERSION)
            .fixed(self.channel)
            .u64(self.seq)
            .fixed(self.id)
            .fixed(self.sender)
            .fixed(self.device)
            .u64(self.time.0)
            .u64(self.sent_at.0)
            .u8(kind)
            .bytes(body)
            .finish()
    }

    /// Reads what [`Self::encode`] wrote, in this version or an earlier one.
    ///
    /// Errors:   [`RecordError::LaterVersion`], or [`RecordError::Damaged`] for anything that is no record. A kind of a later
    ///           version is no error: it becomes [`RecordBody::Later`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        check_version(reader.u8()?, VERSION)?;
        let record = Self {
            channel: ChannelId::new(reader.array()?),
            seq: reader.u64()?,
            id: MessageId::new(reader.array()?),
            sender: AccountId::new(reader.array()?),
            device: DeviceId::new(reader.array()?),
            time: Timestamp(reader.u64()?),
            sent_at: Timestamp(reader.u64()?),
            body: {
                let kind = reader.u8()?;
                decode_body(kind, reader.bytes(MAX_BODY_BYTES)?)?
            },
        };
        reader.finish()?;
        Ok(record)
    }
}

/// Several records as one value.
///
/// Shape:    `u8 1 || list of record bytes`. Whoever writes keeps a list to [`MAX_LIST_RECORDS`].
#[must_use]
pub fn encode_list(records: &[HistoryRecord]) -> Vec<u8> {
    Writer::new().u8(LIST_VERSION).list(records, |writer, record| writer.bytes(record.encode())).finish()
}

/// Reads what [`encode_list`] wrote; all of it, or nothing.
///
/// Errors:   as [`HistoryRecord::decode`], and for more than [`MAX_LIST_RECORDS`] records.
pub fn decode_list(bytes: &[u8]) -> Result<Vec<HistoryRecord>, RecordError> {
    let mut reader = Reader::new(bytes);
    check_version(reader.u8()?, LIST_VERSION)?;
    let records = reader.list(MAX_LIST_RECORDS, |reader| HistoryRecord::decode(reader.bytes(MAX_RECORD_BYTES)?))?;
    reader.finish()?;
    Ok(records)
}

const fn check_version(found: u8, known: u8) -> Result<(), RecordError> {
    match found {
        0 => Err(RecordError::Damaged(DecodeError::WrongLabel)),
        _ if found > known => Err(RecordError::LaterVersion { found, known }),
        _ => Ok(()),
    }
}

/// The numbers are those of section 11 of the protocol, and final.
fn encode_body(body: &LogBody) -> (u8, Vec<u8>) {
    let writer = Writer::new();
    let accounts = |writer: Writer, accounts: &[AccountId]| writer.list(accounts, |writer, item| writer.fixed(item));
    let (kind, writer) = match body {
        LogBody::Content { content } => (0, writer.bytes(content)),
        LogBody::Membership { added, removed, devices_added, devices_removed } => {
            (1, accounts(accounts(writer, added), removed).u32(*devices_added).u32(*devices_removed))
        }
        LogBody::Renamed { title } => (2, writer.text(title)),
        LogBody::Leave => (3, writer),
        LogBody::Joined => (4, writer),
        LogBody::Updated => (5, writer),
        LogBody::Gap { from, to } => (6, writer.u64(*from).u64(*to)),
        LogBody::Relayed { by, content } => (7, writer.fixed(by).bytes(content)),
        LogBody::Replaced { culprit } => (8, accounts(writer, culprit.as_slice())),
    };
    (kind, writer.finish())
}

fn decode_body(kind: u8, bytes: &[u8]) -> Result<RecordBody, RecordError> {
    let mut reader = Reader::new(bytes);
    let accounts = |reader: &mut Reader<'_>| {
        reader.list(MAX_ACCOUNTS, |reader| reader.array().map(AccountId::new)).map(crate::store::List::from)
    };
    let body = match kind {
        0 => LogBody::Content { content: reader.bytes(MAX_BODY_BYTES)?.to_vec() },
        1 => LogBody::Membership {
            added: accounts(&mut reader)?,
            removed: accounts(&mut reader)?,
            devices_added: reader.u32()?,
            devices_removed: reader.u32()?,
        },
        2 => LogBody::Renamed { title: reader.text(MAX_TITLE_BYTES)?.to_owned() },
        3 => LogBody::Leave,
        4 => LogBody::Joined,
        5 => LogBody::Updated,
        6 => LogBody::Gap { from: reader.u64()?, to: reader.u64()? },
        7 => LogBody::Relayed { by: AccountId::new(reader.array()?), content: reader.bytes(MAX_BODY_BYTES)?.to_vec() },
        8 => LogBody::Replaced {
            culprit: reader.list::<_, DecodeError>(1, |reader| reader.array().map(AccountId::new))?.pop(),
        },
        kind => return Ok(RecordBody::Later { kind, bytes: bytes.to_vec() }),
    };
    reader.finish()?;
    Ok(RecordBody::Known(body))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_below_the_first_later_one_is_known() {
        for kind in 0..=u8::MAX {
            let is_later = matches!(decode_body(kind, &[]), Ok(RecordBody::Later { .. }));
            assert_eq!(is_later, kind >= KINDS, "kind {kind}");
        }
    }

    fn bodies() -> impl Strategy<Value = RecordBody> {
        let accounts = || prop::collection::vec(any::<[u8; 32]>().prop_map(AccountId::new), 0..5);
        let bytes = || prop::collection::vec(any::<u8>(), 0..300);
        let known = prop_oneof![
            bytes().prop_map(|content| LogBody::Content { content }),
            (accounts(), accounts(), any::<u32>(), any::<u32>()).prop_map(
                |(added, removed, devices_added, devices_removed)| LogBody::Membership {
                    added: added.into(),
                    removed: removed.into(),
                    devices_added,
                    devices_removed,
                }
            ),
            any::<String>().prop_map(|title| LogBody::Renamed { title }),
            Just(LogBody::Leave),
            Just(LogBody::Joined),
            Just(LogBody::Updated),
            any::<(u64, u64)>().prop_map(|(from, to)| LogBody::Gap { from, to }),
            (any::<[u8; 32]>(), bytes()).prop_map(|(by, content)| LogBody::Relayed { by: AccountId::new(by), content }),
            any::<Option<[u8; 32]>>().prop_map(|culprit| LogBody::Replaced { culprit: culprit.map(AccountId::new) }),
        ];
        prop_oneof![
            4 => known.prop_map(RecordBody::Known),
            1 => (200_u8.., bytes()).prop_map(|(kind, bytes)| RecordBody::Later { kind, bytes }),
        ]
    }

    prop_compose! {
        fn records()(
            channel: [u8; 32], seq: u64, id: [u8; 16], sender: [u8; 32], device: [u8; 16], time: u64, sent_at: u64,
            body in bodies(),
        ) -> HistoryRecord {
            HistoryRecord {
                channel: ChannelId::new(channel),
                seq,
                id: MessageId::new(id),
                sender: AccountId::new(sender),
                device: DeviceId::new(device),
                time: Timestamp(time),
                sent_at: Timestamp(sent_at),
                body,
            }
        }
    }

    proptest! {
        #[test]
        fn every_record_and_list_reads_back_the_same(list in prop::collection::vec(records(), 0..6)) {
            for record in &list {
                prop_assert_eq!(&HistoryRecord::decode(&record.encode()), &Ok(record.clone()));
            }
            prop_assert_eq!(decode_list(&encode_list(&list)), Ok(list));
        }

        #[test]
        fn every_cut_and_every_byte_too_many_is_refused(record in records(), at in any::<prop::sample::Index>()) {
            let mut bytes = record.encode();
            prop_assert!(HistoryRecord::decode(&bytes[..at.index(bytes.len())]).is_err());
            bytes.push(0);
            prop_assert!(HistoryRecord::decode(&bytes).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic_and_what_is_read_is_written_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut bytes = bytes;
            for version in [None, Some(VERSION)] {
                if let (Some(first), Some(version)) = (bytes.first_mut(), version) {
                    *first = version;
                }
                if let Ok(record) = HistoryRecord::decode(&bytes) {
                    prop_assert_eq!(record.encode(), bytes.clone());
                }
                if let Ok(list) = decode_list(&bytes) {
                    prop_assert_eq!(encode_list(&list), bytes.clone());
                }
            }
        }

        #[test]
        fn an_entry_comes_back_without_what_belonged_to_its_device(record in records(), index: u64, intent: [u8; 16]) {
            let later = match &record.body {
                RecordBody::Known(_) => None,
                RecordBody::Later { kind, .. } => Some(*kind),
            };
            match (record.clone().into_entry(), later) {
                (Ok(entry), None) => {
                    let kept = LogEntry { index, intent: Some(MessageId::new(intent)), ..entry.clone() };
                    prop_assert_eq!(HistoryRecord::from(&kept), record);
                    prop_assert_eq!((entry.index, entry.intent), (0, None));
                }
                (Err(error), Some(kind)) => prop_assert_eq!(error, RecordError::LaterKind { kind }),
                (found, _) => prop_assert!(false, "{found:?}"),
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let record = HistoryRecord {
            channel: ChannelId::new([1; 32]),
            seq: 2,
            id: MessageId::new([3; 16]),
            sender: AccountId::new([4; 32]),
            device: DeviceId::new([5; 16]),
            time: Timestamp(6),
            sent_at: Timestamp(7),
            body: RecordBody::Known(LogBody::Renamed { title: "tea".to_owned() }),
        };
        let written = [
            &[1][..],
            &[1; 32],
            &2_u64.to_le_bytes(),
            &[3; 16],
            &[4; 32],
            &[5; 16],
            &6_u64.to_le_bytes(),
            &7_u64.to_le_bytes(),
            &[2],
            &7_u32.to_le_bytes(),
            &3_u32.to_le_bytes(),
            b"tea",
        ]
        .concat();
        assert_eq!(record.encode(), written);
        assert_eq!(
            encode_list(&[record]),
            [&[1, 1, 0, 0, 0][..], &(written.len() as u32).to_le_bytes(), &written].concat()
        );
    }

    #[test]
    fn later_versions_and_sizes_above_the_limits_are_named() {
        let mut bytes = Writer::new().u8(2).fixed([0; 200]).finish();
        let later = RecordError::LaterVersion { found: 2, known: 1 };
        assert_eq!(HistoryRecord::decode(&bytes), Err(later));
        assert_eq!(decode_list(&bytes), Err(later));
        bytes[0] = 0;
        assert_eq!(HistoryRecord::decode(&bytes), Err(RecordError::Damaged(DecodeError::WrongLabel)));
        let huge = Writer::new().u8(1).fixed([0; HEAD_BYTES - 6]).u8(0).u32(MAX_BODY_BYTES as u32 + 1).finish();
        let found = MAX_BODY_BYTES + 1;
        assert_eq!(
            HistoryRecord::decode(&huge),
            Err(RecordError::Damaged(DecodeError::TooLong { limit: MAX_BODY_BYTES, found }))
        );
        let many = Writer::new().u8(1).u32(MAX_LIST_RECORDS as u32 + 1).finish();
        let found = MAX_LIST_RECORDS + 1;
        assert_eq!(
            decode_list(&many),
            Err(RecordError::Damaged(DecodeError::TooLong { limit: MAX_LIST_RECORDS, found }))
        );
    }
}
