//! The server's life: open, serve, drain, close.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use quicprochat_server_core::{Recovery, Server, ServerError, store::StoreFault};
use quicprochat_transport::{Listener, ServerIdentity};
use quicprochat_wire::ServerLink;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    config::{Config, Layers},
    data_dir::DataDir,
    handler::ServiceHandler,
    identity, maintenance,
    metrics::Metrics,
    private_file,
    store::{Location, SqliteStore, StoreOptions, StoreStats},
    store_key::StoreKey,
    system::{self, SystemEntropy},
};

/// Runs the server until it is told to stop.
///
/// Errors:   whatever keeps it from starting; once it serves, it goes on.
pub fn run(config: &Config, layers: &Layers) -> anyhow::Result<ExitCode> {
    let listener = config.transport.listener()?;
    let data = DataDir::open(&config.data_dir)?;
    let location = Location { path: data.store(), key: store_key(config, layers, &data.store(), &data.store_key())? };
    let host = config.effective_host();
    let identity = identity::load_or_create(&data.server_key(), &host)?;
    let services = config.services(identity.fingerprint())?;
    let options = StoreOptions { readers: usize::from(config.store.readers), ..StoreOptions::default() };
    let store = SqliteStore::open(&location, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    let served = runtime.block_on(async {
        let server = Server::start(services, Arc::new(store.clone()), Box::new(SystemEntropy)).await?;
        serve(config, listener, &identity, &host, server, store.stats()).await
    });
    // What was submitted is ended before the store moves its log into the database.
    drop(runtime);
    store.close();
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The store's key: from the environment, the configured file, or DATA/store.key, which is made if it must be.
///
/// Errors:   [`crate::store_key::StoreKeyError`], or a variable that is not text.
pub(crate) fn store_key(config: &Config, layers: &Layers, store: &Path, default: &Path) -> anyhow::Result<StoreKey> {
    if let Some(value) = layers.store_key() {
        let text = value.to_str().with_context(|| format!("{} is not text", StoreKey::VARIABLE))?;
        return Ok(StoreKey::parse(text, StoreKey::VARIABLE)?);
    }
    let configured = &config.store.key_file;
    let file = if configured.as_os_str().is_empty() { default } else { configured };
    Ok(StoreKey::load_or_create(file, store)?)
}

async fn serve(
    config: &Config,
    settings: quicprochat_transport::quic::ServerConfig,
    identity: &ServerIdentity,
    host: &str,
    server: Server,
    store: Arc<StoreStats>,
) -> anyhow::Result<()> {
    // Before anybody can know that we run, so that no signal finds us unprepared.
    let signals = Signals::listen().context("cannot listen for signals")?;
    let counters = signal(SignalKind::user_defined1()).context("cannot listen for signals")?;
    let metrics = Arc::new(Metrics::default());
    let listener = Listener::bind(config.listen, identity, settings)?;
    let link = ServerLink::new(host, listener.local_addr().port(), listener.fingerprint())
        .with_context(|| format!("{host} is no host that a server link can carry; set --host"))?;
    let begun = match server.begin_recovery(system::now()).await {
        // Reading goes on, and nothing is written for any conversation before it has begun.
        Err(ServerError::Store(StoreFault::Full)) => {
            tracing::warn!("the disk is full: the recovery time begins when there is room again");
            None
        }
        begun => begun?,
    };
    if let Some(Recovery { until: Some(until), restored }) = begun {
        let minutes = until.since(system::now()).as_secs().div_ceil(60);
        tracing::warn!(
            minutes,
            restored,
            "restored from a backup: nothing new is taken for conversations before clients could offer what is missing"
        );
    }
    let upkeep = tokio::spawn(maintenance::run(server.clone(), store, metrics.clone(), counters));
    announce(config, &link)?;
    tracing::info!(address = %config.listen, registration = ?config.registration.mode, "ready");
    let handler = Arc::new(ServiceHandler::new(server.clone(), metrics));
    listener
        .serve(handler, async move {
            signals.first().await;
            tracing::info!("stopping: no new calls, those under way are finished");
            server.drain();
        })
        .await;
    upkeep.abort();
    Ok(())
}

/// Says that connections are accepted, on standard output and in the ready file.
fn announce(config: &Config, link: &ServerLink) -> anyhow::Result<()> {
    if !config.ready_file.as_os_str().is_empty() {
        private_file::write_public(&config.ready_file, format!("{link}\n").as_bytes())?;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "ready {link}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "nobody reads the standard output");
    }
    Ok(())
}

/// Signals that stop the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Resolves at the first; the second ends the process at once.
    async fn first(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(1);
        });
    }
}
