//! What every backend of [`StoreTx`] must do, as a suite that backends run in their tests.
//!
//! It panics with the rule that was broken; call [`run`] from a test.
#![expect(clippy::expect_used, clippy::panic, reason = "a test suite, exported for backends")]

use quicprochat_wire::{
    AccessPublicKey, AccountId, ChainHash, ChannelId, DeviceId, Digest, Fingerprint, MessageId, ServerLink, Timestamp,
    call::{
        channel::{ChainPoint, EntryKind},
        token::Token,
    },
};

use super::{
    AccountState, AnnouncedRecord, Attempt, Contact, Conversation, ConversationKind, ConversationSettings,
    ConversationState, Creation, Delivery, DeliveryBody, Invitation, InvitationState, KeyPackageState, KeysAhead,
    KnownContact, Lease, Leaver, LogBody, LogEntry, MemberDevice, MessagePurpose, OutboxMessage, OwnAccount,
    OwnKeyPackage, PendingCommit, PendingGroupInfo, RawEntry, RawMark, RawRoll, RecordVersion, RejoinReason, Relation,
    RevocationJob, Roll, Secret, SecretBytes, Standing, StockToken, StoreFault, StoreTx, Stored, UnsentKey,
};

/// A backend under test.
pub trait Backend {
    /// Runs one transaction; commits it if `keep`, else rolls it back.
    fn transact(&mut self, keep: bool, job: &mut dyn FnMut(&dyn StoreTx));

    /// A second handle on the same store, as another process has.
    fn another(&self) -> Box<dyn Backend>;
}

/// Runs the whole suite, each part on a fresh store.
pub fn run(fresh: &mut dyn FnMut() -> Box<dyn Backend>) {
    for part in [
        account,
        contacts,
        conversations,
        records,
        messages,
        imports,
        raw_log,
        outbox,
        inbox,
        tokens,
        upkeep,
        state,
        mls,
    ] {
        part(fresh().as_mut());
    }
    rolls_back(fresh().as_mut());
    version_counts_others_only(fresh().as_mut());
    rows_round_trip();
}

fn within(backend: &mut dyn Backend, mut job: impl FnMut(&dyn StoreTx)) {
    backend.transact(true, &mut job);
}

fn check<T: PartialEq + core::fmt::Debug>(rule: &str, found: &T, expected: &T) {
    if found != expected {
        panic!("{rule}: found {found:?}, expected {expected:?}");
    }
}

fn channel(n: u8) -> ChannelId {
    ChannelId::new([n; 32])
}

fn account_id(n: u8) -> AccountId {
    AccountId::new([n; 32])
}

fn message_id(n: u8) -> MessageId {
    MessageId::new([n; 16])
}

fn point(n: u8) -> ChainPoint {
    ChainPoint { position: u64::from(n), hash: ChainHash::new([n; 32]) }
}

fn token(n: u8) -> Token {
    Token { epoch: 1, nonce: vec![n; 32], authenticator: vec![n; 64] }
}

fn account(backend: &mut dyn Backend) {
    let link = ServerLink::new("chat.example", 4433, Fingerprint::new([4; 32])).expect("valid parts");
    let own = OwnAccount {
        server: link,
        host: "chat.example".to_owned(),
        name: "alice".to_owned(),
        account: account_id(1),
        device: DeviceId::new([2; 16]),
        device_key: Secret::new([3; 32]),
        certificate: [5; 64],
        identity: vec![6; 6000],
        inbox_keys: vec![Secret::new([7; 32]), Secret::new([8; 32])].into(),
        state_key: Secret::new([9; 32]),
        standing: Standing::Enrolled,
    };
    within(backend, |tx| {
        check("no account at first", &tx.account().own_account(), &Ok(None));
        check("put", &tx.account().put_own_account(&own), &Ok(()));
    });
    let revoked = OwnAccount { standing: Standing::Revoked, ..own.clone() };
    within(backend, |tx| {
        check("account is kept", &tx.account().own_account(), &Ok(Some(own.clone())));
        check("put", &tx.account().put_own_account(&revoked), &Ok(()));
        check("account is replaced", &tx.account().own_account(), &Ok(Some(revoked.clone())));
    });
}

fn contact(n: u8, name: &str) -> Contact {
    Contact {
        account: account_id(n),
        name: name.to_owned(),
        host: String::new(),
        identity: vec![n; 100],
        serial: 3,
        relation: Relation::Contact,
        verified: false,
        changed: None,
        confirmed: true,
        pin: vec![4; 20],
        superseded: false,
        first_seen: Timestamp(5),
    }
}

fn contacts(backend: &mut dyn Backend) {
    within(backend, |tx| {
        let store = tx.contacts();
        check("absent", &store.contact(&account_id(1)), &Ok(None));
        check("put", &store.put_contact(&contact(2, "bob")), &Ok(()));
        check("put", &store.put_contact(&contact(1, "alice")), &Ok(()));
        check("by name", &store.contact_by_name("bob", ""), &Ok(Some(contact(2, "bob"))));
        let claimed = Contact { confirmed: false, ..contact(4, "carol") };
        check("put", &store.put_contact(&claimed), &Ok(()));
        check("a claimed name is nobody's", &store.contact_by_name("carol", ""), &Ok(None));
        check("by name at another host", &store.contact_by_name("bob", "else"), &Ok(None));
        check("sorted", &store.all_contacts(), &Ok(vec![contact(1, "alice"), contact(2, "bob"), claimed]));
        let superseded = Contact { superseded: true, changed: Some(vec![1]), ..contact(2, "bob") };
        check("put", &store.put_contact(&superseded), &Ok(()));
        check("a superseded name is free", &store.contact_by_name("bob", ""), &Ok(None));
        check("put", &store.put_contact(&contact(3, "bob")), &Ok(()));
        check("the name's new holder", &store.contact_by_name("bob", ""), &Ok(Some(contact(3, "bob"))));
        check("the old one stays", &store.contact(&account_id(2)), &Ok(Some(superseded)));
    });
}

fn conversation(n: u8) -> Conversation {
    Conversation {
        channel: channel(n),
        kind: ConversationKind::Group,
        title: "tea".to_owned(),
        peer: Some(account_id(9)),
        state: ConversationState::NeedsRejoin { reason: RejoinReason::BadWelcome },
        suite: 0x4f,
        cursor: point(5),
        last_commit: point(4),
        head: 6,
        epoch: 3,
        keys: Secret::new([n; 96]),
        keys_since: 2,
        ahead: Some(KeysAhead { keys: Secret::new([1; 96]), epoch: 7 }),
        members: vec![MemberDevice {
            leaf: 0,
            account: account_id(1),
            device: DeviceId::new([1; 16]),
            identity_hash: Digest::new([2; 32]),
        }]
        .into(),
        leavers: vec![Leaver { account: account_id(2), since: Timestamp(8) }].into(),
        leaf_updated: Timestamp(1),
        fresh_leaf: true,
        since: Timestamp(2),
        inviter: None,
        group: channel(n),
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    }
}

fn conversations(backend: &mut dyn Backend) {
    let creation = Creation {
        channel: channel(1),
        access: AccessPublicKey::new([1; 32]),
        group_info: vec![2; 700],
        keyring: vec![3; 10],
        token: Some(token(4)),
    };
    let pending = PendingCommit {
        channel: channel(1),
        id: message_id(1),
        after: point(1),
        sealed: vec![1; 2000],
        group_info: PendingGroupInfo::Open { group_info: vec![2], ratchet_tree: vec![3; 4000] },
        roll: Some(Roll { access: AccessPublicKey::new([7; 32]), keyring: vec![8] }),
        next_keys: Secret::new([5; 96]),
        records: vec![vec![1, 2], vec![]].into(),
        lease: Some(Lease { owner: [1; 16], until: Timestamp(9) }),
    };
    within(backend, |tx| {
        let store = tx.conversations();
        check("absent", &store.conversation(&channel(1)), &Ok(None));
        check("put", &store.put_conversation(&conversation(2)), &Ok(()));
        check("put", &store.put_conversation(&conversation(1)), &Ok(()));
        check("sorted", &store.all_conversations(), &Ok(vec![conversation(1), conversation(2)]));
        check("delete", &store.delete_conversation(&channel(2)), &Ok(()));
        check("deleting nothing", &store.delete_conversation(&channel(2)), &Ok(()));
        check("deleted", &store.conversation(&channel(2)), &Ok(None));
        let leaver = Leaver { account: account_id(2), since: Timestamp(8) };
        let large = Conversation { leavers: vec![leaver; 65_537].into(), ..conversation(1) };
        check("what could not be read back is not put", &store.put_conversation(&large), &Err(StoreFault::TooLarge));
        check("and what was there is", &store.conversation(&channel(1)), &Ok(Some(conversation(1))));
        check("put", &store.put_creation(&creation), &Ok(()));
        check("put", &store.put_pending_commit(&pending), &Ok(()));
    });
    within(backend, |tx| {
        let store = tx.conversations();
        check("kept", &store.conversation(&channel(1)), &Ok(Some(conversation(1))));
        check("creation is kept", &store.creation(&channel(1)), &Ok(Some(creation.clone())));
        check("pending commit is kept", &store.pending_commit(&channel(1)), &Ok(Some(pending.clone())));
        check("pending commit is of its channel", &store.pending_commit(&channel(2)), &Ok(None));
        check("delete", &store.delete_creation(&channel(1)), &Ok(()));
        check("delete", &store.delete_pending_commit(&channel(1)), &Ok(()));
        check("creation deleted", &store.creation(&channel(1)), &Ok(None));
        check("pending commit deleted", &store.pending_commit(&channel(1)), &Ok(None));
    });
}

fn records(backend: &mut dyn Backend) {
    let record = |account: u8, serial: u64, hash: u8| AnnouncedRecord {
        channel: channel(1),
        account: account_id(account),
        serial,
        hash: Digest::new([hash; 32]),
        part: vec![hash; 50],
    };
    within(backend, |tx| {
        let store = tx.records();
        for item in [record(2, 1, 5), record(1, 300, 4), record(1, 2, 3)] {
            check("put", &store.put_record(&item), &Ok(()));
        }
        check("again", &store.put_record(&record(1, 2, 3)), &Ok(()));
        check("order", &store.records_of(&channel(1)), &Ok(vec![record(1, 2, 3), record(1, 300, 4), record(2, 1, 5)]));
        check("of its channel", &store.records_of(&channel(2)), &Ok(vec![]));
        check("by hash", &store.record_by_hash(&channel(1), &Digest::new([4; 32])), &Ok(Some(record(1, 300, 4))));
        check("by unknown hash", &store.record_by_hash(&channel(1), &Digest::new([9; 32])), &Ok(None));
    });
}

fn entry(chan: u8, seq: u64, id: u8) -> LogEntry {
    LogEntry {
        index: 0,
        channel: channel(chan),
        seq,
        id: message_id(id),
        sender: account_id(1),
        device: DeviceId::new([1; 16]),
        time: Timestamp(60_000),
        sent_at: Timestamp(61_234),
        intent: Some(message_id(40)),
        body: LogBody::Content { content: vec![id; 9] },
    }
}

fn messages(backend: &mut dyn Backend) {
    within(backend, |tx| {
        let store = tx.messages();
        check("none", &store.last_arrival(), &Ok(0));
        check("first", &store.append_message(&entry(1, 3, 1)), &Ok(1));
        check("second", &store.append_message(&entry(2, 1, 2)), &Ok(2));
        check("third", &store.append_message(&entry(1, 300, 3)), &Ok(3));
        check("the same place again", &store.append_message(&entry(1, 3, 9)), &Ok(1));
    });
    within(backend, |tx| {
        let store = tx.messages();
        let stored = |index, chan, seq, id| LogEntry { index, ..entry(chan, seq, id) };
        let (first, second, third) = (stored(1, 1, 3, 1), stored(2, 2, 1, 2), stored(3, 1, 300, 3));
        check("in order", &store.messages_of(&channel(1), 0, 9), &Ok(vec![first.clone(), third.clone()]));
        check("after", &store.messages_of(&channel(1), 3, 9), &Ok(vec![third.clone()]));
        check("limit", &store.messages_of(&channel(1), 0, 1), &Ok(vec![first.clone()]));
        check("the last", &store.last_messages(&channel(1), 1), &Ok(vec![third.clone()]));
        check("the last in order", &store.last_messages(&channel(1), 5), &Ok(vec![first.clone(), third.clone()]));
        check("arrivals", &store.arrivals(0, 2), &Ok(vec![first.clone(), second.clone()]));
        check("arrivals after", &store.arrivals(2, 9), &Ok(vec![third.clone()]));
        check("count", &store.last_arrival(), &Ok(3));
        check("seen", &store.message_seen(&channel(1), &account_id(1), &message_id(1)), &Ok(true));
        check("not by another", &store.message_seen(&channel(1), &account_id(2), &message_id(1)), &Ok(false));
        check("not elsewhere", &store.message_seen(&channel(2), &account_id(1), &message_id(1)), &Ok(false));
        check("by id", &store.message_by_id(&channel(2), &message_id(2)), &Ok(Some(second.clone())));
    });
}

fn imports(backend: &mut dyn Backend) {
    within(backend, |tx| {
        let store = tx.messages();
        check("missing", &store.import_message(&entry(1, 2, 1)), &Ok(true));
        check("the same again", &store.import_message(&entry(1, 2, 1)), &Ok(false));
        check("nothing arrived", &store.last_arrival(), &Ok(0));
        check("the first to arrive", &store.append_message(&entry(1, 9, 2)), &Ok(1));
        check("missing, earlier", &store.import_message(&LogEntry { index: 77, ..entry(1, 1, 3) }), &Ok(true));
        check("what arrived is kept", &store.import_message(&entry(1, 9, 8)), &Ok(false));
        check("what was imported is kept", &store.append_message(&entry(1, 1, 8)), &Ok(0));
        check("the second to arrive", &store.append_message(&entry(1, 10, 4)), &Ok(2));
        check("nothing to replace", &store.replace_message(&entry(1, 11, 5)), &Ok(()));
        for (seq, index, id) in [(2, 0, 1), (10, 2, 4)] {
            let other = LogEntry { index: 9, sender: account_id(8), body: LogBody::Joined, ..entry(1, seq, 6) };
            check("replaced", &store.replace_message(&other), &Ok(()));
            let found = store.messages_of(&channel(1), seq - 1, 1).map(|mut found| found.pop());
            check("keeps its index", &found, &Ok(Some(LogEntry { index, ..other })));
            check("seen by its id", &store.message_seen(&channel(1), &account_id(8), &message_id(6)), &Ok(true));
            check("put back", &store.replace_message(&entry(1, seq, id)), &Ok(()));
        }
    });
    within(backend, |tx| {
        let store = tx.messages();
        let stored = |index, seq, id| LogEntry { index, ..entry(1, seq, id) };
        let all = vec![stored(0, 1, 3), stored(0, 2, 1), stored(1, 9, 2), stored(2, 10, 4)];
        check("in order of positions", &store.messages_of(&channel(1), 0, 9), &Ok(all.clone()));
        check("among the last", &store.last_messages(&channel(1), 9), &Ok(all));
        check("no news", &store.arrivals(0, 9), &Ok(vec![stored(1, 9, 2), stored(2, 10, 4)]));
        check("count", &store.last_arrival(), &Ok(2));
        check("seen", &store.message_seen(&channel(1), &account_id(1), &message_id(3)), &Ok(true));
        check("by id", &store.message_by_id(&channel(1), &message_id(1)), &Ok(Some(stored(0, 2, 1))));
    });
    within(backend, |tx| {
        let store = tx.messages();
        let body = LogBody::Gap { from: 3, to: 4 };
        check("said anew", &store.replace_body(&channel(1), 9, &body), &Ok(()));
        check("imported, said anew", &store.replace_body(&channel(1), 2, &LogBody::Joined), &Ok(()));
        check("nothing to say anew", &store.replace_body(&channel(1), 11, &body), &Ok(()));
        check("nowhere", &store.replace_body(&channel(2), 9, &body), &Ok(()));
        let anew = LogEntry { index: 1, body, ..entry(1, 9, 2) };
        check("everything else stays", &store.messages_of(&channel(1), 2, 1), &Ok(vec![anew]));
        let anew = LogEntry { index: 0, body: LogBody::Joined, ..entry(1, 2, 1) };
        check("also of an imported one", &store.message_by_id(&channel(1), &message_id(1)), &Ok(Some(anew)));
        check("nothing came of it", &store.messages_of(&channel(1), 10, 9), &Ok(Vec::new()));
        check("nor arrived", &store.last_arrival(), &Ok(2));
    });
}

fn outbox(backend: &mut dyn Backend) {
    let waiting = |row: u64, chan: u8, intent: u8| OutboxMessage {
        row,
        intent: message_id(intent),
        channel: channel(chan),
        purpose: MessagePurpose::Content,
        content: vec![intent],
        queued: Timestamp(1),
        attempt: Some(Attempt { id: message_id(8), after: point(2), sealed: vec![3; 512] }),
        tries: 2,
        not_before: Timestamp(7),
        lease: None,
    };
    let delivery = |id: u8, body: DeliveryBody| Delivery {
        id: message_id(id),
        account: account_id(1),
        channel: channel(1),
        commit: message_id(3),
        body,
        token: Some(token(1)),
        not_before: Timestamp(3),
        tries: 0,
        lease: Some(Lease { owner: [2; 16], until: Timestamp(4) }),
    };
    let staged = delivery(2, DeliveryBody::Staged { inbox_key: vec![1; 1216], welcome: SecretBytes::new(vec![4]) });
    let sealed = delivery(1, DeliveryBody::Sealed { sealed: vec![5; 600] });
    within(backend, |tx| {
        let store = tx.outbox();
        check("row 1", &store.push_outbox(&waiting(0, 2, 1)), &Ok(1));
        check("row 2", &store.push_outbox(&waiting(0, 1, 2)), &Ok(2));
        check("row 3", &store.push_outbox(&waiting(0, 2, 3)), &Ok(3));
        check("put", &store.put_delivery(&staged), &Ok(()));
        check("put", &store.put_delivery(&sealed), &Ok(()));
    });
    within(backend, |tx| {
        let store = tx.outbox();
        check("in order", &store.outbox_of(&channel(2)), &Ok(vec![waiting(1, 2, 1), waiting(3, 2, 3)]));
        check("channels", &store.outbox_channels(), &Ok(vec![channel(1), channel(2)]));
        let changed = OutboxMessage { attempt: None, ..waiting(1, 2, 1) };
        check("put", &store.put_outbox(&changed), &Ok(()));
        check("by intent", &store.outbox_by_intent(&message_id(1)), &Ok(Some(changed.clone())));
        check("delete", &store.delete_outbox(1), &Ok(()));
        check("delete", &store.delete_outbox(3), &Ok(()));
        check("row numbers are never reused", &store.push_outbox(&waiting(0, 1, 4)), &Ok(4));
        check("channels", &store.outbox_channels(), &Ok(vec![channel(1)]));
        check("deliveries", &store.deliveries(), &Ok(vec![sealed.clone(), staged.clone()]));
        check("by id", &store.delivery(&message_id(2)), &Ok(Some(staged.clone())));
        check("delete", &store.delete_delivery(&message_id(2)), &Ok(()));
        check("deleted", &store.delivery(&message_id(2)), &Ok(None));
    });
}

fn inbox(backend: &mut dyn Backend) {
    let invitation = |id: u8, state: InvitationState| Invitation {
        id: message_id(id),
        channel: channel(1),
        from: account_id(2),
        from_name: "bob".to_owned(),
        identity: vec![1; 6000],
        body: SecretBytes::new(vec![7; 900]),
        received: Timestamp(3),
        state,
    };
    within(backend, |tx| {
        let store = tx.inbox();
        check("cursor at first", &store.inbox_cursor(), &Ok(0));
        check("put", &store.put_inbox_cursor(77), &Ok(()));
        check("put", &store.put_invitation(&invitation(2, InvitationState::Request)), &Ok(()));
        check("put", &store.put_invitation(&invitation(1, InvitationState::Joining)), &Ok(()));
        check("put", &store.put_invitation(&invitation(2, InvitationState::Blocked)), &Ok(()));
    });
    within(backend, |tx| {
        let store = tx.inbox();
        check("cursor", &store.inbox_cursor(), &Ok(77));
        check("by id", &store.invitation(&message_id(1)), &Ok(Some(invitation(1, InvitationState::Joining))));
        check("all", &store.invitations().map(|all| all.len()), &Ok(2));
        check("replaced", &store.invitation(&message_id(2)), &Ok(Some(invitation(2, InvitationState::Blocked))));
        check("delete", &store.delete_invitation(&message_id(2)), &Ok(()));
        check("deleted", &store.invitation(&message_id(2)), &Ok(None));
    });
}

fn tokens(backend: &mut dyn Backend) {
    let stock = |n: u8, ready: u64| StockToken { token: token(n), ready: Timestamp(ready), expires: Timestamp(99) };
    within(backend, |tx| {
        let store = tx.tokens();
        for item in [stock(1, 30), stock(2, 10), stock(3, 20)] {
            check("put", &store.put_token(&item), &Ok(()));
        }
        check("earliest first", &store.stock(), &Ok(vec![stock(2, 10), stock(3, 20), stock(1, 30)]));
        check("delete", &store.delete_token(&[3; 32]), &Ok(()));
        check("deleted", &store.stock(), &Ok(vec![stock(2, 10), stock(1, 30)]));
    });
}

fn state(backend: &mut dyn Backend) {
    let settings = ConversationSettings { pinned: true, read_to: 7, ..ConversationSettings::new(channel(1)) };
    let known = |n, key: Option<u8>| KnownContact {
        account: account_id(n),
        name: "bob".to_owned(),
        host: String::new(),
        key: key.map(|key| Digest::new([key; 32])),
        relation: Some(Relation::Contact),
        verified: None,
    };
    let document = AccountState {
        content: vec![1; 100_000],
        client: 1 << 50,
        sent: 3,
        unsent: vec![UnsentKey { key: "pa".to_owned(), clock: 4 }].into(),
        due: Some(Timestamp(9)),
        by_hand: true,
        versions: vec![RecordVersion { id: 32, version: 2 }].into(),
    };
    within(backend, |tx| {
        let store = tx.state();
        check("no state at first", &store.account_state(), &Ok(None));
        check("no settings at first", &store.conversation_settings(&channel(1)), &Ok(None));
        check("nobody at first", &store.known_contact(&account_id(1)), &Ok(None));
        check("put", &store.put_account_state(&AccountState { content: Vec::new(), ..document.clone() }), &Ok(()));
        check("put", &store.put_account_state(&document), &Ok(()));
        check("put", &store.put_conversation_settings(&ConversationSettings::new(channel(1))), &Ok(()));
        check("put", &store.put_conversation_settings(&settings), &Ok(()));
        check("put", &store.put_conversation_settings(&ConversationSettings::new(channel(2))), &Ok(()));
        for contact in [known(1, None), known(3, Some(3)), known(2, Some(2))] {
            check("put", &store.put_known_contact(&contact), &Ok(()));
        }
    });
    within(backend, |tx| {
        let store = tx.state();
        check("the state is replaced", &store.account_state(), &Ok(Some(document.clone())));
        check("settings are replaced", &store.conversation_settings(&channel(1)), &Ok(Some(settings.clone())));
        check("by account", &store.known_contact(&account_id(1)), &Ok(Some(known(1, None))));
        let pinned = vec![known(2, Some(2)), known(3, Some(3))];
        check("pinned ones by name", &store.known_contacts_by_name("bob", ""), &Ok(pinned));
        check("of that host", &store.known_contacts_by_name("bob", "elsewhere"), &Ok(Vec::new()));
    });
}

fn upkeep(backend: &mut dyn Backend) {
    let package = |n: u8, made: u64, state: KeyPackageState| OwnKeyPackage {
        key_package: vec![n; 1500],
        part: vec![n; 1700],
        made: Timestamp(made),
        state,
    };
    let job = RevocationJob { device: DeviceId::new([1; 16]), since: Timestamp(4) };
    within(backend, |tx| {
        let store = tx.upkeep();
        let new = package(1, 20, KeyPackageState::Staged);
        let old = package(2, 10, KeyPackageState::Superseded { until: Timestamp(5) });
        check("put", &store.put_key_package(&new), &Ok(()));
        check("put", &store.put_key_package(&old), &Ok(()));
        check("oldest first", &store.key_packages(), &Ok(vec![old.clone(), new]));
        let published = package(1, 20, KeyPackageState::Published);
        check("put", &store.put_key_package(&published), &Ok(()));
        check("delete", &store.delete_key_package(&old.key_package), &Ok(()));
        check("replaced", &store.key_packages(), &Ok(vec![published]));
        check("job", &store.put_revocation_job(&job), &Ok(()));
        check("jobs", &store.revocation_jobs(), &Ok(vec![job.clone()]));
        check("delete", &store.delete_revocation_job(&job.device), &Ok(()));
        check("jobs", &store.revocation_jobs(), &Ok(vec![]));
        check("no setting", &store.setting("x"), &Ok(None));
        check("put", &store.put_setting("x", Some(&[1])), &Ok(()));
        check("setting", &store.setting("x"), &Ok(Some(vec![1])));
        check("put", &store.put_setting("x", None), &Ok(()));
        check("removed", &store.setting("x"), &Ok(None));
    });
}

fn mls(backend: &mut dyn Backend) {
    within(backend, |tx| {
        let store = tx.mls();
        check("absent", &store.get(b"k"), &Ok(None));
        check("put", &store.put(b"k", b"v"), &Ok(()));
        check("put", &store.put(b"k2", b""), &Ok(()));
        check("delete absent", &store.delete(b"none"), &Ok(()));
    });
    within(backend, |tx| {
        let store = tx.mls();
        check("kept", &store.get(b"k"), &Ok(Some(b"v".to_vec())));
        check("empty is not absent", &store.get(b"k2"), &Ok(Some(vec![])));
        check("delete", &store.delete(b"k"), &Ok(()));
        check("deleted", &store.get(b"k"), &Ok(None));
    });
}

fn raw_entry(of: u8, position: u64) -> RawEntry {
    RawEntry {
        channel: channel(of),
        position,
        hash: ChainHash::new([of; 32]),
        id: message_id(of),
        kind: EntryKind::Commit,
        after: point(3),
        sealed: vec![of; 10],
        time: Timestamp(position),
        begins: Some(position),
        roll: position.is_multiple_of(3).then(|| RawRoll { before: Secret::new([1; 96]), next: Secret::new([2; 96]) }),
        offset: position * 10,
    }
}

fn raw_log(backend: &mut dyn Backend) {
    let mark = |position: u64| RawMark { position, time: Timestamp(position), end: position * 10 + 10, bytes: 10 };
    within(backend, |tx| {
        let store = tx.raw_log();
        check("no span at first", &store.raw_span(&channel(1)), &Ok(None));
        for position in 4..=300 {
            check("put", &store.put_raw(&raw_entry(1, position)), &Ok(()));
        }
        check("put", &store.put_raw(&raw_entry(2, 9)), &Ok(()));
        check("own span is seen", &store.raw_span(&channel(1)), &Ok(Some((mark(4), mark(300)))));
        check("replace", &store.put_raw(&RawEntry { sealed: vec![7; 10], ..raw_entry(1, 298) }), &Ok(()));
    });
    within(backend, |tx| {
        let store = tx.raw_log();
        check("span", &store.raw_span(&channel(1)), &Ok(Some((mark(4), mark(300)))));
        check("another channel's", &store.raw_span(&channel(2)), &Ok(Some((mark(9), mark(9)))));
        check("none", &store.raw_span(&channel(3)), &Ok(None));
        let page = store.raw_after(&channel(1), 255, 2);
        check("in order, as many as asked for", &page, &Ok(vec![raw_entry(1, 256), raw_entry(1, 257)]));
        let replaced = RawEntry { sealed: vec![7; 10], ..raw_entry(1, 298) };
        let page = store.raw_after(&channel(1), 297, 9);
        check("to the end", &page, &Ok(vec![replaced, raw_entry(1, 299), raw_entry(1, 300)]));
        check("behind the end", &store.raw_after(&channel(1), 300, 9), &Ok(vec![]));
        check("before the span", &store.raw_after(&channel(1), 0, 1), &Ok(vec![raw_entry(1, 4)]));
        check("the newest roll", &store.raw_roll_before(&channel(1), u64::MAX), &Ok(Some(raw_entry(1, 300))));
        check("the one before", &store.raw_roll_before(&channel(1), 300), &Ok(Some(raw_entry(1, 297))));
        check("none before", &store.raw_roll_before(&channel(1), 6), &Ok(None));
        check("delete", &store.delete_raw(&channel(1), 4), &Ok(()));
        check("deleting nothing", &store.delete_raw(&channel(1), 4), &Ok(()));
        check("the span is shorter", &store.raw_span(&channel(1)), &Ok(Some((mark(5), mark(300)))));
        check("clear", &store.clear_raw(&channel(1)), &Ok(()));
        check("nothing is left", &store.raw_span(&channel(1)), &Ok(None));
    });
    within(backend, |tx| {
        check("nothing came back", &tx.raw_log().raw_span(&channel(1)), &Ok(None));
        check("others stay", &tx.raw_log().raw_span(&channel(2)), &Ok(Some((mark(9), mark(9)))));
    });
}

fn rolls_back(backend: &mut dyn Backend) {
    within(backend, |tx| check("put", &tx.conversations().put_conversation(&conversation(1)), &Ok(())));
    backend.transact(false, &mut |tx| {
        check("put", &tx.mls().put(b"k", b"v"), &Ok(()));
        check("delete", &tx.conversations().delete_conversation(&channel(1)), &Ok(()));
        check("append", &tx.messages().append_message(&entry(1, 1, 1)), &Ok(1));
        check("own writes are seen", &tx.conversations().conversation(&channel(1)), &Ok(None));
    });
    within(backend, |tx| {
        check("MLS state rolled back", &tx.mls().get(b"k"), &Ok(None));
        check("rows rolled back", &tx.conversations().conversation(&channel(1)), &Ok(Some(conversation(1))));
        check("counters rolled back", &tx.messages().last_arrival(), &Ok(0));
    });
}

fn version_counts_others_only(backend: &mut dyn Backend) {
    let mut other = backend.another();
    let mut before = 0;
    within(backend, |tx| before = tx.version().expect("version"));
    within(backend, |tx| check("put", &tx.mls().put(b"k", b"v"), &Ok(())));
    within(backend, |tx| check("own commits do not count", &tx.version(), &Ok(before)));
    within(other.as_mut(), |tx| {
        check("another handle sees the same store", &tx.mls().get(b"k"), &Ok(Some(b"v".to_vec())));
        check("put", &tx.mls().put(b"k", b"w"), &Ok(()));
    });
    within(backend, |tx| {
        if tx.version() == Ok(before) {
            panic!("version did not change after another handle wrote");
        }
        check("others' writes are seen", &tx.mls().get(b"k"), &Ok(Some(b"w".to_vec())));
    });
}

fn rows_round_trip() {
    let row = conversation(1);
    let Ok(bytes) = row.encode() else { panic!("a small row is not stored") };
    check("decode", &Conversation::decode(&bytes), &Ok(row));
    for end in 0..bytes.len() {
        if Conversation::decode(bytes.get(..end).unwrap_or_default()).is_ok() {
            panic!("a row cut at {end} was read");
        }
    }
}
