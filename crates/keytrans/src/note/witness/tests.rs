use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::note::{
    Algorithm, Freshness, MAX_PROOF_LINES, Policy, parse_conflict_body,
    test_support::{Log, key, witness},
};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const HEDGE: [u8; 32] = [4; 32];

/// What a witness keeps, with a comparison before it writes.
#[derive(Debug, Default)]
struct Store(BTreeMap<Origin, LogState>);

impl Store {
    fn state(&self) -> Option<&LogState> {
        self.0.get(&Origin::new(Log::ORIGIN).unwrap())
    }

    fn swap(&mut self, change: &StateChange) -> Result<(), Option<LogState>> {
        let stored = self.0.get(&change.after().origin).cloned();
        if stored.as_ref() != change.before() {
            return Err(stored);
        }
        // What is stored is what is read back.
        let after = LogState::parse(&change.after().to_bytes().unwrap()).unwrap();
        assert_eq!(&after, change.after());
        self.0.insert(after.origin.clone(), after);
        Ok(())
    }
}

fn accept(witness: &Witness, store: &mut Store, request: &AddCheckpoint, now: u64) -> Cosigned {
    let request = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
    let pending = witness.consider(&request, store.state(), UnixSeconds(now), &HEDGE).unwrap();
    pending.store(|change| store.swap(change)).unwrap()
}

fn grown(by: u64) -> Log {
    let mut log = Log::new();
    log.grow(by, 0);
    log
}

#[test]
fn a_witness_follows_a_log_over_200_steps_and_refuses_its_fork() {
    let (witness, keys) = witness("alice.example", 1);
    let policy = Policy::new(1, vec![keys.clone()]).unwrap();
    let (mut log, mut fork, mut store) = (Log::new(), Log::new(), Store::default());
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for step in 0..200 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Now and then nothing new, to get a fresh time.
        log.grow(random % 9, 0);
        // The fork is the same log up to half way.
        fork.grow(random % 9, u8::from(step >= 100));
        let old = store.state().map_or(0, |state| state.size);
        let now = NOW.0 + step;
        let cosigned = accept(&witness, &mut store, &log.request(old), now);
        let mut signed = log.public().verify(log.note()).unwrap();
        signed.add_cosignatures(cosigned.body().as_bytes(), keys.keys()).unwrap();
        let freshness = Freshness { now: UnixSeconds(now), max_age: 0, max_ahead: 0 };
        let verified = policy.verify(signed, freshness).unwrap();
        assert_eq!(verified.signed().checkpoint().size(), log.range.size());
        let served = policy.verify(log.public().verify(cosigned.checkpoint().clone()).unwrap(), freshness);
        assert_eq!(served.unwrap().signed().head(), Ok(log.heads.last().copied()));
        let state = store.state().unwrap().clone();
        assert_eq!((state.size, state.root, state.time), (log.range.size(), log.range.root(), UnixSeconds(now)));

        // Sam signs the fork as well: the witness refuses it, whatever old size it claims.
        if step >= 100 && fork.range.root() != log.range.root() {
            let found = witness.consider(&fork.request(state.size), Some(&state), UnixSeconds(now), &HEDGE);
            assert!(matches!(found, Err(Refusal::Inconsistent(KeyTransError::Root { .. }))), "{found:?}");
            let found = witness.consider(&fork.request(0), Some(&state), UnixSeconds(now), &HEDGE).unwrap_err();
            assert_eq!((found.status(), found), (409, Refusal::Conflict { known: state.size }));
        }
    }
    assert!(log.range.size() > 500 && fork.range.root() != log.range.root());
}

#[test]
fn a_log_that_is_not_known_is_refused() {
    let witness = Witness::new(vec![key("alice.example", Algorithm::Ed25519Cosignature, 1)]).unwrap();
    let found = witness.consider(&grown(1).request(0), None, NOW, &HEDGE).unwrap_err();
    assert_eq!((found.status(), found), (404, Refusal::UnknownLog { origin: Origin::new(Log::ORIGIN).unwrap() }));
}

#[test]
fn what_the_log_did_not_sign_is_refused() {
    let (witness, _) = witness("alice.example", 1);
    let log = grown(3);
    let mallory = key(Log::ORIGIN, Algorithm::Ed25519, 0x66);
    let note = log.checkpoint().sign(&[&mallory], None, &HEDGE).unwrap();
    let request = AddCheckpoint::new(0, Vec::new(), note).unwrap();
    let found = witness.consider(&request, None, NOW, &HEDGE).unwrap_err();
    assert_eq!((found.status(), found), (403, Refusal::Unsigned(KeyTransError::NoKnownKey)));
    // One good signature does not help against a bad one of a known key.
    for at in 0..2 {
        let mut lines = log.note().signatures().to_vec();
        lines[at].signature[20] ^= 1;
        let note = UnverifiedNote::new(&log.checkpoint().to_string(), lines).unwrap();
        let found = witness.consider(&AddCheckpoint::new(0, Vec::new(), note).unwrap(), None, NOW, &HEDGE).unwrap_err();
        assert!(matches!(found, Refusal::Unsigned(KeyTransError::NoteSignature { .. })) && found.status() == 403);
    }
    // One good signature beside one of an unknown key is enough, and only that is served.
    let lines = [note_line(&mallory, &log), log.note().signatures()[0].clone()];
    let note = UnverifiedNote::new(&log.checkpoint().to_string(), lines.to_vec()).unwrap();
    let pending = witness.consider(&AddCheckpoint::new(0, Vec::new(), note).unwrap(), None, NOW, &HEDGE).unwrap();
    let served = pending.store(|_| Ok::<_, ()>(())).unwrap();
    assert_eq!(served.checkpoint().signatures().len(), 3);
    assert_eq!(served.checkpoint().signatures()[0], log.note().signatures()[0]);
}

fn note_line(key: &NoteKey, log: &Log) -> SignatureLine {
    key.sign(&log.checkpoint().to_string(), None, &HEDGE).unwrap()
}

#[test]
fn another_size_than_the_stored_one_is_a_conflict_that_names_it() {
    let (witness, _) = witness("alice.example", 1);
    let (mut log, mut store) = (grown(5), Store::default());
    let found = witness.consider(&log.request(3), None, NOW, &HEDGE).unwrap_err();
    assert_eq!((found.status(), found.body().unwrap().as_str()), (409, "0\n"));
    accept(&witness, &mut store, &log.request(0), NOW.0);
    log.grow(4, 0);
    for old in [0, 3, 4, 6, 9] {
        let found = witness.consider(&log.request(old), store.state(), NOW, &HEDGE).unwrap_err();
        assert_eq!(found, Refusal::Conflict { known: 5 });
        assert_eq!(parse_conflict_body(found.body().unwrap().as_bytes()), Ok(5));
    }
    // Replayed: the state has gone on.
    let request = log.request(5);
    accept(&witness, &mut store, &request, NOW.0);
    let found = witness.consider(&request, store.state(), NOW, &HEDGE).unwrap_err();
    assert_eq!(found, Refusal::Conflict { known: 9 });
    for body in ["", "5", "05\n", "5\n\n", "-5\n", "five\n", "5 \n", "99999999999999999999\n"] {
        assert!(parse_conflict_body(body.as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn an_old_size_above_the_checkpoint_is_a_bad_request() {
    let (witness, _) = witness("alice.example", 1);
    let log = grown(5);
    let request = AddCheckpoint::new(6, Vec::new(), log.note()).unwrap();
    let found = witness.consider(&request, None, NOW, &HEDGE).unwrap_err();
    assert_eq!((found.status(), found), (400, Refusal::Shrunk { old: 6, size: 5 }));
}

#[test]
fn one_size_has_one_root() {
    let (witness, _) = witness("alice.example", 1);
    let mut store = Store::default();
    accept(&witness, &mut store, &grown(5).request(0), NOW.0);
    let mut fork = Log::new();
    fork.grow(4, 0);
    fork.grow(1, 1);
    let found = witness.consider(&fork.request(5), store.state(), NOW, &HEDGE).unwrap_err();
    let wrong = KeyTransError::Root { size: 5, expected: grown(5).range.root(), found: fork.range.root() };
    assert_eq!((found.status(), found), (422, Refusal::Inconsistent(wrong)));
}

#[test]
fn a_proof_that_is_wrong_or_needless_is_refused() {
    let (witness, _) = witness("alice.example", 1);
    let (mut log, mut store) = (grown(5), Store::default());
    let needless = AddCheckpoint::new(0, vec![log.range.root()], log.note()).unwrap();
    let found = witness.consider(&needless, None, NOW, &HEDGE).unwrap_err();
    assert!(matches!(found, Refusal::Inconsistent(KeyTransError::Count { .. })) && found.status() == 422);
    accept(&witness, &mut store, &log.request(0), NOW.0);
    let needless = AddCheckpoint::new(5, vec![log.range.root()], log.note()).unwrap();
    assert!(matches!(witness.consider(&needless, store.state(), NOW, &HEDGE), Err(Refusal::Inconsistent(_))));
    log.grow(8, 0);
    let request = log.request(5);
    for at in 0..request.proof().len() {
        let mut proof = request.proof().to_vec();
        proof[at].0[3] ^= 4;
        let wrong = AddCheckpoint::new(5, proof, log.note()).unwrap();
        let found = witness.consider(&wrong, store.state(), NOW, &HEDGE).unwrap_err();
        assert!(matches!(found, Refusal::Inconsistent(KeyTransError::Root { .. })), "{found:?}");
    }
    let short = AddCheckpoint::new(5, request.proof()[1..].to_vec(), log.note()).unwrap();
    assert!(matches!(witness.consider(&short, store.state(), NOW, &HEDGE), Err(Refusal::Inconsistent(_))));
    assert!(witness.consider(&request, store.state(), NOW, &HEDGE).is_ok());
}

#[test]
fn an_empty_log_has_the_root_of_the_empty_tree() {
    let (witness, _) = witness("alice.example", 1);
    let (mut log, mut store) = (Log::new(), Store::default());
    accept(&witness, &mut store, &log.request(0), NOW.0);
    assert_eq!(store.state().unwrap().size, 0);
    let text = log.checkpoint().to_string().replace("47DE", "47DF");
    let note = UnverifiedNote::new(&text, vec![log.keys[0].sign(&text, None, &HEDGE).unwrap()]).unwrap();
    let request = AddCheckpoint::new(0, Vec::new(), note).unwrap();
    for state in [None, store.state()] {
        let found = witness.consider(&request, state, NOW, &HEDGE).unwrap_err();
        assert!(matches!(found, Refusal::Inconsistent(KeyTransError::Root { size: 0, .. })) && found.status() == 422);
    }
    log.grow(2, 0);
    accept(&witness, &mut store, &log.request(0), NOW.0);
    assert_eq!(store.state().unwrap().size, 2);
}

#[test]
fn nothing_leaves_when_nothing_is_stored() {
    let (witness, _) = witness("alice.example", 1);
    let (mut log, mut store) = (grown(5), Store::default());
    let pending = witness.consider(&log.request(0), store.state(), NOW, &HEDGE).unwrap();
    assert!(!format!("{pending:?}").contains("answer"));
    assert_eq!(pending.store(|_| Err("disk full")), Err("disk full"));
    assert_eq!(store.state(), None);
    // Two requests that were both checked against the same state: the second one to store fails, and is rolled back by nobody.
    let slow = witness.consider(&log.request(0), store.state(), NOW, &HEDGE).unwrap();
    log.grow(3, 0);
    let quick = witness.consider(&log.request(0), store.state(), NOW, &HEDGE).unwrap();
    quick.store(|change| store.swap(change)).unwrap();
    let stored = store.state().cloned();
    assert_eq!(slow.store(|change| store.swap(change)), Err(stored.clone()));
    assert_eq!((store.state().cloned(), store.state().unwrap().size), (stored, 8));
}

#[test]
fn a_clock_that_went_back_stops_the_witness() {
    let (witness, _) = witness("alice.example", 1);
    let (log, mut store) = (grown(5), Store::default());
    let zero = UnixSeconds(0);
    let found = witness.consider(&log.request(0), None, zero, &HEDGE).unwrap_err();
    assert_eq!((found.status(), found), (503, Refusal::Clock { now: zero, last: UnixSeconds(1) }));
    assert!(witness.consider(&log.request(0), None, UnixSeconds(1 << 63), &HEDGE).is_err());
    accept(&witness, &mut store, &log.request(0), NOW.0);
    let before = UnixSeconds(NOW.0 - 1);
    let found = witness.consider(&log.request(5), store.state(), before, &HEDGE).unwrap_err();
    assert_eq!(found, Refusal::Clock { now: before, last: NOW });
    accept(&witness, &mut store, &log.request(5), NOW.0);
}

#[test]
fn the_state_of_another_log_is_not_taken() {
    let (witness, _) = witness("alice.example", 1);
    let origin = Origin::new("other").unwrap();
    let state = LogState { origin: origin.clone(), size: 5, root: grown(5).range.root(), time: NOW };
    let found = witness.consider(&grown(5).request(5), Some(&state), NOW, &HEDGE).unwrap_err();
    assert_eq!((found.status(), found), (500, Refusal::ForeignState { found: origin }));
}

#[test]
fn a_witness_needs_keys_whose_signatures_have_a_time() {
    assert!(Witness::new(Vec::new()).is_err());
    assert!(Witness::new(vec![key("alice.example", Algorithm::Ed25519, 1)]).is_err());
    let twice = [1, 1].map(|seed| key("alice.example", Algorithm::Ed25519Cosignature, seed));
    assert!(Witness::new(twice.into()).is_err());
    let (witness, _) = witness("alice.example", 1);
    assert!(witness.with_log(Log::new().public()).is_err());
}

#[test]
fn a_request_of_the_wrong_form_is_refused() {
    let mut log = grown(5);
    log.grow(4, 0);
    let text = log.request(5).to_string();
    assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(log.request(5)));
    for (from, to) in [
        ("old 5", "old 05"),
        ("old 5", "old -5"),
        ("old 5", "old  5"),
        ("old 5", "old"),
        ("old 5", "Old 5"),
        ("old 5\n", "old 5\r\n"),
        ("old 5\n", ""),
        ("old 5\n", "old 5\nAA==\n"),
        ("old 5\n", "old 5\n\n"),
        ("old 5", "old 4611686018427387905"),
        ("=\n\nsam", "=\nsam"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text);
        assert!(AddCheckpoint::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    // Without its last signature line it is still a request.
    let last = text.rfind('\u{2014}').unwrap();
    for cut in 0..text.len() {
        assert_eq!(AddCheckpoint::parse(&text.as_bytes()[..cut]).is_ok(), cut == last, "{cut}");
    }
    let hashes = |count| vec![log.range.root(); count];
    let longest = AddCheckpoint::new(5, hashes(MAX_PROOF_LINES), log.note()).unwrap();
    assert_eq!(AddCheckpoint::parse(longest.to_string().as_bytes()), Ok(longest.clone()));
    assert!(AddCheckpoint::new(5, hashes(64), log.note()).is_err());
    let line = longest.to_string().lines().nth(1).unwrap().to_owned() + "\n";
    assert!(AddCheckpoint::parse(longest.to_string().replacen(&line, &line.repeat(2), 1).as_bytes()).is_err());
    let oversized = [text.as_bytes(), &vec![b'\n'; crate::note::MAX_REQUEST_BYTES]].concat();
    assert!(AddCheckpoint::parse(&oversized).is_err());
}

#[test]
fn a_stored_state_that_was_spoilt_is_not_read() {
    let state = LogState { origin: Origin::new("log").unwrap(), size: 5, root: Digest([3; 32]), time: NOW };
    let bytes = state.to_bytes().unwrap();
    assert_eq!(bytes.len(), 1 + 1 + 3 + 8 + 32 + 8);
    assert_eq!(LogState::parse(&bytes), Ok(state));
    for cut in 0..bytes.len() {
        assert!(LogState::parse(&bytes[..cut]).is_err());
    }
    assert!(LogState::parse(&[&bytes, [0].as_slice()].concat()).is_err());
    for (at, to) in [(0, 2), (2, b'\n'), (2, 0xff)] {
        let mut spoilt = bytes.clone();
        spoilt[at] = to;
        assert!(LogState::parse(&spoilt).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, fork: false, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_with_a_byte_changed_is_never_cosigned_as_another_state(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (witness, _) = witness("alice.example", 1);
        let mut log = grown(5);
        let mut store = Store::default();
        accept(&witness, &mut store, &log.request(0), NOW.0);
        log.grow(4, 0);
        let mut bytes = log.request(5).to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let Ok(request) = AddCheckpoint::parse(&bytes) else { return Ok(()) };
        // The name or id of one signature may be changed: then the other one counts.
        if let Ok(pending) = witness.consider(&request, store.state(), NOW, &HEDGE) {
            let after = LogState { origin: Origin::new(Log::ORIGIN).unwrap(), size: 9, root: log.range.root(), time: NOW };
            pending.store(|change| if *change.after() == after { Ok(()) } else { Err(Box::new(change.clone())) }).unwrap();
        }
    }
}

#[test]
fn the_example_of_the_document_is_what_comes_out() {
    const DOCUMENT: &str = include_str!("../../../../../docs/key-transparency-witness.md");
    let log_key = key(Log::ORIGIN, Algorithm::Ed25519, 0x10);
    let witness_key = key("alice.example/witness", Algorithm::Ed25519Cosignature, 1);
    let log = LogKeys::new(Origin::new(Log::ORIGIN).unwrap(), vec![log_key.verifier().clone()]).unwrap();
    let keys = format!("\n{}\n{}\n", log_key.verifier(), witness_key.verifier());
    let note = grown(1).checkpoint().sign(&[&log_key], None, &HEDGE).unwrap();
    let request = AddCheckpoint::new(0, Vec::new(), note).unwrap();
    let witness = Witness::new(vec![witness_key]).unwrap().with_log(log).unwrap();
    let answer = accept(&witness, &mut Store::default(), &request, NOW.0).body();
    for example in [keys, request.to_string(), answer] {
        assert!(DOCUMENT.contains(&format!("```text\n{}```", example.trim_start())), "{example}");
    }
}
