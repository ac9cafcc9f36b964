use super::*;
use crate::note::{
    Algorithm, Cosigned, LogProof, NoteKey, SignatureLine, UnverifiedNote, Witness,
    test_support::{Log, key, verifiers, witness},
};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn fresh(now: u64) -> Freshness {
    Freshness { now: UnixSeconds(now), max_age: 3600, max_ahead: 60 }
}

/// Two of alice's, bob's and carol's witnesses.
fn policy(needed: usize) -> (Policy, Vec<Witness>) {
    let (witnesses, keys) = [("alice.example", 1), ("bob.example", 2), ("carol.example", 3)]
        .map(|(name, seed)| witness(name, seed))
        .into_iter()
        .unzip();
    (Policy::new(needed, keys).unwrap(), witnesses)
}

fn cosign(witness: &Witness, log: &Log, at: u64) -> Cosigned {
    let pending = witness.consider(&log.request(0), None, UnixSeconds(at), &[4; 32]).unwrap();
    pending.store(|_| Ok::<_, ()>(())).unwrap()
}

/// The log's checkpoint, with cosignatures of the witnesses of these times.
fn cosigned(log: &Log, policy: &Policy, witnesses: &[Witness], times: &[u64]) -> SignedCheckpoint {
    let mut signed = log.public().verify(log.note()).unwrap();
    for ((witness, keys), time) in witnesses.iter().zip(policy.witnesses()).zip(times) {
        signed.add_cosignatures(cosign(witness, log, *time).body().as_bytes(), keys.keys()).unwrap();
    }
    signed
}

fn log() -> Log {
    let mut log = Log::new();
    log.grow(6, 0);
    log
}

#[test]
fn enough_witnesses_are_enough_and_fewer_are_named() {
    let (two, witnesses) = policy(2);
    let log = log();
    for count in 0..=3 {
        let signed = cosigned(&log, &two, &witnesses, &vec![NOW.0; count]);
        // What is written is read again, with all its lines.
        let note = UnverifiedNote::parse(signed.note().to_string().as_bytes()).unwrap();
        assert_eq!(note.signatures().len(), 2 + 2 * count);
        let found = two.verify(log.public().verify(note).unwrap(), fresh(NOW.0));
        if count < 2 {
            assert_eq!(found, Err(KeyTransError::Quorum { needed: 2, found: count, outdated: 0 }));
        } else {
            let by = found.unwrap().witnesses().iter().map(|(number, one)| (*number, one.time())).collect::<Vec<_>>();
            assert_eq!(by, (0..count).map(|number| (number, Some(NOW))).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_witness_counts_once_with_all_its_keys() {
    let (two, witnesses) = policy(2);
    let signed = cosigned(&log(), &two, &witnesses, &[NOW.0]);
    assert_eq!(signed.note().verify(two.witnesses()[0].keys().iter()).unwrap().len(), 2);
    let found = two.verify(signed, fresh(NOW.0));
    assert_eq!(found, Err(KeyTransError::Quorum { needed: 2, found: 1, outdated: 0 }));
}

#[test]
fn the_newest_of_several_cosignatures_of_a_witness_is_the_one_that_counts() {
    let (_, keys) = witness("alice.example", 1);
    let log = log();
    let text = log.checkpoint().to_string();
    let sign =
        |time| key("alice.example", Algorithm::Ed25519Cosignature, 1).sign(&text, Some(UnixSeconds(time)), &[0; 32]);
    for times in [[NOW.0 - 9, NOW.0, NOW.0 - 5], [NOW.0 - 9999, NOW.0, NOW.0 + 9999]] {
        let lines = times.map(|time| sign(time).unwrap());
        let note = UnverifiedNote::new(&text, [log.note().signatures(), &lines].concat()).unwrap();
        let one = Policy::new(1, vec![keys.clone()]).unwrap();
        let found = one.verify(log.public().verify(note).unwrap(), fresh(NOW.0)).unwrap();
        assert_eq!(found.witnesses().iter().map(|(_, one)| one.time()).collect::<Vec<_>>(), [Some(NOW)]);
    }
}

#[test]
fn a_cosignature_that_is_too_old_or_too_new_does_not_count() {
    let (two, witnesses) = policy(2);
    let log = log();
    let found = |times: &[u64]| two.verify(cosigned(&log, &two, &witnesses, times), fresh(NOW.0)).map(|_| ());
    let outdated = Err(KeyTransError::Quorum { needed: 2, found: 1, outdated: 1 });
    assert_eq!(found(&[NOW.0, NOW.0 - 3600]), Ok(()));
    assert_eq!(found(&[NOW.0, NOW.0 - 3601]), outdated);
    assert_eq!(found(&[NOW.0, NOW.0 + 60]), Ok(()));
    assert_eq!(found(&[NOW.0, NOW.0 + 61]), outdated);
    assert_eq!(found(&[NOW.0, 1, NOW.0]), Ok(()));
    assert_eq!(found(&[1, 1, 1]), Err(KeyTransError::Quorum { needed: 2, found: 0, outdated: 3 }));
    // Clocks at the ends of time.
    let signed = cosigned(&log, &two, &witnesses, &[NOW.0, NOW.0]);
    assert!(two.verify(signed.clone(), fresh(0)).is_err());
    assert!(two.verify(signed, fresh(u64::MAX)).is_err());
}

#[test]
fn a_cosignature_without_a_time_does_not_count() {
    let log = log();
    let keys =
        [("alice.example", 1), ("bob.example", 2)].map(|(name, seed)| key(name, Algorithm::MlDsa44Cosignature, seed));
    let sign = |key: &NoteKey, time| key.sign(&log.checkpoint().to_string(), time, &[0; 32]).unwrap();
    let lines = [log.note().signatures()[0].clone(), sign(&keys[0], None), sign(&keys[1], Some(NOW))];
    let note = UnverifiedNote::new(&log.checkpoint().to_string(), lines.to_vec()).unwrap();
    let witnesses = keys.iter().map(|key| WitnessKeys::new(vec![key.verifier().clone()]).unwrap()).collect();
    let found = Policy::new(2, witnesses).unwrap().verify(log.public().verify(note).unwrap(), fresh(NOW.0));
    assert_eq!(found, Err(KeyTransError::Quorum { needed: 2, found: 1, outdated: 1 }));
}

#[test]
fn a_cosignature_of_another_state_makes_the_note_worthless() {
    let (two, witnesses) = policy(2);
    let mut log = log();
    let old = cosigned(&log, &two, &witnesses, &[NOW.0, NOW.0]);
    log.grow(1, 0);
    let lines = [log.note().signatures(), &old.note().signatures()[2..]].concat();
    let note = UnverifiedNote::new(&log.checkpoint().to_string(), lines).unwrap();
    let found = two.verify(log.public().verify(note).unwrap(), fresh(NOW.0));
    assert!(matches!(found, Err(KeyTransError::NoteSignature { name, .. }) if name.as_str() == "alice.example"));
}

#[test]
fn a_witness_that_is_not_in_the_policy_does_not_count() {
    let (two, witnesses) = policy(2);
    let log = log();
    let mut signed = cosigned(&log, &two, &witnesses, &[NOW.0]);
    let (stranger, keys) = witness("mallory.example", 7);
    let answer = cosign(&stranger, &log, NOW.0).body();
    assert_eq!(
        signed.clone().add_cosignatures(answer.as_bytes(), two.witnesses()[1].keys()),
        Err(KeyTransError::NoKnownKey)
    );
    signed.add_cosignatures(answer.as_bytes(), keys.keys()).unwrap();
    let found = two.verify(signed, fresh(NOW.0));
    assert_eq!(found, Err(KeyTransError::Quorum { needed: 2, found: 1, outdated: 0 }));
}

#[test]
fn an_answer_with_a_wrong_cosignature_is_not_taken_in() {
    let (two, witnesses) = policy(2);
    let log = log();
    let mut signed = log.public().verify(log.note()).unwrap();
    let keys = two.witnesses()[0].keys();
    let mut lines = SignatureLine::parse_all(cosign(&witnesses[0], &log, NOW.0).body().as_bytes()).unwrap();
    lines[1].signature[9] ^= 1;
    let answer: String = lines.iter().map(ToString::to_string).collect();
    let before = signed.clone();
    assert!(matches!(signed.add_cosignatures(answer.as_bytes(), keys), Err(KeyTransError::NoteSignature { .. })));
    assert!(signed.add_cosignatures(b"", keys).is_err() && signed.add_cosignatures(b"\n", keys).is_err());
    assert_eq!(signed, before);
    // A newer answer takes the place of the older one.
    for time in [NOW.0, NOW.0 + 5] {
        signed.add_cosignatures(cosign(&witnesses[0], &log, time).body().as_bytes(), keys).unwrap();
        assert_eq!(signed.note().signatures().len(), 4);
    }
    let found = Policy::new(1, vec![two.witnesses()[0].clone()]).unwrap().verify(signed, fresh(NOW.0)).unwrap();
    assert_eq!(found.witnesses()[0].1.time(), Some(UnixSeconds(NOW.0 + 5)));
}

#[test]
fn a_policy_that_means_nothing_is_not_made() {
    let (two, _) = policy(2);
    let keys = two.witnesses().to_vec();
    let number = KeyTransError::Note { part: NotePart::Policy, problem: NoteProblem::Number };
    assert_eq!(Policy::new(0, keys.clone()).unwrap_err(), number);
    assert_eq!(Policy::new(4, keys.clone()).unwrap_err(), number);
    assert_eq!(Policy::new(0, Vec::new()).unwrap_err(), number);
    let twice = KeyTransError::Note { part: NotePart::VerifierKey, problem: NoteProblem::Twice };
    assert_eq!(Policy::new(2, vec![keys[0].clone(), keys[0].clone()]).unwrap_err(), twice);
    // The same key under two names would count twice.
    let renamed = |name| WitnessKeys::new(verifiers(&[key(name, Algorithm::Ed25519Cosignature, 9)])).unwrap();
    assert_eq!(Policy::new(2, vec![renamed("a"), renamed("b")]).unwrap_err(), twice);
    let plain = WitnessKeys::new(verifiers(&[key("a", Algorithm::Ed25519, 9)])).unwrap_err();
    let part = NotePart::VerifierKey;
    assert_eq!(plain, KeyTransError::Note { part, problem: NoteProblem::Algorithm { found: 1 } });
    assert!(WitnessKeys::new(Vec::new()).is_err());
}

#[test]
fn a_proof_stands_for_itself() {
    let (two, witnesses) = policy(2);
    let log = log();
    let note = cosigned(&log, &two, &witnesses, &[NOW.0, NOW.0]).note().clone();
    for index in 0..6 {
        let mut proof = log.proof(index, note.clone());
        proof.extra = (index % 2 == 1).then(|| b"extra".to_vec());
        let read = LogProof::parse(proof.to_string().as_bytes()).unwrap();
        assert_eq!(read, proof);
        let head = &log.heads[index as usize];
        let verified = read.verify(&head.to_bytes(), &log.public(), &two, fresh(NOW.0)).unwrap();
        assert_eq!(verified.signed().checkpoint(), &log.checkpoint());
        assert!(matches!(
            read.verify(b"other", &log.public(), &two, fresh(NOW.0)),
            Err(KeyTransError::Root { size: 6, .. })
        ));
        assert!(read.verify(&head.to_bytes(), &log.public(), &two, fresh(NOW.0 + 9999)).is_err());
        let newest = read.verify_newest(head, &log.public(), &two, fresh(NOW.0));
        if index == 5 {
            assert_eq!(newest, Ok(verified));
        } else {
            assert_eq!(newest, Err(KeyTransError::TreeSize { least: 6, found: index + 1 }));
        }
        let other = LogProof { index: (index + 1) % 6, ..read };
        assert!(other.verify(&head.to_bytes(), &log.public(), &two, fresh(NOW.0)).is_err());
    }
}

#[test]
fn a_proof_of_the_wrong_form_is_refused() {
    let log = log();
    let text = log.proof(3, log.note()).to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 3\n") && LogProof::parse(text.as_bytes()).is_ok());
    for (from, to) in [
        ("proof@v1", "proof@v2"),
        ("index 3", "index 03"),
        ("index 3", "index -3"),
        ("index 3", "index"),
        ("index 3\n", "extra\nindex 3\n"),
        ("index 3\n", "extra AA\nindex 3\n"),
        ("index 3\n", "extra AA==\nextra AA==\nindex 3\n"),
        ("index 3\n", "index 3\nAA==\n"),
        ("\n\nsam", "\nsam"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text);
        assert!(LogProof::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
    // Without its last signature line it is still a proof.
    let last = text.rfind('\u{2014}').unwrap();
    for cut in 0..text.len() {
        assert_eq!(LogProof::parse(&text.as_bytes()[..cut]).is_ok(), cut == last, "{cut}");
    }
    let long = LogProof { nodes: vec![log.range.root(); 64], ..log.proof(3, log.note()) };
    assert!(LogProof::parse(long.to_string().as_bytes()).is_err());
}
