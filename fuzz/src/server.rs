//! What a server takes of passwords and tokens before it knows anybody, and what it answers to clients.

use std::cell::OnceCell;
use std::sync::{Arc, OnceLock};

use futures::executor::block_on;
use quicprochat_client_core::tokens::{IssuerPin, IssuerPins, PendingBatch};
use quicprochat_identity::{
    EntropyRng, IdentityContent, OpaqueSuite, authenticate_text,
    password::{
        opaque_identifiers,
        opaque_ke::{ClientLogin, ClientRegistration, ClientRegistrationFinishParameters, RegistrationResponse},
        stretching,
    },
    sign_key_package_part,
};
use quicprochat_server_core::{Connection, Limits, Rate, Reply, Server, ServerConfig, store::memory::MemoryStore};
use quicprochat_wire::{
    Call, CallFailure, Challenge, ConnectionKind, Duration, ErrorCode, Request,
    call::{
        auth::{Authenticate, RegisterFinish, RegisterStart, SignInFinish, SignInStart, StretchParams},
        directory::{IdentityPart, KeyPackagePart},
        session::{Hello, Registration},
        token::{IssuerKeys, TokenIssue, TokenKeys, TokensIssued},
        vault::{VaultRecord, VaultWrap},
    },
    limits::{PROTOCOL_VERSION, TOKEN_BATCH},
};

use crate::{
    cast::{FINGERPRINT, NOW, cast, entropy},
    choice,
    testing::entropy::SeededEntropy,
    world::Account,
};

const PASSWORD: &[u8] = b"correct horse battery";
const STRETCH: StretchParams = StretchParams { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };
/// Bytes of a RegistrationResponse and of KE2.
const RESPONSE_BYTES: usize = 64;
const KE2_BYTES: usize = 320;

/// Where bob is registered and carol is not.
struct Sam {
    store: MemoryStore,
    server: Server,
}

impl Sam {
    fn on(store: MemoryStore) -> Self {
        let none = Rate::new(u32::MAX, Duration::from_secs(1));
        let limits = Limits {
            sign_ins_by_name: none,
            sign_ins_by_connection: none,
            registrations_by_connection: none,
            registrations: none,
            account_calls_by_connection: none,
            calls_by_account: none,
            tokens_per_day: u32::MAX / 32 * 32,
            ..Limits::default()
        };
        let registration = Registration::Open;
        let config = ServerConfig { host: "chat.example".to_owned(), fingerprint: FINGERPRINT, registration, limits };
        let entropy = Box::new(SeededEntropy::new(2));
        let server = block_on(Server::start(config, Arc::new(store.clone()), entropy)).expect("starts");
        Self { store, server }
    }

    fn with<T>(work: impl FnOnce(&Self) -> T) -> T {
        thread_local! {
            static SAM: OnceCell<Sam> = const { OnceCell::new() };
        }
        SAM.with(|sam| {
            work(sam.get_or_init(|| {
                let sam = Self::on(MemoryStore::new());
                let line = sam.line();
                let upload = line.upload(&cast().bob.identity);
                line.call(finish(&cast().bob, upload)).expect("registers");
                sam
            }))
        })
    }

    fn line(&self) -> Line<'_> {
        let mut line = Line { sam: self, connection: self.server.open(), challenge: Challenge::new([0; 32]) };
        let hello = Hello { version: PROTOCOL_VERSION, kind: ConnectionKind::Account };
        line.challenge = line.call(hello).expect("welcome").challenge;
        line
    }
}

struct Line<'a> {
    sam: &'a Sam,
    connection: Connection,
    challenge: Challenge,
}

impl Line<'_> {
    /// Nothing that a client sends is the server's fault.
    fn call<C: Call>(&self, call: C) -> Result<C::Response, CallFailure> {
        let request: Request = call.into();
        match block_on(self.sam.server.handle(&self.connection, request, NOW)) {
            Reply::One(response) => Ok(response.try_into().expect("the method's own response")),
            Reply::Refused(failure) => {
                assert!(failure.code != ErrorCode::Internal && failure.code != ErrorCode::RateLimited, "{failure:?}");
                Err(failure)
            }
            Reply::Stream(_) => panic!("a stream where one response was due"),
        }
    }

    /// Begins a registration and makes the upload that belongs to it.
    fn upload(&self, identity: &IdentityContent) -> Vec<u8> {
        let mut entropy = entropy();
        let started =
            ClientRegistration::<OpaqueSuite>::start(&mut EntropyRng::new(&mut entropy), PASSWORD).expect("starts");
        let request = started.message.serialize().to_vec();
        let name = identity.name();
        let answer = self
            .call(RegisterStart { name: name.to_string(), invite: None, request, recovery: None })
            .expect("answers");
        let response = RegistrationResponse::deserialize(&answer.response).expect("a response");
        let stretch = stretching(&STRETCH).expect("in range");
        let parameters =
            ClientRegistrationFinishParameters::new(opaque_identifiers(name, &FINGERPRINT), Some(&stretch));
        let finished = started.state.finish(&mut EntropyRng::new(&mut entropy), PASSWORD, response, parameters);
        finished.expect("finishes").message.serialize().to_vec()
    }
}

fn finish(account: &Account, upload: Vec<u8>) -> RegisterFinish {
    let (identity, own) = (&account.identity, account.own(0));
    let bytes = sign_key_package_part(own.account, own.device, NOW, b"a KeyPackage", &own.secret).expect("fits");
    RegisterFinish {
        name: identity.name().to_string(),
        invite: None,
        upload,
        recovery: None,
        stretch: STRETCH,
        identity: IdentityPart(identity.signed_bytes().to_vec()),
        key_package: KeyPackagePart { device: own.device, bytes },
        wraps: vec![VaultWrap { way: 1, sealed: vec![1; 72] }],
        records: vec![VaultRecord { id: 1, version: 1, sealed: vec![7; 512] }],
    }
}

fn registration_request() -> Vec<u8> {
    let mut entropy = entropy();
    let started = ClientRegistration::<OpaqueSuite>::start(&mut EntropyRng::new(&mut entropy), PASSWORD);
    started.expect("starts").message.serialize().to_vec()
}

fn carol_upload() -> Vec<u8> {
    static UPLOAD: OnceLock<Vec<u8>> = OnceLock::new();
    UPLOAD.get_or_init(|| Sam::with(|sam| sam.line().upload(&cast().carol.identity))).clone()
}

/// Bit 0: the bytes are a RegistrationRequest, or a RegistrationUpload. An upload that is taken makes a record that a sign-in
/// can be answered from.
pub fn registration(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let name = || "carol".to_owned();
    let start =
        |request: &[u8]| RegisterStart { name: name(), invite: None, request: request.to_vec(), recovery: None };
    if how & 1 == 0 {
        return Sam::with(|sam| {
            if let Ok(answer) = sam.line().call(start(bytes)) {
                assert_eq!(answer.response.len(), RESPONSE_BYTES);
            }
        });
    }
    let sam = Sam::with(|sam| Sam::on(sam.store.snapshot()));
    let line = sam.line();
    line.call(start(&registration_request())).expect("answers");
    if line.call(finish(&cast().carol, bytes.to_vec())).is_ok() {
        let answer = sam.line().call(SignInStart { name: name(), request: ke1(), way: 1 }).expect("answers");
        assert_eq!(answer.response.len(), KE2_BYTES);
    }
}

pub(crate) fn registration_seeds() -> Vec<Vec<u8>> {
    vec![choice(0, &registration_request()), choice(1, &carol_upload())]
}

fn ke1() -> Vec<u8> {
    static KE1: OnceLock<Vec<u8>> = OnceLock::new();
    let start = || {
        let mut entropy = entropy();
        let started = ClientLogin::<OpaqueSuite>::start(&mut EntropyRng::new(&mut entropy), PASSWORD);
        started.expect("starts").message.serialize().to_vec()
    };
    KE1.get_or_init(start).clone()
}

/// Bit 0: the bytes are KE1, or KE3. The first is answered alike for a name that exists and one that does not; the second
/// never signs in.
pub fn sign_in(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let start = |name: &str, request: &[u8]| SignInStart { name: name.to_owned(), request: request.to_vec(), way: 1 };
    Sam::with(|sam| {
        if how & 1 == 0 {
            let answers = ["bob", "nobody"].map(|name| sam.line().call(start(name, bytes)));
            let lengths = answers.map(|answer| answer.map(|answer| answer.response.len()));
            assert_eq!(lengths[0], lengths[1]);
            assert!(lengths[0].as_ref().is_ok_and(|len| *len == KE2_BYTES) || lengths[0].is_err());
        } else {
            let line = sam.line();
            line.call(start("bob", &ke1())).expect("answers");
            let refused = line.call(SignInFinish { finalization: bytes.to_vec() });
            assert_eq!(refused.map(drop).map_err(|failure| failure.code), Err(ErrorCode::SignInFailed));
        }
    });
}

pub(crate) fn sign_in_seeds() -> Vec<Vec<u8>> {
    vec![choice(0, &ke1()), choice(1, &[5; 64])]
}

/// Sam's token key, pinned.
pub(crate) fn issuer_pin() -> (IssuerPins, IssuerPin) {
    let keys = Sam::with(|sam| bob_line(sam).1);
    let mut pins = IssuerPins::default();
    pins.admit(&keys).expect("valid keys");
    let pin = *pins.newest().expect("a key");
    (pins, pin)
}

fn bob_line(sam: &Sam) -> (Line<'_>, IssuerKeys) {
    let (line, own) = (sam.line(), cast().bob.own(0));
    let text = authenticate_text(&FINGERPRINT, &line.challenge, &own.account, &own.device);
    let signature = own.secret.sign(&text).to_vec();
    line.call(Authenticate { account: own.account, device: own.device, signature }).expect("authenticates");
    let keys = line.call(TokenKeys {}).expect("keys");
    (line, keys)
}

struct Batch {
    pin: IssuerPin,
    request: TokenIssue,
    issued: TokensIssued,
}

fn batch() -> &'static Batch {
    static BATCH: OnceLock<Batch> = OnceLock::new();
    BATCH.get_or_init(|| {
        let pin = issuer_pin().1;
        let (request, _) = PendingBatch::request(&pin, &FINGERPRINT, &mut entropy()).expect("blinds");
        let issued = Sam::with(|sam| bob_line(sam).0.call(request.clone())).expect("issues");
        Batch { pin, request, issued }
    })
}

fn elements(bytes: &[u8], last: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (elements, rest) = bytes.split_at(bytes.len().saturating_sub(last));
    (elements.chunks(32).map(<[u8]>::to_vec).collect(), rest.to_vec())
}

/// Bit 0: the bytes are the blinded elements of a request, or the elements and proof of an answer. What the server issues has
/// one element for each; a client takes only what was issued.
pub fn tokens(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let batch = batch();
    if how & 1 == 0 {
        let (blinded, _) = elements(bytes, 0);
        let count = blinded.len();
        let request = TokenIssue { epoch: batch.request.epoch, blinded };
        if let Ok(issued) = Sam::with(|sam| bob_line(sam).0.call(request)) {
            assert_eq!((issued.evaluated.len(), issued.proof.len(), count), (TOKEN_BATCH, 64, TOKEN_BATCH));
        }
        return;
    }
    let (evaluated, proof) = elements(bytes, 64);
    let issued = TokensIssued { evaluated, proof };
    let (_, pending) = PendingBatch::request(&batch.pin, &FINGERPRINT, &mut entropy()).expect("blinds");
    match pending.finish(&issued) {
        // A proof is one of many, the elements are not.
        Ok(tokens) => assert_eq!((tokens.len(), &issued.evaluated), (TOKEN_BATCH, &batch.issued.evaluated)),
        Err(_) => assert_ne!(issued, batch.issued),
    }
}

pub(crate) fn tokens_seeds() -> Vec<Vec<u8>> {
    let batch = batch();
    let answer = [batch.issued.evaluated.concat(), batch.issued.proof.clone()].concat();
    vec![choice(0, &batch.request.blinded.concat()), choice(1, &answer)]
}
