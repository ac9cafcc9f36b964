use quicprochat_identity::{
    AccountName, IdentityDraft, IdentitySecretKey, InboxPublicKey, SafetyNumber, VerifiedIdentity,
};
use quicprochat_wire::{
    AccountId, ChainHash, ChannelId, DeviceId, Digest, Fingerprint, MessageId, ServerLink, Timestamp,
    call::channel::ChainPoint,
};

use super::*;
use crate::{
    store::{
        Contact, Conversation, ConversationKind, ConversationState, LogBody, LogEntry, MemoryStore, OwnAccount,
        RejoinReason, Relation, Secret, Standing, StoreTx,
    },
    testing::SeededEntropy,
    trust::ContactPin,
};

const MADE: Timestamp = Timestamp(1_700_000_000_000);

fn verified(seed: u64, name: &str) -> VerifiedIdentity {
    let key = IdentitySecretKey::generate(&mut SeededEntropy::new(seed));
    let draft = IdentityDraft {
        name: AccountName::parse(name).expect("valid"),
        serial: 1,
        time: MADE,
        inbox_key: InboxPublicKey::new([5; InboxPublicKey::LEN]),
        devices: Vec::new(),
        removed: Vec::new(),
        vault_version: 1,
        vault_hash: Digest::new([6; 32]),
    };
    draft.sign(&key, &mut SeededEntropy::new(9)).expect("signs")
}

fn link(n: u8) -> ServerLink {
    ServerLink::new("chat.example", 4433, Fingerprint::new([n; 32])).expect("valid parts")
}

fn alice() -> OwnAccount {
    let identity = verified(1, "alice");
    OwnAccount {
        server: link(4),
        host: "chat.example".to_owned(),
        name: "alice".to_owned(),
        account: identity.account(),
        device: DeviceId::new([2; 16]),
        device_key: Secret::new([0xd1; 32]),
        certificate: [5; 64],
        identity: identity.signed_bytes().to_vec(),
        inbox_keys: vec![Secret::new([0xd2; 32])].into(),
        state_key: Secret::new([0xd3; 32]),
        standing: Standing::Enrolled,
    }
}

/// Alice's home on a device.
fn home(device: u8) -> MemoryStore {
    let mut store = MemoryStore::new();
    let tx = store.begin().expect("free");
    tx.account().put_own_account(&OwnAccount { device: DeviceId::new([device; 16]), ..alice() }).expect("put");
    tx.commit();
    store
}

fn contact(seed: u64, name: &str) -> Contact {
    let identity = verified(seed, name);
    Contact {
        account: identity.account(),
        name: name.to_owned(),
        host: String::new(),
        identity: identity.signed_bytes().to_vec(),
        serial: identity.serial(),
        relation: Relation::Contact,
        verified: false,
        changed: None,
        confirmed: true,
        pin: ContactPin::first_use(&identity, MADE).to_bytes(),
        superseded: false,
        first_seen: MADE,
    }
}

fn compared(mut contact: Contact) -> Contact {
    let (ours, theirs) = (verified(1, "alice"), verified(2, "bob"));
    let mut pin = ContactPin::from_bytes(&contact.pin).expect("a pin");
    let number = SafetyNumber::of(ours.key(), theirs.key());
    pin.verify(ours.key(), theirs.key(), &number).expect("the same number");
    contact.pin = pin.to_bytes();
    contact.verified = true;
    contact
}

fn point(position: u64) -> ChainPoint {
    ChainPoint { position, hash: ChainHash::new([7; 32]) }
}

fn conversation(n: u8, state: ConversationState) -> Conversation {
    Conversation {
        channel: ChannelId::new([n; 32]),
        kind: ConversationKind::Group,
        title: "tea".to_owned(),
        peer: None,
        state,
        suite: 0x4f,
        cursor: point(90),
        last_commit: point(80),
        head: 90,
        epoch: 3,
        keys: Secret::new([n; 96]),
        keys_since: 70,
        ahead: None,
        members: Vec::new().into(),
        leavers: Vec::new().into(),
        leaf_updated: MADE,
        fresh_leaf: false,
        since: MADE,
        inviter: None,
        group: ChannelId::new([n; 32]),
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    }
}

fn entry(n: u8, seq: u64, text: &str) -> LogEntry {
    LogEntry {
        index: 0,
        channel: ChannelId::new([n; 32]),
        seq,
        id: MessageId::new([seq as u8; 16]),
        sender: alice().account,
        device: DeviceId::new([2; 16]),
        time: Timestamp(60_000 * seq),
        sent_at: Timestamp(60_000 * seq + 5),
        intent: None,
        body: LogBody::Content { content: text.as_bytes().to_vec() },
    }
}

/// Three conversations, one of them left, with 200 entries, and two contacts.
fn filled() -> MemoryStore {
    let mut store = home(2);
    let tx = store.begin().expect("free");
    tx.contacts().put_contact(&compared(contact(2, "bob"))).expect("put");
    tx.contacts().put_contact(&Contact { relation: Relation::Blocked, ..contact(3, "mallory") }).expect("put");
    for (n, state) in [(1, ConversationState::Active), (2, ConversationState::Left), (3, ConversationState::Creating)] {
        tx.conversations().put_conversation(&conversation(n, state)).expect("put");
    }
    for seq in 1..=150 {
        tx.messages().append_message(&entry(1, seq, "hello")).expect("append");
    }
    for seq in 1..=50 {
        tx.messages().append_message(&entry(2, seq, &"long ".repeat(4000))).expect("append");
    }
    tx.commit();
    store
}

fn backup(store: &mut MemoryStore) -> Vec<Item> {
    let tx = store.begin().expect("free");
    let mut items = Vec::new();
    write::<ContentError>(&tx, MADE, "qpc test", &mut |item| {
        items.push(item);
        Ok(())
    })
    .expect("written");
    items
}

fn restore(store: &mut MemoryStore, items: &[Item]) -> Result<Imported, ContentError> {
    let tx = store.begin().expect("free");
    let mut import = Import::new(&tx, Timestamp(MADE.0 + 1))?;
    for item in items {
        import.take(item.clone())?;
    }
    let imported = import.finish()?;
    tx.commit();
    Ok(imported)
}

fn bytes(items: &[Item]) -> Vec<u8> {
    items.iter().flat_map(|item| item.encode().to_vec()).collect()
}

fn read<T>(store: &mut MemoryStore, job: impl FnOnce(&dyn StoreTx) -> T) -> T {
    job(&store.begin().expect("free"))
}

#[test]
fn items_come_out_of_a_stream_in_pieces_of_any_size() {
    let items = backup(&mut filled());
    let bytes = bytes(&items);
    for size in [1, 7, 65_536, bytes.len()] {
        let mut reader = ItemReader::new();
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            reader.push(piece);
            while let Some(item) = reader.next_item().expect("reads") {
                found.push(item);
            }
        }
        reader.finish().expect("nothing left");
        assert_eq!(found, items, "{size}");
        if size == 1 {
            continue;
        }
        let mut cut = ItemReader::new();
        cut.push(&bytes[..bytes.len() - 1]);
        while let Some(_item) = cut.next_item().expect("reads") {}
        assert_eq!(cut.finish(), Err(ContentError::Incomplete));
    }
}

#[test]
fn nothing_of_the_device_is_in_it() {
    let bytes = bytes(&backup(&mut filled()));
    for secret in [[0xd1; 32], [0xd2; 32], [0xd3; 32]] {
        assert!(!bytes.windows(32).any(|window| window == secret), "{:x}", secret[0]);
    }
    assert!(bytes.windows(96).any(|window| window == [1; 96]), "the keys to enter with are");
}

#[test]
fn a_fresh_device_gets_everything_and_enters_anew() {
    let items = backup(&mut filled());
    let mut fresh = home(9);
    let imported = restore(&mut fresh, &items).expect("restored");
    let expected = Imported { contacts: 2, conversations: 2, entries: 200, ..Imported::default() };
    assert_eq!(imported, expected);
    read(&mut fresh, |tx| {
        let row = tx.conversations().conversation(&ChannelId::new([1; 32])).expect("reads").expect("there");
        assert_eq!(row.state, ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice });
        assert_eq!((row.title.as_str(), row.last_commit, row.cursor), ("tea", point(80), point(90)));
        assert_eq!((row.keys, row.keys_since, row.epoch), (Secret::new([1; 96]), 70, 0));
        let left = tx.conversations().conversation(&ChannelId::new([2; 32])).expect("reads").expect("there");
        assert_eq!(left.state, ConversationState::Left);
        assert_eq!(tx.conversations().all_conversations().expect("reads").len(), 2, "not what nobody made");
        let log = tx.messages().messages_of(&ChannelId::new([1; 32]), 0, 999).expect("reads");
        assert_eq!(log, (1..=150).map(|seq| entry(1, seq, "hello")).collect::<Vec<_>>());
        assert_eq!(tx.messages().last_arrival(), Ok(0), "nothing of it is news");
        let bob = tx.contacts().contact_by_name("bob", "").expect("reads").expect("there");
        assert_eq!(bob, compared(contact(2, "bob")));
        let own = tx.account().own_account().expect("reads").expect("there");
        assert_eq!(own.device, DeviceId::new([9; 16]), "the device stays what it is");
    });
    let again = restore(&mut fresh, &items).expect("restored");
    assert_eq!(again, Imported { known: 200, ..Imported::default() }, "a second time changes nothing");
}

#[test]
fn what_is_there_is_never_replaced_by_something_older() {
    let items = backup(&mut filled());
    let mut store = home(9);
    let active = Conversation { title: "newer".to_owned(), ..conversation(1, ConversationState::Active) };
    let blocked = Contact { relation: Relation::Blocked, ..contact(2, "bob") };
    let tx = store.begin().expect("free");
    tx.conversations().put_conversation(&active).expect("put");
    tx.messages().append_message(&entry(1, 5, "mine")).expect("append");
    tx.contacts().put_contact(&blocked).expect("put");
    tx.commit();
    let imported = restore(&mut store, &items).expect("restored");
    let expected = Imported { contacts: 2, conversations: 1, entries: 199, known: 1, ..Imported::default() };
    assert_eq!(imported, expected);
    read(&mut store, |tx| {
        let row = tx.conversations().conversation(&active.channel).expect("reads");
        assert_eq!(row, Some(active.clone()), "this device is in it");
        let kept = tx.messages().messages_of(&active.channel, 4, 1).expect("reads");
        assert_eq!(kept, vec![LogEntry { index: 1, ..entry(1, 5, "mine") }]);
        let bob = tx.contacts().contact(&blocked.account).expect("reads").expect("there");
        assert_eq!(bob.relation, Relation::Blocked);
        assert!(bob.verified, "the number was compared for this very key");
    });
}

#[test]
fn what_an_own_device_read_takes_the_place_of_what_a_member_sent_again_and_nothing_else_does() {
    let relayed = |seq, text: &str| {
        let LogEntry { body: LogBody::Content { content }, .. } = entry(1, seq, text) else { panic!("content") };
        event(1, seq, LogBody::Relayed { by: AccountId::new([7; 32]), content })
    };
    let mut old = home(2);
    let tx = old.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    for row in
        [entry(1, 3, "what was said"), relayed(4, "by another"), entry(1, 5, "older"), event(1, 6, LogBody::Joined)]
    {
        tx.messages().append_message(&row).expect("append");
    }
    tx.commit();
    let items = backup(&mut old);
    let mut store = home(9);
    let tx = store.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    for row in [relayed(3, "a lie"), relayed(4, "by one"), entry(1, 5, "mine"), relayed(6, "stays")] {
        tx.messages().append_message(&row).expect("append");
    }
    tx.commit();
    let imported = restore(&mut store, &items).expect("restored");
    assert_eq!((imported.entries, imported.known), (1, 3));
    let expected = [entry(1, 3, "what was said"), relayed(4, "by one"), entry(1, 5, "mine"), relayed(6, "stays")];
    let log = read(&mut store, |tx| tx.messages().messages_of(&ChannelId::new([1; 32]), 0, 99)).expect("reads");
    assert_eq!(log.into_iter().map(|entry| entry.body).collect::<Vec<_>>(), expected.map(|entry| entry.body));
    let again = restore(&mut store, &items).expect("restored");
    assert_eq!((again.entries, again.known), (0, 4), "a second time changes nothing");
}

/// Something else than a message.
fn event(n: u8, seq: u64, body: LogBody) -> LogEntry {
    LogEntry { body, ..entry(n, seq, "") }
}

#[test]
fn a_gap_that_a_backup_fills_is_not_shown_and_what_it_lacks_is() {
    let shown = |store: &mut MemoryStore| {
        let log = read(store, |tx| tx.messages().messages_of(&ChannelId::new([1; 32]), 0, 999)).expect("reads");
        log.into_iter().map(|entry| (entry.seq, entry.body)).collect::<Vec<_>>()
    };
    // The cursor of the backup's conversation is 90. Positions without entries said nothing.
    let mut old = home(2);
    let tx = old.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    for seq in [3, 4, 8, 60] {
        tx.messages().append_message(&entry(1, seq, "hello")).expect("append");
    }
    tx.messages().append_message(&event(1, 50, LogBody::Gap { from: 20, to: 30 })).expect("append");
    tx.commit();
    let items = backup(&mut old);
    // A device that has entered anew at 12, at 40 and at 99; nobody kept track of the first gap.
    let mut store = home(9);
    let tx = store.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    for (seq, from, to) in [(12, 3, 11), (40, 16, 39), (99, 85, 98)] {
        tx.messages().append_message(&event(1, seq, LogBody::Gap { from, to })).expect("append");
    }
    tx.commit();
    // The log was looked through already, when a backup came in that says nothing of it.
    let mut empty = home(2);
    let tx = empty.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    tx.commit();
    restore(&mut store, &backup(&mut empty)).expect("restored");
    restore(&mut store, &items).expect("restored");
    let log = shown(&mut store);
    let at = |seq: u64| log.iter().find(|(found, _)| *found == seq).map(|(_, body)| body.clone());
    assert_eq!(at(12), Some(LogBody::Joined), "all of it is there");
    assert_eq!(at(40), Some(LogBody::Gap { from: 20, to: 30 }), "the backup misses the same");
    assert_eq!(at(99), Some(LogBody::Gap { from: 91, to: 98 }), "it ends before");
    assert!(at(4).is_some() && at(50).is_some());
    let missing = |store: &mut MemoryStore| {
        read(store, |tx| crate::views::missing_positions(tx, &ChannelId::new([1; 32]))).expect("reads")
    };
    assert_eq!(missing(&mut store), 11 + 8);
    restore(&mut store, &items).expect("restored");
    assert_eq!((shown(&mut store), missing(&mut store)), (log, 19), "a second time changes nothing");
}

#[test]
fn where_a_device_came_in_again_its_backup_does_not_say_what_was_before() {
    let mut old = home(2);
    let tx = old.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    tx.messages().append_message(&event(1, 2, LogBody::Joined)).expect("append");
    tx.messages().append_message(&entry(1, 5, "hello")).expect("append");
    tx.messages().append_message(&event(1, 9, LogBody::Joined)).expect("append");
    tx.commit();
    let items = backup(&mut old);
    let mut store = home(9);
    let tx = store.begin().expect("free");
    tx.conversations().put_conversation(&conversation(1, ConversationState::Active)).expect("put");
    tx.messages().append_message(&event(1, 12, LogBody::Gap { from: 1, to: 11 })).expect("append");
    tx.commit();
    restore(&mut store, &items).expect("restored");
    let gap = read(&mut store, |tx| tx.messages().last_messages(&ChannelId::new([1; 32]), 1)).expect("reads");
    assert_eq!(gap[0].body, LogBody::Gap { from: 1, to: 8 });
    let missing = read(&mut store, |tx| crate::views::missing_positions(tx, &ChannelId::new([1; 32])));
    assert_eq!(missing, Ok(1 + 3), "the first one, and between 5 and 9");
}

#[test]
fn a_conversation_known_from_the_vault_gets_what_is_newer_in_the_backup() {
    let items = backup(&mut filled());
    let channel = ChannelId::new([1; 32]);
    let from_vault = |keys_since: u64, pinned: u64| Conversation {
        title: String::new(),
        keys: Secret::new([0xaa; 96]),
        keys_since,
        last_commit: point(pinned),
        cursor: point(pinned),
        head: pinned,
        state: ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice },
        ..conversation(1, ConversationState::Active)
    };
    for (keys_since, pinned, keys, last_commit, cursor) in
        [(60, 61, [1; 96], 80, 90), (85, 86, [0xaa; 96], 86, 90), (99, 100, [0xaa; 96], 100, 100)]
    {
        let mut store = home(9);
        let tx = store.begin().expect("free");
        tx.conversations().put_conversation(&from_vault(keys_since, pinned)).expect("put");
        tx.commit();
        restore(&mut store, &items).expect("restored");
        let row = read(&mut store, |tx| tx.conversations().conversation(&channel)).expect("reads").expect("there");
        assert_eq!(row.keys, Secret::new(keys), "{keys_since}");
        assert_eq!((row.last_commit, row.cursor, row.title.as_str()), (point(last_commit), point(cursor), "tea"));
    }
}

#[test]
fn a_name_that_went_to_somebody_else_stays_theirs() {
    let items = backup(&mut filled());
    let mut store = home(9);
    let tx = store.begin().expect("free");
    let heir = contact(5, "bob");
    tx.contacts().put_contact(&heir).expect("put");
    tx.commit();
    restore(&mut store, &items).expect("restored");
    read(&mut store, |tx| {
        assert_eq!(tx.contacts().contact_by_name("bob", "").expect("reads"), Some(heir.clone()));
        let old = tx.contacts().contact(&contact(2, "bob").account).expect("reads").expect("there");
        assert!(old.superseded && old.verified);
    });
}

#[test]
fn a_backup_of_another_account_is_refused_and_a_home_without_account_too() {
    let mut items = backup(&mut filled());
    if let Some(Item::Account(account)) = items.first_mut() {
        account.account = AccountId::new([9; 32]);
        account.name = "carol".to_owned();
    }
    let refused = restore(&mut home(9), &items);
    assert!(matches!(&refused, Err(ContentError::OtherAccount { name, .. }) if name == "carol"), "{refused:?}");
    assert_eq!(restore(&mut MemoryStore::new(), &items), Err(ContentError::NoAccount));
}

#[test]
fn a_backup_that_misses_a_part_is_refused() {
    let items = backup(&mut filled());
    let mut store = home(9);
    for at in 0..items.len() {
        let mut missing = items.clone();
        missing.remove(at);
        assert_eq!(restore(&mut store, &missing), Err(ContentError::Incomplete), "without item {at}");
        let mut twice = items.clone();
        twice.insert(at, items[at].clone());
        assert_eq!(restore(&mut store, &twice), Err(ContentError::Incomplete), "item {at} twice");
    }
    read(&mut store, |tx| assert_eq!(tx.contacts().all_contacts(), Ok(vec![]), "nothing was kept"));
}

#[test]
fn what_a_later_version_adds_is_left_out_and_counted() {
    let mut items = backup(&mut filled());
    let end = items.pop().expect("an end");
    let mut bytes = bytes(&items);
    bytes.extend([77, 3, 0, 0, 0, 1, 2, 3]);
    bytes.extend(end.encode().iter());
    let mut reader = ItemReader::new();
    reader.push(&bytes);
    let mut found = Vec::new();
    while let Some(item) = reader.next_item().expect("reads") {
        found.push(item);
    }
    assert!(found.contains(&Item::Later { kind: 77 }));
    assert_eq!(restore(&mut home(9), &found).expect("restored").later, 1);
}

#[test]
fn conversations_of_another_server_are_left_out() {
    let mut items = backup(&mut filled());
    for item in &mut items {
        if let Item::Conversation(conversation) = item {
            conversation.server = link(5).to_string();
        }
    }
    let imported = restore(&mut home(9), &items).expect("restored");
    assert_eq!((imported.conversations, imported.elsewhere), (0, 2));
}

#[test]
fn a_contact_whose_record_was_changed_is_refused() {
    let mut items = backup(&mut filled());
    for item in &mut items {
        if let Item::Contact(contact) = item {
            let middle = contact.identity.len() / 2;
            contact.identity[middle] ^= 1;
        }
    }
    assert_eq!(restore(&mut home(9), &items), Err(ContentError::BadContact));
}

#[test]
fn no_bytes_make_the_reader_panic_or_take_much() {
    use proptest::prelude::*;
    proptest!(|(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0_u8..7)| {
        let mut reader = ItemReader::new();
        reader.push(&bytes);
        while let Ok(Some(_)) = reader.next_item() {}
        let _ = Item::decode(kind, &bytes);
        let _ = Item::decode(255, &bytes);
    });
    let mut reader = ItemReader::new();
    reader.push(&[1, 0xff, 0xff, 0xff, 0x7f]);
    assert!(matches!(reader.next_item(), Err(ContentError::Damaged(_))));
}
