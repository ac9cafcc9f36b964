//! What every command works with: the home, its client, and names made out of ids.

use std::{env, path::PathBuf, sync::Arc};

use quicprochat_client::transport::quic::QuicConnector;
use quicprochat_client::{
    Client, ClientError, Home, OsEntropy, Passphrase, Session, StoreKey,
    core::{
        Command, Event, Outcome,
        store::{OwnAccount, StoreTx},
        views::{self, ConversationView, ResolveError},
    },
};

use crate::{args::Cli, exit::Exit, failure::Failure, output::Output, render, secret};

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
        let mut session = self.client.session()?;
        let result = session.run(command).await;
        let shown = self.show_ready(&mut session);
        let stopped = session.stop().await;
        let outcome = result?;
        shown?;
        stopped?;
        Ok(outcome)
    }

    /// Prints the events that have come.
    pub(crate) fn show_ready(&mut self, session: &mut Session) -> Result<u64, Failure> {
        let mut messages = 0;
        while let Some(event) = session.ready_event() {
            messages += u64::from(self.show_event(&event)?);
        }
        Ok(messages)
    }

    /// Prints an event; true if it was a message of somebody.
    pub(crate) fn show_event(&mut self, event: &Event) -> Result<bool, Failure> {
        let out = self.out;
        self.client.read(|tx| Ok(render::event(tx, event))).map_err(Failure::from)??.print(out)
    }
}

fn default_home() -> Result<PathBuf, Failure> {
    let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("XDG_DATA_HOME")
        .or_else(|| from("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("quicprochat"))
        .ok_or_else(|| Failure::usage("there is no home directory; use --home DIR"))
}
