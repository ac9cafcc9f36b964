//! `link-open`: a device makes a place to meet a new one.

use quicprochat_wire::{
    Timestamp,
    call::linking::{LinkOpen, LinkState},
};

use crate::{
    connection::Device,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn open(core: &Core, caller: Device, request: LinkOpen, now: Timestamp) -> Result<LinkState, Refusal> {
    read(&*core.store, move |tx| caller.confirm(tx)).await?;
    let limits = &core.config.limits;
    let left = core.links.open(request.link, caller, limits.link_validity, limits.links, now)?;
    Ok(LinkState { left })
}
