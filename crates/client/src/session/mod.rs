//! A running engine: the loop that feeds it inputs, commits its transactions and carries out its effects.
//!
//! ```text
//!   commands ─┐                      ┌─▶ answers, events
//!   links ────┼─▶ Input ─▶ engine ─▶ commit ─▶ effects ─▶ links
//!   timer ────┘        one transaction (of several, if they have come already)
//! ```
//!
//! Effects are carried out only after the commit (DESIGN section 4). When a transaction fails, the engine is dropped and
//! everybody who waits is told; nothing that was not committed has left.

mod links;

use std::{collections::BTreeMap, sync::Arc};

use quicprochat_client_core::{
    Command, CommandError, CommandId, Effect, Engine, EngineError, Event, Input, Outcome, store::StoreFault,
};
use quicprochat_transport::Connector;
use quicprochat_wire::{ServerLink, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{entropy, store::Store};
use links::{Arrival, Links};

/// How many inputs may wait for the engine before links are slowed down.
const QUEUE: usize = 256;
/// How many answers that have come already share a transaction: syncing it costs more than handling most of them.
const MOST_TOGETHER: usize = 32;

/// Why a session ended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed; nothing of the transaction was kept.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The engine found itself or its store in a state that cannot be.
    #[error("the client's state is inconsistent: {0}")]
    Engine(String),
    /// It was stopped.
    #[error("the session was stopped")]
    Stopped,
}

/// What a command came to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The engine refused or failed it.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The session ended first.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A handle on a running engine. Dropping it stops the engine; what waits in the store stays there.
#[derive(Debug)]
pub struct Session {
    asks: mpsc::Sender<Ask>,
    events: mpsc::UnboundedReceiver<Event>,
    task: JoinHandle<SessionError>,
}

type Answer = oneshot::Sender<Result<Outcome, RunError>>;

enum Ask {
    Run(Command, Answer),
    Stop,
}

impl Session {
    /// Starts an engine on the store. Must be called within a multi-threaded tokio runtime: transactions block their thread.
    #[must_use]
    pub fn start(store: Store, engine: Engine, server: ServerLink, connector: Arc<dyn Connector>) -> Self {
        let (asks, asked) = mpsc::channel(QUEUE);
        let (told, events) = mpsc::unbounded_channel();
        let (inputs, arriving) = mpsc::channel(QUEUE);
        let links = Links::new(server, connector, inputs);
        let shell = Shell { store, engine, links, told, waiting: BTreeMap::new(), next_command: 0 };
        Self { asks, events, task: tokio::spawn(shell.run(asked, arriving)) }
    }

    /// Runs a command to its end.
    pub async fn run(&self, command: Command) -> Result<Outcome, RunError> {
        self.submit(command).await.await
    }

    /// Hands a command over; the future returned resolves when it has ended, and borrows nothing.
    pub async fn submit(&self, command: Command) -> impl Future<Output = Result<Outcome, RunError>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        // If the engine has ended, the answer's other half is dropped with the refused ask, and the future says so.
        drop(self.asks.send(Ask::Run(command, answer)).await);
        async move { answered.await.map_err(|_| RunError::Session(SessionError::Stopped))? }
    }

    /// The next event; `None` once the session is over.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// An event that has come already.
    pub fn ready_event(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Stops the engine and closes its connections.
    ///
    /// Errors:   why it had ended by itself, if it had.
    pub async fn stop(self) -> Result<(), SessionError> {
        let asked = self.asks.send(Ask::Stop).await;
        match self.task.await {
            Ok(SessionError::Stopped) if asked.is_ok() => Ok(()),
            Ok(error) => Err(error),
            Err(join) => Err(SessionError::Engine(join.to_string())),
        }
    }
}

struct Shell {
    store: Store,
    engine: Engine,
    links: Links,
    told: mpsc::UnboundedSender<Event>,
    waiting: BTreeMap<CommandId, Answer>,
    next_command: u64,
}

impl Shell {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>, mut arriving: mpsc::Receiver<Arrival>) -> SessionError {
        let mut inputs = vec![Input::Start];
        // What came next, and does not go along with what came before it.
        let mut next = None;
        loop {
            if !inputs.is_empty()
                && let Err(error) = self.step(core::mem::take(&mut inputs))
            {
                return self.fail(error);
            }
            let deadline = self.engine.poll_timeout().map(deadline);
            if let Some(arrival) = next.take() {
                inputs.extend(self.links.arrived(arrival));
                continue;
            }
            let input = tokio::select! {
                ask = asked.recv() => match ask {
                    Some(Ask::Run(command, answer)) => {
                        let id = CommandId(self.next_command);
                        self.next_command += 1;
                        self.waiting.insert(id, answer);
                        Some(Input::Command(id, command))
                    }
                    Some(Ask::Stop) | None => return self.fail(SessionError::Stopped),
                },
                Some(arrival) = arriving.recv() => self.links.arrived(arrival),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Some(Input::Tick),
            };
            inputs.extend(input);
            // Only answers: what a connection that came up or broke means depends on what was carried out before.
            while inputs.len() < MOST_TOGETHER
                && next.is_none()
                && let Ok(arrival) = arriving.try_recv()
            {
                match arrival {
                    arrival @ Arrival::Input(_) => inputs.extend(self.links.arrived(arrival)),
                    arrival @ (Arrival::Up { .. } | Arrival::Down { .. }) => next = Some(arrival),
                }
            }
        }
    }

    /// Some inputs, one transaction, then their effects.
    fn step(&mut self, inputs: Vec<Input>) -> Result<(), SessionError> {
        tokio::task::block_in_place(|| {
            let mut tx = self.store.begin()?;
            for input in inputs {
                let handled = self.engine.handle(entropy::now(), input, &mut tx);
                handled.map_err(|error| tx.cause().map_or_else(|| session_error(error), SessionError::Store))?;
            }
            tx.commit()?;
            Ok::<(), SessionError>(())
        })?;
        while let Some(effect) = self.engine.poll_effect() {
            self.carry_out(effect);
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { kind } => self.links.connect(kind),
            Effect::Disconnect { kind } => self.links.disconnect(kind),
            Effect::Call { id, kind, request } => self.links.call(id, kind, request),
            Effect::Subscribe { id, kind, request } => self.links.subscribe(id, kind, request),
            Effect::Unsubscribe { id } => self.links.unsubscribe(id),
            Effect::Notify(event) => {
                // Nobody listening is no failure: what the event tells is in the store.
                drop(self.told.send(event));
            }
            Effect::CommandDone { id, result } => {
                if let Some(answer) = self.waiting.remove(&id) {
                    // Whoever asked may be gone.
                    drop(answer.send(result.map_err(RunError::from)));
                }
            }
        }
    }

    fn fail(&mut self, error: SessionError) -> SessionError {
        for (_, answer) in core::mem::take(&mut self.waiting) {
            drop(answer.send(Err(error.clone().into())));
        }
        self.links.close();
        error
    }
}

pub(crate) fn session_error(error: EngineError) -> SessionError {
    if let EngineError::Store(fault) = error {
        return SessionError::Store(fault);
    }
    SessionError::Engine(error.to_string())
}

/// The runtime's clock does not jump with the system's: only the distance counts.
fn deadline(at: Timestamp) -> Instant {
    Instant::now() + at.since(entropy::now())
}
