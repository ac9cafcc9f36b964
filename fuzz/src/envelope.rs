//! What lies around groups: entries, GroupInfo, keyrings, inbox entries, invitations.

use std::{collections::BTreeMap, sync::OnceLock};

use quicprochat_e2ee::{
    E2eeError,
    channel::{
        ChannelKeys, EntryBody, EntryHead, GroupInfoBody, GroupInfoHead, OpenedGroupInfo, open_entry, open_group_info,
        open_keyring, seal_chunked_group_info, seal_entry, seal_group_info, seal_keyring, seal_tree,
    },
    fuzzing::joins_tree,
    sealed::{InboxKind, InboxSender, Invitation, open_inbox, seal_inbox},
};
use quicprochat_wire::{
    ChainHash, ChannelId, Digest, MessageId, Reader, ServerLink, Writer,
    call::channel::{ChainPoint, EntryKind},
    padding,
};

use crate::{
    cast::{FINGERPRINT, alice_device, cast, entropy},
    choice, sealing,
    world::CHANNEL,
};

const ID: MessageId = MessageId::new([4; 16]);
const AFTER: ChainPoint = ChainPoint { position: 3, hash: ChainHash::new([5; 32]) };
const KEYS: [u8; 96] = [6; 96];

fn keys() -> ChannelKeys {
    ChannelKeys::from_bytes(&KEYS)
}

fn channel_key() -> &'static [u8; 32] {
    KEYS[32..].first_chunk().expect("64 bytes")
}

/// Bit 0: message or commit; bit 1: the bytes are sealed, or arrive as they are. What opens seals to what opens to the same.
pub fn channel_entry(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let (kind, byte) = if how & 1 == 0 { (EntryKind::Message, 0) } else { (EntryKind::Commit, 1) };
    let head = EntryHead { channel: CHANNEL, id: ID, kind, after: AFTER };
    let text = Writer::labelled("qpc/1 entry").fixed(CHANNEL).fixed(ID).u8(byte);
    let text = text.u64(AFTER.position).fixed(AFTER.hash).finish();
    let sealed = if how & 2 == 0 { bytes.to_vec() } else { sealing::seal_padded(channel_key(), &text, bytes) };
    let Ok(body) = open_entry(&keys(), &head, &sealed) else { return };
    let again = seal_entry(&keys(), &head, &body, &mut entropy()).expect("what opens keeps the limits");
    assert_eq!(open_entry(&keys(), &head, &again), Ok(body));
}

pub(crate) fn channel_entry_seeds() -> Vec<Vec<u8>> {
    let part = || cast().bob.identity.signed_bytes().to_vec();
    let bodies = [
        EntryBody { mls: b"a message".to_vec(), records: Vec::new() },
        EntryBody { mls: vec![7; 300], records: vec![part()] },
    ];
    let mut seeds = Vec::new();
    for (byte, (kind, body)) in (0..).zip([EntryKind::Message, EntryKind::Commit].into_iter().zip(&bodies)) {
        let head = EntryHead { channel: CHANNEL, id: ID, kind, after: AFTER };
        seeds.push(choice(byte, &seal_entry(&keys(), &head, body, &mut entropy()).expect("seals")));
        let plaintext = Writer::new().u8(1).bytes(&body.mls).list(&body.records, |writer, part| writer.bytes(part));
        seeds.push(choice(byte | 2, &plaintext.finish()));
    }
    seeds
}

/// Bit 0: the bytes are sealed, or arrive as they are. What opens seals to what opens to the same.
pub fn group_info(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let head = GroupInfoHead { channel: CHANNEL, after_position: 3, commit: ID };
    let text = Writer::labelled("qpc/1 group info").fixed(CHANNEL).u64(3).fixed(ID).finish();
    let sealed = if how & 1 == 0 { bytes.to_vec() } else { sealing::seal_padded(channel_key(), &text, bytes) };
    let Ok(opened) = open_group_info(&keys(), &head, &sealed) else { return };
    let again = match &opened {
        OpenedGroupInfo::Whole(body) => seal_group_info(&keys(), &head, body, &mut entropy()),
        OpenedGroupInfo::Chunked { group_info, chunks } => {
            seal_chunked_group_info(&keys(), &head, group_info, chunks, &mut entropy())
        }
    };
    assert_eq!(open_group_info(&keys(), &head, &again.expect("what opens keeps the limits")), Ok(opened));
}

pub(crate) fn group_info_seeds() -> Vec<Vec<u8>> {
    let head = GroupInfoHead { channel: CHANNEL, after_position: 3, commit: ID };
    let body = GroupInfoBody { group_info: vec![1; 40], ratchet_tree: vec![2; 70] };
    let sealed = seal_group_info(&keys(), &head, &body, &mut entropy()).expect("seals");
    let plaintext = Writer::new().u8(1).bytes(&body.group_info).bytes(&body.ratchet_tree).finish();
    let key = |writer: Writer, index: &u8| if *index == 1 { writer.u8(0) } else { writer.u8(1).fixed([*index; 32]) };
    let chunked =
        Writer::new().u8(2).bytes(&body.group_info).u32(19).list(&[0, 1, 2, 3], key).list(&[1, 4, 5], key).finish();
    vec![choice(0, &sealed), choice(1, &plaintext), choice(1, &chunked)]
}

/// Bit 0: the bytes are a ratchet tree, or the first piece of one of 19 nodes. What is a tree is the same after it was sealed in
/// chunks.
pub fn tree_chunks(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    if how & 1 == 1 {
        let _is_a_tree = joins_tree(19, bytes);
        return;
    }
    let record = |hash: &Digest| Ok::<_, E2eeError>(Some(hash.as_bytes().to_vec()));
    let Ok(sealed) = seal_tree(&CHANNEL, bytes, None, record, &mut entropy()) else { return };
    let Some(list) = sealed.list else { return };
    let chunks: BTreeMap<_, _> = sealed.change.added.into_iter().map(|chunk| (chunk.id, chunk.sealed)).collect();
    assert_eq!(list.open(&CHANNEL, &chunks).as_deref(), Ok(bytes));
    for id in list.record_ids(bytes, |_| Ok::<_, E2eeError>(false)).expect("it is a tree") {
        let records = list.open_records(&CHANNEL, &id, &chunks[&id]).expect("what is sealed opens");
        assert!((1..=4).contains(&records.len()));
    }
}

pub(crate) fn tree_chunks_seeds() -> Vec<Vec<u8>> {
    let tree = crate::group::genuine_tree();
    // The nodes of the first four leaves, behind the piece's place.
    let piece = [&[0; 5], tree.get(2..).unwrap_or_default()].concat();
    let parent = |content: u8| [&[1, 2, 4][..], &[content; 4], &[0, 0]].concat();
    let nodes: Vec<u8> = (0..19).flat_map(|index| if index % 2 == 0 { vec![0] } else { parent(index) }).collect();
    let length = u16::try_from(nodes.len()).expect("short") | 0x4000;
    let large = [&length.to_be_bytes()[..], &nodes].concat();
    vec![
        choice(0, &tree),
        choice(0, &large),
        choice(1, &piece),
        choice(1, &[&[0; 5][..], &nodes[..nodes.len().min(31)]].concat()),
    ]
}

/// Bit 0: the bytes are the plaintext of one item, or the keyring. What opens has the access key that was asked for.
pub fn keyring(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let (alice, access) = (&cast().alice, keys().access_public());
    let keyring = if how & 1 == 0 {
        bytes.to_vec()
    } else {
        let mut plaintext = bytes.to_vec();
        plaintext.resize(128, 0);
        let info = Writer::labelled("qpc/1 keyring").fixed(CHANNEL).fixed(access).finish();
        let item = sealing::envelope(alice.inbox.public().as_bytes(), &info, &[], &plaintext);
        Writer::new().u8(1).list(&[item], |writer, item| writer.fixed(item)).finish()
    };
    let secrets = [cast().bob.inbox.clone(), alice.inbox.clone()];
    if let Ok(Some((keys, _))) = open_keyring(&CHANNEL, &access, &keyring, &secrets) {
        assert_eq!(keys.access_public(), access);
    }
}

pub(crate) fn keyring_seeds() -> Vec<Vec<u8>> {
    let accounts = [&cast().alice.inbox.public(), &cast().bob.inbox.public()];
    let keyring = seal_keyring(&CHANNEL, &keys(), 9, &accounts, &mut entropy()).expect("seals");
    let plaintext = [&KEYS[..], &9_u64.to_le_bytes()].concat();
    vec![choice(0, &keyring), choice(1, &plaintext)]
}

/// Alice's entry in bob's inbox: the plaintext, and how it was sealed.
fn inbox_genuine() -> &'static (Vec<u8>, Vec<u8>) {
    static GENUINE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    GENUINE.get_or_init(|| {
        let (alice, bob) = (&cast().alice, &cast().bob);
        let (device, secret) = (alice.own(0).device, alice_device());
        let sender = InboxSender { identity: &alice.identity, device, secret: &secret };
        let body = b"an invitation";
        let (account, key) = (bob.identity.account(), bob.inbox.public());
        let sealed = seal_inbox(&account, &key, &ID, InboxKind::Invitation, &sender, body, &mut entropy());
        let identity = alice.identity.signed_bytes();
        let text = Writer::labelled("qpc/1 inbox entry").fixed(account).fixed(ID).u8(1);
        let text = text.fixed(<sha2::Sha256 as sha2::Digest>::digest(identity)).bytes(body).finish();
        let plaintext = Writer::new().u8(1).u8(1).bytes(identity).fixed(device).bytes(body).fixed(secret.sign(&text));
        (plaintext.finish(), sealed.expect("seals"))
    })
}

/// By the first byte: the entry, what is sealed in it, what is sealed with its padding. What verifies is what alice wrote.
pub fn inbox_entry(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let bob = &cast().bob;
    let account = bob.identity.account();
    let info = Writer::labelled("qpc/1 inbox").fixed(account).finish();
    let seal = |plaintext: &[u8]| {
        choice(1, &sealing::envelope(bob.inbox.public().as_bytes(), &info, ID.as_bytes(), plaintext))
    };
    let (sealed, plaintext) = match how % 3 {
        0 => (bytes.to_vec(), None),
        1 => {
            let mut padded = bytes.to_vec();
            padding::pad(&mut padded);
            (seal(&padded), Some(bytes))
        }
        _ => (seal(bytes), padding::unpad(bytes)),
    };
    let (genuine, _) = inbox_genuine();
    let secrets = [cast().alice.inbox.clone(), bob.inbox.clone()];
    let verified = open_inbox(&account, &secrets, &ID, &sealed).and_then(|entry| entry.verify());
    if let Some(plaintext) = plaintext {
        assert_eq!(verified.is_ok(), plaintext == genuine);
    }
    if let Ok(entry) = verified {
        assert_eq!(entry.sender, cast().alice.identity);
        assert_eq!(entry.body.as_slice(), b"an invitation");
    }
}

pub(crate) fn inbox_entry_seeds() -> Vec<Vec<u8>> {
    let (plaintext, sealed) = inbox_genuine();
    let mut padded = plaintext.clone();
    padding::pad(&mut padded);
    vec![choice(0, sealed), choice(1, plaintext), choice(2, &padded)]
}

/// What parses encodes to something that parses to the same.
pub fn invitation(bytes: &[u8]) {
    let Ok(invitation) = Invitation::parse(bytes) else { return };
    assert_eq!(Invitation::parse(&invitation.encode()), Ok(invitation.clone()));
    let after_link = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        let _ = (reader.u8(), reader.text(usize::MAX).map(str::len));
        reader.rest().to_vec()
    };
    assert_eq!(after_link(&invitation.encode()), after_link(bytes));
}

pub(crate) fn invitation_seeds() -> Vec<Vec<u8>> {
    let invitation = |host: &str, records: Vec<Vec<u8>>| Invitation {
        link: ServerLink::new(host, 4433, FINGERPRINT).expect("valid parts"),
        channel: ChannelId::new([7; 32]),
        start: AFTER,
        commit: ID,
        welcome: vec![8; 60],
        keys: keys(),
        since: 2,
        records,
    };
    let part = || cast().bob.identity.signed_bytes().to_vec();
    [
        invitation("chat.example", vec![part()]),
        invitation("2001:db8::1", Vec::new()),
        invitation("192.0.2.1", vec![vec![1], Vec::new()]),
    ]
    .iter()
    .map(|invitation| invitation.encode().to_vec())
    .collect()
}
