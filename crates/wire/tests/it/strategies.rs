//! Random values of every call, within the limits of the protocol.

use proptest::{
    array::{uniform16, uniform32},
    collection::vec,
    option,
    prelude::*,
};
use quicprochat_wire::{
    AccessPublicKey, AccountId, Answer, CallFailure, ChainHash, Challenge, ChannelId, ChunkId, ConnectionKind,
    DeviceId, Duration, ErrorCode, LinkId, MessageId, ObjectId, Request, Response, Timestamp,
    call::{Done, archive::*, auth::*, channel::*, directory::*, inbox::*, linking::*, session::*, token::*, vault::*},
};

fn data(most: usize) -> BoxedStrategy<Vec<u8>> {
    vec(any::<u8>(), 0..=most).boxed()
}

fn exact(len: usize) -> BoxedStrategy<Vec<u8>> {
    vec(any::<u8>(), len).boxed()
}

fn name() -> BoxedStrategy<String> {
    "[a-z0-9._-]{0,32}".boxed()
}

fn invite_code() -> BoxedStrategy<Option<String>> {
    option::of("\\PC{0,16}").boxed()
}

prop_compose! {
    fn stretch()(memory_kib: u32, iterations: u32, parallelism: u32) -> StretchParams {
        StretchParams { memory_kib, iterations, parallelism }
    }
}
prop_compose! {
    fn wrap()(way: u16, sealed in data(300)) -> VaultWrap { VaultWrap { way, sealed } }
}
prop_compose! {
    fn record()(id: u32, version: u64, sealed in data(300)) -> VaultRecord { VaultRecord { id, version, sealed } }
}
prop_compose! {
    fn key_package()(device in uniform16(any::<u8>()), bytes in data(4096)) -> KeyPackagePart {
        KeyPackagePart { device: DeviceId::new(device), bytes }
    }
}
prop_compose! {
    fn token()(epoch: u32, nonce in exact(32), authenticator in exact(64)) -> Token {
        Token { epoch, nonce, authenticator }
    }
}
prop_compose! {
    fn point()(position: u64, hash in uniform32(any::<u8>())) -> ChainPoint {
        ChainPoint { position, hash: ChainHash::new(hash) }
    }
}
prop_compose! {
    fn invite()(code in "\\PC{0,16}", expires: u64, used: bool) -> Invite {
        Invite { code, expires: Timestamp(expires), used }
    }
}

fn channel() -> impl Strategy<Value = ChannelId> {
    uniform32(any::<u8>()).prop_map(ChannelId::new)
}

fn account() -> impl Strategy<Value = AccountId> {
    uniform32(any::<u8>()).prop_map(AccountId::new)
}

fn message_id() -> impl Strategy<Value = MessageId> {
    uniform16(any::<u8>()).prop_map(MessageId::new)
}

fn object() -> impl Strategy<Value = ObjectId> {
    uniform16(any::<u8>()).prop_map(ObjectId::new)
}

fn link() -> impl Strategy<Value = LinkId> {
    uniform16(any::<u8>()).prop_map(LinkId::new)
}

fn side() -> impl Strategy<Value = LinkSide> {
    prop_oneof![Just(LinkSide::Holder), Just(LinkSide::Joiner)]
}

fn access() -> impl Strategy<Value = AccessPublicKey> {
    uniform32(any::<u8>()).prop_map(AccessPublicKey::new)
}

fn identity() -> impl Strategy<Value = IdentityPart> {
    data(8192).prop_map(IdentityPart)
}

fn wraps() -> impl Strategy<Value = Vec<VaultWrap>> {
    vec(wrap(), 0..=16)
}

fn records() -> impl Strategy<Value = Vec<VaultRecord>> {
    vec(record(), 0..=64)
}

fn kind() -> impl Strategy<Value = ConnectionKind> {
    prop_oneof![Just(ConnectionKind::Account), Just(ConnectionKind::Channel), Just(ConnectionKind::Lookup)]
}

fn opaque_record() -> impl Strategy<Value = OpaqueRecord> {
    (data(1024), stretch()).prop_map(|(upload, stretch)| OpaqueRecord { upload, stretch })
}

prop_compose! {
    fn register_finish()(
        name in name(), invite in invite_code(), upload in data(1024), stretch in stretch(), identity in identity(),
        key_package in key_package(), wraps in wraps(), records in records(), recovery in option::of(opaque_record()),
    ) -> RegisterFinish {
        RegisterFinish { name, invite, upload, stretch, identity, key_package, wraps, records, recovery }
    }
}

prop_compose! {
    fn enqueue()(
        channel in channel(), id in message_id(), after_commit in point(), sealed in data(2000),
        commit in option::of((data(2000), option::of((access(), data(2000))), tree_change())),
    ) -> ChannelEnqueue {
        let commit = commit.map(|(group_info, roll, tree)| CommitParts {
            group_info,
            roll: roll.map(|(access, keyring)| AccessRoll { access, keyring }),
            tree,
        });
        ChannelEnqueue { channel, id, after_commit, sealed, commit }
    }
}

prop_compose! {
    fn restored_entry()(enqueue in enqueue(), time: u64) -> RestoredEntry {
        let ChannelEnqueue { id, after_commit, sealed, commit, .. } = enqueue;
        RestoredEntry { id, after_commit, sealed, time: Timestamp(time), commit }
    }
}

fn chunk_id() -> impl Strategy<Value = ChunkId> {
    uniform32(any::<u8>()).prop_map(ChunkId::new)
}

prop_compose! {
    fn tree_change()(
        added in vec((chunk_id(), data(700)), 0..=5), ended in vec(chunk_id(), 0..=9), ends_all: bool,
    ) -> TreeChange {
        let added = added.into_iter().map(|(id, sealed)| TreeChunk { id, sealed }).collect();
        TreeChange { added, ended, ends_all }
    }
}

/// One strategy for each method.
pub(crate) fn requests() -> Vec<BoxedStrategy<Request>> {
    let subject = || prop_oneof![name().prop_map(Subject::Name), account().prop_map(Subject::Account)];
    vec![
        (any::<u16>(), kind()).prop_map(|(version, kind)| Hello { version, kind }.into()).boxed(),
        (name(), invite_code(), data(1024), option::of(data(1024)))
            .prop_map(|(name, invite, request, recovery)| RegisterStart { name, invite, request, recovery }.into())
            .boxed(),
        register_finish().prop_map(Request::from).boxed(),
        (name(), data(1024), any::<u16>())
            .prop_map(|(name, request, way)| SignInStart { name, request, way }.into())
            .boxed(),
        data(1024).prop_map(|finalization| SignInFinish { finalization }.into()).boxed(),
        (account(), uniform16(any::<u8>()), exact(64))
            .prop_map(|(account, device, signature)| {
                Authenticate { account, device: DeviceId::new(device), signature }.into()
            })
            .boxed(),
        (data(1024), any::<u16>()).prop_map(|(request, way)| PasswordStart { request, way }.into()).boxed(),
        (data(1024), stretch(), wraps(), any::<u16>(), records())
            .prop_map(|(upload, stretch, wraps, way, records)| {
                PasswordFinish { upload, stretch, wraps, way, records }.into()
            })
            .boxed(),
        Just(AccountDelete {}.into()).boxed(),
        Just(InviteCreate {}.into()).boxed(),
        Just(InviteList {}.into()).boxed(),
        subject().prop_map(|subject| Lookup { subject }.into()).boxed(),
        Just(OwnRecord {}.into()).boxed(),
        (identity(), vec(key_package(), 0..=8), option::of(wraps()), records())
            .prop_map(|(identity, key_packages, wraps, records)| {
                PublishIdentity { identity, key_packages, wraps, records }.into()
            })
            .boxed(),
        key_package().prop_map(|part| PublishKeyPackage { part }.into()).boxed(),
        vec(any::<u32>(), 0..=64).prop_map(|ids| VaultFetch { ids }.into()).boxed(),
        records().prop_map(|records| VaultStore { records }.into()).boxed(),
        Just(VaultSubscribe {}.into()).boxed(),
        Just(TokenKeys {}.into()).boxed(),
        (any::<u32>(), vec(exact(32), 32)).prop_map(|(epoch, blinded)| TokenIssue { epoch, blinded }.into()).boxed(),
        (account(), message_id(), data(2000), token())
            .prop_map(|(account, id, sealed, token)| InboxDeliver { account, id, sealed, token }.into())
            .boxed(),
        (any::<u64>(), any::<u16>()).prop_map(|(after, limit)| InboxRead { after, limit }.into()).boxed(),
        any::<u64>().prop_map(|after| InboxSubscribe { after }.into()).boxed(),
        (channel(), access(), data(2000), data(2000), token())
            .prop_map(|(channel, access, group_info, keyring, token)| {
                ChannelCreate { channel, access, group_info, keyring, token }.into()
            })
            .boxed(),
        (channel(), access(), exact(64))
            .prop_map(|(channel, access, signature)| ChannelAttach { channel, access, signature }.into())
            .boxed(),
        enqueue().prop_map(Request::from).boxed(),
        (channel(), any::<u64>(), any::<u16>())
            .prop_map(|(channel, after, limit)| ChannelRead { channel, after, limit }.into())
            .boxed(),
        (channel(), any::<u64>()).prop_map(|(channel, after)| ChannelSubscribe { channel, after }.into()).boxed(),
        (channel(), any::<u64>()).prop_map(|(channel, position)| ChannelGroupInfo { channel, position }.into()).boxed(),
        channel().prop_map(|channel| ChannelKeyring { channel }.into()).boxed(),
        channel().prop_map(|channel| ChannelDelete { channel }.into()).boxed(),
        (channel(), vec(chunk_id(), 0..=40)).prop_map(|(channel, ids)| ChannelChunks { channel, ids }.into()).boxed(),
        (channel(), point(), vec(restored_entry(), 0..=6))
            .prop_map(|(channel, after, entries)| ChannelRestore { channel, after, entries }.into())
            .boxed(),
        (object(), data(2000)).prop_map(|(id, sealed)| ArchivePut { id, sealed }.into()).boxed(),
        object().prop_map(|id| ArchiveGet { id }.into()).boxed(),
        (option::of(object()), any::<u16>()).prop_map(|(after, limit)| ArchiveList { after, limit }.into()).boxed(),
        vec(object(), 0..=512).prop_map(|ids| ArchiveDelete { ids }.into()).boxed(),
        link().prop_map(|link| LinkOpen { link }.into()).boxed(),
        (link(), side(), any::<u16>(), data(2000))
            .prop_map(|(link, side, number, sealed)| LinkPut { link, side, number, sealed }.into())
            .boxed(),
        (link(), side(), any::<u16>()).prop_map(|(link, side, from)| LinkSubscribe { link, side, from }.into()).boxed(),
    ]
}

prop_compose! {
    fn hello_reply()(
        version: u16, challenge in uniform32(any::<u8>()), time: u64, host in "[a-z.]{0,253}",
        registration in prop_oneof![Just(Registration::Open), Just(Registration::Invite), Just(Registration::Closed)],
        sizes in any::<[u32; 6]>(), retention: u64,
    ) -> HelloReply {
        let [frame_bytes, message_bytes, commit_bytes, group_info_bytes, keyring_bytes, inbox_bytes] = sizes;
        let retention = Duration::from_millis(retention);
        HelloReply {
            version,
            challenge: Challenge::new(challenge),
            time: Timestamp(time),
            host,
            registration,
            limits: ServerLimits {
                frame_bytes, message_bytes, commit_bytes, group_info_bytes, keyring_bytes, inbox_bytes, retention,
            },
        }
    }
}

prop_compose! {
    fn channel_entry()(
        seq: u64, id in message_id(), kind in prop_oneof![Just(EntryKind::Message), Just(EntryKind::Commit)],
        after_commit in point(), sealed in data(600), next_access in option::of(access()), time: u64,
    ) -> ChannelEntry {
        ChannelEntry { seq, id, kind, after_commit, sealed, next_access, time: Timestamp(time) }
    }
}

prop_compose! {
    fn channel_state()(
        current: bool, access in access(), access_since: u64, last_commit in point(), last in point(), first: u64,
    ) -> ChannelState {
        ChannelState { current, access, access_since, last_commit, last, first }
    }
}

prop_compose! {
    fn issuer_key()(epoch: u32, public_key in exact(32), issues: u64, redeems: u64) -> IssuerKey {
        IssuerKey { epoch, public_key, issues_until: Timestamp(issues), redeems_until: Timestamp(redeems) }
    }
}

prop_compose! {
    fn archive_page()(
        entries in vec((object(), any::<u32>()), 0..=512), more: bool, objects: u64, bytes: u64, quota: u64,
    ) -> ArchivePage {
        let entries = entries.into_iter().map(|(id, bytes)| ArchiveEntry { id, bytes }).collect();
        ArchivePage { entries, more, objects, bytes, quota }
    }
}

fn outcome() -> impl Strategy<Value = RestoreOutcome> {
    prop_oneof![Just(RestoreOutcome::Whole), Just(RestoreOutcome::Short), Just(RestoreOutcome::Diverged)]
}

fn failure() -> impl Strategy<Value = CallFailure> {
    (proptest::sample::select(ErrorCode::ALL), option::of(1..=u64::MAX))
        .prop_map(|(code, after)| CallFailure { code, retry_after: after.map(Duration::from_millis) })
}

fn ok<T: Into<Response> + core::fmt::Debug + 'static>(
    strategy: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Answer> {
    strategy.prop_map(|response| Ok(response.into())).boxed()
}

/// One strategy for each response, and one for refusals.
pub(crate) fn answers() -> Vec<BoxedStrategy<Answer>> {
    let inbox_entry =
        (any::<u64>(), message_id(), data(600)).prop_map(|(seq, id, sealed)| InboxEntry { seq, id, sealed });
    vec![
        ok(Just(Done)),
        ok(hello_reply()),
        ok((data(1024), option::of(data(1024)))
            .prop_map(|(response, recovery)| RegisterStarted { response, recovery })),
        ok((data(1024), stretch()).prop_map(|(response, stretch)| SignInStarted { response, stretch })),
        ok((account(), wraps()).prop_map(|(account, wraps)| SignedIn { account, wraps })),
        ok(invite().prop_map(|invite| InviteCreated { invite })),
        ok((vec(invite(), 0..=256), any::<u32>()).prop_map(|(invites, left)| Invites { invites, left })),
        ok((identity(), vec(key_package(), 0..=8))
            .prop_map(|(identity, key_packages)| Record { identity, key_packages })),
        ok(records().prop_map(|records| VaultRecords { records })),
        ok(vec(issuer_key(), 0..=8).prop_map(|keys| IssuerKeys { keys })),
        ok((vec(exact(32), 32), exact(64)).prop_map(|(evaluated, proof)| TokensIssued { evaluated, proof })),
        ok((vec(inbox_entry, 0..=60), any::<bool>()).prop_map(|(entries, more)| InboxPage { entries, more })),
        ok(channel_state()),
        ok(prop_oneof![
            (point(), option::of(1..u64::MAX))
                .prop_map(|(at, time)| Enqueued::Accepted { at, time: time.map(Timestamp) }),
            point().prop_map(|last_commit| Enqueued::Stale { last_commit }),
            (point(), point()).prop_map(|(last_commit, last)| Enqueued::Diverged { last_commit, last }),
        ]),
        ok((vec(channel_entry(), 0..=60), any::<bool>()).prop_map(|(entries, more)| ChannelPage { entries, more })),
        ok((point(), data(3000), message_id(), point()).prop_map(|(at, sealed, commit, after_commit)| GroupInfo {
            at,
            sealed,
            commit,
            after_commit,
        })),
        ok(vec(data(700), 0..=20).prop_map(|chunks| TreeChunks { chunks })),
        ok((point(), data(3000)).prop_map(|(at, keyring)| Keyring { at, keyring })),
        ok(data(3000).prop_map(|sealed| ArchiveObject { sealed })),
        ok(archive_page()),
        ok(vec((any::<u32>(), any::<u64>()), 0..=1024).prop_map(|versions| VaultVersions {
            versions: versions.into_iter().map(|(id, version)| VaultVersion { id, version }).collect(),
        })),
        ok(any::<u64>().prop_map(|left| LinkState { left: Duration::from_millis(left) })),
        ok(vec(data(600), 0..=16).prop_map(|messages| LinkPage { messages })),
        ok((outcome(), any::<u32>(), point(), point()).prop_map(|(outcome, added, last_commit, last)| Restored {
            outcome,
            added,
            last_commit,
            last,
        })),
        failure().prop_map(Err).boxed(),
    ]
}
