//! An account with a device, for the tokens that channels cost.

use anyhow::{Context, Result};
use quicprochat_client_core::{
    auth::{DeviceAccount, Password, Registration, authenticate},
    tokens::{IssuerPins, PendingBatch},
};
use quicprochat_e2ee::mls::{MemoryMlsStore, Provider, Suite, new_key_package};
use quicprochat_identity::AccountName;
use quicprochat_transport::{AccountLink, QuicConnector};
use quicprochat_wire::{
    ServerLink,
    call::token::{Token, TokenKeys},
};

use crate::system::{SystemEntropy, now};

/// Registers an account and takes tokens, as the client does.
pub(crate) async fn tokens(connector: &QuicConnector, server: &ServerLink, count: usize) -> Result<Vec<Token>> {
    let (link, hello) = AccountLink::connect(connector, server).await?;
    let device = register(&link, server).await?;
    let request =
        authenticate(server.fingerprint(), &hello.challenge, device.account(), device.device, &device.device_key);
    link.call(request).await.context("the device is not let in")?;

    let mut pins = IssuerPins::default();
    pins.admit(&link.call(TokenKeys {}).await?)?;
    let issuer = pins.newest().context("the server issues no tokens")?;
    let mut tokens = Vec::with_capacity(count);
    while tokens.len() < count {
        let (request, batch) = PendingBatch::request(issuer, server.fingerprint(), &mut SystemEntropy)?;
        tokens.extend(batch.finish(&link.call(request).await?)?);
    }
    Ok(tokens)
}

async fn register(link: &AccountLink, server: &ServerLink) -> Result<DeviceAccount> {
    let name = AccountName::parse(&format!("load-{}", now().0))?;
    let password = Password::new("Kestrel-83-quarry-Lantern".to_owned());
    let (request, registration) = Registration::start(name, password, None, &mut SystemEntropy)?;
    let started = link.call(request).await?;
    let fingerprint = *server.fingerprint();
    // Stretching the password takes a while.
    let (request, device) = tokio::task::spawn_blocking(move || {
        let prepared = registration.prepare(&started, &fingerprint, "load", now(), &mut SystemEntropy)?;
        let (store, mut entropy) = (MemoryMlsStore::new(), SystemEntropy);
        let provider = Provider::new(&store, &mut entropy);
        let key_package = new_key_package(&provider, &prepared.own_device()?, Suite::Hybrid)?;
        anyhow::Ok(prepared.finish(&key_package, now())?)
    })
    .await??;
    link.call(request).await.context("the registration is refused")?;
    Ok(device)
}
