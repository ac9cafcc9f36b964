//! What goes in comes out, and what others send in is refused without a panic.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use quicprochat_wire::{
    Answer, CallFailure, CodecError, Duration, ErrorCode, MessageId, Request, Timestamp,
    call::{
        channel::{ChainPoint, ChannelAttach, ChannelEnqueue, ChannelEntry, ChannelPage, EntryKind},
        directory::{Lookup, Subject},
        inbox::{InboxEntry, InboxPage},
        session::Hello,
        token::TokenIssue,
    },
    codec::{self, decode_request, decode_response, encode_request, encode_response, refusal},
    id::{AccessPublicKey, ChainHash, ChannelId},
    limits::{self, MAX_INBOX_BYTES},
};

use crate::strategies::{answers, requests};

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() })
}

#[test]
fn every_method_has_a_strategy() {
    let mut runner = TestRunner::deterministic();
    let numbers: BTreeSet<u16> =
        requests().iter().map(|strategy| strategy.new_tree(&mut runner).expect("a value").current().number()).collect();
    let expected: BTreeSet<u16> = (0..=10)
        .chain(16..=19)
        .chain(24..=26)
        .chain(32..=33)
        .chain(40..=42)
        .chain(48..=57)
        .chain(64..=67)
        .chain(72..=74)
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(answers().len(), 25);
}

#[test]
fn every_request_round_trips() {
    for strategy in requests() {
        runner()
            .run(&strategy, |request| {
                let bytes = encode_request(&request).expect("within the limits");
                prop_assert_eq!(decode_request(&bytes), Ok(request.clone()));
                let frame = codec::frame::encode_request(&request).expect("within the limits");
                prop_assert_eq!(codec::frame::announced(&frame, limits::MAX_FRAME_BYTES), Ok(Some(bytes.len())));
                prop_assert_eq!(&frame[4..], &bytes[..]);
                Ok(())
            })
            .expect("round trip");
    }
}

#[test]
fn every_answer_round_trips() {
    for strategy in answers() {
        runner()
            .run(&strategy, |answer| {
                let bytes = encode_response(&answer).expect("within the limits");
                prop_assert_eq!(decode_response(&bytes), Ok(answer));
                Ok(())
            })
            .expect("round trip");
    }
}

#[test]
fn the_number_of_a_request_is_its_union_ordinal() {
    let mut runner = TestRunner::deterministic();
    for strategy in requests() {
        let request = strategy.new_tree(&mut runner).expect("a value").current();
        let bytes = encode_request(&request).expect("within the limits");
        // One segment table word, one root pointer, then the union's tag is the first field of the root struct.
        assert_eq!(ordinal(&bytes), request.number(), "{}", request.name());
    }
}

/// Reads the tag by hand: behind the segment table, the root pointer leads to a data section that begins with it.
fn ordinal(message: &[u8]) -> u16 {
    let word = |at: usize| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight bytes"));
    let segments = usize::try_from((word(0) & 0xffff_ffff) + 1).expect("few");
    let table = (4 + 4 * segments).next_multiple_of(8);
    assert_eq!(word(table) & 0xffff_ffff, 0, "a struct right behind its pointer");
    u16::try_from(word(table + 8) & 0xffff).expect("masked")
}

#[test]
fn truncated_requests_are_refused() {
    let mut runner = TestRunner::deterministic();
    for strategy in requests() {
        let bytes = encode_request(&strategy.new_tree(&mut runner).expect("a value").current()).expect("in limits");
        for end in (0..bytes.len().min(400)).chain([bytes.len() - 1]) {
            assert!(decode_request(&bytes[..end]).is_err(), "cut at {end} of {}", bytes.len());
        }
        let mut longer = bytes.clone();
        longer.extend_from_slice(&[0; 8]);
        assert_eq!(decode_request(&longer), Err(CodecError::Trailing { extra: 8 }));
    }
}

#[test]
fn flipped_bits_never_panic() {
    for strategy in requests() {
        let flipped = (strategy, proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8));
        runner()
            .run(&flipped, |(request, flips)| {
                let mut bytes = encode_request(&request).expect("within the limits");
                for (index, mask) in flips {
                    let at = index.index(bytes.len().min(256));
                    bytes[at] ^= mask;
                }
                if let Ok(other) = decode_request(&bytes) {
                    encode_request(&other).expect("what decodes keeps the limits");
                }
                Ok(())
            })
            .expect("no panic");
    }
    for strategy in answers() {
        let flipped = (strategy, proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8));
        runner()
            .run(&flipped, |(answer, flips): (Answer, Vec<_>)| {
                let mut bytes = encode_response(&answer).expect("within the limits");
                for (index, mask) in flips {
                    let at = index.index(bytes.len().min(256));
                    bytes[at] ^= mask;
                }
                if let Ok(other) = decode_response(&bytes) {
                    encode_response(&other).expect("what decodes keeps the limits");
                }
                Ok(())
            })
            .expect("no panic");
    }
}

#[test]
fn random_bytes_never_panic() {
    TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() })
        .run(&proptest::collection::vec(any::<u8>(), 0..200), |bytes| {
            let _ = decode_request(&bytes);
            let _ = decode_response(&bytes);
            Ok(())
        })
        .expect("no panic");
}

#[test]
fn reserved_and_later_methods_are_unknown() {
    let hello: Request = Hello { version: 1, kind: quicprochat_wire::ConnectionKind::Account }.into();
    let bytes = encode_request(&hello).expect("within the limits");
    for number in [11u16, 15, 23, 31, 39, 47, 58, 63, 71, 75, 1000, u16::MAX] {
        let mut other = bytes.clone();
        other[16..18].copy_from_slice(&number.to_le_bytes());
        let error = decode_request(&other).expect_err("unknown");
        assert_eq!(error, CodecError::UnknownMethod, "{number}");
        assert_eq!(refusal(&error), ErrorCode::UnknownMethod);
    }
    assert_eq!(decode_request(&bytes), Ok(hello));
}

#[test]
fn a_code_of_a_later_version_asks_to_come_back_later() {
    let encoded = |code| encode_response(&Err(CallFailure::retry(code, Duration::from_secs(9)))).expect("in limits");
    let (one, other) = (encoded(ErrorCode::LinkRequired), encoded(ErrorCode::Restoring));
    let at = one.iter().zip(&other).position(|(one, other)| one != other).expect("the code");
    for number in [0_u16, 31, 1000, u16::MAX] {
        let mut later = one.clone();
        later[at..at + 2].copy_from_slice(&number.to_le_bytes());
        let expected = CallFailure::retry(ErrorCode::Unavailable, Duration::from_secs(9));
        assert_eq!(decode_response(&later), Ok(Err(expected)), "{number}");
    }
    assert_eq!(decode_response(&other), Ok(Err(CallFailure::retry(ErrorCode::Restoring, Duration::from_secs(9)))));
}

#[test]
fn the_largest_pages_fit_a_frame() {
    let entries = usize::from(limits::MAX_PAGE_ENTRIES);
    // One byte short of the page's limit, in all entries but the last, which is as large as any.
    let before = limits::MAX_PAGE_BYTES - 1;
    let mut lengths = vec![before / (entries - 1); entries - 2];
    lengths.push(before - lengths.iter().sum::<usize>());
    let id = MessageId::new([1; 16]);
    let inbox = |len: usize| InboxEntry { seq: u64::MAX, id, sealed: vec![1; len] };
    let largest = [MAX_INBOX_BYTES];
    let page = InboxPage { entries: lengths.iter().chain(&largest).map(|len| inbox(*len)).collect(), more: true };
    assert_eq!(page.entries.len(), entries);
    codec::frame::encode_response(&Ok(page.into())).expect("an inbox page fits");

    let channel = |len: usize| ChannelEntry {
        seq: u64::MAX,
        id,
        kind: EntryKind::Commit,
        after_commit: ChainPoint { position: u64::MAX, hash: ChainHash::new([2; 32]) },
        sealed: vec![1; len],
        next_access: Some(AccessPublicKey::new([3; 32])),
        time: Timestamp(u64::MAX),
    };
    let largest = [limits::MAX_COMMIT_BYTES];
    let page = ChannelPage { entries: lengths.iter().chain(&largest).map(|len| channel(*len)).collect(), more: true };
    codec::frame::encode_response(&Ok(page.into())).expect("a channel page fits");
}

#[test]
fn lengths_outside_the_limits_are_not_even_sent() {
    let channel = ChannelId::new([1; 32]);
    let message = ChannelEnqueue {
        channel,
        id: MessageId::new([2; 16]),
        after_commit: ChainPoint { position: 0, hash: ChainHash::new([3; 32]) },
        sealed: vec![0; limits::MAX_MESSAGE_BYTES + 1],
        commit: None,
    };
    let too_long = encode_request(&message.into()).expect_err("too long");
    assert_eq!(refusal(&too_long), ErrorCode::TooLarge);

    let access = AccessPublicKey::new([4; 32]);
    let attach = ChannelAttach { channel, access, signature: vec![0; 63] };
    let short = encode_request(&attach.into()).expect_err("too short");
    assert_eq!(short, CodecError::BadLength { field: "signature", expected: 64, found: 63 });
    assert_eq!(refusal(&short), ErrorCode::BadRequest);

    let issue = TokenIssue { epoch: 1, blinded: vec![vec![0; 32]; 31] };
    assert!(matches!(encode_request(&issue.into()), Err(CodecError::BadLength { found: 31, .. })));

    let lookup = Lookup { subject: Subject::Name("a".repeat(33)) };
    assert!(matches!(encode_request(&lookup.into()), Err(CodecError::TooLong { limit: 32, found: 33, .. })));
}
