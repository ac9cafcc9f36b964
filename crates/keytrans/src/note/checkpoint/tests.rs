use proptest::prelude::*;

use super::*;
use crate::note::{
    Algorithm,
    test_support::{Log, TEXT, key, verifiers},
};

fn note(problem: NoteProblem, part: NotePart) -> KeyTransError {
    KeyTransError::Note { part, problem }
}

#[test]
fn the_example_of_the_specification_is_read_and_written() {
    let found = Checkpoint::parse(TEXT).unwrap();
    assert_eq!((found.origin().as_str(), found.size()), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(found.root().to_string(), "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62");
    assert_eq!((found.to_string().as_str(), found.extensions().len()), (TEXT, 0));
    let extended = format!("{TEXT}one\ntwo three\n");
    assert_eq!(Checkpoint::parse(&extended).unwrap().extensions(), ["one", "two three"]);
    assert_eq!(Checkpoint::parse(&extended).unwrap().to_string(), extended);
}

#[test]
fn a_checkpoint_of_the_wrong_form_is_refused() {
    for (from, to) in [
        ("20852163", "020852163"),
        ("20852163", "+20852163"),
        ("20852163", "20852163 "),
        ("20852163", ""),
        ("20852163", "4611686018427387905"),
        ("20852163", "0x10"),
        ("example.com/behind-the-sofa", ""),
        ("sofa", "so\rfa"),
        ("sofa", "so\u{7f}fa"),
        ("sofa", "so\u{9b}fa"),
        ("CsUY", "CsU"),
        ("xq2I=", "xq2J="),
        ("xq2I=", "xq2I"),
        ("xq2I=\n", "xq2I="),
        ("xq2I=\n", "xq2I=\n\n"),
        ("xq2I=\n", "xq2I=\n\nextension\n"),
        ("xq2I=\n", "xq2I=\r\n"),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", ""),
        ("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", "AAA="),
    ] {
        let text = TEXT.replace(from, to);
        assert_ne!(text, TEXT);
        assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
    }
    for cut in 0..TEXT.len() {
        assert!(Checkpoint::parse(&TEXT[..cut]).is_err(), "{cut}");
    }
    let found = Checkpoint::parse(&format!("{TEXT}{}\n", "e".repeat(MAX_TEXT_BYTES)));
    let problem = NoteProblem::TooLong { limit: MAX_TEXT_BYTES, found: MAX_TEXT_BYTES + TEXT.len() + 1 };
    assert_eq!(found, Err(note(problem, NotePart::Checkpoint)));
    let long = TEXT.replace("sofa", &"s".repeat(256));
    assert!(matches!(Checkpoint::parse(&long), Err(KeyTransError::Note { part: NotePart::Origin, .. })));
}

#[test]
fn a_state_that_cannot_be_is_not_made() {
    let origin = || Origin::new("o").unwrap();
    assert_eq!(
        Checkpoint::new(origin(), MAX_TREE_SIZE + 1, Digest::ZERO),
        Err(note(NoteProblem::Number, NotePart::Size))
    );
    assert_eq!(Checkpoint::new(origin(), 0, Digest::ZERO), Err(note(NoteProblem::Form, NotePart::Root)));
    assert!(Checkpoint::new(origin(), 0, merkle::EMPTY_ROOT).is_ok());
}

#[test]
fn a_checkpoint_counts_only_for_its_log_and_with_its_key() {
    let mut log = Log::new();
    log.grow(5, 0);
    let signed = log.public().verify(log.note()).unwrap();
    assert_eq!((signed.checkpoint(), signed.signatures().len()), (&log.checkpoint(), 2));
    let other = Origin::new("mallory.example/keytrans").unwrap();
    let keys = LogKeys::new(other.clone(), verifiers(&log.keys)).unwrap();
    let expected = KeyTransError::Origin { expected: other, found: log.public().origin().clone() };
    assert_eq!(keys.verify(log.note()), Err(expected));
    let mallory = key(Log::ORIGIN, Algorithm::Ed25519, 0x66);
    let forged = log.checkpoint().sign(&[&mallory], None, &[0; 32]).unwrap();
    assert_eq!(log.public().verify(forged), Err(KeyTransError::NoKnownKey));
    // The signature of another state under this one.
    let before = log.note();
    log.grow(1, 0);
    let moved = UnverifiedNote::new(&log.checkpoint().to_string(), before.signatures().to_vec()).unwrap();
    assert!(matches!(log.public().verify(moved), Err(KeyTransError::NoteSignature { .. })));
    let twice = [verifiers(&log.keys), verifiers(&log.keys)].concat();
    assert_eq!(
        LogKeys::new(Origin::new("o").unwrap(), twice).unwrap_err(),
        note(NoteProblem::Twice, NotePart::VerifierKey)
    );
    assert!(LogKeys::new(Origin::new("o").unwrap(), Vec::new()).is_err());
    assert!(log.checkpoint().sign(&[], None, &[0; 32]).is_err());
}

#[test]
fn the_head_in_the_extension_line_counts_only_where_it_is_signed() {
    let mut log = Log::new();
    log.grow(5, 0);
    let signed = log.public().verify(log.note()).unwrap();
    assert_eq!(signed.head(), Ok(log.heads.last().copied()));
    // With ML-DSA-44 alone, whoever relays the note can put in what they like.
    let line = log.note().signatures()[1].clone();
    let lie = HeadLeaf { size: 15, root: Digest([6; 32]) };
    let bare = Checkpoint::new(log.public().origin().clone(), 5, log.range.root()).unwrap();
    let forged = UnverifiedNote::new(&bare.clone().with_head(&lie).to_string(), vec![line.clone()]).unwrap();
    assert_eq!(log.public().verify(forged).unwrap().head(), Err(KeyTransError::ExtensionsUnsigned));
    let without = UnverifiedNote::new(&bare.to_string(), vec![line]).unwrap();
    assert_eq!(log.public().verify(without).unwrap().head(), Ok(None));
    let twice = log.checkpoint().with_head(&lie).sign(&[&log.keys[0]], None, &[0; 32]).unwrap();
    assert_eq!(log.public().verify(twice).unwrap().head(), Err(note(NoteProblem::Twice, NotePart::Extension)));
}

#[test]
fn an_origin_is_known_to_monitors_by_its_hash() {
    let origin = Origin::new("example.com/log").unwrap();
    assert_eq!(origin.hash(), Digest::of(&[b"example.com/log"]));
}

proptest! {
    #![proptest_config(ProptestConfig { fork: false, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_checkpoint_that_is_written_is_read(
        origin in "[a-zA-Z0-9./ +é—]{1,60}", size in 1..=MAX_TREE_SIZE, root in any::<[u8; 32]>(), head in any::<Option<(u32, [u8; 32])>>(),
    ) {
        let mut checkpoint = Checkpoint::new(Origin::new(&origin).unwrap(), size, Digest(root)).unwrap();
        if let Some((size, root)) = head {
            checkpoint = checkpoint.with_head(&HeadLeaf { size: size.into(), root: Digest(root) });
        }
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_string()), Ok(checkpoint));
    }

    #[test]
    fn text_of_any_kind_is_read_in_one_form_only(text in "[a-z0-9=+\n ]{0,120}") {
        prop_assert!(Checkpoint::parse(&text).map_or(true, |found| found.to_string() == text));
    }
}
