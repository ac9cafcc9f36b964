//! Accounts that exist before a world begins: registered for real, once a process, and copied into each world.

use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use quicprochat_client_core::store::MemoryStore;
use quicprochat_server_core::{
    Limits, ServerConfig,
    store::{memory::MemoryStore as ServerStore, write},
};
use quicprochat_wire::{AccountId, DeviceId, Fingerprint, Timestamp, call::session::Registration as RegistrationMode};

use crate::{
    chance::SeededEntropy,
    errand::{Alone, Enrolled, Errand, Outcome},
    server::Host,
};

/// When every world begins.
pub const START: Timestamp = Timestamp(1_790_000_000_000);
/// The key that the server of every world shows.
pub const FINGERPRINT: Fingerprint = Fingerprint::new([0x5A; 32]);
/// Names of the accounts.
pub const NAMES: [&str; 10] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];
/// Devices that a person has at the beginning, at most.
pub(crate) const MAX_DEVICES_EACH: usize = 3;

pub(crate) const HOST: &str = "sim.example";

/// A device of the beginning.
pub(crate) struct PreparedDevice {
    pub(crate) person: usize,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    pub(crate) store: MemoryStore,
}

/// Everything there is before a world begins.
pub(crate) struct Prepared {
    pub(crate) server: ServerStore,
    /// First devices in the order of [`NAMES`], then second ones, then third ones.
    pub(crate) devices: Vec<PreparedDevice>,
}

impl Prepared {
    /// A copy to change, with the devices of the first so many people.
    fn copy(&self, people: usize) -> Self {
        let server = self.server.snapshot();
        for other in self.devices.iter().filter(|device| device.person >= people) {
            forget(&server, other.account);
        }
        let devices = self.devices.iter().filter(|device| device.person < people);
        let copy = |device: &PreparedDevice| PreparedDevice { store: device.store.snapshot(), ..*device };
        Self { server, devices: devices.map(copy).collect() }
    }
}

/// The configuration of the server of every world.
pub(crate) fn config(limits: Limits) -> ServerConfig {
    ServerConfig { host: HOST.to_owned(), fingerprint: FINGERPRINT, registration: RegistrationMode::Open, limits }
}

/// Registers everybody and enrols every device, which worlds do by themselves as far as they need it. Rules that are broken
/// later hold here.
pub fn prepare() {
    drop(prepared(0, NAMES.len() * (MAX_DEVICES_EACH - 1)));
}

/// How many devices are enrolled for `people` to have `more` than one each. Everybody is registered; enrolments go round.
pub(crate) const fn enrolments(people: usize, more: usize) -> usize {
    if more <= people { more } else { NAMES.len() + (more - people) }
}

/// The devices of so many people after so many enrolments; each state is made from the one before when it is first asked for.
pub(crate) fn prepared(people: usize, enrolments: usize) -> Prepared {
    static CHAIN: Mutex<Vec<Prepared>> = Mutex::new(Vec::new());
    let mut chain = CHAIN.lock().unwrap_or_else(PoisonError::into_inner);
    while chain.len() <= enrolments {
        let next = match chain.last() {
            None => registered(),
            Some(last) => enrolled(last, chain.len() - 1),
        };
        chain.push(next.expect("nothing goes wrong before a world begins"));
    }
    chain.get(enrolments).expect("it was made").copy(people)
}

/// The account was never there.
fn forget(server: &ServerStore, account: AccountId) {
    let forgotten = write(server, move |tx| {
        tx.accounts().remove(&account)?;
        tx.directory().remove(&account)?;
        tx.vaults().remove(&account)?;
        tx.inboxes().remove(&account)?;
        Ok(tx.tokens().remove(&account)?)
    });
    forgotten.now_or_never().expect("in memory").expect("in memory");
}

fn registered() -> Outcome<Prepared> {
    let mut host = Host::new(config(Limits::default()), ServerStore::new(), 0);
    let (mut entropy, mut connections) = (SeededEntropy::new("people", 0), 0);
    let mut devices = Vec::new();
    for (person, name) in NAMES.iter().enumerate() {
        let mut alone = Alone { host: &mut host, connections: &mut connections, now: START };
        let Enrolled { account, device, store } = Errand::begin(&mut alone, &mut entropy, START)?.register(name)?;
        devices.push(PreparedDevice { person, account, device, store });
    }
    Ok(Prepared { server: host.store().snapshot(), devices })
}

fn enrolled(before: &Prepared, step: usize) -> Outcome<Prepared> {
    let person = step % NAMES.len();
    let label = if step < NAMES.len() { "second" } else { "third" };
    let mut host = Host::new(config(Limits::default()), before.server.snapshot(), 1 + step as u64);
    let mut entropy = SeededEntropy::new("enrolment", step as u64);
    let mut connections = 0;
    let mut alone = Alone { host: &mut host, connections: &mut connections, now: START };
    let name = NAMES.get(person).copied().unwrap_or_default();
    let (new, identity) = Errand::begin(&mut alone, &mut entropy, START)?.enrol(name, label)?;
    let mut devices = before.copy(NAMES.len()).devices;
    for other in devices.iter_mut().filter(|other| other.person == person) {
        Errand::begin(&mut alone, &mut entropy, START)?.adopt(&mut other.store, &identity)?;
    }
    let Enrolled { account, device, store } = new;
    devices.push(PreparedDevice { person, account, device, store });
    Ok(Prepared { server: host.store().snapshot(), devices })
}
