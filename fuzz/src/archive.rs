//! The archive of an account's history: what a server could give back for it, and what another device could have put in.

use std::sync::OnceLock;

use quicprochat_client_core::{
    archive::{check_manifest, check_segment},
    history::{HistoryRecord, RecordBody, encode_list},
    store::LogBody,
};
use quicprochat_e2ee::vault::{
    ArchiveRecord, MAX_ARCHIVE_CONTENT, ObjectKind, StateRecord as _, open_object, seal_object,
};
use quicprochat_wire::{AccountId, ChannelId, DeviceId, MessageId, ObjectId, Writer, padding};

use crate::{
    cast::{NOW, cast, entropy},
    choice, sealing,
};

const KEY: [u8; 32] = [7; 32];
const ID: ObjectId = ObjectId::new([2; 16]);
const LABEL: &str = "qpc/1 archive object";
/// Most bytes of one block that is not compressed.
const BLOCK_BYTES: usize = 65_535;

/// By the first byte: an object; what is sealed in one, with its padding; content of a segment and of a manifest, as it is and
/// before it is compressed.
pub fn objects(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    match how % 6 {
        0 => assert_eq!(open(bytes).is_some(), bytes == genuine()),
        1 => padded(bytes),
        2 => segment(bytes),
        3 => {
            // There is one encoding of records.
            if let Some(again) = check_segment(&stored(bytes)) {
                assert_eq!(again, bytes);
            }
            segment(&stored(bytes));
        }
        4 => manifest(bytes),
        _ => manifest(&stored(bytes)),
    }
}

/// What is read is written to something that reads the same.
fn segment(content: &[u8]) {
    if let Some(again) = check_segment(content) {
        assert_eq!(check_segment(&stored(&again)).as_deref(), Some(&*again));
    }
}

/// Likewise. Written anew it lists only channels that segments name, in order and once.
fn manifest(content: &[u8]) {
    if let Some(again) = check_manifest(content) {
        assert_eq!(check_manifest(&stored(&again)).as_deref(), Some(&*again));
    }
}

/// The padding comes off, and nothing else does.
fn padded(plaintext: &[u8]) {
    let secret = [&KEY[..], ID.as_bytes()].concat();
    let text = Writer::labelled(LABEL).fixed(account()).fixed(ID).u8(3).finish();
    let opened = open(&sealing::seal(&sealing::derive_key(&secret, LABEL), &text, plaintext));
    assert_eq!(opened.as_deref(), padding::unpad(plaintext));
    if let Some(content) = opened.filter(|content| content.len() <= MAX_ARCHIVE_CONTENT) {
        assert_eq!(open(&seal(&content)), Some(content));
    }
}

/// The key, as it is in record 48.
fn record() -> &'static ArchiveRecord {
    static RECORD: OnceLock<ArchiveRecord> = OnceLock::new();
    RECORD.get_or_init(|| {
        let keys = [[1; 32], KEY];
        let bytes = Writer::new().u8(1).u8(1).u32(0).list(&keys, |writer, key| writer.fixed(key)).u8(0).finish();
        ArchiveRecord::parse(&bytes).expect("a record")
    })
}

fn account() -> AccountId {
    cast().alice.identity.account()
}

fn seal(content: &[u8]) -> Vec<u8> {
    let key = record().keys.last().expect("two of them");
    seal_object(key, &account(), &ID, ObjectKind::Segment, content, &mut entropy()).expect("fits")
}

fn open(sealed: &[u8]) -> Option<Vec<u8>> {
    let opened = open_object(&record().keys, &account(), &ID, ObjectKind::Segment, sealed);
    opened.ok().map(|content| content.to_vec())
}

fn genuine() -> &'static [u8] {
    static GENUINE: OnceLock<Vec<u8>> = OnceLock::new();
    GENUINE.get_or_init(|| seal(&stored(&encode_list(&records()))))
}

/// Content in blocks that are not compressed (RFC 1951, section 3.2.4), so that the fuzzer reaches what is in them.
fn stored(content: &[u8]) -> Vec<u8> {
    let blocks = content.len().div_ceil(BLOCK_BYTES).max(1);
    let mut all = Vec::with_capacity(content.len() + 5 * blocks);
    for number in 0..blocks {
        let block = &content[number * BLOCK_BYTES..content.len().min((number + 1) * BLOCK_BYTES)];
        let length = u16::try_from(block.len()).expect("fits");
        all.push(u8::from(number + 1 == blocks));
        all.extend_from_slice(&length.to_le_bytes());
        all.extend_from_slice(&(!length).to_le_bytes());
        all.extend_from_slice(block);
    }
    all
}

fn records() -> Vec<HistoryRecord> {
    let bodies = [
        RecordBody::Known(LogBody::Content { content: b"tea".to_vec() }),
        RecordBody::Known(LogBody::Renamed { title: "tea".to_owned() }),
        RecordBody::Known(LogBody::Gap { from: 1, to: 2 }),
        RecordBody::Later { kind: 200, bytes: vec![1, 2] },
    ];
    let record = |(seq, body): (u8, RecordBody)| HistoryRecord {
        channel: ChannelId::new([5; 32]),
        seq: seq.into(),
        id: MessageId::new([seq; 16]),
        sender: cast().bob.identity.account(),
        device: DeviceId::new([8; 16]),
        time: NOW,
        sent_at: NOW,
        body,
    };
    (1..).zip(bodies).map(record).collect()
}

/// A manifest of two segments of two channels.
fn listed() -> Vec<u8> {
    let writer =
        Writer::new().u8(1).u64(1).list(&[[5; 32], [6; 32]], |writer, channel: &[u8; 32]| writer.fixed(channel));
    let segments: [(u8, &[(u32, &[(u64, u64)])]); 2] =
        [(3, &[(0, &[(1, 4), (6, 9)])]), (4, &[(0, &[(10, 12)]), (1, &[(1, 1)])])];
    let writer = writer.list(&segments, |writer, (id, coverage)| {
        let writer = writer.fixed([*id; 16]).fixed([*id; 32]).u32(552).u32(9).u64(NOW.0);
        writer.list(coverage, |writer, (place, ranges)| {
            writer.u32(*place).list(ranges, |writer, (from, to)| writer.u64(*from).u64(*to))
        })
    });
    writer.finish()
}

pub(crate) fn objects_seeds() -> Vec<Vec<u8>> {
    let (list, manifest) = (encode_list(&records()), listed());
    assert!(check_segment(&stored(&list)).is_some() && check_manifest(&stored(&manifest)).is_some());
    vec![
        choice(0, genuine()),
        choice(1, b"tea\x80\0\0"),
        choice(1, b"no end"),
        choice(2, &stored(&list)),
        // One block with fixed codes: a run of one byte.
        choice(2, &[0x63, 0x64, 0x60, 0x18, 0x05, 0x00]),
        choice(3, &list),
        choice(3, &encode_list(&[])),
        choice(4, &stored(&manifest)),
        choice(5, &manifest),
    ]
}
