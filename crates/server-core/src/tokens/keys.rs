//! `token-keys`: the issuer keys in force.

use quicprochat_wire::{Timestamp, call::token::IssuerKeys};

use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn keys(core: &Core, caller: Device, now: Timestamp) -> Result<IssuerKeys, Refusal> {
    read(&*core.store, move |tx| caller.confirm(tx)).await?;
    Ok(IssuerKeys { keys: core.issuer.public_keys(now)? })
}
