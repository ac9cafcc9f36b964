//! Accounts that exist before a world begins: registered for real, once a process, and copied into each world.

use std::sync::OnceLock;

use quicprochat_client_core::{
    auth::{DeviceAccount, Password, Registration, SignIn, authenticate, rotate_key_package},
    store::{KeyPackageState, MemoryStore, OwnKeyPackage, StoreTx as _},
};
use quicprochat_e2ee::mls::{OwnDevice, Provider, Suite, new_key_package};
use quicprochat_identity::AccountName;
use quicprochat_server_core::{Limits, ServerConfig, store::memory::MemoryStore as ServerStore};
use quicprochat_wire::{
    AccountId, Call, Challenge, ConnectionKind, DeviceId, Fingerprint, Request, Response, ServerLink, Timestamp,
    call::{
        auth::{RegisterStart, SignInFinish, SignInStart},
        directory::KeyPackagePart,
        session::{Hello, Registration as RegistrationMode},
        vault::VaultFetch,
    },
    limits::PROTOCOL_VERSION,
};

use crate::{
    chance::SeededEntropy,
    server::{Answered, ConnId, Host, Tag},
};

/// When every world begins.
pub const START: Timestamp = Timestamp(1_790_000_000_000);
/// The key that the server of every world shows.
pub const FINGERPRINT: Fingerprint = Fingerprint::new([0x5A; 32]);
/// Names of the accounts; the first two have a second device.
pub const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

const HOST: &str = "sim.example";
const SECOND_DEVICES: usize = 2;

/// A device as it is after registration or enrolment.
pub(crate) struct PreparedDevice {
    pub(crate) person: usize,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) store: MemoryStore,
}

/// Everything there is before a world begins.
pub(crate) struct Prepared {
    pub(crate) server: ServerStore,
    /// First devices in the order of [`NAMES`], then the second ones.
    pub(crate) devices: Vec<PreparedDevice>,
}

/// The configuration of the server of every world.
pub(crate) fn config(limits: Limits) -> ServerConfig {
    ServerConfig { host: HOST.to_owned(), fingerprint: FINGERPRINT, registration: RegistrationMode::Open, limits }
}

/// Registers everybody on first use.
pub(crate) fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| Registrar::new().run())
}

struct Registrar {
    host: Host,
    entropy: SeededEntropy,
    connections: u64,
    /// Of the last connection.
    challenge: Challenge,
}

impl Registrar {
    fn new() -> Self {
        let host = Host::new(config(Limits::default()), ServerStore::new(), 0);
        Self { host, entropy: SeededEntropy::new("people", 0), connections: 0, challenge: Challenge::new([0; 32]) }
    }

    fn run(mut self) -> Prepared {
        let mut devices: Vec<_> = NAMES.iter().enumerate().map(|(person, name)| self.register(person, name)).collect();
        let seconds = NAMES.iter().enumerate().take(SECOND_DEVICES);
        let seconds: Vec<_> = seconds.map(|(person, name)| self.enrol(person, name)).collect();
        for (second, identity) in seconds {
            let first = devices.iter_mut().find(|first| first.person == second.person).expect("registered");
            self.adopt(first, identity);
            devices.push(second);
        }
        Prepared { server: self.host.store().snapshot(), devices }
    }

    fn register(&mut self, person: usize, name: &str) -> PreparedDevice {
        let conn = self.connect();
        let (start, registration) =
            Registration::start(parse(name), password(name), None, &mut self.entropy).expect("a strong password");
        let start: RegisterStart = start;
        let answer = self.call(conn, start);
        let prepared = registration
            .prepare(&answer, &FINGERPRINT, "first", START, &mut self.entropy)
            .expect("the server's answer is good");
        let own = prepared.own_device().expect("names its device");
        let mut store = MemoryStore::new();
        let key_package = self.key_package(&mut store, &own);
        let (finish, account) = prepared.finish(&key_package, START).expect("fits its row");
        let part = finish.key_package.clone();
        self.call(conn, finish);
        keep(&mut store, &account, key_package, &part);
        PreparedDevice { person, account: account.account(), device: account.device, store }
    }

    /// Enrols a second device; returns it and the new identity part.
    fn enrol(&mut self, person: usize, name: &str) -> (PreparedDevice, Vec<u8>) {
        let conn = self.connect();
        let (start, sign_in) = SignIn::start(parse(name), password(name), &mut self.entropy).expect("begins");
        let start: SignInStart = start;
        let answer = self.call(conn, start);
        let (finish, proved) = sign_in.prove(&answer, &FINGERPRINT, &mut self.entropy).expect("the right password");
        let finish: SignInFinish = finish;
        let signed_in = self.call(conn, finish);
        let unwrapped = proved.unwrap(&signed_in).expect("its own vault");
        let (record, fetch) = unwrapped.requests();
        let record = self.call(conn, record);
        let fetch: VaultFetch = fetch;
        let records = self.call(conn, fetch);
        let vault = unwrapped.open(&record, &records, None).expect("a sound vault");
        let prepared = vault.enrol("second", START, &mut self.entropy).expect("room for a device");
        let own = prepared.own_device().expect("names its device");
        let mut store = MemoryStore::new();
        let key_package = self.key_package(&mut store, &own);
        let (publish, account) = prepared.finish(&key_package, START).expect("fits its row");
        let part = publish.key_packages.first().expect("of the new device").clone();
        let identity = publish.identity.0.clone();
        self.call(conn, publish);
        keep(&mut store, &account, key_package, &part);
        (PreparedDevice { person, account: account.account(), device: account.device, store }, identity)
    }

    /// Lets a first device know the identity part that names the second one, and publish a KeyPackage that goes with it.
    fn adopt(&mut self, first: &mut PreparedDevice, identity: Vec<u8>) {
        let store = &mut first.store;
        let tx = store.begin().expect("nobody else is there");
        let mut row = tx.account().own_account().expect("readable").expect("registered");
        row.identity = identity;
        tx.account().put_own_account(&row).expect("in memory");
        for package in tx.upkeep().key_packages().expect("in memory") {
            tx.upkeep().delete_key_package(&package.key_package).expect("in memory");
        }
        tx.commit();
        let account = DeviceAccount::from_stored(&row).expect("its own row");
        let key_package = self.key_package(store, &account.own_device().expect("names its device"));
        let publish = rotate_key_package(account.account(), account.device, &account.device_key, &key_package, START)
            .expect("fits its row");
        let conn = self.connect();
        let challenge = self.challenge;
        self.call(conn, authenticate(&FINGERPRINT, &challenge, account.account(), account.device, &account.device_key));
        let part = publish.part.clone();
        self.call(conn, publish);
        keep(store, &account, key_package, &part);
    }

    fn key_package(&mut self, store: &mut MemoryStore, own: &OwnDevice) -> Vec<u8> {
        let tx = store.begin().expect("nobody else is there");
        let provider = Provider::new(tx.mls(), &mut self.entropy);
        let key_package = new_key_package(&provider, own, Suite::Hybrid).expect("makes a KeyPackage");
        drop(provider);
        tx.commit();
        key_package
    }

    fn connect(&mut self) -> ConnId {
        self.connections += 1;
        let conn = ConnId(self.connections);
        assert!(self.host.open(conn), "the server is up");
        self.challenge = self.call(conn, Hello { version: PROTOCOL_VERSION, kind: ConnectionKind::Account }).challenge;
        conn
    }

    fn call<C: Call>(&mut self, conn: ConnId, call: C) -> C::Response {
        let request: Request = call.into();
        self.host.call(conn, Tag::Hello, request, START);
        let mut said = self.host.poll();
        while self.host.is_writing() {
            self.host.sync();
            said.extend(self.host.poll());
        }
        let response: Response = match said.pop().map(|said| said.what) {
            Some(Answered::Response(response)) => response,
            other => unreachable!("a registration without faults was answered with {other:?}"),
        };
        C::Response::try_from(response).unwrap_or_else(|other| unreachable!("a call was answered with {other:?}"))
    }
}

fn parse(name: &str) -> AccountName {
    AccountName::parse(name).expect("a valid name")
}

fn password(name: &str) -> Password {
    Password::new(format!("the long password that {name} keeps"))
}

/// Stores what a fresh device has.
fn keep(store: &mut MemoryStore, account: &DeviceAccount, key_package: Vec<u8>, part: &KeyPackagePart) {
    let link = ServerLink::new(HOST, 4433, FINGERPRINT).expect("a valid link");
    let row = account.to_stored(link, HOST.to_owned()).expect("names its device");
    let package =
        OwnKeyPackage { key_package, part: part.bytes.clone(), made: START, state: KeyPackageState::Published };
    let tx = store.begin().expect("nobody else is there");
    tx.account().put_own_account(&row).expect("in memory");
    tx.upkeep().put_key_package(&package).expect("in memory");
    tx.commit();
}
