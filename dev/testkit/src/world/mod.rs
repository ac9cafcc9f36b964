//! Clients and a server on one virtual clock, with everything that can go wrong between them.
//!
//! ```text
//!   give ──▶ process ──handle, commit──▶ effects ──frames──▶ net ──▶ host ──jobs──▶ disk
//!               ▲  dies at any effect        │                ◀── answers, lost or late
//!               └──── answers, pushes, news of links ◀────────┘
//! ```
//! Everything that happens is drawn from the seed, so a run repeats line by line.

mod describe;
mod errands;
mod faults;
mod net;
mod process;
mod promises;

use std::collections::BTreeMap;

use quicprochat_client_core::{
    Command, CommandError, CommandId, Event, Input, Outcome,
    store::{LogEntry, MemoryStore, StoreTx},
};
use quicprochat_server_core::{Connection, Limits, store::memory::MemoryStore as ServerStore};
use quicprochat_wire::{
    AccountId, CallFailure, DeviceId, Duration, Request, Response, Timestamp, call::inbox::InboxDeliver,
};

pub use faults::Faults;
use net::Conn;
use process::Process;
use promises::Promises;

use crate::{
    chance::Dice,
    client::MakeClient,
    journal::Journal,
    people::{self, MAX_DEVICES_EACH, NAMES, PreparedDevice, START},
    server::{ConnId, Host, Tag},
};

/// Most happenings in one millisecond before a world counts as spinning.
const SPINNING: u32 = 20_000;

/// Which device of a world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceIx(pub usize);

/// Which process of a world: a device has any number of them, all on one store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ProcessId(u64);

/// Where a command is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runner {
    /// By the device's long-lived process, which is started if there is none.
    Resident,
    /// By a process of its own, which ends with it, as `qpc send` does.
    OneShot,
}

/// What is known of a command.
#[derive(Clone, PartialEq, Debug)]
pub enum Fate {
    /// Under way.
    Open,
    /// Answered.
    Done(Result<Outcome, CommandError>),
    /// Its process died; whatever it began may or may not have happened.
    Lost,
}

/// A command that was given to a device.
#[derive(Clone, PartialEq, Debug)]
pub struct Given {
    /// To which.
    pub device: DeviceIx,
    /// What.
    pub command: Command,
    /// What came of it.
    pub fate: Fate,
}

/// A device with its store.
pub struct Device {
    /// For people: `alice` or `alice/2`.
    pub name: String,
    /// Index into [`NAMES`].
    pub person: usize,
    /// Its account.
    pub account: AccountId,
    /// Its id.
    pub device: DeviceId,
    /// What it was told, in order.
    pub events: Vec<Event>,
    store: MemoryStore,
    online: bool,
    /// How far its clock is ahead of the world's, in milliseconds.
    skew: i64,
    resident: Option<ProcessId>,
    /// Whether the resident process is listening, also after it died and started again.
    listens: bool,
}

impl Device {
    /// Whether its resident process listens, or will once it is back.
    #[must_use]
    pub const fn listens(&self) -> bool {
        self.listens
    }
}

/// How a world is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Everything is drawn from it.
    pub seed: u64,
    /// How many of [`NAMES`] take part.
    pub people: usize,
    /// Devices on top of one each: second ones from the first person on, then third ones.
    pub more_devices: usize,
    /// What goes wrong.
    pub faults: Faults,
    /// Most that a device's clock is off.
    pub skew: Duration,
    /// The server's limits.
    pub limits: Limits,
}

impl Setup {
    /// So many people with one device each, and nothing goes wrong.
    #[must_use]
    pub fn quiet(seed: u64, people: usize) -> Self {
        Self {
            seed,
            people: people.min(NAMES.len()),
            more_devices: 0,
            faults: Faults::none(),
            skew: Duration::ZERO,
            limits: Limits::default(),
        }
    }
}

/// A simulated world.
pub struct World {
    now: Timestamp,
    seed: u64,
    faults: Faults,
    net: Dice,
    deaths: Dice,
    queue: Queue,
    journal: Journal,
    host: Host,
    sync_due: bool,
    devices: Vec<Device>,
    processes: BTreeMap<ProcessId, Process>,
    conns: BTreeMap<ConnId, Conn>,
    commands: BTreeMap<CommandId, Given>,
    make: MakeClient,
    connections: u64,
    started: u64,
    given: u64,
    /// Happenings in the current millisecond.
    busy: u32,
    spins: bool,
    errors: Vec<String>,
    /// A delivery that the server took, for whoever wants to spend its token again.
    delivered: Option<InboxDeliver>,
    /// Connections of errands so far.
    errands: u64,
    promises: Promises,
}

/// What the next device of a person is called.
fn name_of(devices: &[Device], person: usize) -> String {
    let name = NAMES.get(person).copied().unwrap_or_default();
    match devices.iter().filter(|device| device.person == person).count() {
        0 => name.to_owned(),
        others => format!("{name}/{}", others + 1),
    }
}

type Queue = crate::queue::Queue<Happening>;

enum Happening {
    Tick(ProcessId, u64),
    Tell(ProcessId, Input),
    Dialled(ConnId),
    Arrived(ConnId, Tag, Box<Request>),
    Answer(ConnId, Tag, Box<Result<Response, CallFailure>>),
    LinkOver(ConnId),
    HungUp(ConnId),
    Sync,
    ServerDies,
    ServerStart,
    Revive(DeviceIx),
}

impl World {
    /// A world at its first moment: everybody registered, nobody's process running.
    #[must_use]
    pub fn new(setup: &Setup, make: MakeClient) -> Self {
        let more = setup.more_devices.min(setup.people * (MAX_DEVICES_EACH - 1));
        let prepared = people::prepared(setup.people, people::enrolments(setup.people, more));
        let host = Host::new(people::config(setup.limits.clone()), prepared.server, setup.seed);
        let mut skews = Dice::new("clocks", setup.seed);
        let most = u64::try_from(setup.skew.as_millis()).unwrap_or(0);
        let mut devices: Vec<Device> = Vec::new();
        for prepared in prepared.devices.into_iter().take(setup.people + more) {
            let skew = i64::try_from(skews.below(2 * most + 1)).unwrap_or(0) - i64::try_from(most).unwrap_or(0);
            let PreparedDevice { person, account, device, store } = prepared;
            devices.push(Device {
                name: name_of(&devices, person),
                person,
                account,
                device,
                events: Vec::new(),
                store,
                online: true,
                skew,
                resident: None,
                listens: false,
            });
        }
        let mut world = Self {
            now: START,
            seed: setup.seed,
            faults: setup.faults,
            net: Dice::new("net", setup.seed),
            deaths: Dice::new("deaths", setup.seed),
            queue: Queue::default(),
            journal: Journal::new(START),
            host,
            sync_due: false,
            devices,
            processes: BTreeMap::new(),
            conns: BTreeMap::new(),
            commands: BTreeMap::new(),
            make,
            connections: 0,
            started: 0,
            given: 0,
            busy: 0,
            spins: false,
            errors: Vec::new(),
            delivered: None,
            errands: 0,
            promises: Promises::default(),
        };
        world.set_faults(setup.faults);
        world.note(format_args!("seed {}, {} devices", setup.seed, world.devices.len()));
        world
    }

    /// What goes wrong from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        let seed = self.net.number();
        self.host.set_faults(faults.of_host(), seed);
    }

    /// The world's clock.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What happened so far.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Everybody's devices.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// One device.
    #[must_use]
    pub fn device(&self, device: DeviceIx) -> &Device {
        self.devices.get(device.0).expect("a device of this world")
    }

    /// The server's store.
    #[must_use]
    pub const fn server_store(&self) -> &ServerStore {
        self.host.store()
    }

    /// What the server knows of each open connection.
    pub fn server_connections(&self) -> impl Iterator<Item = &Connection> {
        self.host.connections()
    }

    /// Every command given, by id.
    #[must_use]
    pub const fn commands(&self) -> &BTreeMap<CommandId, Given> {
        &self.commands
    }

    /// What came of a command.
    #[must_use]
    pub fn fate(&self, command: CommandId) -> &Fate {
        self.commands.get(&command).map_or(&Fate::Lost, |given| &given.fate)
    }

    /// What clients died of that nobody injected.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Whether so much happened in one moment that something goes round in a circle.
    #[must_use]
    pub const fn spins(&self) -> bool {
        self.spins
    }

    /// Adds a line to the journal.
    pub fn note(&mut self, what: core::fmt::Arguments<'_>) {
        tracing::debug!(target: "world", "{what}");
        self.journal.note(self.now, what);
    }

    /// Lets time pass; everything due on the way happens.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.queue.next_at().is_some_and(|at| at <= end) && !self.spins {
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// Lets time pass until `done` says so, or `most` is over. Returns whether it did.
    pub fn run_until(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.after(most);
        loop {
            if done(self) {
                return true;
            }
            if self.spins || self.queue.next_at().is_none_or(|at| at > end) {
                self.now = self.now.max(end);
                return done(self);
            }
            self.step();
        }
    }

    fn step(&mut self) {
        let Some((at, what)) = self.queue.take() else { return };
        self.busy = if at > self.now { 0 } else { self.busy + 1 };
        self.now = self.now.max(at);
        if self.busy > SPINNING {
            self.spins = true;
            return self.note(format_args!("goes round in a circle"));
        }
        match what {
            Happening::Tick(process, generation) => self.tick(process, generation),
            Happening::Tell(process, input) => self.deliver(process, input),
            Happening::Dialled(conn) => self.dialled(conn),
            Happening::Arrived(conn, tag, request) => {
                self.note_arrival(conn, &request);
                self.arrived(conn, tag, *request);
            }
            Happening::Answer(conn, tag, answer) => self.answer(conn, tag, *answer),
            Happening::LinkOver(conn) => self.link_over(conn),
            Happening::HungUp(conn) => self.hung_up(conn),
            Happening::Sync => self.sync(),
            Happening::ServerDies => self.kill_server(),
            Happening::ServerStart => self.start_server(),
            Happening::Revive(device) => self.revive(device),
        }
    }

    fn after(&mut self, wait: Duration, what: Happening) {
        self.queue.put(self.now.after(wait), what);
    }

    /// Takes a device off the net or brings it back.
    pub fn set_online(&mut self, device: DeviceIx, online: bool) {
        let (name, before) = {
            let device = self.devices.get_mut(device.0).expect("a device of this world");
            (device.name.clone(), core::mem::replace(&mut device.online, online))
        };
        if before != online {
            self.note(format_args!("{name} is {}", if online { "online" } else { "offline" }));
        }
        if !online {
            let processes: Vec<ProcessId> = self.processes_of(device);
            self.break_conns(|process| processes.contains(&process));
        }
    }

    /// Whether a device is on the net.
    #[must_use]
    pub fn online(&self, device: DeviceIx) -> bool {
        self.device(device).online
    }

    /// Breaks every connection of a device; it may connect anew.
    pub fn break_links(&mut self, device: DeviceIx) {
        let processes: Vec<ProcessId> = self.processes_of(device);
        self.break_conns(|process| processes.contains(&process));
    }

    /// Kills the server's process, now.
    pub fn kill_server(&mut self) {
        if self.host.is_up() {
            self.crash_server();
        }
    }

    /// Removes what is too old from the server.
    pub fn sweep(&mut self) {
        self.note(format_args!("the server sweeps"));
        self.host.sweep(self.now);
        self.sync();
    }

    /// Reads something out of a device's store.
    pub fn read<T>(&self, device: DeviceIx, what: impl FnOnce(&dyn StoreTx) -> T) -> T {
        let mut store = self.device(device).store.another();
        let tx = store.begin().expect("no transaction is open between two steps");
        what(&tx)
    }

    /// A conversation's log as a device has it.
    #[must_use]
    pub fn log(&self, device: DeviceIx, channel: &quicprochat_wire::ChannelId) -> Vec<LogEntry> {
        self.read(device, |tx| tx.messages().last_messages(channel, usize::MAX)).expect("in memory")
    }
}
