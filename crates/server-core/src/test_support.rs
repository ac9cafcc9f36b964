//! The cast of the tests: a server on a memory store, people with accounts, and channels with keys.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::executor::block_on;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, RegistrationResponse,
};
use quicprochat_identity::{
    AccessSecretKey, AccountName, DeviceSecretKey, EntropyRng, IdentityDraft, IdentitySecretKey, InboxPublicKey,
    OPAQUE_CONTEXT, OpaqueSuite, VerifiedIdentity, attach_text, authenticate_text,
    password::{RECOVERY_STRETCH, opaque_identifiers, stretching},
    sign_key_package_part,
};
use quicprochat_wire::{
    AccountId, Call, CallFailure, Challenge, ChannelId, ConnectionKind, DeviceId, Digest, Duration, Entropy, ErrorCode,
    Fingerprint, MessageId, Request, Response, Timestamp, Writer,
    call::{
        Done,
        auth::{
            Authenticate, OpaqueRecord, PasswordFinish, PasswordStart, RegisterFinish, RegisterStart, SignInFinish,
            SignInStart, SignedIn, StretchParams,
        },
        channel::{
            AccessRoll, ChainPoint, ChannelAttach, ChannelCreate, ChannelEnqueue, ChannelState, CommitParts, Enqueued,
            TreeChange,
        },
        directory::{IdentityPart, KeyPackagePart},
        session::{Hello, Registration},
        token::{Token, TokenIssue, TokenKeys},
        vault::{VaultRecord, VaultWrap, WAY_PASSWORD, WAY_RECOVERY},
    },
    entropy::random_array,
    limits::{PROTOCOL_VERSION, TOKEN_BATCH},
};
use sha2::{Digest as _, Sha256};
use voprf::{BlindedElement, EvaluationElement, Group as _, Proof, Ristretto255, VoprfClient};

use crate::{Connection, Limits, Reply, Server, ServerConfig, store::memory::MemoryStore};

pub(crate) const FINGERPRINT: Fingerprint = Fingerprint::new([0xF1; 32]);
pub(crate) const PASSWORD: &[u8] = b"correct horse battery";
/// The least that is accepted, so that tests are quick.
pub(crate) const STRETCH: StretchParams = RECOVERY_STRETCH;

/// SHA-256 in counter mode over a number.
pub(crate) struct Seeded(pub(crate) u64, u64);

impl Seeded {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed, 0)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.0.to_le_bytes()).chain_update(self.1.to_le_bytes()).finalize();
            self.1 += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}

/// A server, its store, and its clock.
pub(crate) struct Sam {
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) now: AtomicU64,
}

impl Sam {
    pub(crate) fn new() -> Self {
        Self::with(Registration::Open, Limits::default())
    }

    pub(crate) fn with(registration: Registration, limits: Limits) -> Self {
        Self::on(MemoryStore::new(), registration, limits)
    }

    pub(crate) fn on(store: MemoryStore, registration: Registration, limits: Limits) -> Self {
        let config = ServerConfig { host: "chat.example".to_owned(), fingerprint: FINGERPRINT, registration, limits };
        let server =
            block_on(Server::start(config, Arc::new(store.clone()), Box::new(Seeded::new(1)))).expect("starts");
        Self { server, store, now: AtomicU64::new(1_780_000_000_123) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    pub(crate) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).expect("short");
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// Its clock is corrected.
    pub(crate) fn set_back(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).expect("short");
        self.now.fetch_sub(millis, Ordering::Relaxed);
    }

    pub(crate) fn days(&self, days: u64) {
        self.pass(Duration::from_millis(days * Timestamp::DAY_MS));
    }

    /// A connection that has said `hello`.
    pub(crate) fn connect(&self, kind: ConnectionKind) -> Line<'_> {
        let connection = self.server.open();
        let mut line = Line { sam: self, connection, challenge: Challenge::new([0; 32]) };
        line.challenge = line.call(Hello { version: PROTOCOL_VERSION, kind }).expect("welcome").challenge;
        line
    }
}

/// A connection to Sam.
pub(crate) struct Line<'a> {
    pub(crate) sam: &'a Sam,
    pub(crate) connection: Connection,
    pub(crate) challenge: Challenge,
}

impl Line<'_> {
    pub(crate) fn send(&self, request: Request) -> Reply {
        block_on(self.sam.server.handle(&self.connection, request, self.sam.now()))
    }

    pub(crate) fn call<C: Call>(&self, call: C) -> Result<C::Response, CallFailure> {
        match self.send(call.into()) {
            Reply::One(response) => Ok(response.try_into().expect("the method's own response")),
            Reply::Refused(failure) => Err(failure),
            Reply::Stream(_) => panic!("a stream where one response was due"),
        }
    }

    pub(crate) fn subscribe<C: Call>(&self, call: C) -> Result<Items<C::Response>, CallFailure> {
        match self.send(call.into()) {
            Reply::Stream(stream) => Ok(Items { stream, item: core::marker::PhantomData }),
            Reply::Refused(failure) => Err(failure),
            Reply::One(_) => panic!("one response where a stream was due"),
        }
    }

    pub(crate) fn sign_in(&self, name: &str, password: &[u8]) -> Result<SignedIn, CallFailure> {
        self.sign_in_by(name, WAY_PASSWORD, password)
    }

    pub(crate) fn sign_in_by(&self, name: &str, way: u16, password: &[u8]) -> Result<SignedIn, CallFailure> {
        let mut entropy = Seeded::new(77);
        let started = ClientLogin::<OpaqueSuite>::start(&mut EntropyRng::new(&mut entropy), password).expect("starts");
        let request = started.message.serialize().to_vec();
        let answer = self.call(SignInStart { name: name.to_owned(), request, way })?;
        let response = CredentialResponse::deserialize(&answer.response).expect("a KE2");
        let account_name = AccountName::parse(name).expect("a name");
        let stretch = stretching(&answer.stretch).expect("in range");
        let parameters = ClientLoginFinishParameters::new(
            Some(OPAQUE_CONTEXT),
            opaque_identifiers(&account_name, &FINGERPRINT),
            Some(&stretch),
        );
        let finished = started.state.finish(&mut EntropyRng::new(&mut entropy), password, response, parameters);
        // A client that cannot open the envelope has nothing to prove; one that tries all the same sends something else.
        let finalization = finished.map_or(vec![0; 64], |finished| finished.message.serialize().to_vec());
        self.call(SignInFinish { finalization })
    }

    pub(crate) fn change_password(
        &self,
        name: &str,
        password: &[u8],
        wraps: Vec<VaultWrap>,
    ) -> Result<Done, CallFailure> {
        self.change_way(name, WAY_PASSWORD, password, wraps, Vec::new())
    }

    pub(crate) fn change_way(
        &self,
        name: &str,
        way: u16,
        secret: &[u8],
        wraps: Vec<VaultWrap>,
        records: Vec<VaultRecord>,
    ) -> Result<Done, CallFailure> {
        let (request, finish) = registration(name, secret);
        let started = self.call(PasswordStart { request, way })?;
        self.call(PasswordFinish { upload: finish(&started.response), stretch: STRETCH, wraps, way, records })
    }
}

/// A subscription's responses.
pub(crate) struct Items<T> {
    stream: futures::stream::BoxStream<'static, Result<Response, CallFailure>>,
    item: core::marker::PhantomData<T>,
}

impl<T: TryFrom<Response, Error = Response>> Items<T> {
    /// What is there now; `None` if the subscription waits.
    pub(crate) fn next(&mut self) -> Option<Result<T, CallFailure>> {
        use futures::{FutureExt as _, StreamExt as _};
        let item = self.stream.next().now_or_never()?.expect("asked no more after the end");
        Some(item.map(|response| response.try_into().expect("the method's own response")))
    }

    pub(crate) fn ended(&mut self) -> bool {
        use futures::{FutureExt as _, StreamExt as _};
        matches!(self.stream.next().now_or_never(), Some(None))
    }
}

type Finish = Box<dyn FnOnce(&[u8]) -> Vec<u8>>;

/// The client's half of an OPAQUE registration: the request, and what makes the upload of the response.
pub(crate) fn registration(name: &str, password: &[u8]) -> (Vec<u8>, Finish) {
    let mut entropy = Seeded::new(99);
    let started =
        ClientRegistration::<OpaqueSuite>::start(&mut EntropyRng::new(&mut entropy), password).expect("starts");
    let request = started.message.serialize().to_vec();
    let (name, password) = (AccountName::parse(name).expect("a name"), password.to_vec());
    let finish = move |response: &[u8]| {
        let response = RegistrationResponse::deserialize(response).expect("a response");
        let stretch = stretching(&STRETCH).expect("in range");
        let parameters =
            ClientRegistrationFinishParameters::new(opaque_identifiers(&name, &FINGERPRINT), Some(&stretch));
        let finished = started.state.finish(&mut EntropyRng::new(&mut entropy), &password, response, parameters);
        finished.expect("finishes").message.serialize().to_vec()
    };
    (request, Box::new(finish))
}

/// Somebody with an identity key and a first device.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) identity: IdentitySecretKey,
    pub(crate) device: DeviceSecretKey,
    pub(crate) device_id: DeviceId,
    pub(crate) part: VerifiedIdentity,
    pub(crate) entropy: Seeded,
}

impl Person {
    pub(crate) fn new(name: &'static str, seed: u64) -> Self {
        let mut entropy = Seeded::new(seed);
        let identity = IdentitySecretKey::generate(&mut entropy);
        let device = DeviceSecretKey::generate(&mut entropy);
        let device_id = DeviceId::new(random_array(&mut entropy));
        let mut draft = IdentityDraft {
            name: AccountName::parse(name).expect("a name"),
            serial: 1,
            time: Timestamp(1),
            inbox_key: InboxPublicKey::new([3; 1216]),
            devices: Vec::new(),
            removed: Vec::new(),
            vault_version: 1,
            vault_hash: Digest::new([4; 32]),
        };
        draft.add_device(&identity, device_id, device.public());
        let part = draft.sign(&identity, &mut entropy).expect("signs");
        Self { name, identity, device, device_id, part, entropy }
    }

    pub(crate) fn account(&self) -> AccountId {
        self.part.account()
    }

    /// The part that follows on the present one, changed by `change`.
    pub(crate) fn next_part(
        &mut self,
        change: impl FnOnce(&mut IdentityDraft, &IdentitySecretKey),
    ) -> VerifiedIdentity {
        let mut draft = self.part.next_draft(Timestamp(2));
        change(&mut draft, &self.identity);
        draft.sign(&self.identity, &mut self.entropy).expect("signs")
    }

    pub(crate) fn registering(&self, upload: Vec<u8>, invite: Option<String>) -> RegisterFinish {
        RegisterFinish {
            name: self.name.to_owned(),
            invite,
            upload,
            stretch: STRETCH,
            identity: identity_part(&self.part),
            key_package: key_package(&self.part, self.device_id, &self.device),
            wraps: vec![wrap(1)],
            records: vec![record(1, 1), record(2, 1)],
            recovery: None,
        }
    }

    /// Registers with a recovery key beside the password.
    pub(crate) fn register_recoverable(&self, sam: &Sam, recovery_key: &[u8]) -> Result<Done, CallFailure> {
        let line = sam.connect(ConnectionKind::Account);
        let ((request, finish), (recovery, finish_recovery)) =
            (registration(self.name, PASSWORD), registration(self.name, recovery_key));
        let start = RegisterStart { name: self.name.to_owned(), invite: None, request, recovery: Some(recovery) };
        let started = line.call(start)?;
        let mut request = self.registering(finish(&started.response), None);
        request.wraps.push(recovery_wrap(1));
        let upload = finish_recovery(&started.recovery.expect("answered along"));
        request.recovery = Some(OpaqueRecord { upload, stretch: RECOVERY_STRETCH });
        line.call(request)
    }

    pub(crate) fn register(&self, sam: &Sam) -> Result<Done, CallFailure> {
        self.register_with(sam, None)
    }

    pub(crate) fn register_with(&self, sam: &Sam, invite: Option<String>) -> Result<Done, CallFailure> {
        let line = sam.connect(ConnectionKind::Account);
        let (request, finish) = registration(self.name, PASSWORD);
        let started =
            line.call(RegisterStart { name: self.name.to_owned(), invite: invite.clone(), request, recovery: None })?;
        line.call(self.registering(finish(&started.response), invite))
    }

    pub(crate) fn authenticate(&self, line: &Line<'_>) -> Result<Done, CallFailure> {
        authenticate_as(line, self.account(), self.device_id, &self.device)
    }

    /// A connection on which the first device has authenticated.
    pub(crate) fn line<'a>(&self, sam: &'a Sam) -> Line<'a> {
        let line = sam.connect(ConnectionKind::Account);
        self.authenticate(&line).expect("authenticates");
        line
    }

    /// Takes a batch of tokens, unblinds them and checks the proof, as a client does.
    pub(crate) fn tokens(&mut self, line: &Line<'_>) -> Result<Vec<Token>, CallFailure> {
        let key = line.call(TokenKeys {})?.keys.remove(0);
        let challenge = Sha256::digest(Writer::labelled("qpc/1 token challenge").fixed(FINGERPRINT).finish());
        let mut nonces = Vec::new();
        let mut inputs = Vec::new();
        let mut states = Vec::new();
        let mut blinded = Vec::new();
        for _ in 0..TOKEN_BATCH {
            let nonce: [u8; 32] = random_array(&mut self.entropy);
            let input = [&5u16.to_be_bytes()[..], &nonce, &challenge, &Sha256::digest(&key.public_key)].concat();
            let mut rng = EntropyRng::new(&mut self.entropy);
            let blind = VoprfClient::<Ristretto255>::blind(&input, &mut rng).expect("blinds");
            nonces.push(nonce);
            inputs.push(input);
            states.push(blind.state);
            blinded.push(BlindedElement::serialize(&blind.message).to_vec());
        }
        let issued = line.call(TokenIssue { epoch: key.epoch, blinded })?;
        let evaluated: Vec<EvaluationElement<Ristretto255>> =
            issued.evaluated.iter().map(|bytes| EvaluationElement::deserialize(bytes).expect("a point")).collect();
        let proof = Proof::deserialize(&issued.proof).expect("two scalars");
        let public = Ristretto255::deserialize_elem(&key.public_key).expect("a point");
        let outputs =
            VoprfClient::batch_finalize(&inputs, &states, &evaluated, &proof, public).expect("the proof verifies");
        let token = |(nonce, output): ([u8; 32], Result<_, voprf::Error>)| {
            let authenticator: [u8; 64] = <[u8; 64]>::from(output.expect("an output"));
            Token { epoch: key.epoch, nonce: nonce.to_vec(), authenticator: authenticator.to_vec() }
        };
        Ok(nonces.into_iter().zip(outputs).map(token).collect())
    }
}

pub(crate) fn authenticate_as(
    line: &Line<'_>,
    account: AccountId,
    device: DeviceId,
    key: &DeviceSecretKey,
) -> Result<Done, CallFailure> {
    let text = authenticate_text(&FINGERPRINT, &line.challenge, &account, &device);
    line.call(Authenticate { account, device, signature: key.sign(&text).to_vec() })
}

pub(crate) fn identity_part(part: &VerifiedIdentity) -> IdentityPart {
    IdentityPart(part.signed_bytes().to_vec())
}

pub(crate) fn key_package(part: &VerifiedIdentity, device: DeviceId, key: &DeviceSecretKey) -> KeyPackagePart {
    let bytes = sign_key_package_part(part.account(), device, Timestamp(5), b"a KeyPackage", key).expect("fits");
    KeyPackagePart { device, bytes }
}

pub(crate) fn wrap(byte: u8) -> VaultWrap {
    VaultWrap { way: 1, sealed: vec![byte; 72] }
}

pub(crate) fn recovery_wrap(byte: u8) -> VaultWrap {
    VaultWrap { way: WAY_RECOVERY, sealed: vec![byte; 72] }
}

pub(crate) fn record(id: u32, version: u64) -> VaultRecord {
    VaultRecord { id, version, sealed: vec![7; 512] }
}

/// A channel as its members know it.
pub(crate) struct Room {
    pub(crate) channel: ChannelId,
    pub(crate) key: AccessSecretKey,
    pub(crate) last_commit: ChainPoint,
    next_id: u8,
}

impl Room {
    pub(crate) fn new(byte: u8) -> Self {
        let channel = ChannelId::new([byte; 32]);
        let last_commit = ChainPoint { position: 0, hash: quicprochat_wire::chain::start(&channel) };
        Self { channel, key: AccessSecretKey::from_seed(&[byte; 32]), last_commit, next_id: 0 }
    }

    pub(crate) fn creation(&self, token: Token) -> ChannelCreate {
        ChannelCreate {
            channel: self.channel,
            access: self.key.public(),
            group_info: b"GroupInfo 0".to_vec(),
            keyring: b"keyring 0".to_vec(),
            token,
        }
    }

    pub(crate) fn attach(&self, line: &Line<'_>) -> Result<ChannelState, CallFailure> {
        attach_with(line, self.channel, &self.key)
    }

    fn fresh_id(&mut self) -> MessageId {
        self.next_id += 1;
        MessageId::new([self.next_id; 16])
    }

    pub(crate) fn message(&mut self, content: &[u8]) -> ChannelEnqueue {
        let id = self.fresh_id();
        ChannelEnqueue {
            channel: self.channel,
            id,
            after_commit: self.last_commit,
            sealed: content.to_vec(),
            commit: None,
        }
    }

    pub(crate) fn commit(&mut self, content: &[u8]) -> ChannelEnqueue {
        let parts =
            CommitParts { group_info: [b"GroupInfo ", content].concat(), roll: None, tree: TreeChange::default() };
        ChannelEnqueue { commit: Some(parts), ..self.message(content) }
    }

    pub(crate) fn rolling(&mut self, content: &[u8], next: &AccessSecretKey) -> ChannelEnqueue {
        let roll = AccessRoll { access: next.public(), keyring: [b"keyring ", content].concat() };
        let parts = CommitParts {
            group_info: [b"GroupInfo ", content].concat(),
            roll: Some(roll),
            tree: TreeChange::default(),
        };
        ChannelEnqueue { commit: Some(parts), ..self.message(content) }
    }
}

pub(crate) fn attach_with(
    line: &Line<'_>,
    channel: ChannelId,
    key: &AccessSecretKey,
) -> Result<ChannelState, CallFailure> {
    let access = key.public();
    let text = attach_text(&FINGERPRINT, &line.challenge, &channel, &access);
    line.call(ChannelAttach { channel, access, signature: key.sign(&text).to_vec() })
}

/// Where an accepted entry stands.
pub(crate) fn accepted(outcome: Result<Enqueued, CallFailure>) -> ChainPoint {
    match outcome {
        Ok(Enqueued::Accepted { at, .. }) => at,
        other => panic!("not accepted: {other:?}"),
    }
}

pub(crate) fn refused<T>(code: ErrorCode) -> Result<T, CallFailure> {
    Err(code.into())
}
