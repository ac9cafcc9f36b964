//! The commands beside `run`.

use std::{
    io::{self, BufWriter, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use quicprochat_server_core::Server;
use serde_json::json;

use crate::{
    cli::InviteArgs,
    config::{Config, Effective, Layers},
    identity, private_file, run,
    store::{Location, SqliteStore, StoreOptions, dump},
    store_key::StoreKey,
    system::{self, SystemEntropy},
};

/// `qpc-server config`
///
/// Errors:   the output's.
pub fn show_config(effective: &Effective, layers: &Layers, json: bool) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", effective.to_json()?)?;
    } else {
        write!(out, "{}", effective.to_toml()?)?;
        if layers.store_key().is_some() {
            writeln!(out, "\n# The store key is taken from {} (not shown).", StoreKey::VARIABLE)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `qpc-server invite create`
///
/// Errors:   whatever the store or the services say.
pub fn create_invites(config: &Config, layers: &Layers, args: &InviteArgs) -> anyhow::Result<ExitCode> {
    let location = existing(config, layers)?;
    let identity = identity::load_or_create(&config.data_dir.join("server.key"), &config.effective_host())?;
    let services = config.services(identity.fingerprint())?;
    let store = SqliteStore::open(&location, StoreOptions { readers: 1, ..StoreOptions::default() })?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("cannot start")?;
    let invites = runtime.block_on(async {
        let server = Server::start(services, Arc::new(store.clone()), Box::new(SystemEntropy)).await?;
        server.create_invites(args.count, system::now()).await
    })?;
    store.close();
    let mut out = io::stdout().lock();
    if args.json {
        let codes: Vec<String> = invites.iter().map(|invite| invite.code.to_string()).collect();
        writeln!(out, "{}", json!({ "event": "invites", "codes": codes }))?;
    } else {
        for invite in invites {
            writeln!(out, "{}", invite.code)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `qpc-server dump`
///
/// Errors:   the store's, or the output's.
pub fn dump(config: &Config, layers: &Layers) -> anyhow::Result<ExitCode> {
    let location = existing(config, layers)?;
    let mut out = BufWriter::new(io::stdout().lock());
    dump::dump(&location, &mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A store that must be there.
pub(crate) fn existing(config: &Config, layers: &Layers) -> anyhow::Result<Location> {
    let path = config.data_dir.join("store.db");
    anyhow::ensure!(
        path.exists(),
        "there is no store in {}; start `qpc-server` once, or set --data-dir",
        config.data_dir.display()
    );
    private_file::private_dir(&config.data_dir)?;
    let key = run::store_key(config, layers, &path, &config.data_dir.join("store.key"))?;
    Ok(Location { path, key })
}
