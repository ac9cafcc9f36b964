//! What the client reads of messages and of its store.

use quicprochat_client_core::{
    content::{
        Control, Disposition, Expiration, ExtensionKey, ExtensionValue, Extensions, ExternalPart, MimiContent, MimiId,
        Part, PartBody, PartSemantics, Relay, RelayedEntry, Salt, Span,
    },
    store::{
        AccountState, AnnouncedRecord, Answered, Attempt, Contact, Conversation, ConversationKind,
        ConversationSettings, ConversationState, Creation, Delivery, DeliveryBody, GapRequest, GapRow, Gaps,
        Invitation, InvitationState, KeyPackageState, KeysAhead, KnownContact, Lease, Leaver, LogBody, LogEntry,
        MemberDevice, MessagePurpose, OutboxMessage, OwnAccount, OwnKeyPackage, PendingCommit, PendingGroupInfo,
        Positions, RawEntry, RawRoll, RecordVersion, RejoinReason, Relation, Repair, RevocationJob, Roll, Secret, SecretBytes, ServerPutBack, Standing,
        StockToken, Stored, StoredChunk, UnsentKey,
    },
    tokens::{IssuerPins, PendingBatch},
    trust::ContactPin,
};
use quicprochat_wire::{
    AccessPublicKey, AccountId, ChainHash, ChannelId, ChunkId, DeviceId, Digest, MessageId, ServerLink, Timestamp,
    call::{
        channel::{ChainPoint, EntryKind},
        token::Token,
    },
};

use crate::{
    cast::{FINGERPRINT, NOW, cast, entropy},
    choice,
    server::issuer_pin,
};

/// What decodes encodes to the same bytes; so does an extension's value.
pub fn content(bytes: &[u8]) {
    if let Ok(value) = ExtensionValue::from_cbor(bytes) {
        assert_eq!(value.as_cbor(), bytes);
        let _ = value.as_text().map(str::len);
    }
    let Ok(content) = MimiContent::decode(bytes) else { return };
    assert_eq!(content.encode().as_deref(), Ok(bytes));
    let _ = (content.as_text(), content.as_control(), content.extensions.sender_uri(), content.extensions.room_uri());
    let _ = content.expires.map(|expires| expires.moment(Timestamp(u64::MAX)));
    MimiId::of("mimi:alice", "mimi:room", bytes, &content.salt).expect("short URIs");
}

pub(crate) fn content_seeds() -> Vec<Vec<u8>> {
    let salt = Salt::new([1; 16]);
    let plain = MimiContent::text("hello", "en", salt);
    let many = MimiContent {
        replaces: Some(MimiId::new([1; 32])),
        topic: b"topic".to_vec(),
        expires: Some(Expiration::AfterReading { seconds: 60 }),
        in_reply_to: Some(MimiId::new([2; 32])),
        extensions: Extensions::default()
            .with(ExtensionKey::Number(1), ExtensionValue::text("mimi:alice"))
            .with(ExtensionKey::Number(2), ExtensionValue::text("mimi:room"))
            .with(ExtensionKey::Text("x".to_owned()), ExtensionValue::from_cbor(&[0x82, 0x01, 0xf6]).expect("valid")),
        ..MimiContent::new(salt, Part { disposition: Disposition::RENDER, language: String::new(), body: nested(3) })
    };
    let external = ExternalPart {
        content_type: "image/png".to_owned(),
        url: "https://cdn.example/1".to_owned(),
        expires: 9,
        size: 1000,
        aead: 1,
        key: vec![1; 16],
        nonce: vec![2; 12],
        hash_algorithm: 1,
        hash: vec![3; 32],
        filename: "a.png".to_owned(),
        ..ExternalPart::default()
    };
    let body =
        |body| MimiContent::new(salt, Part { disposition: Disposition::ATTACHMENT, language: "de".to_owned(), body });
    let contents = [
        plain,
        many,
        body(PartBody::External(Box::new(external))),
        MimiContent { expires: Some(Expiration::At { seconds: 1 }), ..body(PartBody::Null) },
        MimiContent::control(&Control::Leave, salt),
        MimiContent::control(&Control::GapRequest(vec![Span { from: 1, to: 4 }, Span { from: 9, to: 9 }]), salt),
        MimiContent::control(&Control::Relayed(relay()), salt),
    ];
    let mut seeds: Vec<_> = contents.iter().map(|content| content.encode().expect("fits")).collect();
    seeds.push(vec![0xa2, 0x01, 0x41, 0x00, 0x61, 0x78, 0x82, 0xf5, 0x20]);
    seeds
}

fn relay() -> Relay {
    let entry = |position| RelayedEntry {
        position,
        id: MessageId::new([4; 16]),
        sender: AccountId::new([2; 32]),
        device: DeviceId::new([3; 16]),
        time: NOW,
        content: vec![1; 9],
    };
    Relay { spans: vec![Span { from: 1, to: 4 }], entries: vec![entry(2), entry(4)] }
}

fn nested(depth: u8) -> PartBody {
    let part = |body| Part { disposition: Disposition::INLINE, language: String::new(), body };
    if depth == 0 {
        return PartBody::Single { content_type: "text/plain".to_owned(), content: b"x".to_vec() };
    }
    PartBody::Multi { semantics: PartSemantics::ProcessAll, parts: vec![part(nested(depth - 1)), part(PartBody::Null)] }
}

/// The first byte says what row it is. What decodes encodes to the same bytes.
pub fn rows(bytes: &[u8]) {
    let Some((row, bytes)) = bytes.split_first() else { return };
    let Some(again) = ROWS.get(usize::from(*row)).and_then(|again| again(bytes)) else { return };
    let row = usize::from(*row);
    // Case of a host is folded, nothing else; what an older version wrote is written as the newest.
    let is_older = [CONVERSATION, PENDING_COMMIT].contains(&row) && bytes.first() == Some(&1);
    assert!(is_older || again.eq_ignore_ascii_case(bytes));
    assert_eq!(ROWS[row](&again).as_ref(), Some(&again));
}

type Again = fn(&[u8]) -> Option<Vec<u8>>;

/// Places of the rows of which two versions are read.
const CONVERSATION: usize = 2;
const PENDING_COMMIT: usize = 4;

const ROWS: &[Again] = &[
    again::<OwnAccount>,
    again::<Contact>,
    again::<Conversation>,
    again::<Creation>,
    again::<PendingCommit>,
    again::<AnnouncedRecord>,
    again::<LogEntry>,
    again::<OutboxMessage>,
    again::<Delivery>,
    again::<Invitation>,
    again::<StockToken>,
    again::<OwnKeyPackage>,
    again::<RevocationJob>,
    |bytes| ContactPin::from_bytes(bytes).ok().map(|pin| pin.to_bytes()),
    |bytes| IssuerPins::from_bytes(bytes).ok().map(|pins| pins.to_bytes()),
    |bytes| PendingBatch::from_bytes(bytes).ok().map(|batch| batch.to_bytes().to_vec()),
    again::<AccountState>,
    again::<ConversationSettings>,
    again::<KnownContact>,
    again::<Repair>,
    again::<Gaps>,
    again::<RawEntry>,
    again::<ServerPutBack>,
];

fn again<T: Stored>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::decode(bytes).ok().map(|row| row.encode().expect("what was read fits"))
}

pub(crate) fn rows_seeds() -> Vec<Vec<u8>> {
    let (channel, account, device) = (ChannelId::new([1; 32]), AccountId::new([2; 32]), DeviceId::new([3; 16]));
    let (id, point) = (MessageId::new([4; 16]), ChainPoint { position: 5, hash: ChainHash::new([6; 32]) });
    let token = || Token { epoch: 7, nonce: vec![8; 32], authenticator: vec![9; 64] };
    let lease = || Some(Lease { owner: [1; 16], until: NOW });
    let digest = Digest::new([2; 32]);
    let text = |text: &str| text.to_owned();
    let mut rows = vec![
        OwnAccount {
            server: ServerLink::new("chat.example", 4433, FINGERPRINT).expect("valid parts"),
            host: text("chat.example"),
            name: text("alice"),
            account,
            device,
            device_key: Secret::new([1; 32]),
            certificate: [2; 64],
            identity: vec![3; 40],
            inbox_keys: vec![Secret::new([4; 32]), Secret::new([5; 32])].into(),
            state_key: Secret::new([6; 32]),
            standing: Standing::Enrolled,
        }
        .encode()
        .expect("fits"),
        Contact {
            account,
            name: text("bob"),
            host: String::new(),
            identity: vec![1; 30],
            serial: 2,
            relation: Relation::Contact,
            verified: true,
            changed: Some(vec![3; 10]),
            confirmed: true,
            pin: vec![4; 20],
            superseded: false,
            first_seen: NOW,
        }
        .encode()
        .expect("fits"),
        Conversation {
            channel,
            kind: ConversationKind::Group,
            title: text("friends"),
            peer: Some(account),
            state: ConversationState::NeedsRejoin { reason: RejoinReason::BadWelcome },
            suite: 0x4f,
            cursor: point,
            last_commit: point,
            head: 9,
            epoch: 2,
            keys: Secret::new([1; 96]),
            keys_since: 1,
            ahead: Some(KeysAhead { keys: Secret::new([2; 96]), epoch: 3 }),
            members: vec![MemberDevice { leaf: 0, account, device, identity_hash: digest }].into(),
            leavers: vec![Leaver { account, since: NOW }].into(),
            leaf_updated: NOW,
            fresh_leaf: true,
            since: NOW,
            inviter: None,
            group: channel,
            replaces: Some(channel),
            rounds: 1,
            spoilt_at: Some(4),
        }
        .encode()
        .expect("fits"),
    ];
    let access = AccessPublicKey::new([7; 32]);
    rows.extend([
        Creation { channel, access, group_info: vec![1; 9], keyring: vec![2; 9], token: Some(token()) }
            .encode()
            .expect("fits"),
        PendingCommit {
            channel,
            id,
            after: point,
            sealed: vec![1; 9],
            group_info: PendingGroupInfo::Sealed {
                sealed: vec![2; 9],
                added: vec![StoredChunk { id: ChunkId::new([8; 32]), sealed: vec![6; 9] }].into(),
                ended: vec![ChunkId::new([9; 32])].into(),
                ends_all: false,
            },
            roll: Some(Roll { access, keyring: vec![3; 9] }),
            next_keys: Secret::new([4; 96]),
            records: vec![vec![5; 9], Vec::new()].into(),
            lease: lease(),
        }
        .encode()
        .expect("fits"),
        AnnouncedRecord { channel, account, serial: 3, hash: digest, part: vec![1; 9] }.encode().expect("fits"),
        LogEntry {
            index: 1,
            channel,
            seq: 2,
            id,
            sender: account,
            device,
            time: NOW,
            sent_at: NOW,
            intent: Some(id),
            body: LogBody::Membership {
                added: vec![account].into(),
                removed: vec![account].into(),
                devices_added: 1,
                devices_removed: 2,
            },
        }
        .encode()
        .expect("fits"),
        OutboxMessage {
            row: 1,
            intent: id,
            channel,
            purpose: MessagePurpose::Content,
            content: vec![1; 9],
            queued: NOW,
            attempt: Some(Attempt { id, after: point, sealed: vec![2; 9] }),
            tries: 3,
            not_before: NOW,
            lease: lease(),
        }
        .encode()
        .expect("fits"),
        Delivery {
            id,
            account,
            channel,
            commit: id,
            body: DeliveryBody::Staged { inbox_key: vec![1; 20], welcome: SecretBytes::new(vec![2; 9]) },
            token: Some(token()),
            not_before: NOW,
            tries: 0,
            lease: None,
        }
        .encode()
        .expect("fits"),
        Invitation {
            id,
            channel,
            from: account,
            from_name: text("bob"),
            identity: vec![1; 9],
            body: SecretBytes::new(vec![2; 9]),
            received: NOW,
            state: InvitationState::Request,
        }
        .encode()
        .expect("fits"),
        StockToken { token: token(), ready: NOW, expires: NOW }.encode().expect("fits"),
        OwnKeyPackage {
            key_package: vec![1; 9],
            part: vec![2; 9],
            made: NOW,
            state: KeyPackageState::Superseded { until: NOW },
        }
        .encode()
        .expect("fits"),
        RevocationJob { device, since: NOW }.encode().expect("fits"),
        ContactPin::first_use(&cast().alice.identity, NOW).to_bytes(),
    ]);
    let (pins, pin) = issuer_pin();
    let (_, batch) = PendingBatch::request(&pin, &FINGERPRINT, &mut entropy()).expect("blinds");
    rows.extend([pins.to_bytes(), batch.to_bytes().to_vec()]);
    rows.extend(state_rows(channel, account));
    rows.extend(repair_rows(account, device, id));
    rows.extend(raw_rows(channel, id, point));
    let mut seeds: Vec<Vec<u8>> = (0..).zip(rows).map(|(number, row)| choice(number, &row)).collect();
    let body = LogBody::Relayed { by: account, content: vec![1; 9] };
    let (time, sent_at) = (NOW, NOW);
    let relayed =
        LogEntry { index: 1, channel, seq: 2, id, sender: account, device, time, sent_at, intent: None, body };
    seeds.push(choice(LOG_ENTRY, &relayed.encode().expect("fits")));
    seeds
}

/// Number of the log's rows in [`ROWS`].
const LOG_ENTRY: u8 = 6;

fn state_rows(channel: ChannelId, account: AccountId) -> [Vec<u8>; 3] {
    let state = AccountState {
        content: vec![1; 9],
        client: 7,
        sent: 2,
        unsent: vec![UnsentKey { key: "pinned".to_owned(), clock: 3 }].into(),
        due: Some(NOW),
        by_hand: true,
        versions: vec![RecordVersion { id: 32, version: 4 }].into(),
    };
    let settings = ConversationSettings {
        title: Some("tea".to_owned()),
        muted_until: Some(NOW),
        archived: true,
        order: Some(3),
        draft: Some("half a".to_owned()),
        read_to: 9,
        ..ConversationSettings::new(channel)
    };
    let contact = KnownContact {
        account,
        name: "bob".to_owned(),
        host: String::new(),
        key: Some(Digest::new([2; 32])),
        relation: Some(Relation::Contact),
        verified: None,
    };
    [state.encode().expect("fits"), settings.encode().expect("fits"), contact.encode().expect("fits")]
}

fn raw_rows(channel: ChannelId, id: MessageId, after: ChainPoint) -> [Vec<u8>; 2] {
    let entry = RawEntry {
        channel,
        position: 9,
        hash: ChainHash::new([7; 32]),
        id,
        kind: EntryKind::Commit,
        after,
        sealed: vec![1; 9],
        time: NOW,
        begins: Some(3),
        roll: Some(RawRoll { before: Secret::new([2; 96]), next: Secret::new([3; 96]) }),
        offset: 40,
    };
    let put_back = ServerPutBack { until: NOW, noticed: NOW, given: 2, conversations: 1 };
    [entry.encode().expect("fits"), put_back.encode().expect("fits")]
}

fn repair_rows(account: AccountId, device: DeviceId, id: MessageId) -> [Vec<u8>; 2] {
    let repair = Repair { returns: 2, returned: NOW, not_before: NOW };
    let spans = || vec![Positions { from: 3, to: 7 }, Positions { from: 9, to: 9 }].into();
    let gaps = Gaps {
        rows: vec![GapRow { seq: 10, from: 3, to: 9 }].into(),
        missing: spans(),
        next: NOW,
        tries: 1,
        requests: vec![GapRequest { account, device, spans: spans(), since: NOW }].into(),
        answered: vec![Answered { device, since: NOW, times: 4 }].into(),
        controls: vec![id].into(),
    };
    [repair.encode().expect("fits"), gaps.encode().expect("fits")]
}
