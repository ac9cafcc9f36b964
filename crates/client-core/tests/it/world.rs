//! A small world: engines on one virtual clock, and a server that answers at once.

use std::collections::{BTreeMap, VecDeque};

use futures::{FutureExt as _, StreamExt as _, executor::block_on, stream::BoxStream};
use quicprochat_client_core::{
    CallError, Command, CommandError, CommandId, Effect, Engine, Event, Input, LinkDownReason, Outcome, StoreTx,
    SubscriptionId, SuiteChoice,
    content::{MimiContent, Salt},
    store::{Conversation, LogBody, MemoryStore},
    views,
};
use quicprochat_server_core::{
    Connection, Limits, Reply, Server, ServerConfig, store::memory::MemoryStore as ServerStore,
};
use quicprochat_wire::{
    CallFailure, ChannelId, ConnectionKind, Entropy, Fingerprint, Request, Response, Timestamp,
    call::session::{Hello, Registration as Policy},
    time::Duration,
};
use sha2::{Digest as _, Sha256};

pub(crate) const FINGERPRINT: Fingerprint = Fingerprint::new([7; 32]);
const START: Timestamp = Timestamp(1_750_000_000_000);
/// Inputs after which a run that does not settle has failed.
const MOST_STEPS: usize = 20_000;

/// SHA-256 of a seed and a counter.
pub(crate) struct Seeded(u64, u64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed, 0)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.0.to_le_bytes()).chain_update(self.1.to_le_bytes()).finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.1 += 1;
        }
    }
}

type Stream = BoxStream<'static, Result<Response, CallFailure>>;

/// One process of one device.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    pub(crate) store: MemoryStore,
    engine: Engine,
    links: BTreeMap<ConnectionKind, Connection>,
    streams: BTreeMap<SubscriptionId, Stream>,
    inputs: VecDeque<Input>,
    pub(crate) events: Vec<Event>,
    /// What it asked the server, and when.
    pub(crate) calls: Vec<(Timestamp, Request)>,
    pub(crate) done: BTreeMap<CommandId, Result<Outcome, CommandError>>,
    pub(crate) online: bool,
    /// Nothing comes to it.
    pub(crate) frozen: bool,
    /// What the server tells unasked does not come to it.
    pub(crate) deaf: bool,
    /// By how much its clock is wrong, milliseconds.
    pub(crate) clock_off: i64,
    /// Effects executed so far; at `crash_at` the process dies before the next one.
    pub(crate) effects: usize,
    pub(crate) crash_at: Option<usize>,
    /// At this effect the server acts, but its answer and the link are lost.
    pub(crate) cut_at: Option<usize>,
    starts: u64,
    seed: u64,
    last_command: u64,
}

/// Changes what a server that is not honest answers.
pub(crate) type Tamper = Box<dyn FnMut(&mut Result<Response, CallError>)>;

/// What a world had stored at a moment.
pub(crate) struct Snapshot {
    now: Timestamp,
    server: ServerStore,
    stores: Vec<MemoryStore>,
}

/// Changes what a client that is not honest asks.
pub(crate) type Meddle = Box<dyn FnMut(&mut Request)>;

pub(crate) struct World {
    /// Applied to every call of the client of this name.
    pub(crate) meddle: Option<(&'static str, Meddle)>,
    /// Applied to every answer to a call of the client of this name.
    pub(crate) tamper: Option<(&'static str, Tamper)>,
    pub(crate) now: Timestamp,
    pub(crate) server: Server,
    server_store: std::sync::Arc<ServerStore>,
    limits: Limits,
    pub(crate) clients: Vec<Client>,
    pub(crate) last_seed: u64,
}

impl World {
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let server_store = std::sync::Arc::new(ServerStore::new());
        let server = serve(&server_store, Limits::default());
        let mut world = Self {
            meddle: None,
            tamper: None,
            now: START,
            server,
            server_store,
            limits: Limits::default(),
            clients: Vec::new(),
            last_seed: 0,
        };
        for name in names {
            world.register(name);
        }
        world
    }

    /// The server starts again, with other limits.
    pub(crate) fn limit(&mut self, change: impl FnOnce(&mut Limits)) {
        self.limits = Limits::default();
        change(&mut self.limits);
        self.restart_server();
    }

    fn restart_server(&mut self) {
        self.server = serve(&self.server_store, self.limits.clone());
        for name in self.clients.iter().map(|client| client.name).collect::<Vec<_>>() {
            self.set_online(name, false);
            self.set_online(name, true);
        }
    }

    /// What the server is now, to go back to.
    pub(crate) fn back_up_server(&self) -> ServerStore {
        self.server_store.snapshot()
    }

    /// The server is put back to an older backup, and starts on it.
    pub(crate) fn put_server_back(&mut self, backup: &ServerStore) {
        self.server_store.restore(backup);
        self.restart_server();
    }

    /// The server deletes what is too old.
    pub(crate) fn expire(&mut self) {
        block_on(self.server.sweep(self.now)).expect("sweeps");
    }

    /// Everything that is stored anywhere.
    pub(crate) fn copy(&self) -> Snapshot {
        let stores = self.clients.iter().map(|client| client.store.snapshot()).collect();
        Snapshot { now: self.now, server: self.back_up_server(), stores }
    }

    /// All is as it was, and new processes go on from there; clients that came since are gone.
    pub(crate) fn back_to(&mut self, copy: &Snapshot) {
        self.now = copy.now;
        self.clients.truncate(copy.stores.len());
        for (client, store) in self.clients.iter_mut().zip(&copy.stores) {
            client.store = store.snapshot();
            client.crash();
            client.online = true;
            (client.effects, client.crash_at, client.cut_at) = (0, None, None);
            client.events.clear();
            client.calls.clear();
            client.done.clear();
        }
        self.put_server_back(&copy.server);
    }

    pub(crate) fn connect(&self, kind: ConnectionKind) -> Connection {
        let connection = self.server.open();
        self.ask(&connection, Hello { version: 1, kind }.into());
        connection
    }

    pub(crate) fn ask(&self, connection: &Connection, request: Request) -> Response {
        let name = request.name();
        match block_on(self.server.handle(connection, request, self.now)) {
            Reply::One(response) => response,
            Reply::Refused(failure) => panic!("{name} refused: {failure}"),
            Reply::Stream(_) => panic!("{name} streams"),
        }
    }

    pub(crate) fn try_ask(&self, connection: &Connection, request: Request) -> Result<Response, CallFailure> {
        match block_on(self.server.handle(connection, request, self.now)) {
            Reply::One(response) => Ok(response),
            Reply::Refused(failure) => Err(failure),
            Reply::Stream(_) => panic!("it streams"),
        }
    }

    fn index(&self, name: &str) -> usize {
        self.clients.iter().position(|client| client.name == name).expect("a client of that name")
    }

    pub(crate) fn client(&mut self, name: &str) -> &mut Client {
        let index = self.index(name);
        &mut self.clients[index]
    }

    /// Gives a command without waiting.
    pub(crate) fn begin(&mut self, name: &str, command: Command) -> CommandId {
        let client = self.client(name);
        client.last_command += 1;
        let id = CommandId(client.last_command);
        client.inputs.push_back(Input::Command(id, command));
        id
    }

    /// Gives a command and runs the world until it is answered.
    pub(crate) fn run(&mut self, name: &str, command: Command) -> Result<Outcome, CommandError> {
        let id = self.begin(name, command);
        self.wait(name, id)
    }

    pub(crate) fn wait(&mut self, name: &str, id: CommandId) -> Result<Outcome, CommandError> {
        for _ in 0..MOST_STEPS {
            if let Some(result) = self.client(name).done.remove(&id) {
                return result;
            }
            self.step();
        }
        panic!("{name}'s command {id:?} is not answered");
    }

    /// Runs until nothing happens any more but the passing of time.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MOST_STEPS {
            if !self.work() {
                return;
            }
        }
        panic!("the world does not settle");
    }

    /// Lets time pass, with everything that is due.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        for _ in 0..MOST_STEPS {
            self.settle();
            match self.next_deadline() {
                Some(at) if at <= end => self.advance(at),
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("time does not pass");
    }

    pub(crate) fn step(&mut self) {
        if !self.work() {
            match self.next_deadline() {
                Some(at) => self.advance(at),
                None => self.now = self.now.after(Duration::from_millis(100)),
            }
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.clients.iter().filter_map(Client::due).min()
    }

    fn advance(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
        for client in &mut self.clients {
            if client.due().is_some_and(|due| due <= self.now) {
                client.inputs.push_back(Input::Tick);
            }
        }
    }

    /// One round over all clients; whether anything happened.
    fn work(&mut self) -> bool {
        let mut worked = false;
        for index in 0..self.clients.len() {
            if self.clients[index].frozen {
                continue;
            }
            self.clients[index].poll_streams();
            if let Some(input) = self.clients[index].inputs.pop_front() {
                worked = true;
                self.handle(index, input);
            }
        }
        worked
    }

    fn handle(&mut self, index: usize, input: Input) {
        let now = self.now;
        let client = &mut self.clients[index];
        let mut tx = client.store.begin().expect("opens");
        client.engine.handle(shifted(now, client.clock_off), input, &mut tx).expect("handles");
        tx.commit();
        while let Some(effect) = self.clients[index].engine.poll_effect() {
            let client = &mut self.clients[index];
            if client.crash_at == Some(client.effects) {
                client.crash_at = None;
                client.crash();
                return;
            }
            client.effects += 1;
            if client.cut_at == Some(client.effects - 1) {
                client.cut_at = None;
                self.execute_and_lose(index, effect);
            } else {
                self.execute(index, effect);
            }
        }
    }

    /// The server acts, its answer is lost with the link.
    fn execute_and_lose(&mut self, index: usize, effect: Effect) {
        let kind = match &effect {
            Effect::Call { kind, .. } | Effect::Subscribe { kind, .. } | Effect::Connect { kind } => *kind,
            Effect::Disconnect { .. } | Effect::Unsubscribe { .. } | Effect::Notify(_) | Effect::CommandDone { .. } => {
                return self.execute(index, effect);
            }
        };
        let inputs = self.clients[index].inputs.len();
        self.execute(index, effect);
        let client = &mut self.clients[index];
        client.inputs.truncate(inputs);
        client.links.remove(&kind);
        client.streams.clear();
        client.inputs.push_back(Input::LinkDown { kind, reason: LinkDownReason::Unreachable });
    }

    /// Another process on the same store.
    pub(crate) fn another_process(&mut self, of: &str, name: &'static str) {
        let seed = self.next_seed();
        let store = self.client(of).store.another();
        self.clients.push(Client::new(name, store, seed));
    }

    /// A seed nobody had before.
    pub(crate) fn next_seed(&mut self) -> u64 {
        self.last_seed += 1;
        self.last_seed * 1000
    }

    fn execute(&mut self, index: usize, effect: Effect) {
        let now = self.now;
        let client = &mut self.clients[index];
        match effect {
            Effect::Connect { kind } => {
                let input = if client.online {
                    let connection = self.server.open();
                    let hello = Hello { version: 1, kind };
                    let reply = block_on(self.server.handle(&connection, hello.into(), now));
                    let Reply::One(Response::Hello(hello)) = reply else { panic!("no hello: {reply:?}") };
                    client.links.insert(kind, connection);
                    Input::LinkUp { kind, hello }
                } else {
                    Input::LinkDown { kind, reason: LinkDownReason::Unreachable }
                };
                client.inputs.push_back(input);
            }
            Effect::Disconnect { kind } => {
                client.links.remove(&kind);
            }
            Effect::Call { id, kind, mut request } => {
                if let Some((name, meddle)) = &mut self.meddle
                    && *name == client.name
                {
                    meddle(&mut request);
                }
                client.calls.push((now, request.clone()));
                let Some(connection) = client.links.get(&kind) else {
                    client.inputs.push_back(Input::Response(id, Err(CallError::LinkLost)));
                    return;
                };
                let result = match block_on(self.server.handle(connection, request, now)) {
                    Reply::One(response) => Ok(response),
                    Reply::Refused(failure) => Err(CallError::Refused(failure)),
                    Reply::Stream(_) => panic!("a call streams"),
                };
                let mut result = result;
                if let Some((name, tamper)) = &mut self.tamper
                    && *name == client.name
                {
                    tamper(&mut result);
                }
                client.inputs.push_back(Input::Response(id, result));
            }
            Effect::Subscribe { id, kind, request } => {
                let Some(connection) = client.links.get(&kind) else {
                    client.inputs.push_back(Input::Ended(id, CallError::LinkLost));
                    return;
                };
                match block_on(self.server.handle(connection, request, now)) {
                    Reply::Stream(stream) => {
                        client.streams.insert(id, stream);
                    }
                    Reply::Refused(failure) => {
                        client.inputs.push_back(Input::Ended(id, CallError::Refused(failure)));
                    }
                    Reply::One(_) => panic!("a subscription does not stream"),
                }
            }
            Effect::Unsubscribe { id } => {
                client.streams.remove(&id);
            }
            Effect::Notify(event) => client.events.push(event),
            Effect::CommandDone { id, result } => {
                client.done.insert(id, result);
            }
        }
    }

    /// One link of a client breaks.
    pub(crate) fn cut(&mut self, name: &str, kind: ConnectionKind) {
        let client = self.client(name);
        client.links.remove(&kind);
        client.inputs.push_back(Input::LinkDown { kind, reason: LinkDownReason::Unreachable });
    }

    /// Cuts a client off, or lets it back.
    pub(crate) fn set_online(&mut self, name: &str, online: bool) {
        let client = self.client(name);
        client.online = online;
        if !online {
            client.streams.clear();
            let kinds: Vec<ConnectionKind> = core::mem::take(&mut client.links).into_keys().collect();
            for kind in kinds {
                client.inputs.push_back(Input::LinkDown { kind, reason: LinkDownReason::Unreachable });
            }
        }
    }

    // What tests ask for again and again.

    /// Gives a command until it is carried out; a process that died goes on with the next one.
    pub(crate) fn persist(&mut self, name: &str, command: &Command) {
        for _ in 0..8 {
            let starts = self.client(name).starts();
            let id = self.begin(name, command.clone());
            for _ in 0..5_000 {
                match self.client(name).done.remove(&id) {
                    Some(Ok(_)) => return,
                    Some(Err(_)) => break,
                    None if self.client(name).starts() != starts => break,
                    None => self.step(),
                }
            }
            self.pass(Duration::from_secs(3));
        }
        panic!("{command:?} does not get through");
    }

    pub(crate) fn create(&mut self, name: &str, title: &str) -> ChannelId {
        let command = Command::CreateGroup { title: title.to_owned(), suite: SuiteChoice::Hybrid };
        match self.run(name, command) {
            Ok(Outcome::Created { channel }) => channel,
            other => panic!("{name} cannot create: {other:?}"),
        }
    }

    pub(crate) fn invite(&mut self, name: &str, channel: ChannelId, names: &[&str]) {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let result = self.run(name, Command::Invite { channel, names });
        assert!(
            matches!(&result, Ok(Outcome::Committed { undelivered, .. }) if undelivered.is_empty()),
            "{name} cannot invite: {result:?}"
        );
    }

    pub(crate) fn sync(&mut self, name: &str) {
        let result = self.run(name, Command::Sync);
        let synced = Ok(Outcome::Synced { waiting: 0, undelivered: 0, untold: false });
        assert_eq!(result, synced, "{name} cannot sync");
    }

    pub(crate) fn send(&mut self, name: &str, channel: ChannelId, text: &str) -> Result<Outcome, CommandError> {
        let content = text_content(text);
        self.run(name, Command::Send { channel, content })
    }

    /// Accepts the one open request.
    pub(crate) fn accept(&mut self, name: &str) -> ChannelId {
        let tx = self.client(name).store.begin().expect("opens");
        let all = tx.inbox().invitations().expect("reads");
        let open: Vec<_> = all
            .iter()
            .filter(|invitation| invitation.state == quicprochat_client_core::store::InvitationState::Request)
            .collect();
        assert_eq!(open.len(), 1, "{name} has {} requests", open.len());
        let invitation = open[0].id;
        drop(tx);
        match self.run(name, Command::AcceptRequest { invitation }) {
            Ok(Outcome::Joined { channel }) => channel,
            other => panic!("{name} cannot join: {other:?}"),
        }
    }

    pub(crate) fn conversation(&mut self, name: &str, channel: ChannelId) -> Conversation {
        let tx = self.client(name).store.begin().expect("opens");
        let found = tx.conversations().conversation(&channel).expect("reads");
        found.unwrap_or_else(|| panic!("{name} does not have {channel:?}"))
    }

    /// The texts of a conversation as a client has them, with their writers' names.
    pub(crate) fn texts(&mut self, name: &str, channel: ChannelId) -> Vec<String> {
        let tx = self.client(name).store.begin().expect("opens");
        let own = tx.account().own_account().expect("reads").expect("an account");
        let channels = match tx.conversations().conversation(&channel).expect("reads").and_then(|found| found.peer) {
            Some(peer) => {
                views::direct_channels(&tx, &peer).expect("reads").iter().map(|found| found.channel).collect()
            }
            None => vec![channel],
        };
        let mut texts = Vec::new();
        for entry in views::merged_log(&tx, &channels, 0, 10_000).expect("reads") {
            if let LogBody::Content { content } = &entry.body {
                let text = MimiContent::decode(content).expect("MIMI").as_text().expect("text");
                let sender = if entry.sender == own.account {
                    own.name.clone()
                } else {
                    tx.contacts().contact(&entry.sender).expect("reads").expect("known").name
                };
                texts.push(format!("{sender}: {text}"));
            }
        }
        texts
    }
}

fn serve(store: &std::sync::Arc<ServerStore>, limits: Limits) -> Server {
    let config =
        ServerConfig { host: "chat.example".to_owned(), fingerprint: FINGERPRINT, registration: Policy::Open, limits };
    let store = std::sync::Arc::clone(store);
    block_on(Server::start(config, store, Box::new(Seeded::new(99)))).expect("starts")
}

fn shifted(at: Timestamp, by: i64) -> Timestamp {
    Timestamp(at.0.checked_add_signed(by).expect("a moment after 1970"))
}

pub(crate) fn text_content(text: &str) -> Vec<u8> {
    let salt = Salt::random(&mut Seeded::new(text.len() as u64));
    MimiContent::text(text, "en", salt).encode().expect("encodes")
}

impl Client {
    pub(crate) fn new(name: &'static str, store: MemoryStore, seed: u64) -> Self {
        Self {
            name,
            store,
            engine: Engine::new(Box::new(Seeded::new(seed + 1))),
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            inputs: VecDeque::from([Input::Start]),
            events: Vec::new(),
            calls: Vec::new(),
            done: BTreeMap::new(),
            online: true,
            frozen: false,
            deaf: false,
            clock_off: 0,
            effects: 0,
            crash_at: None,
            cut_at: None,
            starts: 1,
            seed,
            last_command: 0,
        }
    }

    pub(crate) fn starts(&self) -> u64 {
        self.starts
    }

    /// When its engine wants to be called, by the right clock.
    fn due(&self) -> Option<Timestamp> {
        self.engine.poll_timeout().filter(|_| !self.frozen).map(|at| shifted(at, -self.clock_off))
    }

    /// Takes its answers away, so that it waits until [`Self::release`].
    pub(crate) fn hold(&mut self) -> VecDeque<Input> {
        core::mem::take(&mut self.inputs)
    }

    pub(crate) fn release(&mut self, held: VecDeque<Input>) {
        let later = core::mem::replace(&mut self.inputs, held);
        self.inputs.extend(later);
    }

    fn poll_streams(&mut self) {
        if self.deaf {
            return;
        }
        let mut ended = Vec::new();
        for (id, stream) in &mut self.streams {
            match stream.next().now_or_never() {
                None => {}
                Some(Some(Ok(item))) => self.inputs.push_back(Input::Push(*id, item)),
                Some(Some(Err(failure))) => ended.push((*id, CallError::Refused(failure))),
                Some(None) => ended.push((*id, CallError::LinkLost)),
            }
        }
        for (id, error) in ended {
            self.streams.remove(&id);
            self.inputs.push_back(Input::Ended(id, error));
        }
    }

    /// The process dies and another one starts on its store.
    pub(crate) fn crash(&mut self) {
        self.starts += 1;
        self.engine = Engine::new(Box::new(Seeded::new(self.seed + self.starts)));
        self.links.clear();
        self.streams.clear();
        self.inputs.clear();
        self.inputs.push_back(Input::Start);
    }
}
