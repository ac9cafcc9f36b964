//! Messages that another implementation of Cap'n Proto encoded (vectors/wire).

use quicprochat_wire::{
    AccessPublicKey, AccountId, Answer, CallFailure, ChainHash, Challenge, ChannelId, ConnectionKind, DeviceId,
    Duration, ErrorCode, MessageId, Request, Response, Timestamp,
    call::{
        Done,
        auth::{Authenticate, RegisterStart},
        channel::{
            AccessRoll, ChainPoint, ChannelDelete, ChannelEnqueue, ChannelEntry, ChannelPage, ChannelRestore,
            CommitParts, Enqueued, EntryKind, RestoreOutcome, Restored, RestoredEntry, TreeChange,
        },
        directory::{IdentityPart, Lookup, PublishIdentity, Subject},
        session::{Hello, HelloReply, Registration, ServerLimits},
        vault::{VaultFetch, VaultRecord},
    },
    codec::{decode_request, decode_response, encode_request, encode_response},
};

const FILE: &str = include_str!("../../../../vectors/wire/messages.json");

#[test]
fn messages_of_another_implementation_mean_what_they_say() {
    let file: serde_json::Value = serde_json::from_str(FILE).expect("JSON");
    let messages = file["messages"].as_array().expect("a list");
    let mut expected = requests().into_iter().map(Sample::Request).chain(answers().into_iter().map(Sample::Answer));
    for message in messages {
        let name = message["name"].as_str().expect("a name");
        let bytes = hex::decode(message["message"].as_str().expect("hex")).expect("hex");
        match expected.next().unwrap_or_else(|| panic!("{name} has no counterpart here")) {
            Sample::Request((expected_name, request)) => {
                assert_eq!(name, expected_name);
                assert_eq!(decode_request(&bytes), Ok(request.clone()), "{name}");
                assert_eq!(decode_request(&encode_request(&request).expect("in limits")), Ok(request), "{name}");
            }
            Sample::Answer((expected_name, answer)) => {
                assert_eq!(name, expected_name);
                assert_eq!(decode_response(&bytes), Ok(answer.clone()), "{name}");
                assert_eq!(decode_response(&encode_response(&answer).expect("in limits")), Ok(answer), "{name}");
            }
        }
    }
    assert!(expected.next().is_none(), "a message is missing from the file");
}

enum Sample {
    Request((&'static str, Request)),
    Answer((&'static str, Answer)),
}

fn point(position: u64, hash: u8) -> ChainPoint {
    ChainPoint { position, hash: ChainHash::new([hash; 32]) }
}

fn requests() -> Vec<(&'static str, Request)> {
    let register = |invite: Option<&str>| RegisterStart {
        name: "alice".to_owned(),
        invite: invite.map(str::to_owned),
        request: vec![1, 2, 3],
        recovery: None,
    };
    let enqueue = |sealed, commit| ChannelEnqueue {
        channel: ChannelId::new([5; 32]),
        id: MessageId::new([6; 16]),
        after_commit: point(7, 8),
        sealed,
        commit,
    };
    let commit = CommitParts {
        group_info: vec![3],
        roll: Some(AccessRoll { access: AccessPublicKey::new([9; 32]), keyring: vec![4] }),
        tree: TreeChange::default(),
    };
    vec![
        ("hello", Hello { version: 1, kind: ConnectionKind::Lookup }.into()),
        (
            "authenticate",
            Authenticate { account: AccountId::new([1; 32]), device: DeviceId::new([2; 16]), signature: vec![3; 64] }
                .into(),
        ),
        ("register-start-with-invite", register(Some("open-sesame")).into()),
        ("register-start-without-invite", register(None).into()),
        ("lookup-by-name", Lookup { subject: Subject::Name("bob".to_owned()) }.into()),
        ("lookup-by-account", Lookup { subject: Subject::Account(AccountId::new([4; 32])) }.into()),
        (
            "publish-identity-without-wraps",
            PublishIdentity {
                identity: IdentityPart(vec![9]),
                key_packages: vec![],
                wraps: None,
                records: vec![VaultRecord { id: 1, version: 2, sealed: vec![7, 7] }],
            }
            .into(),
        ),
        ("vault-fetch", VaultFetch { ids: vec![1, 2, 256] }.into()),
        ("channel-enqueue-message", enqueue(vec![1, 2, 3, 4, 5], None).into()),
        ("channel-enqueue-rolling-commit", enqueue(vec![1, 2], Some(commit)).into()),
        ("channel-delete", ChannelDelete { channel: ChannelId::new([5; 32]) }.into()),
        ("channel-restore", restore().into()),
    ]
}

/// A message, and a rolling commit whose holder does not have its GroupInfo.
fn restore() -> ChannelRestore {
    let message = RestoredEntry {
        id: MessageId::new([6; 16]),
        after_commit: point(0, 10),
        sealed: vec![1],
        time: Timestamp(60_000),
        commit: None,
    };
    let parts = CommitParts {
        group_info: vec![],
        roll: Some(AccessRoll { access: AccessPublicKey::new([9; 32]), keyring: vec![4] }),
        tree: TreeChange::default(),
    };
    let commit = RestoredEntry {
        id: MessageId::new([7; 16]),
        sealed: vec![2],
        time: Timestamp(120_000),
        commit: Some(parts),
        ..message.clone()
    };
    ChannelRestore { channel: ChannelId::new([5; 32]), after: point(1, 8), entries: vec![message, commit] }
}

fn answers() -> Vec<(&'static str, Answer)> {
    let hello = HelloReply {
        version: 1,
        challenge: Challenge::new([10; 32]),
        time: Timestamp(1_750_000_000_000),
        host: "chat.example".to_owned(),
        registration: Registration::Invite,
        limits: ServerLimits {
            frame_bytes: 1,
            message_bytes: 2,
            commit_bytes: 3,
            group_info_bytes: 4,
            keyring_bytes: 5,
            inbox_bytes: 6,
            retention: Duration::from_secs(7),
        },
    };
    let commit = ChannelEntry {
        seq: 1,
        id: MessageId::new([6; 16]),
        kind: EntryKind::Commit,
        after_commit: point(0, 8),
        sealed: vec![1],
        next_access: Some(AccessPublicKey::new([9; 32])),
        time: Timestamp(60_000),
    };
    let message = ChannelEntry {
        seq: 2,
        id: MessageId::new([7; 16]),
        kind: EntryKind::Message,
        after_commit: point(1, 8),
        sealed: vec![2],
        next_access: None,
        time: Timestamp(120_000),
    };
    let diverged = Enqueued::Diverged { last_commit: point(1, 11), last: point(2, 12) };
    let restored = Restored { outcome: RestoreOutcome::Short, added: 3, last_commit: point(1, 11), last: point(2, 12) };
    let ok = |response: Response| Ok(response);
    vec![
        ("done", ok(Done.into())),
        ("hello-reply", ok(hello.into())),
        ("enqueued-diverged", ok(diverged.into())),
        ("channel-page", ok(ChannelPage { entries: vec![commit, message], more: true }.into())),
        ("restored", ok(restored.into())),
        ("error-with-retry", Err(CallFailure::retry(ErrorCode::RateLimited, Duration::from_millis(1500)))),
        ("error-without-retry", Err(CallFailure::new(ErrorCode::AccessDenied))),
        ("error-restoring", Err(CallFailure::retry(ErrorCode::Restoring, Duration::from_secs(600)))),
    ]
}
