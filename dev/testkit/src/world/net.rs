//! Connections: dialling, frames under way, breaking.

use std::collections::BTreeMap;

use quicprochat_client_core::{CallError, Input, LinkDownReason, RequestId, SubscriptionId};
use quicprochat_wire::{
    CallFailure, ConnectionKind, Duration, Request, Response, Timestamp,
    call::{channel::Enqueued, session::Hello},
    codec::{self, frame},
    limits::PROTOCOL_VERSION,
};

use super::{Happening, ProcessId, World, describe, promises::Asked};
use crate::server::{Answered, ConnId, Said, Tag};

/// How long after the server's death a client notices, at most.
const NOTICE: Duration = Duration::from_secs(3);

/// The client's end of a connection.
pub(super) struct Conn {
    pub(super) process: ProcessId,
    pub(super) kind: ConnectionKind,
    /// Whether `hello` was answered.
    pub(super) up: bool,
    /// Nothing arrives at the client any more but the news that it is over.
    broken: bool,
    /// Calls under way, with what they ask to be stored.
    calls: BTreeMap<RequestId, Option<Asked>>,
    streams: BTreeMap<SubscriptionId, Timestamp>,
}

impl World {
    pub(super) fn latency(&mut self) -> Duration {
        let (least, most) = (self.faults.least_latency, self.faults.most_latency);
        let most = if self.net.chance(self.faults.slow) { most * 50 } else { most };
        self.net.between(least, most)
    }

    /// A process wants a connection.
    pub(super) fn dial(&mut self, process: ProcessId, kind: ConnectionKind) {
        self.connections += 1;
        let id = ConnId(self.connections);
        let conn = Conn { process, kind, up: false, broken: false, calls: BTreeMap::new(), streams: BTreeMap::new() };
        self.conns.insert(id, conn);
        let wait = self.latency();
        let online = self.is_online(process);
        let what = if online { Happening::Dialled(id) } else { Happening::LinkOver(id) };
        self.after(wait, what);
    }

    /// The first packet of a connection arrives.
    pub(super) fn dialled(&mut self, id: ConnId) {
        let Some(kind) = self.conns.get(&id).map(|conn| conn.kind) else { return };
        if !self.host.open(id) {
            let wait = self.latency();
            return self.after(wait, Happening::LinkOver(id));
        }
        let hello = Hello { version: PROTOCOL_VERSION, kind };
        self.arrived(id, Tag::Hello, hello.into());
    }

    /// A process makes a call on its connection of a kind.
    pub(super) fn send(&mut self, process: ProcessId, kind: ConnectionKind, tag: Tag, request: Request) {
        let Some(id) = self.conn_of(process, kind) else {
            return self.after(Duration::ZERO, Happening::Tell(process, unsent(tag)));
        };
        let request = through_the_wire(&request);
        let account = self.processes.get(&process).map(|found| self.device(found.device).account);
        let asked = account.and_then(|account| Asked::of(&request, account));
        let wait = self.latency();
        let breaks = self.net.chance(self.faults.broken_link);
        if let Some(conn) = self.conns.get_mut(&id) {
            match tag {
                Tag::Call(call) => drop(conn.calls.insert(call, asked)),
                Tag::Stream(stream) => drop(conn.streams.insert(stream, self.now)),
                Tag::Hello => {}
            }
        }
        self.after(wait, Happening::Arrived(id, tag, Box::new(request)));
        if breaks {
            self.break_conn(id);
        }
    }

    /// A request arrives at the server, if its connection still stands there.
    pub(super) fn arrived(&mut self, id: ConnId, tag: Tag, request: Request) {
        if self.host.is_open(id) {
            self.watch_delivery(&request);
            let now = self.now;
            self.host.call(id, tag, request, now);
            self.let_server_work();
        }
    }

    /// Lets the server go on, and its words travel.
    pub(super) fn let_server_work(&mut self) {
        for said in self.host.poll() {
            self.travel_back(said);
        }
        if self.host.is_writing() && !self.sync_due {
            self.sync_due = true;
            let wait = self.net.between(Duration::from_millis(1), Duration::from_millis(8));
            self.after(wait, Happening::Sync);
        }
    }

    pub(super) fn sync(&mut self) {
        self.sync_due = false;
        if self.host.sync() {
            return self.crash_server();
        }
        self.let_server_work();
    }

    pub(super) fn travel_back(&mut self, said: Said) {
        let Said { conn: id, tag, what } = said;
        let Some(conn) = self.conns.get(&id) else { return };
        if conn.broken {
            return;
        }
        if tag != Tag::Hello && self.net.chance(self.faults.lost_answer) {
            self.note(format_args!("an answer on connection {} is lost", id.0));
            return self.break_conn(id);
        }
        let wait = self.latency();
        let mut at = self.now.after(wait);
        if let (Tag::Stream(stream), Some(conn)) = (tag, self.conns.get_mut(&id)) {
            // Items of one stream keep their order.
            if let Some(last) = conn.streams.get_mut(&stream) {
                at = at.max(*last);
                *last = at;
            }
        }
        let answer = match what {
            Answered::Response(response) => Ok(response_through_the_wire(&response)),
            Answered::Refused(failure) => Err(failure),
        };
        if matches!(tag, Tag::Stream(_)) && answer.is_ok() && self.net.chance(self.faults.twice) {
            let later = at.after(self.latency());
            self.queue.put(later, Happening::Answer(id, tag, Box::new(answer.clone())));
        }
        let stores = matches!(answer, Ok(Response::Enqueued(Enqueued::Accepted { .. }) | Response::Done(_)));
        if stores && self.deaths.chance(self.faults.answered_crash) {
            self.after(Duration::ZERO, Happening::ServerDies);
        }
        self.queue.put(at, Happening::Answer(id, tag, Box::new(answer)));
    }

    /// An answer reaches the client.
    pub(super) fn answer(&mut self, id: ConnId, tag: Tag, answer: Result<Response, CallFailure>) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.broken) else { return };
        let (process, kind) = (conn.process, conn.kind);
        conn.up |= tag == Tag::Hello && answer.is_ok();
        let asked = match tag {
            Tag::Call(call) => conn.calls.remove(&call).flatten(),
            Tag::Hello | Tag::Stream(_) => None,
        };
        if let (Tag::Stream(stream), Err(_)) = (tag, &answer) {
            conn.streams.remove(&stream);
        }
        if let (Some(asked), Ok(response)) = (asked, &answer) {
            self.hears_promise(asked, response);
        }
        let input = match (tag, answer) {
            (Tag::Hello, Ok(Response::Hello(hello))) => Input::LinkUp { kind, hello },
            (Tag::Hello, _) => return self.link_over(id),
            (Tag::Call(call), answer) => Input::Response(call, answer.map_err(CallError::Refused)),
            (Tag::Stream(stream), Ok(response)) => Input::Push(stream, response),
            (Tag::Stream(stream), Err(failure)) => Input::Ended(stream, CallError::Refused(failure)),
        };
        self.deliver(process, input);
    }

    /// The client stops listening to a subscription.
    pub(super) fn unsubscribe(&mut self, process: ProcessId, stream: SubscriptionId) {
        let of = |conn: &Conn| conn.process == process && conn.streams.contains_key(&stream);
        let Some(id) = self.conns.iter().find(|(_, conn)| of(conn)).map(|(id, _)| *id) else { return };
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.streams.remove(&stream);
        }
        self.host.stop(id, stream);
    }

    /// The client closes a connection.
    pub(super) fn disconnect(&mut self, process: ProcessId, kind: ConnectionKind) {
        if let Some(id) = self.conns.iter().find(|(_, c)| c.process == process && c.kind == kind).map(|(id, _)| *id) {
            self.conns.remove(&id);
            self.hang_up(id);
        }
    }

    /// A connection breaks: what travels to the client is lost, and it hears of it after a while.
    pub(super) fn break_conn(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.broken) else { return };
        conn.broken = true;
        self.hang_up(id);
        let wait = self.net.between(Duration::ZERO, NOTICE);
        self.after(wait, Happening::LinkOver(id));
    }

    /// Everything of a process that is gone.
    pub(super) fn drop_conns_of(&mut self, process: ProcessId) {
        let ids: Vec<ConnId> =
            self.conns.iter().filter(|(_, conn)| conn.process == process).map(|(id, _)| *id).collect();
        for id in ids {
            self.conns.remove(&id);
            self.hang_up(id);
        }
    }

    /// Breaks every connection of the processes that `which` chooses.
    pub(super) fn break_conns(&mut self, which: impl Fn(ProcessId) -> bool) {
        let ids: Vec<ConnId> = self.conns.iter().filter(|(_, conn)| which(conn.process)).map(|(id, _)| *id).collect();
        for id in ids {
            self.break_conn(id);
        }
    }

    /// The server notices that a connection is over: later than what is under way to it, or before.
    fn hang_up(&mut self, id: ConnId) {
        let wait = self.latency();
        self.after(wait, Happening::HungUp(id));
    }

    pub(super) fn hung_up(&mut self, id: ConnId) {
        self.host.close(id);
        self.let_server_work();
    }

    /// The client hears that a connection is over.
    pub(super) fn link_over(&mut self, id: ConnId) {
        let Some(conn) = self.conns.remove(&id) else { return };
        let (process, kind) = (conn.process, conn.kind);
        // A shell may or may not answer each call before it says that the link is down.
        if self.net.chance(500) {
            for call in conn.calls.into_keys() {
                self.deliver(process, Input::Response(call, Err(CallError::LinkLost)));
            }
        }
        self.deliver(process, Input::LinkDown { kind, reason: LinkDownReason::Unreachable });
    }

    /// Whether a device's resident process listens and has a link to channels.
    pub(crate) fn is_connected(&self, device: super::DeviceIx) -> bool {
        let of = self.device(device);
        let conn = of.resident.and_then(|process| self.conn_of(process, ConnectionKind::Channel));
        of.listens && conn.and_then(|id| self.conns.get(&id)).is_some_and(|conn| !conn.broken)
    }

    fn conn_of(&self, process: ProcessId, kind: ConnectionKind) -> Option<ConnId> {
        let of = |conn: &Conn| conn.process == process && conn.kind == kind && conn.up;
        self.conns.iter().find(|(_, conn)| of(conn)).map(|(id, _)| *id)
    }

    /// The server's process dies. What it has said may still arrive.
    pub(super) fn crash_server(&mut self) {
        self.note(format_args!("the server dies"));
        self.sync_due = false;
        for id in self.host.crash() {
            if self.net.chance(500) {
                self.break_conn(id);
            } else {
                let wait = self.net.between(Duration::ZERO, NOTICE);
                self.after(wait, Happening::LinkOver(id));
            }
        }
        let wait = self.net.between(Duration::from_millis(200), Duration::from_secs(20));
        self.after(wait, Happening::ServerStart);
    }

    pub(super) fn start_server(&mut self) {
        if !self.host.is_up() {
            self.host.set_faults(crate::server::HostFaults::default(), 0);
            self.host.start();
            let seed = self.net.number();
            self.host.set_faults(self.faults.of_host(), seed);
            self.note(format_args!("the server is back"));
            self.look_after_promises();
        }
    }

    pub(super) fn note_arrival(&mut self, id: ConnId, request: &Request) {
        if let Some(process) = self.conns.get(&id).map(|conn| conn.process) {
            let name = self.name_of(process);
            self.note(format_args!("{name} -> server: {}", describe::request(request)));
        }
    }
}

fn unsent(tag: Tag) -> Input {
    match tag {
        Tag::Call(call) => Input::Response(call, Err(CallError::LinkLost)),
        Tag::Stream(stream) => Input::Ended(stream, CallError::LinkLost),
        Tag::Hello => Input::Tick,
    }
}

/// Requests travel as bytes, so that what cannot be encoded, or decodes to something else, shows.
fn through_the_wire(request: &Request) -> Request {
    let frame = frame::encode_request(request).expect("an engine sends what fits a frame");
    codec::decode_request(frame.get(4..).unwrap_or_default()).expect("what was encoded decodes")
}

fn response_through_the_wire(response: &Response) -> Response {
    let frame = frame::encode_response(&Ok(response.clone())).expect("a server sends what fits a frame");
    let answer = codec::decode_response(frame.get(4..).unwrap_or_default()).expect("what was encoded decodes");
    answer.expect("a response is no refusal")
}
