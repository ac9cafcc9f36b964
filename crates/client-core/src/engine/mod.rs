//! The engine: one input inside one store transaction, then effects.
//!
//! ```text
//!   handle(now, Input, tx) ──▶ net         which links are up, which call belongs to whom
//!                              fetch       look-ups, verified and pinned
//!                              inbox       invitations ──▶ joins
//!                              channels    cursor, chain, compare-and-set, commits, keys; drains the outbox
//!                              deliveries  invitations of others, after their commit
//!                              stock       blind tokens
//!                              upkeep      KeyPackages, leaf updates, leavers, revoked devices
//!                              vault       the account's conversations, for devices to come
//!                              state       what all devices of the account share: settings, markers, contacts
//!                              archive     history, sealed at the server
//!                              commands    what somebody waits for
//!   shell commits tx ─────────▶ poll_effect until empty, poll_timeout
//! ```
//!
//! Every part keeps only what a lost process may forget; the rest is in the store, and is read from there in each
//! transaction, because other processes may work on the same store. Parts look at the state and do what is due (they are
//! driven by level, not by edge), so that a crash between any two effects loses nothing.

#[cfg(test)]
pub(crate) mod bed;
mod cx;
mod net;

use std::collections::{BTreeSet, VecDeque};

use quicprochat_identity::authenticate_text;
use quicprochat_wire::{
    ConnectionKind, Entropy, ErrorCode, Response, Timestamp,
    call::{auth::Authenticate, session::HelloReply},
    entropy::random_array,
    time::Duration,
};

pub(crate) use cx::{Cx, Own, keys, stored_keys};
pub(crate) use net::{Auth, LinkStatus, Net, Purpose, Stream};

use crate::{
    archive::Archive,
    channels::Channels,
    commands::Commands,
    deliveries::Deliveries,
    effect::Effect,
    error::EngineError,
    event::Event,
    fetch::Fetch,
    inbox::Inbox,
    input::{CallError, Input, LinkDownReason},
    own_record::{OwnRecord, Told},
    state::State,
    stock::Stock,
    store::{Standing, StoreTx},
    upkeep::Upkeep,
    vault::Vault,
};

/// How often an engine that listens looks whether another process changed the store.
const WATCH_STORE: Duration = Duration::from_secs(2);
/// Clocks that differ by more are worth a word.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);
/// How long a server that does not know this device is left alone, at least.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(300);
/// Most log entries announced in one go.
const NEWS_BATCH: usize = 1024;

/// The pure client engine. See the module for the map, [`Input`] and [`Effect`] for what goes in and out.
///
/// Call order: `handle(Start)` first. After every `handle`, or several of answers that have come already, commit the
/// transaction, then drain `poll_effect`, then sleep until `poll_timeout` or the next input. If `handle` or the commit fails, drop the engine and make a new one on the same store.
pub struct Engine {
    entropy: Box<dyn Entropy>,
    /// Owner of this engine's leases in the store.
    owner: [u8; 16],
    net: Net,
    effects: VecDeque<Effect>,
    timers: BTreeSet<Timestamp>,
    /// When to look whether another process changed the store.
    watch: Option<Timestamp>,
    /// The store's version when it was last looked at.
    version: Option<u64>,
    clock_told: bool,
    parts: Parts,
    commands: Commands,
}

/// The engine's parts, apart from the commands, which work with all of them.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) channels: Channels,
    pub(crate) deliveries: Deliveries,
    pub(crate) fetch: Fetch,
    pub(crate) inbox: Inbox,
    pub(crate) stock: Stock,
    pub(crate) upkeep: Upkeep,
    pub(crate) own_record: OwnRecord,
    pub(crate) vault: Vault,
    pub(crate) state: State,
    pub(crate) archive: Archive,
    pub(crate) mode: Mode,
    /// Arrival index of the last log entry told of.
    announced: u64,
}

/// What the engine does by itself.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    /// Catch up with everything.
    pub(crate) sync: bool,
    /// Stay subscribed.
    pub(crate) listen: bool,
}

impl Mode {
    /// Whether inbox, channels and outbox are worked on without being asked for one by one.
    pub(crate) const fn active(self) -> bool {
        self.sync || self.listen
    }
}

impl Engine {
    /// An engine that has seen nothing yet. `entropy` must be a CSPRNG, or seeded for a replay.
    #[must_use]
    pub fn new(mut entropy: Box<dyn Entropy>) -> Self {
        let owner = random_array(&mut entropy);
        Self {
            entropy,
            owner,
            net: Net::default(),
            effects: VecDeque::new(),
            timers: BTreeSet::new(),
            watch: None,
            version: None,
            clock_told: false,
            parts: Parts::default(),
            commands: Commands::default(),
        }
    }

    /// Handles one input inside one transaction, which the caller commits afterwards.
    ///
    /// Errors:   [`EngineError`]: roll back and drop the engine.
    pub fn handle(&mut self, now: Timestamp, input: Input, tx: &mut dyn StoreTx) -> Result<(), EngineError> {
        let tx: &dyn StoreTx = tx;
        let Self { entropy, net, effects, timers, parts, commands, .. } = self;
        let own = tx.account().own_account()?.filter(|own| own.standing == Standing::Enrolled).map(|row| Own { row });
        let mut cx = Cx {
            now,
            tx,
            entropy: &mut **entropy,
            net,
            effects,
            timers,
            owner: self.owner,
            own,
            conversations_changed: false,
        };

        let version = tx.version()?;
        if self.version.is_none() {
            parts.announced = tx.messages().last_arrival()?;
        }
        let changed = self.version != Some(version);
        self.version = Some(version);
        let due = pop_due(cx.timers, now);
        if changed || due {
            parts.channels.touch_all();
            parts.inbox.touch();
            parts.upkeep.touch();
        }

        match input {
            Input::Start | Input::Tick => {}
            Input::Command(id, command) => {
                cx.net.retry_now();
                commands.begin(&mut cx, parts, id, command)?;
            }
            Input::LinkUp { kind, hello } => link_up(&mut cx, parts, kind, &hello, &mut self.clock_told)?,
            Input::LinkDown { kind, reason } => link_down(&mut cx, parts, kind, reason)?,
            Input::Response(id, result) => {
                // A device that was revoked takes in nothing more, whatever is still on its way to it.
                if let Some(purpose) = cx.net.finish(id)
                    && cx.own.is_some()
                {
                    respond(&mut cx, parts, purpose, result)?;
                }
            }
            Input::Push(..) if cx.own.is_none() => {}
            Input::Push(id, item) => match cx.net.stream(id) {
                Some(Stream::Channel(channel)) => parts.channels.push(&mut cx, channel, item)?,
                Some(Stream::Inbox) => parts.inbox.push(&mut cx, item)?,
                Some(Stream::Vault) => {
                    parts.vault.told(&item);
                    parts.state.push(item, &mut parts.own_record);
                }
                None => {}
            },
            Input::Ended(id, error) if is_revoked::<()>(&Err(error.clone())) => {
                cx.net.end_stream(id);
                cx.net.set_auth(Auth::Refused);
                revoked(&mut cx)?;
            }
            Input::Ended(id, error) => match cx.net.end_stream(id) {
                Some(Stream::Channel(channel)) => parts.channels.stream_ended(&mut cx, channel, &error),
                Some(Stream::Inbox) => parts.inbox.stream_ended(&mut cx, &error),
                Some(Stream::Vault) => parts.state.stream_ended(&mut cx, &error),
                None => {}
            },
        }
        if cx.own.is_some() {
            drive(&mut cx, parts, commands)?;
        }
        announce(&mut cx, parts)?;
        self.watch = parts.mode.listen.then(|| now.after(WATCH_STORE));
        Ok(())
    }

    /// What the shell must do next; `None` when it has done everything. Call it only after the transaction is committed.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When `handle(.., Input::Tick, ..)` is due at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.first().copied().into_iter().chain(self.watch).min()
    }
}

/// Lets every part do what is due, until nothing more can be done without an answer from outside.
fn drive(cx: &mut Cx<'_>, parts: &mut Parts, commands: &mut Commands) -> Result<(), EngineError> {
    /// Each round either settles or moves something on; the bound only guards against a mistake.
    const MOST_ROUNDS: usize = 64;
    for _ in 0..MOST_ROUNDS {
        let effects = cx.effects.len();
        parts.inbox.drive(cx, parts.mode, &mut parts.fetch)?;
        let doubted = doubted(cx, parts);
        parts.own_record.drive(cx, parts.mode, doubted);
        parts.upkeep.drive(cx, parts.mode, &parts.channels, parts.inbox.caught_up())?;
        parts.channels.drive(cx, parts.mode, &mut parts.stock, &mut parts.fetch)?;
        parts.deliveries.drive(cx, &mut parts.stock)?;
        parts.stock.drive(cx, parts.mode)?;
        parts.vault.drive(cx, parts.mode, parts.inbox.caught_up() && parts.inbox.is_idle())?;
        parts.state.drive(cx, parts.mode)?;
        parts.archive.drive(cx, parts.mode, parts.state.archive_version())?;
        parts.channels.wait_for(parts.archive.awaited(cx, parts.state.archive_version()));
        // Whoever waits for a command hears of what came before it is answered.
        announce(cx, parts)?;
        let moved = commands.step(cx, parts)?;
        if !moved && cx.effects.len() == effects && !parts.channels.is_touched() {
            break;
        }
    }
    Ok(())
}

/// Whether a keyring held nothing for this account, which says something under its newest own record only.
fn doubted(cx: &mut Cx<'_>, parts: &mut Parts) -> bool {
    if parts.channels.take_new_doubt() || parts.inbox.take_new_doubt() {
        parts.own_record.again();
    }
    let doubted = parts.channels.doubts() || parts.inbox.doubts();
    if doubted && matches!(cx.link(ConnectionKind::Account), LinkStatus::Down(_) | LinkStatus::Refused) {
        parts.channels.own_record_told(cx, false);
        parts.inbox.own_record_told(cx, false);
        return false;
    }
    doubted
}

fn link_up(
    cx: &mut Cx<'_>,
    parts: &mut Parts,
    kind: ConnectionKind,
    hello: &HelloReply,
    clock_told: &mut bool,
) -> Result<(), EngineError> {
    cx.net.up(kind, hello, cx.now);
    let (ahead, by) =
        if cx.now > hello.time { (true, cx.now.since(hello.time)) } else { (false, hello.time.since(cx.now)) };
    if by > CLOCK_TOLERANCE && !*clock_told {
        *clock_told = true;
        cx.notify(Event::ClockOff { by, ahead });
    }
    if kind == ConnectionKind::Account && cx.own.is_some() {
        let own = cx.own()?;
        let (account, device) = (own.row.account, own.row.device);
        let text = authenticate_text(own.row.server.fingerprint(), &hello.challenge, &account, &device);
        let signature = own.secret().sign(&text).to_vec();
        cx.call(kind, Authenticate { account, device, signature }, Purpose::Authenticate);
    }
    if kind == ConnectionKind::Channel {
        cx.net.retry_unknown();
        parts.channels.touch_all();
    }
    Ok(())
}

fn link_down(
    cx: &mut Cx<'_>,
    parts: &mut Parts,
    kind: ConnectionKind,
    reason: LinkDownReason,
) -> Result<(), EngineError> {
    let (calls, streams) = cx.net.take_down(kind, reason, cx.now, Duration::ZERO, cx.entropy);
    match kind {
        ConnectionKind::Channel => parts.channels.link_lost(),
        ConnectionKind::Account => parts.own_record.again(),
        ConnectionKind::Lookup => {}
    }
    for purpose in calls {
        // As with answers: a device that was revoked in between waits for none of them any more.
        if cx.own.is_some() {
            respond(cx, parts, purpose, Err(CallError::LinkLost))?;
        }
    }
    for stream in streams {
        match stream {
            Stream::Channel(channel) => parts.channels.stream_ended(cx, channel, &CallError::LinkLost),
            Stream::Inbox => parts.inbox.stream_ended(cx, &CallError::LinkLost),
            Stream::Vault => parts.state.stream_ended(cx, &CallError::LinkLost),
        }
    }
    Ok(())
}

fn respond(
    cx: &mut Cx<'_>,
    parts: &mut Parts,
    purpose: Purpose,
    result: Result<Response, CallError>,
) -> Result<(), EngineError> {
    match purpose {
        Purpose::Authenticate => authenticated(cx, &result),
        _ if is_revoked(&result) => {
            cx.net.set_auth(Auth::Refused);
            revoked(cx)
        }
        Purpose::Channel(channel, call) => parts.channels.respond(cx, channel, call, result),
        Purpose::Lookup(ticket) => parts.fetch.respond(cx, ticket, result),
        Purpose::Delivery(id) => parts.deliveries.respond(cx, &id, result),
        Purpose::Inbox(call) => parts.inbox.respond(cx, call, result, &mut parts.channels),
        Purpose::Stock(call) => {
            parts.channels.touch_all();
            parts.stock.respond(cx, call, result)
        }
        Purpose::Upkeep(call) => parts.upkeep.respond(cx, call, result),
        Purpose::Vault(call) => {
            // What the vault lists is entered.
            parts.channels.touch_all();
            parts.archive.look_again();
            parts.vault.respond(cx, call, result)
        }
        Purpose::State(call) => {
            if parts.state.respond(cx, call, result)? {
                parts.own_record.again();
            }
            // Another device may have answered a request that waits here.
            parts.inbox.touch();
            Ok(())
        }
        Purpose::Archive(call) => {
            if parts.archive.respond(cx, call, result)? {
                parts.own_record.again();
            }
            Ok(())
        }
        Purpose::OwnRecord(call) => {
            let told = parts.own_record.respond(cx, call, result)?;
            if told == Told::Changed {
                parts.state.again();
                parts.vault.again();
                parts.archive.keys_changed();
                parts.upkeep.touch();
                parts.channels.touch_all();
            }
            if told != Told::Nothing {
                let newest = told != Told::Refused;
                parts.channels.own_record_told(cx, newest);
                parts.inbox.own_record_told(cx, newest);
            }
            if parts.own_record.take_unknown_package() {
                parts.upkeep.rotate();
            }
            Ok(())
        }
    }
}

fn authenticated(cx: &mut Cx<'_>, result: &Result<Response, CallError>) -> Result<(), EngineError> {
    match result {
        Ok(Response::Done(_)) => cx.net.set_auth(Auth::Done),
        Err(CallError::LinkLost) => {}
        Err(CallError::Refused(failure)) if failure.code == ErrorCode::DeviceRevoked => {
            cx.net.set_auth(Auth::Refused);
            revoked(cx)?;
        }
        // Nobody says that the device was revoked: a server that was put back to an older backup may know it again.
        Err(CallError::Refused(failure)) if failure.code == ErrorCode::NotFound => {
            give_up_link(cx, LinkDownReason::DeviceUnknown, UNKNOWN_PAUSE);
            if cx.net.is_unknown_news() {
                cx.notify(Event::DeviceUnknown);
            }
        }
        Ok(_) | Err(CallError::Refused(_)) => {
            let asked = result.as_ref().err().and_then(CallError::retry_after).unwrap_or_default();
            give_up_link(cx, LinkDownReason::Unreachable, asked);
        }
    }
    Ok(())
}

/// Nothing works on a link that is not authenticated: it is closed, and tried again later.
fn give_up_link(cx: &mut Cx<'_>, reason: LinkDownReason, at_least: Duration) {
    let kind = ConnectionKind::Account;
    cx.effects.push_back(Effect::Disconnect { kind });
    cx.net.take_down(kind, reason, cx.now, at_least, cx.entropy);
}

/// Whether the server says that this device is none of the account's any more, on whatever call.
fn is_revoked<T>(result: &Result<T, CallError>) -> bool {
    matches!(result, Err(CallError::Refused(failure)) if failure.code == ErrorCode::DeviceRevoked)
}

fn revoked(cx: &mut Cx<'_>) -> Result<(), EngineError> {
    if let Some(mut own) = cx.tx.account().own_account()?.filter(|own| own.standing == Standing::Enrolled) {
        own.standing = Standing::Revoked;
        cx.tx.account().put_own_account(&own)?;
        cx.notify(Event::DeviceRevoked);
    }
    Ok(())
}

/// Tells of log entries that arrived since the last time, whoever wrote them into the store.
fn announce(cx: &mut Cx<'_>, parts: &mut Parts) -> Result<(), EngineError> {
    let last = cx.tx.messages().last_arrival()?;
    while parts.announced < last {
        let news = cx.tx.messages().arrivals(parts.announced, NEWS_BATCH)?;
        if news.is_empty() {
            break;
        }
        for entry in news {
            parts.announced = parts.announced.max(entry.index);
            cx.notify(Event::Logged(entry));
        }
    }
    Ok(())
}

/// Drops deadlines that have come; whether there were any.
fn pop_due(timers: &mut BTreeSet<Timestamp>, now: Timestamp) -> bool {
    let mut due = false;
    while timers.first().is_some_and(|at| *at <= now) {
        timers.pop_first();
        due = true;
    }
    due
}
