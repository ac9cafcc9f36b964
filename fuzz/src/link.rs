//! Linking a device: the code that somebody types, and what the other side of an exchange could send.

use std::sync::OnceLock;

use quicprochat_e2ee::{
    link::{Answered, Holder, Joiner, LinkCode, LinkContent, LinkHandover, LinkOffer, LinkRefusal, Revealed},
    sealed::InboxSecretKey,
    vault::StateKey,
};
use quicprochat_wire::{DeviceId, DeviceKey, Entropy as _, Fingerprint, ServerLink, Writer};

use crate::{cast::entropy, choice, sealing};

fn code() -> LinkCode {
    let server = ServerLink::new("chat.example", 4433, Fingerprint::new([7; 32])).expect("valid");
    LinkCode::generate(server, &mut entropy())
}

/// The key of the first messages: the secret is the first thing that the code draws.
fn code_key() -> [u8; 32] {
    let mut secret = [0; 20];
    entropy().fill(&mut secret);
    sealing::derive_key(&secret, "qpc/1 link code")
}

/// Text as a code: what parses prints as a code that parses to the same.
pub fn text(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(code) = LinkCode::parse(text) else { return };
    assert_eq!(LinkCode::parse(&code.to_text()), Ok(code.clone()));
    assert_eq!(LinkCode::parse(&code.to_letters()), Ok(code));
}

/// By the first byte: bytes in place of each message of the handshake; the plaintext of each, properly sealed; the content of
/// a message of a session.
pub fn messages(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    match how % 9 {
        0 => drop(Holder::start(code()).answer(bytes, &mut entropy())),
        1 => drop(joiner().reveal(bytes, &mut entropy())),
        2 => drop(answered().finish(bytes, &mut entropy())),
        3 => drop(revealed().finish(bytes)),
        4 => assert_eq!(Holder::start(code()).answer(&sealed(1, 0, bytes), &mut entropy()).is_ok(), bytes.len() == 32),
        5 => drop(joiner().reveal(&sealed(0, 0, bytes), &mut entropy())),
        6 => {
            let taken = answered().finish(&sealed(1, 1, bytes), &mut entropy()).is_ok();
            assert!(!taken || bytes.starts_with(&genuine().revealed[..1248]), "only what was committed to");
        }
        7 => drop(revealed().finish(&sealed(0, 1, bytes))),
        _ => content(bytes),
    }
}

/// One encoding.
fn content(bytes: &[u8]) {
    if let Ok(content) = LinkContent::parse(bytes) {
        assert_eq!(content.encode().as_slice(), bytes);
    }
}

/// A message of the handshake with this plaintext.
fn sealed(side: u8, number: u16, plaintext: &[u8]) -> Vec<u8> {
    let head = Writer::labelled("qpc/1 link message").fixed(code().id()).u8(side).u16(number).finish();
    choice(1, &sealing::seal_padded(&code_key(), &head, plaintext))
}

fn joiner() -> Joiner {
    Joiner::start(code(), &mut entropy()).expect("starts").1
}

fn answered() -> Answered {
    Holder::start(code()).answer(&genuine().messages[0], &mut entropy()).expect("answers").1
}

fn revealed() -> Revealed {
    joiner().reveal(&genuine().messages[1], &mut entropy()).expect("reveals").1
}

/// An exchange as it should be: its messages, and what the joiner shows of itself.
struct Genuine {
    messages: [Vec<u8>; 4],
    revealed: Vec<u8>,
}

fn genuine() -> &'static Genuine {
    static GENUINE: OnceLock<Genuine> = OnceLock::new();
    GENUINE.get_or_init(|| {
        let mut entropy = entropy();
        let (commitment, joiner) = Joiner::start(code(), &mut crate::cast::entropy()).expect("starts");
        let (answer, answered) =
            Holder::start(code()).answer(&commitment, &mut crate::cast::entropy()).expect("answers");
        let (reveal, _) = joiner.reveal(&answer, &mut entropy).expect("reveals");
        let (last, _) = answered.finish(&reveal, &mut entropy).expect("finishes");
        let head = Writer::labelled("qpc/1 link message").fixed(code().id()).u8(1).u16(1).finish();
        let revealed = sealing::open_padded(&code_key(), &head, &reveal[1..]);
        Genuine { messages: [commitment, answer, reveal, last], revealed }
    })
}

pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    let long = ServerLink::new("2001:db8::1", 1, Fingerprint::new([0; 32])).expect("valid");
    let codes = [code(), LinkCode::generate(long, &mut entropy())];
    codes.iter().flat_map(|code| [code.to_text(), code.to_letters()]).map(|text| text.as_bytes().to_vec()).collect()
}

pub(crate) fn messages_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = (0..).zip(&genuine().messages).map(|(how, message)| choice(how, message)).collect();
    seeds.extend([choice(4, &[5; 32]), choice(5, &[6; 1248]), choice(6, &genuine().revealed), choice(7, &[8; 1120])]);
    let (device, key) = (DeviceId::new([1; 16]), DeviceKey::new([2; 32]));
    let contents = [
        LinkContent::Offer(LinkOffer { device, key, label: "phone".to_owned() }),
        LinkContent::Handover(LinkHandover {
            identity: vec![3; 60],
            state_key: StateKey::from_bytes(&[4; 32]),
            inbox_keys: vec![InboxSecretKey::from_bytes(&[5; 32])],
        }),
        LinkContent::Package(vec![6; 40]),
        LinkContent::Done,
        LinkContent::Refused(LinkRefusal::StringDiffers),
    ];
    seeds.extend(contents.iter().map(|content| choice(8, &content.encode())));
    seeds
}
