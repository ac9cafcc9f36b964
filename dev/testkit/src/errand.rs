//! What a person does with a password, at one go: registering, enrolling and revoking devices, deleting the account.

use quicprochat_client_core::{
    auth::{
        DeviceAccount, OpenVault, Password, Registration, SignIn, authenticate, delete_account, rotate_key_package,
    },
    store::{KeyPackageState, MemoryStore, OwnKeyPackage, RevocationJob, StoreTx as _},
};
use quicprochat_e2ee::mls::{OwnDevice, Provider, Suite, new_key_package};
use quicprochat_identity::AccountName;
use quicprochat_wire::{
    AccountId, Call, CallFailure, Challenge, ConnectionKind, DeviceId, Request, Response, ServerLink, Timestamp,
    call::{
        auth::{Authenticate, RegisterStart, SignInFinish, SignInStart},
        directory::{KeyPackagePart, Record},
        session::Hello,
        vault::VaultFetch,
    },
    limits::PROTOCOL_VERSION,
};

use crate::{
    chance::SeededEntropy,
    people::{FINGERPRINT, HOST},
    server::{Answered, ConnId, Host, Tag},
};

/// Whom an errand asks.
pub(crate) trait Counter {
    /// A new connection; `None` if nobody is there.
    fn open(&mut self) -> Option<ConnId>;
    /// The answer to a call; `None` if it does not come.
    fn ask(&mut self, conn: ConnId, request: Request) -> Option<Result<Response, CallFailure>>;
    /// The connection is over.
    fn close(&mut self, conn: ConnId);
}

/// A device as it is after registration or enrolment.
pub(crate) struct Enrolled {
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) store: MemoryStore,
}

/// Or, in words, why not.
pub(crate) type Outcome<T> = Result<T, String>;

/// Somebody on a connection of their own.
pub(crate) struct Errand<'a> {
    counter: &'a mut dyn Counter,
    entropy: &'a mut SeededEntropy,
    now: Timestamp,
    conn: ConnId,
    challenge: Challenge,
}

impl Drop for Errand<'_> {
    fn drop(&mut self) {
        self.counter.close(self.conn);
    }
}

impl<'a> Errand<'a> {
    pub(crate) fn begin(counter: &'a mut dyn Counter, entropy: &'a mut SeededEntropy, now: Timestamp) -> Outcome<Self> {
        let conn = counter.open().ok_or("the server is away")?;
        let mut errand = Self { counter, entropy, now, conn, challenge: Challenge::new([0; 32]) };
        errand.challenge = errand.call(Hello { version: PROTOCOL_VERSION, kind: ConnectionKind::Account })?.challenge;
        Ok(errand)
    }

    /// A new account with its first device.
    pub(crate) fn register(mut self, name: &str) -> Outcome<Enrolled> {
        let started = Registration::start(parse(name)?, password(name), None, self.entropy).map_err(words)?;
        let (start, registration): (RegisterStart, _) = started;
        let answer = self.call(start)?;
        let prepared = registration.prepare(&answer, &FINGERPRINT, "first", self.now, self.entropy).map_err(words)?;
        let own = prepared.own_device().map_err(words)?;
        let mut store = MemoryStore::new();
        let key_package = self.key_package(&mut store, &own);
        let (finish, account) = prepared.finish(&key_package, self.now).map_err(words)?;
        let part = finish.key_package.clone();
        self.call(finish)?;
        self.keep(&mut store, &account, key_package, &part);
        Ok(Enrolled { account: account.account(), device: account.device, store })
    }

    /// One device more; also returns the new identity part.
    pub(crate) fn enrol(mut self, name: &str, label: &str) -> Outcome<(Enrolled, Vec<u8>)> {
        let (vault, _) = self.open_vault(name)?;
        let prepared = vault.enrol(label, self.now, self.entropy).map_err(words)?;
        let own = prepared.own_device().map_err(words)?;
        let mut store = MemoryStore::new();
        let key_package = self.key_package(&mut store, &own);
        let (publish, account) = prepared.finish(&key_package, self.now).map_err(words)?;
        let part = publish.key_packages.first().ok_or("a device comes with its KeyPackage")?.clone();
        let identity = publish.identity.0.clone();
        self.call(publish)?;
        self.keep(&mut store, &account, key_package, &part);
        Ok((Enrolled { account: account.account(), device: account.device, store }, identity))
    }

    /// Revokes a device on another of its account. Not done if a remaining device would have to sign in again.
    pub(crate) fn revoke(mut self, name: &str, store: &mut MemoryStore, device: DeviceId) -> Outcome<()> {
        let (vault, record) = self.open_vault(name)?;
        let (request, rolled) = vault.revoke(device, &record, self.now, self.entropy).map_err(words)?;
        if !rolled.without_handover().is_empty() {
            return Err("a device would be left behind".to_owned());
        }
        self.call(request)?;
        let tx = store.begin().expect("no transaction is open between two steps");
        let row = tx.account().own_account().expect("in memory").ok_or("a device has its account")?;
        let own = rolled.apply(&DeviceAccount::from_stored(&row).map_err(words)?).map_err(words)?;
        let next = own.to_stored(row.server.clone(), row.host).map_err(words)?;
        tx.account().put_own_account(&next).expect("in memory");
        tx.upkeep().put_revocation_job(&RevocationJob { device, since: self.now }).expect("in memory");
        tx.commit();
        Ok(())
    }

    /// The account goes.
    pub(crate) fn delete(mut self, name: &str) -> Outcome<()> {
        self.open_vault(name)?;
        self.call(delete_account()).map(drop)
    }

    /// Lets a device know the identity part that another enrolment made, and publish a KeyPackage that goes with it.
    pub(crate) fn adopt(mut self, store: &mut MemoryStore, identity: &[u8]) -> Outcome<()> {
        let tx = store.begin().expect("nobody else is there");
        let mut row = tx.account().own_account().expect("in memory").ok_or("a device has its account")?;
        row.identity = identity.to_vec();
        tx.account().put_own_account(&row).expect("in memory");
        for package in tx.upkeep().key_packages().expect("in memory") {
            tx.upkeep().delete_key_package(&package.key_package).expect("in memory");
        }
        tx.commit();
        let account = DeviceAccount::from_stored(&row).map_err(words)?;
        let key_package = self.key_package(store, &account.own_device().map_err(words)?);
        let (of, device) = (account.account(), account.device);
        let publish = rotate_key_package(of, device, &account.device_key, &key_package, self.now).map_err(words)?;
        self.call(authenticate(&FINGERPRINT, &self.challenge.clone(), of, device, &account.device_key))?;
        let part = publish.part.clone();
        self.call(publish)?;
        self.keep(store, &account, key_package, &part);
        Ok(())
    }

    /// Whether the server signs a device in with the key in its store.
    pub(crate) fn signs_in(mut self, store: &mut MemoryStore) -> Outcome<()> {
        let tx = store.begin().expect("no transaction is open between two steps");
        let row = tx.account().own_account().expect("in memory").ok_or("a device has its account")?;
        drop(tx);
        let key = quicprochat_identity::DeviceSecretKey::from_bytes(row.device_key.expose());
        let call: Authenticate = authenticate(&FINGERPRINT, &self.challenge.clone(), row.account, row.device, &key);
        self.call(call).map(drop)
    }

    fn open_vault(&mut self, name: &str) -> Outcome<(OpenVault, Record)> {
        let started = SignIn::start(parse(name)?, password(name), self.entropy).map_err(words)?;
        let (start, sign_in): (SignInStart, _) = started;
        let answer = self.call(start)?;
        let proof = sign_in.prove(&answer, &FINGERPRINT, self.entropy).map_err(words)?;
        let (finish, proved): (SignInFinish, _) = proof;
        let signed_in = self.call(finish)?;
        let unwrapped = proved.unwrap(&signed_in).map_err(words)?;
        let (record, fetch) = unwrapped.requests();
        let fetch: VaultFetch = fetch;
        let record = self.call(record)?;
        let records = self.call(fetch)?;
        let vault = unwrapped.open(&record, &records, None).map_err(words)?;
        Ok((vault, record))
    }

    fn key_package(&mut self, store: &mut MemoryStore, own: &OwnDevice) -> Vec<u8> {
        let tx = store.begin().expect("nobody else is there");
        let provider = Provider::new(tx.mls(), self.entropy);
        let key_package = new_key_package(&provider, own, Suite::Hybrid).expect("makes a KeyPackage");
        drop(provider);
        tx.commit();
        key_package
    }

    /// Stores what a fresh device has.
    fn keep(&self, store: &mut MemoryStore, account: &DeviceAccount, key_package: Vec<u8>, part: &KeyPackagePart) {
        let link = ServerLink::new(HOST, 4433, FINGERPRINT).expect("a valid link");
        let row = account.to_stored(link, HOST.to_owned()).expect("names its device");
        let (part, state) = (part.bytes.clone(), KeyPackageState::Published);
        let package = OwnKeyPackage { key_package, part, made: self.now, state };
        let tx = store.begin().expect("nobody else is there");
        tx.account().put_own_account(&row).expect("in memory");
        tx.upkeep().put_key_package(&package).expect("in memory");
        tx.commit();
    }

    pub(crate) fn call<C: Call>(&mut self, call: C) -> Outcome<C::Response> {
        match self.counter.ask(self.conn, call.into()) {
            Some(Ok(response)) => C::Response::try_from(response).map_err(|other| format!("answered with {other:?}")),
            Some(Err(failure)) => Err(failure.to_string()),
            None => Err("the server died".to_owned()),
        }
    }
}

/// A server that nobody else uses, and that nothing befalls.
pub(crate) struct Alone<'a> {
    pub(crate) host: &'a mut Host,
    pub(crate) connections: &'a mut u64,
    pub(crate) now: Timestamp,
}

impl Counter for Alone<'_> {
    fn open(&mut self) -> Option<ConnId> {
        *self.connections += 1;
        let conn = ConnId(*self.connections);
        self.host.open(conn).then_some(conn)
    }

    fn ask(&mut self, conn: ConnId, request: Request) -> Option<Result<Response, CallFailure>> {
        self.host.call(conn, Tag::Hello, request, self.now);
        let mut said = self.host.poll();
        while self.host.is_writing() {
            self.host.sync();
            said.extend(self.host.poll());
        }
        match said.pop()?.what {
            Answered::Response(response) => Some(Ok(response)),
            Answered::Refused(failure) => Some(Err(failure)),
        }
    }

    fn close(&mut self, conn: ConnId) {
        self.host.close(conn);
    }
}

fn parse(name: &str) -> Outcome<AccountName> {
    AccountName::parse(name).map_err(words)
}

fn password(name: &str) -> Password {
    Password::new(format!("the long password that {name} keeps"))
}

fn words(error: impl core::fmt::Display) -> String {
    error.to_string()
}
