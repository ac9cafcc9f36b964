//! Backup files: what somebody could make of one, and what could be in one that opens.

use std::sync::OnceLock;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use quicprochat_client_core::{
    backup::{AccountItem, Checker, ContactItem, ContentError, ConversationItem, Counts, Import, Item, ItemReader},
    history::{HistoryRecord, RecordBody},
    store::{LogBody, MemoryStore, OwnAccount, Relation, Secret, Standing as OwnStanding, StoreTx as _},
    trust::ContactPin,
};
use quicprochat_e2ee::{
    backup::{BackupHeader, BackupOpener, BackupSealer, BackupSecret, CHUNK_BYTES, HEADER_BYTES, SEALED_CHUNK_BYTES},
    vault::{RecoveryKey, Standing},
};
use quicprochat_identity::password::{RECOVERY_STRETCH, check_stretch, stretching};
use quicprochat_wire::{
    AccountId, ChainHash, ChannelId, DeviceId, MessageId, ServerLink, Timestamp, call::channel::ChainPoint,
};
use sha2::Sha256;

use crate::{
    cast::{FINGERPRINT, NOW, cast, entropy},
    choice,
};

/// By the first byte: the beginning of a file; what could be done to the chunks of one; the content of its last chunk; items.
pub fn backup(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    match how % 4 {
        0 => header(bytes),
        1 => chunks(bytes),
        2 => last_chunk(bytes),
        _ => content(bytes),
    }
}

/// One form, and nothing that would take more memory or time than it may.
fn header(bytes: &[u8]) {
    let Ok(header) = BackupHeader::parse(bytes) else { return };
    assert_eq!(header.to_bytes().as_slice(), &bytes[..HEADER_BYTES]);
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let params = quicprochat_wire::call::auth::StretchParams {
        memory_kib: number(18),
        iterations: number(22),
        parallelism: number(26),
    };
    assert!(check_stretch(&params).is_ok());
}

/// Six bytes a step: which chunk comes next, how much of it (u16, times two), where a byte is changed (u8, times 256) and how,
/// and whether more follows. Only the chunks of the file, whole, in order and to the end, open.
fn chunks(steps: &[u8]) {
    let file = file();
    let mut opener = file.opener.rewound();
    for (place, step) in steps.chunks_exact(6).enumerate() {
        let [which, low, high, at, change, more] = *step else { return };
        let which = usize::from(which) % file.chunks.len();
        let mut chunk = file.chunks[which].clone();
        chunk.truncate(usize::from(u16::from_le_bytes([low, high])) * 2);
        if let Some(byte) = chunk.get_mut(usize::from(at) * 256) {
            *byte ^= change;
        }
        let (last, more) = (file.chunks.len() - 1, more % 2 == 1);
        let genuine = place == which && more == (which != last) && chunk == file.chunks[which];
        let opened = opener.open(&chunk, more);
        assert_eq!(opened.is_ok(), genuine);
        if opened.is_err() {
            return;
        }
    }
}

/// The padding comes off, and nothing else does.
fn last_chunk(bytes: &[u8]) {
    let file = file();
    let mut content = bytes.to_vec();
    content.resize(CHUNK_BYTES, 0);
    let sealed = file.seal(0, true, &content);
    let expected = content.iter().rposition(|byte| *byte != 0).filter(|end| content[*end] == 0x80);
    let opened = file.opener.rewound().open(&sealed, false).ok();
    assert_eq!(opened.as_deref().map(Vec::as_slice), expected.map(|end| &content[..end]));
}

/// The same items whatever the pieces are; each has one encoding; what is a whole backup goes into a store, and twice changes
/// nothing more.
fn content(bytes: &[u8]) {
    let whole = items(bytes, bytes.len().max(1));
    assert_eq!(whole, items(bytes, 7));
    let Ok(items) = whole else { return };
    let mut at = bytes;
    for item in &items {
        let encoded = item.encode();
        if matches!(item, Item::Later { .. }) {
            let len = u32::from_le_bytes(at[1..5].try_into().expect("four bytes"));
            at = &at[5 + len as usize..];
        } else {
            at = at.strip_prefix(encoded.as_slice()).expect("one encoding");
        }
    }
    assert!(at.is_empty());
    let mut checker = Checker::new();
    let checked = items.iter().try_for_each(|item| checker.check(item)).and_then(|()| checker.finish());
    let mut store = home();
    let first = import(&mut store, &items);
    match (checked, first) {
        (Ok((account, counts)), Ok(first)) => {
            assert_eq!(account.account, cast().alice.identity.account());
            assert!(first.contacts <= counts.contacts && first.conversations <= counts.conversations);
            let again = import(&mut store, &items).expect("it was taken over once");
            assert_eq!((again.conversations, again.entries), (0, 0));
        }
        (Ok((account, _)), Err(ContentError::OtherAccount { .. })) => {
            assert_ne!(account.account, cast().alice.identity.account());
        }
        (Ok(_), Err(error)) => assert!(matches!(error, ContentError::Store(_)), "{error}"),
        (Err(_), Ok(_)) => panic!("only what is whole is taken over"),
        (Err(_), Err(_)) => {}
    }
}

fn items(bytes: &[u8], piece: usize) -> Result<Vec<Item>, ContentError> {
    let (mut reader, mut items) = (ItemReader::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        while let Some(item) = reader.next_item()? {
            items.push(item);
        }
    }
    reader.finish()?;
    Ok(items)
}

fn import(store: &mut MemoryStore, items: &[Item]) -> Result<quicprochat_client_core::backup::Imported, ContentError> {
    let tx = store.begin().expect("free");
    let mut import = Import::new(&tx, NOW)?;
    items.iter().try_for_each(|item| import.take(item.clone()))?;
    let imported = import.finish()?;
    tx.commit();
    Ok(imported)
}

/// Alice's home.
fn home() -> MemoryStore {
    let own = cast().alice.own(0);
    let mut store = MemoryStore::new();
    let tx = store.begin().expect("free");
    let row = OwnAccount {
        server: server(),
        host: "chat.example".to_owned(),
        name: "alice".to_owned(),
        account: own.account,
        device: own.device,
        device_key: Secret::new([1; 32]),
        certificate: [2; 64],
        identity: cast().alice.record(),
        inbox_keys: vec![Secret::new([3; 32])].into(),
        state_key: Secret::new([4; 32]),
        standing: OwnStanding::Enrolled,
    };
    tx.account().put_own_account(&row).expect("put");
    tx.commit();
    store
}

fn server() -> ServerLink {
    ServerLink::new("chat.example", 4433, FINGERPRINT).expect("valid")
}

/// A file of three chunks, with the key of its chunks.
struct File {
    header: [u8; HEADER_BYTES],
    chunks: Vec<Vec<u8>>,
    opener: BackupOpener,
    key: [u8; 32],
}

impl File {
    /// A chunk as section 12 of protocol.md has it.
    fn seal(&self, number: u64, last: bool, content: &[u8]) -> Vec<u8> {
        let nonce = [&number.to_le_bytes()[..], &[u8::from(last)], &[0; 15]].concat();
        let payload = Payload { msg: content, aad: &self.header };
        XChaCha20Poly1305::new(&self.key.into()).encrypt(XNonce::from_slice(&nonce), payload).expect("seals")
    }
}

fn file() -> &'static File {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| {
        let recovery = RecoveryKey::generate(&mut entropy());
        let secret = BackupSecret::recovery_key(&recovery);
        let mut sealer = BackupSealer::new(&secret, RECOVERY_STRETCH, &mut entropy()).expect("in range");
        let header = *sealer.header();
        let mut sealed = Vec::new();
        sealer.push(&[7; 2 * CHUNK_BYTES + 9], &mut sealed);
        sealer.finish(&mut sealed);
        let chunks: Vec<_> = sealed.chunks(SEALED_CHUNK_BYTES).map(<[u8]>::to_vec).collect();
        let opener = BackupOpener::new(&BackupHeader::parse(&header).expect("a header"), &secret).expect("opens");
        let file = File { header, chunks, opener, key: file_key(&recovery, &header) };
        assert_eq!(file.seal(0, false, &[7; CHUNK_BYTES]), file.chunks[0]);
        file
    })
}

/// The key of a file, as section 12 of protocol.md has it.
fn file_key(recovery: &RecoveryKey, header: &[u8; HEADER_BYTES]) -> [u8; 32] {
    let open = &header[..HEADER_BYTES - 32];
    let password: String = recovery.to_text().chars().filter(|letter| *letter != '-').collect();
    let (mut stretched, mut key) = ([0; 32], [0; 32]);
    let argon2 = stretching(&RECOVERY_STRETCH).expect("in range");
    argon2.hash_password_into(password.as_bytes(), &open[30..], &mut stretched).expect("stretches");
    Hkdf::<Sha256>::new(None, &stretched)
        .expand_multi_info(&[b"qpc/1 backup key", &[0], open], &mut key)
        .expect("32 bytes");
    key
}

pub(crate) fn backup_seeds() -> Vec<Vec<u8>> {
    let file = file();
    let mut seeds = vec![choice(0, &file.header)];
    let step = |which: u8, more: u8| [which, 0xff, 0xff, 0, 0, more];
    let whole = [step(0, 1), step(1, 1), step(2, 0)].concat();
    seeds.extend([choice(1, &whole), choice(1, &[step(0, 1), step(2, 0)].concat()), choice(1, &step(0, 0))]);
    seeds.extend([choice(2, b"tea\x80"), choice(2, &[0x80]), choice(2, b"no end")]);
    let items = whole_backup();
    seeds.push(choice(3, &items.iter().flat_map(|item| item.encode().to_vec()).collect::<Vec<_>>()));
    seeds.extend(items.iter().map(|item| choice(3, &item.encode())));
    let later = [items[0].encode().to_vec(), vec![9, 2, 0, 0, 0, 1, 2], Item::End(Counts::default()).encode().to_vec()];
    seeds.push(choice(3, &later.concat()));
    seeds
}

/// One item of each kind, in their order.
fn whole_backup() -> Vec<Item> {
    let (alice, bob) = (&cast().alice.identity, &cast().bob.identity);
    let channel = ChannelId::new([5; 32]);
    let point = |position| ChainPoint { position, hash: ChainHash::new([6; 32]) };
    let record = |seq, body| HistoryRecord {
        channel,
        seq,
        id: MessageId::new([seq as u8; 16]),
        sender: bob.account(),
        device: DeviceId::new([8; 16]),
        time: NOW,
        sent_at: Timestamp(NOW.0 + 1),
        body,
    };
    let accounts = || vec![alice.account(), AccountId::new([9; 32])];
    let records = vec![
        record(1, RecordBody::Known(LogBody::Content { content: b"tea".to_vec() })),
        record(2, RecordBody::Known(LogBody::Renamed { title: "tea".to_owned() })),
        record(
            3,
            RecordBody::Known(LogBody::Membership {
                added: accounts().into(),
                removed: Vec::new().into(),
                devices_added: 1,
                devices_removed: 2,
            }),
        ),
        record(4, RecordBody::Known(LogBody::Gap { from: 1, to: 2 })),
        record(5, RecordBody::Later { kind: 200, bytes: vec![1, 2] }),
    ];
    vec![
        Item::Account(AccountItem {
            account: alice.account(),
            name: "alice".to_owned(),
            host: "chat.example".to_owned(),
            server: server().to_string(),
            made: NOW,
            program: "qpc".to_owned(),
        }),
        Item::Contact(ContactItem {
            account: bob.account(),
            name: "bob".to_owned(),
            host: String::new(),
            identity: cast().bob.record(),
            relation: Relation::Contact,
            verified: true,
            confirmed: true,
            superseded: false,
            changed: Some(cast().carol.record()),
            pin: ContactPin::first_use(bob, NOW).to_bytes(),
            first_seen: NOW,
        }),
        Item::Conversation(ConversationItem {
            channel,
            server: server().to_string(),
            kind: 0,
            standing: Standing::Joined,
            title: "tea".to_owned(),
            peer: Some(bob.account()),
            members: accounts(),
            since: NOW,
            keys: vec![7; 96].try_into().map(|keys: [u8; 96]| keys.into()).expect("96 bytes"),
            keys_since: 3,
            pinned: point(3),
            cursor: point(5),
        }),
        Item::History(records),
        Item::End(Counts { contacts: 1, conversations: 1, entries: 5 }),
    ]
}
