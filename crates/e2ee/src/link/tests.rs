use proptest::prelude::*;
use quicprochat_wire::{DeviceId, DeviceKey, Fingerprint, LinkId, ServerLink, call::linking::LinkSide};

use super::{session::MessageHead, *};
use crate::{E2eeError, Sealed, sealed::InboxSecretKey, testing::SeededEntropy, vault::StateKey};

const REFUSED: E2eeError = E2eeError::CannotOpen { what: Sealed::LinkMessage };

fn server(host: &str) -> ServerLink {
    ServerLink::new(host, 4433, Fingerprint::new([0xF1; 32])).expect("valid")
}

fn code(seed: u64) -> LinkCode {
    LinkCode::generate(server("chat.example"), &mut SeededEntropy::new(seed))
}

fn offer() -> LinkContent {
    let (device, key) = (DeviceId::new([7; 16]), DeviceKey::new([8; 32]));
    LinkContent::Offer(LinkOffer { device, key, label: "phone".to_owned() })
}

fn handover() -> LinkContent {
    LinkContent::Handover(LinkHandover {
        identity: vec![9; 5_000],
        state_key: StateKey::from_bytes(&[10; 32]),
        inbox_keys: vec![InboxSecretKey::from_bytes(&[11; 32]), InboxSecretKey::from_bytes(&[12; 32])],
    })
}

/// Both sides of an exchange that nobody disturbs, and the messages in order.
fn exchange(
    holder: &LinkCode,
    joiner: &LinkCode,
    seed: u64,
) -> Result<(LinkSession, LinkSession, [Vec<u8>; 4]), E2eeError> {
    let (mut here, mut there) = (SeededEntropy::new(seed), SeededEntropy::new(seed + 1_000));
    let (commitment, joining) = Joiner::start(joiner.clone(), &mut there)?;
    let (answer, answered) = Holder::start(holder.clone()).answer(&commitment, &mut here)?;
    let (reveal, revealed) = joining.reveal(&answer, &mut there)?;
    let (last, holding) = answered.finish(&reveal, &mut here)?;
    let joined = revealed.finish(&last)?;
    Ok((holding, joined, [commitment, answer, reveal, last]))
}

#[test]
fn two_devices_with_one_code_share_a_string_and_a_key() {
    let code = code(1);
    let (mut holder, mut joiner, _) = exchange(&code, &code, 1).expect("agree");
    assert_eq!(holder.string(), joiner.string());
    assert!(holder.string().is(&joiner.string().to_string()) && holder.string().is(&joiner.string().digits()));
    assert!(!holder.string().is("") && !holder.string().is(&format!("{}0", joiner.string().digits())));
    let mut entropy = SeededEntropy::new(5);
    for (content, from_holder) in
        [(offer(), false), (handover(), true), (LinkContent::Package(vec![1; 3_000]), false), (LinkContent::Done, true)]
    {
        let (from, to) = if from_holder { (&mut holder, &mut joiner) } else { (&mut joiner, &mut holder) };
        let number = from.next_number();
        let sealed = from.seal(&content, &mut entropy).expect("seals");
        assert_eq!(from.next_number(), number + 1);
        assert_eq!(to.open(&sealed), Ok(content));
    }
}

#[test]
fn strings_differ_from_one_exchange_to_the_next() {
    let code = code(1);
    let strings: Vec<_> =
        (0..20).map(|seed| exchange(&code, &code, seed).expect("agree").0.string().digits()).collect();
    let mut distinct = strings.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), strings.len());
    assert!(strings.iter().all(|string| string.len() == 6));
}

#[test]
fn another_code_opens_nothing() {
    assert_eq!(exchange(&code(1), &code(2), 1).err(), Some(REFUSED));
}

#[test]
fn who_stands_in_between_with_the_code_makes_the_strings_differ() {
    let code = code(1);
    let (mut here, mut there) = (SeededEntropy::new(1), SeededEntropy::new(2));
    let mut mallory = SeededEntropy::new(3);
    let (commitment, joining) = Joiner::start(code.clone(), &mut there).expect("starts");
    // Towards the joiner she is the holder, towards the holder the joiner, whatever order she takes.
    let (answer, as_holder) = Holder::start(code.clone()).answer(&commitment, &mut mallory).expect("answers");
    let (own_commitment, as_joiner) = Joiner::start(code.clone(), &mut mallory).expect("starts");
    let (genuine, answered) = Holder::start(code).answer(&own_commitment, &mut here).expect("answers");
    let (reveal, revealed) = joining.reveal(&answer, &mut there).expect("reveals");
    let (own_reveal, _) = as_joiner.reveal(&genuine, &mut mallory).expect("reveals");
    let (last, with_joiner) = as_holder.finish(&reveal, &mut mallory).expect("finishes");
    let (_, holding) = answered.finish(&own_reveal, &mut here).expect("finishes");
    let joined = revealed.finish(&last).expect("finishes");
    assert_eq!(joined.string(), with_joiner.string(), "each side agrees with her");
    assert_ne!(joined.string(), holding.string(), "and people see that they do not agree with each other");
}

#[test]
fn who_commits_to_one_key_cannot_reveal_another() {
    let code = code(1);
    let (mut here, mut mallory) = (SeededEntropy::new(1), SeededEntropy::new(3));
    let (commitment, _) = Joiner::start(code.clone(), &mut mallory).expect("starts");
    let (_, other) = Joiner::start(code.clone(), &mut mallory).expect("starts");
    let (answer, answered) = Holder::start(code).answer(&commitment, &mut here).expect("answers");
    // She saw the holder's part and now tries another one of her own.
    let (reveal, _) = other.reveal(&answer, &mut mallory).expect("reveals");
    assert_eq!(answered.finish(&reveal, &mut here).err(), Some(REFUSED));
}

#[test]
fn a_secret_put_in_by_somebody_else_gives_another_key() {
    let code = code(1);
    let (mut here, mut there, mut mallory) = (SeededEntropy::new(1), SeededEntropy::new(2), SeededEntropy::new(3));
    let (commitment, joining) = Joiner::start(code.clone(), &mut there).expect("starts");
    let (answer, answered) = Holder::start(code.clone()).answer(&commitment, &mut here).expect("answers");
    let (reveal, revealed) = joining.reveal(&answer, &mut there).expect("reveals");
    let (_, mut holding) = answered.finish(&reveal, &mut here).expect("finishes");
    // The string covers no output, so it stays: but she learns nothing, and neither do the two understand each other.
    let (other, _) = Joiner::start(code.clone(), &mut mallory)
        .and_then(|(commitment, _)| Holder::start(code.clone()).answer(&commitment, &mut mallory))
        .expect("answers");
    let head = MessageHead { id: code.id(), side: LinkSide::Holder, number: 1 };
    let forged = head.seal(&code.key(), vec![5; 1120], &mut mallory).expect("seals");
    match revealed.finish(&forged) {
        Err(error) => assert_eq!(error, REFUSED),
        Ok(mut joined) => {
            assert_eq!(joined.string(), holding.string());
            let sealed = joined.seal(&offer(), &mut there).expect("seals");
            assert_eq!(holding.open(&sealed), Err(REFUSED));
        }
    }
    assert!(!other.is_empty());
}

#[test]
fn messages_count_in_their_place_only() {
    let code = code(1);
    let (_, _, [commitment, answer, reveal, last]) = exchange(&code, &code, 1).expect("agree");
    let mut entropy = SeededEntropy::new(9);
    for wrong in [&answer, &reveal, &last] {
        assert_eq!(Holder::start(code.clone()).answer(wrong, &mut entropy).err(), Some(REFUSED));
    }
    for wrong in [&commitment, &reveal, &last] {
        let (_, joining) = Joiner::start(code.clone(), &mut entropy).expect("starts");
        assert_eq!(joining.reveal(wrong, &mut entropy).err(), Some(REFUSED));
    }
    // Those of an earlier exchange with the same code do not fit this one's commitment and keys.
    let (fresh, joining) = Joiner::start(code.clone(), &mut entropy).expect("starts");
    let (fresh_answer, answered) = Holder::start(code.clone()).answer(&fresh, &mut entropy).expect("answers");
    assert_eq!(answered.finish(&reveal, &mut entropy).err(), Some(REFUSED));
    let (_, revealed) = joining.reveal(&fresh_answer, &mut entropy).expect("reveals");
    match revealed.finish(&last) {
        Err(error) => assert_eq!(error, REFUSED),
        Ok(mut joined) => {
            let sealed = joined.seal(&offer(), &mut entropy).expect("seals");
            let (mut holding, _, _) = exchange(&code, &code, 1).expect("agree");
            assert_eq!(holding.open(&sealed), Err(REFUSED));
        }
    }
}

#[test]
fn a_session_takes_each_message_once_and_in_order() {
    let code = code(1);
    let (mut holder, mut joiner, _) = exchange(&code, &code, 1).expect("agree");
    let mut entropy = SeededEntropy::new(9);
    let first = joiner.seal(&offer(), &mut entropy).expect("seals");
    let second = joiner.seal(&LinkContent::Package(vec![1]), &mut entropy).expect("seals");
    assert_eq!(holder.open(&second), Err(REFUSED), "too early");
    assert_eq!(joiner.open(&first), Err(REFUSED), "its own, sent back");
    assert_eq!(holder.open(&first), Ok(offer()));
    assert_eq!(holder.open(&first), Err(REFUSED), "again");
    assert_eq!(holder.open(&second), Ok(LinkContent::Package(vec![1])));
    let (mut elsewhere, _, _) = exchange(&code, &code, 2).expect("agree");
    assert_eq!(elsewhere.open(&first), Err(REFUSED), "in another session");
    let not_its_own = joiner.seal(&LinkContent::Done, &mut entropy).expect("seals");
    assert!(matches!(holder.open(&not_its_own), Err(E2eeError::Decode(_))), "the holder's to say");
}

#[test]
fn another_version_is_told_apart_from_another_code() {
    let code = code(1);
    let mut entropy = SeededEntropy::new(9);
    let (mut commitment, _) = Joiner::start(code.clone(), &mut entropy).expect("starts");
    commitment[0] = 2;
    let refused = Holder::start(code).answer(&commitment, &mut entropy).err();
    assert_eq!(refused, Some(E2eeError::Unsupported { what: "version of linking", found: 2 }));
}

#[test]
fn the_text_of_a_code_is_read_as_people_write_it() {
    for host in ["chat.example", "127.0.0.1", "::1", "a", &"h".repeat(253)] {
        let code = LinkCode::generate(server(host), &mut SeededEntropy::new(3));
        let text = code.to_text();
        let variants = [
            text.to_string(),
            code.to_letters().to_string(),
            text.to_lowercase(),
            text.replace('-', " "),
            format!("  {}\r\n", text.replace('-', "\u{2013}")),
            text.replace('0', "o").replace('1', "l"),
        ];
        for variant in variants {
            assert_eq!(LinkCode::parse(&variant), Ok(code.clone()), "{variant}");
        }
        assert!(code.to_letters().chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit()));
    }
}

#[test]
fn every_single_typo_in_a_code_is_noticed() {
    let text = code(4).to_letters();
    for place in 4..text.len() {
        for other in b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" {
            let mut typo = text.as_bytes().to_vec();
            if typo[place] == *other {
                continue;
            }
            typo[place] = *other;
            let typo = String::from_utf8(typo).expect("ASCII");
            assert_eq!(LinkCode::parse(&typo), Err(LinkCodeProblem::Checksum), "{typo}");
        }
    }
}

#[test]
fn what_is_no_code_is_told_by_its_reason() {
    let text = code(5).to_letters().to_string();
    let cases = [
        (String::new(), LinkCodeProblem::Prefix),
        ("QPD".to_owned(), LinkCodeProblem::Prefix),
        (text.replace("QPD1", "QPC1"), LinkCodeProblem::Prefix),
        (text.replace("QPD1", "QPD2"), LinkCodeProblem::Version),
        ("QPD1".to_owned(), LinkCodeProblem::Length),
        (text[..40].to_owned(), LinkCodeProblem::Length),
        (text[..60].to_owned(), LinkCodeProblem::Checksum),
        (format!("{text}{}", "0".repeat(600)), LinkCodeProblem::Length),
        (format!("{text}U"), LinkCodeProblem::Letter { found: 'U' }),
    ];
    for (bad, problem) in cases {
        assert_eq!(LinkCode::parse(&bad), Err(problem), "{bad}");
    }
}

#[test]
fn a_checksum_alone_makes_no_code() {
    // A payload of another program: its host is none.
    let payload = [&[1; 20][..], &[2; 32], &[0x51, 0x11], b"no host"].concat();
    let label = quicprochat_wire::Writer::labelled("qpc/1 link code").fixed(&payload).finish();
    let check: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(label).into();
    let letters = crate::base32::letters(&payload).chain(crate::base32::letters(&check).take(4));
    let text: String = "QPD1".chars().chain(letters.map(char::from)).collect();
    assert_eq!(LinkCode::parse(&text), Err(LinkCodeProblem::Server));
}

#[test]
fn a_code_tells_its_id_and_nothing_else() {
    assert_ne!(code(1).id(), code(2).id());
    assert_ne!(code(1).id(), LinkId::new([0; 16]));
    let shown = format!("{:?}", code(1));
    assert!(!shown.contains(&code(1).to_letters()[4..20]), "{shown}");
    assert_eq!(format!("{:?}", handover()), "Handover(LinkHandover(..))");
}

proptest! {
    #[test]
    fn any_text_is_a_code_or_none(text in "\\PC{0,120}") {
        if let Ok(code) = LinkCode::parse(&text) {
            prop_assert_eq!(LinkCode::parse(&code.to_text()), Ok(code));
        }
    }

    #[test]
    fn contents_have_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 1u8..6) {
        let bytes = [&[kind][..], &bytes].concat();
        if let Ok(content) = LinkContent::parse(&bytes) {
            let encoded = content.encode();
            prop_assert_eq!(encoded.as_slice(), bytes);
        }
    }

    #[test]
    fn a_message_that_is_changed_anywhere_does_not_open(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let code = code(1);
        let mut entropy = SeededEntropy::new(9);
        let (mut commitment, _) = Joiner::start(code.clone(), &mut entropy).expect("starts");
        let at = at.index(commitment.len());
        commitment[at] ^= flip;
        prop_assert!(Holder::start(code).answer(&commitment, &mut entropy).is_err());
    }
}
