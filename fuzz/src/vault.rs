//! The vault: what a server could give back for it.

use std::sync::OnceLock;

use quicprochat_e2ee::{
    mls::{MemoryMlsStore, Provider, Suite, new_key_package},
    vault::{
        ArchiveRecord, CONVERSATION_RECORDS, ConversationList, DevicesRecord, IDENTITY_RECORD, InboxRecord, Job,
        JobsRecord, LinkRecord, RootKey, Standing, StateKey, StateRecord, VaultConversation, open_handover,
        open_identity, open_record, seal_handover, seal_identity, seal_record,
    },
};
use quicprochat_identity::IdentitySecretKey;
use quicprochat_wire::{AccountId, ChainHash, ChannelId, DeviceId, Timestamp, Writer, call::channel::ChainPoint};

use crate::{
    cast::{cast, entropy},
    choice, sealing,
};

const EXPORT_KEY: &[u8] = &[3; 64];
const VERSION: u64 = 7;

/// Alice's vault, and the KeyPackage that her device is handed keys with.
struct Vault {
    account: AccountId,
    device: DeviceId,
    root: [u8; 32],
    key_package: Vec<u8>,
}

fn vault() -> &'static Vault {
    static VAULT: OnceLock<Vault> = OnceLock::new();
    VAULT.get_or_init(|| {
        let own = cast().alice.own(0);
        let key_package = with_provider(|provider| new_key_package(provider, &own, Suite::Hybrid).expect("made"));
        Vault { account: own.account, device: own.device, root: [5; 32], key_package }
    })
}

/// On a store that has the private part of the KeyPackage: it is made by the same draws each time.
fn with_provider<T>(work: impl FnOnce(&Provider<'_>) -> T) -> T {
    thread_local! {
        static STORE: MemoryMlsStore = MemoryMlsStore::new();
    }
    STORE.with(|store| work(&Provider::new(store, &mut entropy())))
}

fn root() -> RootKey {
    let account = vault().account;
    let key = sealing::derive_key(EXPORT_KEY, "qpc/1 vault wrap");
    let wrap = sealing::seal(&key, &wrap_text(&account), &vault().root);
    RootKey::unwrap(&account, EXPORT_KEY, &wrap).expect("unwraps")
}

fn wrap_text(account: &AccountId) -> Vec<u8> {
    Writer::labelled("qpc/1 vault wrap").fixed(account).finish()
}

/// By the first byte: bytes in place of everything that is sealed; the content of a record of the state; what is sealed as
/// the identity key, as a wrap, as a handover, as a list of conversations.
pub fn records(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    match how % 6 {
        0 => sealed(bytes),
        1 => {
            parse::<InboxRecord>(bytes);
            parse::<DevicesRecord>(bytes);
            parse::<JobsRecord>(bytes);
            parse::<LinkRecord>(bytes);
            parse::<ArchiveRecord>(bytes);
        }
        2 => identity(bytes),
        3 => wrap(bytes),
        4 => handover(bytes),
        _ => conversations(bytes),
    }
}

/// A list that opens seals, unless it is too long, to one that opens to the same; so do two that were merged, in either order.
fn conversations(plaintext: &[u8]) {
    let (account, key) = (vault().account, StateKey::from_bytes(&[1; 32]));
    let head = |version: u64| {
        Writer::labelled("qpc/1 vault record").fixed(account).u32(CONVERSATION_RECORDS).u64(version).finish()
    };
    let sealed = sealing::seal_padded(key.as_bytes(), &head(VERSION), plaintext);
    let mut list = ConversationList::default();
    if list.open(&key, account, CONVERSATION_RECORDS, VERSION, &sealed).is_err() {
        return;
    }
    let Ok(again) = list.seal(&key, account, |_| VERSION, &mut entropy()) else { return };
    let mut opened = ConversationList::default();
    for shard in &again {
        opened.open(&key, account, shard.id, shard.version, &shard.sealed).expect("its own records");
    }
    assert_eq!(opened, list);
    let mut genuine = ConversationList::default();
    listed().into_iter().for_each(|(channel, entry)| genuine.add(channel, entry));
    let (mut one, mut other) = (list.clone(), genuine.clone());
    one.merge(&genuine);
    other.merge(&list);
    assert_eq!(one, other);
}

fn listed() -> [(ChannelId, VaultConversation); 2] {
    let group = VaultConversation {
        server: "qpc://chat.example:4433/#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        kind: 0,
        keys: [7; 96].into(),
        keys_since: 3,
        pinned: ChainPoint { position: 4, hash: ChainHash::new([8; 32]) },
        standing: Standing::Joined,
        title: "tea".to_owned(),
        peer: None,
        active: Timestamp(1_700_000_040_000),
        replaces: None,
    };
    let direct = VaultConversation {
        kind: 1,
        standing: Standing::Left,
        title: String::new(),
        peer: Some(AccountId::new([9; 32])),
        ..group.clone()
    };
    [(ChannelId::new([1; 32]), group), (ChannelId::new([2; 32]), direct)]
}

/// The content of a record in the second version, and in the first.
fn list_seeds() -> [Vec<u8>; 2] {
    [2, 1].map(|version: u8| {
        let writer = Writer::new().u8(version).list(&listed(), |writer, (channel, entry)| {
            let standing = u8::from(entry.standing == Standing::Left);
            let writer = writer.fixed(channel).text(&entry.server).u8(entry.kind).fixed(entry.keys.as_slice());
            let writer = writer.u64(entry.keys_since).u64(entry.pinned.position).fixed(entry.pinned.hash).u8(standing);
            match version {
                1 => writer,
                _ => {
                    let peer = entry.peer.as_slice();
                    writer.text(&entry.title).list(peer, |writer, peer| writer.fixed(peer)).u64(entry.active.0)
                }
            }
        });
        writer.finish()
    })
}

/// Only what was sealed for this place opens.
fn sealed(bytes: &[u8]) {
    let (account, state) = (vault().account, root().state_key());
    let opened = [
        RootKey::unwrap(&account, EXPORT_KEY, bytes).is_ok(),
        open_record::<InboxRecord>(&state, account, VERSION, bytes).is_ok(),
        open_record::<DevicesRecord>(&state, account, VERSION, bytes).is_ok(),
        open_record::<JobsRecord>(&state, account, VERSION, bytes).is_ok(),
        open_identity(&root(), account, VERSION, bytes).is_ok(),
        open_handed(bytes).is_ok(),
    ];
    for (opened, genuine) in opened.iter().zip(genuine()) {
        assert_eq!(*opened, bytes == genuine.as_slice());
    }
}

fn open_handed(bytes: &[u8]) -> Result<StateKey, quicprochat_e2ee::E2eeError> {
    let vault = vault();
    with_provider(|provider| open_handover(provider, &vault.account, &vault.device, &vault.key_package, bytes))
}

/// One encoding, and it fits into a record.
fn parse<T: StateRecord + PartialEq + core::fmt::Debug>(bytes: &[u8]) {
    let Ok(record) = T::parse(bytes) else { return };
    assert_eq!(record.encode().as_slice(), bytes);
    let (account, key) = (vault().account, StateKey::from_bytes(&[1; 32]));
    let sealed = seal_record(&key, account, VERSION, &record, &mut entropy()).expect("fits");
    assert_eq!(open_record::<T>(&key, account, VERSION, &sealed), Ok(record));
}

fn identity(plaintext: &[u8]) {
    let key = sealing::derive_key(&vault().root, "qpc/1 vault identity");
    let text = Writer::labelled("qpc/1 vault record").fixed(vault().account).u32(IDENTITY_RECORD).u64(VERSION).finish();
    let sealed = sealing::seal_padded(&key, &text, plaintext);
    let opened = open_identity(&root(), vault().account, VERSION, &sealed);
    assert_eq!(opened.is_ok(), plaintext.len() == 65 && plaintext[0] == 1);
    if let Ok(opened) = opened {
        assert_eq!(opened.seeds().as_slice(), &plaintext[1..]);
    }
}

fn wrap(plaintext: &[u8]) {
    let key = sealing::derive_key(EXPORT_KEY, "qpc/1 vault wrap");
    let sealed = sealing::seal(&key, &wrap_text(&vault().account), plaintext);
    assert_eq!(RootKey::unwrap(&vault().account, EXPORT_KEY, &sealed).is_ok(), plaintext.len() == 32);
}

fn handover(plaintext: &[u8]) {
    let vault = vault();
    // Version and suite u16 each, then the init key behind a length of two bytes (RFC 9420, section 10).
    let public = &vault.key_package[6..6 + 1216];
    let info = Writer::labelled("qpc/1 handover").fixed(vault.account).fixed(vault.device).finish();
    let record = choice(1, &sealing::envelope(public, &info, &[], plaintext));
    if let Ok(key) = open_handed(&record) {
        assert_eq!([&[1], &vault.device.as_bytes()[..], key.as_bytes()].concat(), plaintext);
    }
}

/// What is genuine, in the order of [`sealed`].
fn genuine() -> &'static [Vec<u8>; 6] {
    static GENUINE: OnceLock<[Vec<u8>; 6]> = OnceLock::new();
    GENUINE.get_or_init(|| {
        let (vault, root, mut entropy) = (vault(), root(), entropy());
        let (account, state) = (vault.account, root.state_key());
        let (inbox, devices, jobs) = contents();
        [
            root.wrap(&account, EXPORT_KEY, &mut entropy).expect("wraps"),
            seal_record(&state, account, VERSION, &inbox, &mut entropy).expect("seals"),
            seal_record(&state, account, VERSION, &devices, &mut entropy).expect("seals"),
            seal_record(&state, account, VERSION, &jobs, &mut entropy).expect("seals"),
            seal_identity(&root, account, VERSION, &IdentitySecretKey::from_seeds(&[8; 64]), &mut entropy)
                .expect("seals"),
            seal_handover(&account, &vault.device, &vault.key_package, &state, &mut entropy).expect("seals"),
        ]
    })
}

fn contents() -> (InboxRecord, DevicesRecord, JobsRecord) {
    let device = vault().device;
    (
        InboxRecord(vec![cast().alice.inbox.clone(), cast().bob.inbox.clone()]),
        DevicesRecord(vec![(device, "phone".to_owned()), (DeviceId::new([2; 16]), String::new())]),
        JobsRecord(vec![Job::RemoveDevice(device)]),
    )
}

pub(crate) fn records_seeds() -> Vec<Vec<u8>> {
    let (inbox, devices, jobs) = contents();
    let handed = Writer::new().u8(1).fixed(vault().device).fixed([6; 32]).finish();
    let mut seeds: Vec<_> = genuine().iter().map(|sealed| choice(0, sealed)).collect();
    seeds.extend([choice(1, &inbox.encode()), choice(1, &devices.encode()), choice(1, &jobs.encode())]);
    seeds.push(choice(1, &[1; 33]));
    seeds.extend([choice(2, &[1; 65]), choice(3, &[1; 32]), choice(4, &handed)]);
    seeds.extend(list_seeds().map(|list| choice(5, &list)));
    seeds
}
