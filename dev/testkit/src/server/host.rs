//! The process that runs the services: its connections, the calls under way, its crashes.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use quicprochat_client_core::{RequestId, SubscriptionId};
use quicprochat_server_core::{
    Connection, Limits, Reply, Server, ServerConfig,
    store::memory::{Fault, FaultPoint, MemoryStore},
};
use quicprochat_wire::{CallFailure, ErrorCode, Request, Response, Timestamp};

use super::disk::Disk;
use crate::chance::{Dice, SeededEntropy};

/// Numbers the connections of a world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ConnId(pub(crate) u64);

/// Which call of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tag {
    Hello,
    Call(RequestId),
    Stream(SubscriptionId),
}

/// What the server says on a connection.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) conn: ConnId,
    pub(crate) tag: Tag,
    pub(crate) what: Answered,
}

#[derive(Debug)]
pub(crate) enum Answered {
    /// The answer of a call, or one of a subscription.
    Response(Response),
    /// The last word of a call or subscription.
    Refused(CallFailure),
}

/// How often the store under the server fails, in 1,000 moments of a write.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostFaults {
    pub(crate) crash: u32,
    pub(crate) full: u32,
}

enum Task {
    Call(BoxFuture<'static, Reply>),
    Stream(BoxStream<'static, Result<Response, CallFailure>>),
}

/// Server, store and disk.
pub(crate) struct Host {
    config: ServerConfig,
    seed: u64,
    starts: u64,
    store: MemoryStore,
    disk: Disk,
    /// `None` while the process is dead.
    server: Option<Server>,
    connections: BTreeMap<ConnId, Arc<Connection>>,
    tasks: BTreeMap<(ConnId, Tag), Task>,
}

impl Host {
    /// Starts on a store that has the server's secrets already.
    pub(crate) fn new(config: ServerConfig, store: MemoryStore, seed: u64) -> Self {
        let disk = Disk::new(store.clone());
        let (connections, tasks) = (BTreeMap::new(), BTreeMap::new());
        let mut host = Self { config, seed, starts: 0, store, disk, server: None, connections, tasks };
        host.start();
        host
    }

    /// Holds from the next start on.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.config.limits = limits;
    }

    pub(crate) const fn store(&self) -> &MemoryStore {
        &self.store
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// Whether something waits for the disk.
    pub(crate) fn is_writing(&self) -> bool {
        !self.disk.is_idle()
    }

    /// What is known of each open connection.
    pub(crate) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.values().map(|connection| &**connection)
    }

    /// (Re)starts the process on what is durable.
    pub(crate) fn start(&mut self) {
        self.store.restart();
        self.starts += 1;
        let entropy = SeededEntropy::new("server", self.seed.wrapping_mul(1_000).wrapping_add(self.starts));
        let mut start = Server::start(self.config.clone(), Arc::new(self.disk.clone()), Box::new(entropy)).boxed();
        let mut context = Context::from_waker(Waker::noop());
        let server = loop {
            match start.poll_unpin(&mut context) {
                Poll::Ready(started) => break started.expect("a store without faults starts a server"),
                Poll::Pending => assert!(self.disk.sync() > 0, "the server waits for nothing"),
            }
        };
        self.server = Some(server);
    }

    /// The process dies: connections, calls and whatever was not synced are gone. Returns the connections.
    pub(crate) fn crash(&mut self) -> Vec<ConnId> {
        self.server = None;
        self.tasks.clear();
        self.disk.lose();
        core::mem::take(&mut self.connections).into_keys().collect()
    }

    /// Lets the store fail by chance, or never.
    pub(crate) fn set_faults(&self, faults: HostFaults, seed: u64) {
        if faults.crash == 0 && faults.full == 0 {
            return self.store.set_faults(None);
        }
        let mut dice = Dice::new("disk faults", seed);
        self.store.set_faults(Some(Box::new(move |point| {
            if dice.chance(faults.crash) {
                Fault::Crash
            } else if point != FaultPoint::AfterSync && dice.chance(faults.full) {
                Fault::Fail(quicprochat_server_core::store::StoreFault::Full)
            } else {
                Fault::None
            }
        })));
    }

    /// A connection comes up; false if nobody is there.
    pub(crate) fn open(&mut self, conn: ConnId) -> bool {
        let Some(server) = &self.server else { return false };
        self.connections.insert(conn, Arc::new(server.open()));
        true
    }

    /// A connection is over. Calls under way are finished, as the transport does it; nobody hears of them.
    pub(crate) fn close(&mut self, conn: ConnId) {
        self.connections.remove(&conn);
        self.tasks.retain(|(of, _), task| *of != conn || matches!(task, Task::Call(_)));
    }

    pub(crate) fn is_open(&self, conn: ConnId) -> bool {
        self.connections.contains_key(&conn)
    }

    /// A request arrives. Nothing happens if its connection is over.
    pub(crate) fn call(&mut self, conn: ConnId, tag: Tag, request: Request, now: Timestamp) {
        let (Some(server), Some(connection)) = (self.server.clone(), self.connections.get(&conn).cloned()) else {
            return;
        };
        let call = async move { server.handle(&connection, request, now).await };
        self.tasks.insert((conn, tag), Task::Call(call.boxed()));
    }

    /// The client stops a subscription.
    pub(crate) fn stop(&mut self, conn: ConnId, stream: SubscriptionId) {
        self.tasks.remove(&(conn, Tag::Stream(stream)));
    }

    /// Lets everything under way go on until all of it waits; returns what was said.
    pub(crate) fn poll(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let before = said.len();
            let keys: Vec<_> = self.tasks.keys().copied().collect();
            let mut moved = false;
            for key in keys {
                moved |= self.poll_task(key, &mut context, &mut said);
            }
            if !moved && said.len() == before {
                return said;
            }
        }
    }

    fn poll_task(&mut self, key: (ConnId, Tag), context: &mut Context<'_>, said: &mut Vec<Said>) -> bool {
        let (conn, tag) = key;
        let mut say = |what| said.push(Said { conn, tag, what });
        match self.tasks.remove(&key) {
            None => false,
            Some(Task::Call(mut call)) => match call.poll_unpin(context) {
                Poll::Pending => {
                    self.tasks.insert(key, Task::Call(call));
                    false
                }
                Poll::Ready(Reply::One(response)) => {
                    say(Answered::Response(response));
                    true
                }
                Poll::Ready(Reply::Refused(failure)) => {
                    say(Answered::Refused(failure));
                    true
                }
                Poll::Ready(Reply::Stream(stream)) => {
                    self.tasks.insert(key, Task::Stream(stream));
                    true
                }
            },
            Some(Task::Stream(mut stream)) => match stream.poll_next_unpin(context) {
                Poll::Pending => {
                    self.tasks.insert(key, Task::Stream(stream));
                    false
                }
                Poll::Ready(Some(Ok(response))) => {
                    say(Answered::Response(response));
                    self.tasks.insert(key, Task::Stream(stream));
                    true
                }
                Poll::Ready(Some(Err(failure))) => {
                    say(Answered::Refused(failure));
                    true
                }
                Poll::Ready(None) => {
                    say(Answered::Refused(ErrorCode::Unavailable.into()));
                    true
                }
            },
        }
    }

    /// Makes what was submitted durable. Returns whether the process died of it.
    pub(crate) fn sync(&self) -> bool {
        self.disk.sync();
        self.store.crashed()
    }
}

impl Host {
    /// Housekeeping, with whatever writes it takes.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let Some(server) = self.server.clone() else { return };
        let mut sweep = async move { server.sweep(now).await }.boxed();
        let mut context = Context::from_waker(Waker::noop());
        while sweep.poll_unpin(&mut context).is_pending() {
            if self.disk.sync() == 0 || self.store.crashed() {
                return;
            }
        }
    }
}
