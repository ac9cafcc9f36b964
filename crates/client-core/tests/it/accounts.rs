//! Accounts of the world: registered, enrolled, revoked and deleted by the real ceremonies.

use quicprochat_client_core::{
    StoreTx as _,
    auth::{
        CeremonyError, DeviceAccount, OpenVault, Password, Registration, RolledVault, SignIn, UnwrappedVault,
        delete_account,
    },
    store::{KeyPackageState, MemoryStore, OwnKeyPackage, RevocationJob},
};
use quicprochat_e2ee::mls::{OwnDevice, Provider, Suite, new_key_package};
use quicprochat_identity::AccountName;
use quicprochat_server_core::Connection;
use quicprochat_wire::{
    CallFailure, ConnectionKind, DeviceId, Response, ServerLink,
    call::{
        Done,
        auth::Authenticate,
        directory::{KeyPackagePart, OwnRecord, Record},
        vault::{VaultFetch, VaultRecords},
    },
};

use crate::world::{Client, FINGERPRINT, Seeded, World};

const PASSWORD: &str = "a long enough pass phrase";
const DONE: Response = Response::Done(Done);

fn password() -> Password {
    Password::new(PASSWORD.to_owned())
}

fn name_of(name: &str) -> AccountName {
    AccountName::parse(name).expect("a name")
}

/// A KeyPackage, its private part in the store.
fn key_package(store: &mut MemoryStore, own: &OwnDevice, entropy: &mut Seeded) -> Vec<u8> {
    let tx = store.begin().expect("opens");
    let package = new_key_package(&Provider::new(tx.mls(), entropy), own, Suite::Hybrid).expect("a KeyPackage");
    tx.commit();
    package
}

/// What the server shows to whoever has proved the password.
struct Shown {
    connection: Connection,
    vault: UnwrappedVault,
    record: Record,
    records: VaultRecords,
}

impl World {
    /// A new account of this name and its client; one of that name that was there before is forgotten.
    pub(crate) fn register(&mut self, name: &'static str) {
        self.clients.retain(|client| client.name != name);
        let seed = self.next_seed();
        let mut entropy = Seeded::new(seed);
        let mut store = MemoryStore::new();
        let connection = self.connect(ConnectionKind::Account);
        let (request, registration) =
            Registration::start(name_of(name), password(), None, &mut entropy).expect("starts");
        let Response::RegisterStarted(started) = self.ask(&connection, request.into()) else { panic!("no start") };
        let prepared =
            registration.prepare(&started, &FINGERPRINT, "device", self.now, &mut entropy).expect("prepares");
        let package = key_package(&mut store, &prepared.own_device().expect("own device"), &mut entropy);
        let (request, account) = prepared.finish(&package, self.now).expect("finishes");
        self.keep(&mut store, &account, package, &request.key_package);
        assert_eq!(self.ask(&connection, request.into()), DONE);
        self.clients.push(Client::new(name, store, seed));
    }

    /// Writes down who the device is.
    fn keep(&self, store: &mut MemoryStore, account: &DeviceAccount, key_package: Vec<u8>, part: &KeyPackagePart) {
        let link = ServerLink::new("chat.example", 4433, FINGERPRINT).expect("a link");
        let tx = store.begin().expect("opens");
        let row = account.to_stored(link, "chat.example".to_owned()).expect("a row");
        tx.account().put_own_account(&row).expect("stores");
        let state = KeyPackageState::Published;
        let package = OwnKeyPackage { key_package, part: part.bytes.clone(), made: self.now, state };
        tx.upkeep().put_key_package(&package).expect("stores");
        tx.commit();
    }

    /// A connection that is signed in with the password, and the vault.
    pub(crate) fn sign_in(&mut self, name: &str) -> (Connection, OpenVault, Record) {
        let Shown { connection, vault, record, records } = self.unwrap_vault(name);
        let vault = vault.open(&record, &records, None).expect("opens");
        (connection, vault, record)
    }

    /// What a client's device knows of its account.
    pub(crate) fn device(&mut self, name: &str) -> DeviceAccount {
        let tx = self.client(name).store.begin().expect("opens");
        DeviceAccount::from_stored(&tx.account().own_account().expect("reads").expect("there")).expect("reads")
    }

    /// What comes of signing in on a device that knows the account, without a person's leave to find an older record.
    pub(crate) fn sign_in_knowing(&mut self, account: &str, from: &str) -> Result<(), CeremonyError> {
        let known = self.device(from).identity;
        let Shown { vault, record, records, .. } = self.unwrap_vault(account);
        vault.open(&record, &records, Some(&known)).map(drop)
    }

    /// Signs the account's record anew, from the client of that name, because the server was put back. Returns who was revoked.
    pub(crate) fn renew_record(&mut self, account: &str, from: &str) -> Result<Vec<DeviceId>, CeremonyError> {
        let own = self.device(from);
        let Shown { connection, vault, record, records } = self.unwrap_vault(account);
        let vault = vault.open_older(&record, &records, &own)?;
        let mut entropy = Seeded::new(self.next_seed());
        let (request, renewed) = vault.renew_record(&own, &record, self.now, &mut entropy)?;
        assert_eq!(self.ask(&connection, request.into()), DONE);
        let gone = renewed.gone().to_vec();
        self.keep_rolled(from, renewed, &gone);
        Ok(gone)
    }

    fn unwrap_vault(&mut self, name: &str) -> Shown {
        let mut entropy = Seeded::new(self.next_seed());
        let connection = self.connect(ConnectionKind::Account);
        let (request, exchange) = SignIn::start(name_of(name), password(), &mut entropy).expect("starts");
        let Response::SignInStarted(started) = self.ask(&connection, request.into()) else { panic!("no start") };
        let (request, proved) = exchange.prove(&started, &FINGERPRINT, &mut entropy).expect("proves");
        let Response::SignedIn(signed_in) = self.ask(&connection, request.into()) else { panic!("not signed in") };
        let vault = proved.unwrap(&signed_in).expect("unwraps");
        let Response::Record(record) = self.ask(&connection, OwnRecord {}.into()) else { panic!("no record") };
        let fetch = VaultFetch { ids: Vec::new() };
        let Response::VaultRecords(records) = self.ask(&connection, fetch.into()) else { panic!("no vault") };
        Shown { connection, vault, record, records }
    }

    /// Removes an account from the server.
    pub(crate) fn delete_account(&mut self, name: &str) {
        let (connection, _, _) = self.sign_in(name);
        assert_eq!(self.ask(&connection, delete_account().into()), DONE);
    }

    /// A further device of an account, as a client of another name.
    pub(crate) fn enrol(&mut self, account: &str, name: &'static str) -> DeviceId {
        let (connection, vault, _) = self.sign_in(account);
        let seed = self.next_seed();
        let mut entropy = Seeded::new(seed);
        let mut store = MemoryStore::new();
        let prepared = vault.enrol("another", self.now, &mut entropy).expect("enrols");
        let package = key_package(&mut store, &prepared.own_device().expect("own device"), &mut entropy);
        let (request, account) = prepared.finish(&package, self.now).expect("finishes");
        self.keep(&mut store, &account, package, &request.key_packages[0]);
        assert_eq!(self.ask(&connection, request.into()), DONE);
        self.clients.push(Client::new(name, store, seed));
        account.device
    }

    /// Revokes a device of the account, from the client of that name: record and vault at once, the rest is a job.
    pub(crate) fn revoke(&mut self, account: &str, from: &str, device: DeviceId) {
        let (connection, vault, record) = self.sign_in(account);
        let mut entropy = Seeded::new(self.next_seed());
        let (request, rolled) = vault.revoke(device, &record, self.now, &mut entropy).expect("revokes");
        assert_eq!(self.ask(&connection, request.into()), DONE);
        self.keep_rolled(from, rolled, &[device]);
    }

    fn keep_rolled(&mut self, from: &str, rolled: RolledVault, gone: &[DeviceId]) {
        let now = self.now;
        let tx = self.client(from).store.begin().expect("opens");
        let stored = tx.account().own_account().expect("reads").expect("there");
        let own = rolled.apply(&DeviceAccount::from_stored(&stored).expect("reads")).expect("applies");
        tx.account().put_own_account(&own.to_stored(stored.server, stored.host).expect("a row")).expect("stores");
        for device in gone {
            tx.upkeep().put_revocation_job(&RevocationJob { device: *device, since: now }).expect("stores");
        }
        tx.commit();
    }

    /// Whether the server takes a device's signature.
    pub(crate) fn is_taken(&mut self, name: &str) -> bool {
        self.sign(name).1.is_ok()
    }

    /// An account connection that a client's device has signed.
    pub(crate) fn signed(&mut self, name: &str) -> Connection {
        let (connection, taken) = self.sign(name);
        assert!(taken.is_ok(), "{name}: {taken:?}");
        connection
    }

    fn sign(&mut self, name: &str) -> (Connection, Result<Response, CallFailure>) {
        let own = {
            let tx = self.client(name).store.begin().expect("opens");
            tx.account().own_account().expect("reads").expect("there")
        };
        let connection = self.server.open();
        let kind = ConnectionKind::Account;
        let Response::Hello(hello) =
            self.ask(&connection, quicprochat_wire::call::session::Hello { version: 1, kind }.into())
        else {
            panic!("no hello")
        };
        let key = quicprochat_identity::DeviceSecretKey::from_bytes(own.device_key.expose());
        let text = quicprochat_identity::authenticate_text(&FINGERPRINT, &hello.challenge, &own.account, &own.device);
        let signature = key.sign(&text).to_vec();
        let request = Authenticate { account: own.account, device: own.device, signature };
        let taken = self.try_ask(&connection, request.into());
        (connection, taken)
    }
}
