use proptest::prelude::*;

use super::*;
use crate::note::{
    Algorithm, UnixSeconds, cosignature,
    test_support::{EXAMPLE_KEY, TEXT, all_keys, key, verifiers},
};

/// The example of signed-note.
const EXAMPLE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// A log's signature and an Ed25519 cosignature, published as made by golang.org/x/mod and github.com/transparency-dev/formats v0.1.1.
const FOREIGN_LOG: &str = "example.com/vector-log+4516a1da+ARGkVJ4QEa2MOOLGBO6i7NVSJ1FQ97tIX+w+Ku0RZ6Em";
const FOREIGN_WITNESS: &str = "witness.example.com/vector+416f103d+BK/QmJFVP3SKJOqAMhFxBQPtylo3sjwWibyFDAlZKK8B";
/// The algorithm byte and the seed of the witness.
const FOREIGN_SECRET: &str = "BJEX3xv88eoQIKT4E+GkxZcXaJCYlQfi/GJ3NDFmZIW8";
const FOREIGN: &str = "example.com/vector-log\n1234\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n\n\u{2014} example.com/vector-log RRah2qlLrSlk6J8DA1HmNewppUM15Quhs5cAIb1KjBsV3otVirJTW8AFVsQtJkTW1Zny7GuoAxZpI6bUPcpM68QOIgE=\n\u{2014} witness.example.com/vector QW8QPQAAAABqwLUbDdj7sDNRIVjmjYgqFI6y4UJhPg/UAA8J8wAdqSd3q4PedRhkgXA4xFN/Jg5uWn7ZkBA+H/UHQs5d9hITdXmQAA==\n";

/// A checkpoint that a log signed with ML-DSA-44, and its key: the test data of filippo.io/torchwood v0.10.0 (cmd/litewitness/testdata/mldsa.txt).
const FOREIGN_ML_DSA: &str = include_str!("ml_dsa_44.note");
const FOREIGN_ML_DSA_KEY: &str = include_str!("ml_dsa_44.vkey");

fn parse(text: &str) -> Result<UnverifiedNote, KeyTransError> {
    UnverifiedNote::parse(text.as_bytes())
}

fn verify(text: &str, keys: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, KeyTransError> {
    parse(text)?.verify(keys.iter())
}

#[test]
fn the_example_of_the_specification_verifies() {
    let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
    let found = verify(EXAMPLE, &[key]).unwrap();
    assert_eq!((found.len(), found[0].name().as_str(), found[0].time()), (1, "example.com/foo", None));
    assert_eq!(parse(EXAMPLE).unwrap().to_string(), EXAMPLE);
    assert_eq!(parse(EXAMPLE).unwrap().unverified_text(), "This is an example message.\n");
}

#[test]
fn signatures_of_other_implementations_verify() {
    let keys = [FOREIGN_LOG, FOREIGN_WITNESS].map(|key| VerifierKey::parse(key).unwrap());
    let found = verify(FOREIGN, &keys).unwrap();
    assert_eq!(found.iter().map(VerifiedSignature::time).collect::<Vec<_>>(), [None, Some(UnixSeconds(1_791_014_171))]);
    let key = VerifierKey::parse(FOREIGN_ML_DSA_KEY.trim_end()).unwrap();
    assert_eq!(
        (key.algorithm(), key.to_string().as_str()),
        (Algorithm::MlDsa44Cosignature, FOREIGN_ML_DSA_KEY.trim_end())
    );
    let found = verify(FOREIGN_ML_DSA, std::slice::from_ref(&key)).unwrap();
    assert_eq!((found.len(), found[0].time()), (1, None));
    assert!(verify(&FOREIGN_ML_DSA.replace("log\n1\n", "log\n2\n"), &[key]).is_err());
}

#[test]
fn a_cosignature_is_byte_for_byte_that_of_another_implementation() {
    let secret = parse_base64(NotePart::VerifierKey, FOREIGN_SECRET).unwrap();
    let seed: [u8; 32] = secret[1..].try_into().unwrap();
    let name = KeyName::new("witness.example.com/vector").unwrap();
    let key = crate::note::NoteKey::from_seed(name, Algorithm::Ed25519Cosignature, &seed).unwrap();
    assert_eq!(key.verifier().to_string(), FOREIGN_WITNESS);
    let note = parse(FOREIGN).unwrap();
    let line = key.sign(note.unverified_text(), Some(UnixSeconds(1_791_014_171)), &[0; 32]).unwrap();
    assert_eq!(line, note.signatures()[1]);
}

#[test]
fn unknown_keys_are_passed_over_and_known_ones_must_verify() {
    let keys = all_keys("example.com/log");
    let lines = keys.iter().map(|key| key.sign(TEXT, Some(UnixSeconds(7)), &[1; 32]).unwrap()).collect::<Vec<_>>();
    let note = UnverifiedNote::new(TEXT, lines.clone()).unwrap();
    let public = verifiers(&keys);
    assert_eq!(note.verify(public.iter()).unwrap().len(), 3);
    assert_eq!(note.verify(public[1..].iter()).unwrap().len(), 2);
    assert_eq!(note.verify([].iter()).unwrap(), []);
    // The same key under another name is another key.
    let renamed = key("example.com/other", Algorithm::Ed25519, 1);
    assert_eq!(note.verify([renamed.verifier().clone()].iter()).unwrap(), []);
    for at in 0..3 {
        for byte in [0, 7, 8, lines[at].signature.len() - 1] {
            let mut changed = lines.clone();
            changed[at].signature[byte] ^= 1;
            let found = UnverifiedNote::new(TEXT, changed).unwrap().verify(public.iter());
            let (name, id) = (lines[at].name.clone(), lines[at].id);
            assert_eq!(found, Err(KeyTransError::NoteSignature { name, id }), "byte {byte} of {at}");
        }
        let mut shorter = lines.clone();
        shorter[at].signature.pop();
        assert!(UnverifiedNote::new(TEXT, shorter).unwrap().verify(public.iter()).is_err());
        let mut longer = lines.clone();
        longer[at].signature.push(0);
        assert!(UnverifiedNote::new(TEXT, longer).unwrap().verify(public.iter()).is_err());
        // Its key id changed: then it is of nobody who is known.
        let mut unknown = lines.clone();
        unknown[at].id.0[0] ^= 1;
        assert_eq!(UnverifiedNote::new(TEXT, unknown).unwrap().verify(public.iter()).unwrap().len(), 2);
    }
}

#[test]
fn a_signature_does_not_hold_for_another_text_or_under_another_name() {
    for key in all_keys("example.com/log") {
        let line = key.sign(TEXT, Some(UnixSeconds(7)), &[1; 32]).unwrap();
        let others = [
            TEXT.replace("sofa", "sofb"),
            TEXT.replace("20852163", "20852164"),
            TEXT.replace("CsUY", "DsUY"),
            format!("{TEXT}kt 1\n"),
        ];
        for (number, other) in others.iter().enumerate() {
            let note = UnverifiedNote::new(other, vec![line.clone()]).unwrap();
            let found = note.verify([key.verifier().clone()].iter());
            // ML-DSA-44 does not cover extension lines.
            let may = number == 3 && !key.verifier().algorithm().covers_extensions();
            assert_eq!(found.is_ok(), may, "{:?}: {other}", key.verifier());
        }
    }
    // The message of ML-DSA-44 names the signer: the same key under another name has made another signature.
    let (one, two) = (key("a", Algorithm::MlDsa44Cosignature, 4), key("b", Algorithm::MlDsa44Cosignature, 4));
    let mut line = one.sign(TEXT, Some(UnixSeconds(7)), &[0; 32]).unwrap();
    (line.name, line.id) = (two.verifier().name().clone(), two.verifier().id());
    assert!(UnverifiedNote::new(TEXT, vec![line]).unwrap().verify([two.verifier().clone()].iter()).is_err());
}

#[test]
fn a_time_beyond_the_limit_does_not_verify_although_the_key_signed_it() {
    use ed25519_dalek::Signer as _;
    let secret = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let key = key("w", Algorithm::Ed25519Cosignature, 1);
    for (time, verifies) in [((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)] {
        let signature = secret.sign(&cosignature::ed25519_message(TEXT, UnixSeconds(time)).unwrap()).to_bytes();
        let signature = [time.to_be_bytes().as_slice(), &signature].concat();
        let line = SignatureLine { name: key.verifier().name().clone(), id: key.verifier().id(), signature };
        let note = UnverifiedNote::new(TEXT, vec![line]).unwrap();
        assert_eq!(note.verify([key.verifier().clone()].iter()).is_ok(), verifies, "{time}");
    }
}

#[test]
fn a_cosignature_is_of_a_checkpoint_only() {
    for key in all_keys("w").into_iter().skip(1) {
        assert!(key.sign("not a checkpoint\n", Some(UnixSeconds(7)), &[0; 32]).is_err());
        let line = key.sign(TEXT, Some(UnixSeconds(7)), &[0; 32]).unwrap();
        let note = UnverifiedNote::new("not a checkpoint\n", vec![line]).unwrap();
        assert!(matches!(note.verify([key.verifier().clone()].iter()), Err(KeyTransError::NoteSignature { .. })));
    }
}

#[test]
fn the_last_empty_line_ends_the_text() {
    let key = key("sam", Algorithm::Ed25519, 1);
    for text in ["a\n", "a\n\nb\n", "a\n\n", "\n", "\u{2014} sam AAAAAAA=\n\nb\n"] {
        let note = UnverifiedNote::new(text, vec![key.sign(text, None, &[0; 32]).unwrap()]).unwrap();
        let found = parse(&note.to_string()).unwrap();
        assert_eq!((found.unverified_text(), found.verify([key.verifier().clone()].iter()).unwrap().len()), (text, 1));
    }
}

#[test]
fn a_note_of_the_wrong_form_is_refused() {
    let error = |text: &str| parse(text).unwrap_err();
    let line = EXAMPLE.split_once("\n\n").unwrap().1;
    let note = |part, problem| KeyTransError::Note { part, problem };
    assert_eq!(error(""), note(NotePart::Note, NoteProblem::FinalNewline));
    assert_eq!(error("text\n"), note(NotePart::Note, NoteProblem::Form));
    assert_eq!(error("text\n\n"), note(NotePart::SignatureLine, NoteProblem::Empty));
    assert_eq!(error(&EXAMPLE[..EXAMPLE.len() - 1]), note(NotePart::Note, NoteProblem::FinalNewline));
    assert_eq!(error(&EXAMPLE.replace("an ", "an\t")), note(NotePart::Note, NoteProblem::Character));
    assert_eq!(error(&EXAMPLE.replace('\n', "\r\n")), note(NotePart::Note, NoteProblem::Character));
    assert_eq!(
        UnverifiedNote::parse(&[b"\xff".as_slice(), EXAMPLE.as_bytes()].concat()),
        Err(note(NotePart::Note, NoteProblem::Utf8))
    );
    for wrong in [
        line.replace('\u{2014}', "-"),
        line.replace("\u{2014} ", "\u{2014}"),
        line.replace("\u{2014} ", "\u{2014}  "),
        line.replace("foo ", "foo"),
        line.replace("foo ", "foo  "),
        line.replace("foo", "f+o"),
        line.replace("foo", "f\u{a0}o"),
        line.replace("M=\n", "M\n"),
        line.replace("=\n", "= \n"),
        format!("{line}{line} "),
        format!("{line}text\n"),
        "\u{2014} sam AAAA\n".to_owned(),
        "\u{2014} sam AAAAAA==\n".to_owned(),
        "\u{2014} sam \n".to_owned(),
    ] {
        assert!(parse(&format!("text\n\n{wrong}")).is_err(), "{wrong}");
    }
    assert_eq!(parse(&format!("text\n\n{line}{line}")).unwrap().signatures().len(), 2);
}

#[test]
fn too_many_signatures_and_too_long_notes_are_refused() {
    let line = "\u{2014} mallory AAAAAAA=\n";
    assert_eq!(parse(&format!("a\n\n{}", line.repeat(MAX_SIGNATURES))).unwrap().signatures().len(), 64);
    let many = KeyTransError::Note { part: NotePart::SignatureLine, problem: NoteProblem::TooMany { limit: 64 } };
    assert_eq!(parse(&format!("a\n\n{}", line.repeat(MAX_SIGNATURES + 1))), Err(many.clone()));
    let long = "a".repeat(MAX_NOTE_BYTES - 2 - line.len());
    assert!(parse(&format!("{long}\n\n{line}")).is_ok());
    let found = parse(&format!("{long}a\n\n{line}"));
    let problem = NoteProblem::TooLong { limit: MAX_NOTE_BYTES, found: MAX_NOTE_BYTES + 1 };
    let too_long = KeyTransError::Note { part: NotePart::Note, problem };
    assert_eq!(found, Err(too_long.clone()));
    let one = SignatureLine::parse(line.trim_end()).unwrap();
    assert_eq!(UnverifiedNote::new("a\n", vec![one.clone(); 65]), Err(many));
    assert_eq!(UnverifiedNote::new(&format!("{long}a\n"), vec![one]), Err(too_long));
    assert!(UnverifiedNote::new("a\n", Vec::new()).is_err() && UnverifiedNote::new("a", Vec::new()).is_err());
}

#[test]
fn sixteen_signatures_of_the_largest_kind_fit() {
    let line = SignatureLine { name: KeyName::new("w").unwrap(), id: KeyId([0; 4]), signature: vec![1; 4627 + 8] };
    assert!(UnverifiedNote::new(TEXT, vec![line; 16]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { fork: false, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_note_that_is_read_is_written_as_it_was(
        text in "([a-z +—]{0,20}\n){1,6}", names in prop::collection::vec("[a-z./]{1,20}", 1..10), size in 1_usize..90,
    ) {
        let line = |name: &String| SignatureLine { name: KeyName::new(name).unwrap(), id: KeyId([7; 4]), signature: vec![3; size] };
        let note = UnverifiedNote::new(&text, names.iter().map(line).collect()).unwrap();
        prop_assert_eq!(parse(&note.to_string()).unwrap(), note);
    }

    #[test]
    fn bytes_that_are_changed_or_cut_never_verify(at in 0..FOREIGN.len(), to in any::<u8>(), cut in 0..FOREIGN.len()) {
        let keys = [FOREIGN_LOG, FOREIGN_WITNESS].map(|key| VerifierKey::parse(key).unwrap());
        let count = |bytes: &[u8]| UnverifiedNote::parse(bytes).and_then(|note| note.verify(keys.iter())).map_or(0, |found| found.len());
        let mut bytes = FOREIGN.as_bytes().to_vec();
        let same = bytes[at] == to;
        bytes[at] = to;
        // A changed name or key id makes one signature that of an unknown key, and leaves the other.
        prop_assert_eq!(count(&bytes) == 2, same);
        prop_assert!(count(&FOREIGN.as_bytes()[..cut]) < 2);
    }

    #[test]
    fn bytes_of_any_kind_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(UnverifiedNote::parse(&bytes).map_or(true, |note| note.to_string().as_bytes() == bytes));
    }
}
