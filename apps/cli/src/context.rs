//! What every command works with: the home, its client, and names made out of ids.

use std::{collections::BTreeSet, env, path::PathBuf, sync::Arc};

use quicprochat_client::transport::quic::QuicConnector;
use quicprochat_client::{
    Client, ClientError, Home, OsEntropy, Passphrase, Session, StoreKey,
    core::{
        Command, Event, Outcome,
        store::{Conversation, ConversationState, OwnAccount, StoreTx},
        views::{self, ConversationView, ResolveError},
    },
};

use quicprochat_wire::ChannelId;

use crate::{args::Cli, exit::Exit, failure::Failure, output::Output, progress::CatchUp, render, secret};

/// How many events are shown from one look at the store.
const MOST_TOGETHER: usize = 1024;

/// One run of the program.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) out: Output,
    passphrase_file: Option<PathBuf>,
}

impl Context {
    /// Opens the home and its store; makes both if they do not exist.
    pub(crate) fn open(cli: &Cli, out: Output) -> Result<Self, Failure> {
        let path = match &cli.home {
            Some(path) => path.clone(),
            None => default_home()?,
        };
        let home = Home::open(path).map_err(Failure::from)?;
        let passphrase = match &cli.passphrase_file {
            Some(file) => Some(Passphrase::new(secret::from_file(file)?.to_string())),
            None => None,
        };
        let key = StoreKey::load_or_create(&home, passphrase.as_ref(), &mut OsEntropy)?;
        let client = Client::open(home, key, Arc::new(QuicConnector::default()))?;
        Ok(Self { client, out, passphrase_file: cli.passphrase_file.clone() })
    }

    /// Whether the store's key is protected by a passphrase that was given.
    pub(crate) const fn has_passphrase(&self) -> bool {
        self.passphrase_file.is_some()
    }

    /// The account of this home.
    pub(crate) fn account(&mut self) -> Result<OwnAccount, Failure> {
        Ok(self.client.account()?.ok_or(ClientError::NotRegistered)?)
    }

    /// Reads the store.
    pub(crate) fn read<T>(&mut self, job: impl FnOnce(&dyn StoreTx) -> Result<T, ClientError>) -> Result<T, Failure> {
        Ok(self.client.read(job)?)
    }

    /// The conversation that `text` names: a title, an id, or an unambiguous prefix of one.
    pub(crate) fn conversation(&mut self, text: &str) -> Result<ConversationView, Failure> {
        match self.read(|tx| Ok(views::resolve(tx, text)))? {
            Ok(view) => Ok(view),
            Err(ResolveError::Store(fault)) => Err(fault.into()),
            Err(ResolveError::Unknown) => Err(Failure::new(
                "unknown-conversation",
                Exit::Failed,
                format!("no conversation is called {text}; run qpc conversations to see them, or qpc sync to catch up"),
            )),
            Err(ResolveError::Ambiguous(several)) => {
                let ids: Vec<String> = several.iter().map(|channel| channel.short()).collect();
                let text = format!("several conversations are called {text}; use the id: {}", ids.join(", "));
                Err(Failure::new("ambiguous", Exit::Failed, text))
            }
        }
    }

    /// Runs one engine command, printing what happens on the way, and stops the engine.
    pub(crate) async fn run(&mut self, command: Command) -> Result<Outcome, Failure> {
        let mut progress = CatchUp::new(self.outside()?);
        let mut session = self.client.session()?;
        let mut running = Box::pin(session.submit(command).await);
        let mut shown = Ok(());
        // What a conversation has come to is worth a word at the end: most of what was amiss mends itself on the way.
        let mut states = Vec::new();
        let result = loop {
            tokio::select! {
                biased;
                Some(event) = session.next_event() => {
                    let mut events = vec![event];
                    events.extend(more_events(&mut session));
                    events.iter().for_each(|event| progress.take(event));
                    let (late, now) = events.into_iter().partition(|event| matches!(event, Event::State { .. }));
                    let (late, now): (Vec<Event>, Vec<Event>) = (late, now);
                    states.extend(late);
                    if shown.is_ok() {
                        shown = self.show(&now, None, || progress.clear()).map(drop);
                    }
                }
                result = &mut running => break result,
            }
        };
        progress.clear();
        let rest: Vec<Event> = states.into_iter().chain(core::iter::from_fn(|| session.ready_event())).collect();
        let shown = shown.and_then(|()| self.show(&rest, None, || ()).map(drop));
        let stopped = session.stop().await;
        let outcome = result?;
        shown?;
        stopped?;
        Ok(outcome)
    }

    /// Conversations of the account that this device is not in yet.
    fn outside(&mut self) -> Result<BTreeSet<ChannelId>, Failure> {
        let all = self.read(|tx| Ok(tx.conversations().all_conversations()?))?;
        let outside = |conversation: &Conversation| matches!(conversation.state, ConversationState::NeedsRejoin { .. });
        Ok(all.into_iter().filter(outside).map(|conversation| conversation.channel).collect())
    }

    /// Prints an event and those that have come since, until `most` were messages of somebody; returns how many were.
    pub(crate) fn show_with_ready(
        &mut self,
        event: Event,
        session: &mut Session,
        most: Option<u64>,
    ) -> Result<u64, Failure> {
        let mut events = vec![event];
        events.extend(more_events(session));
        self.show(&events, most, || ())
    }

    /// Prints the events that have come.
    pub(crate) fn show_ready(&mut self, session: &mut Session) -> Result<(), Failure> {
        let events: Vec<Event> = core::iter::from_fn(|| session.ready_event()).collect();
        self.show(&events, None, || ()).map(drop)
    }

    /// Prints events, all from one look at the store; `begins` is called before the first line.
    fn show(&mut self, events: &[Event], most: Option<u64>, begins: impl FnOnce()) -> Result<u64, Failure> {
        if events.is_empty() {
            return Ok(0);
        }
        let out = self.out;
        let lines = self.client.read(|tx| Ok(render::events(tx, events))).map_err(Failure::from)??;
        begins();
        let mut messages = 0;
        for line in lines {
            if most.is_some_and(|most| messages >= most) {
                break;
            }
            messages += u64::from(line.print(out)?);
        }
        Ok(messages)
    }
}

/// Events that have come already, some at a time.
fn more_events(session: &mut Session) -> Vec<Event> {
    core::iter::from_fn(|| session.ready_event()).take(MOST_TOGETHER).collect()
}

fn default_home() -> Result<PathBuf, Failure> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_DATA_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("quicprochat"))
        .ok_or_else(|| Failure::usage("there is no home directory; use --home DIR"))
}
