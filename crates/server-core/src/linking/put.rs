//! `link-put`: a message for the other side. The first of the new device takes the link for it: another device's differs.

use quicprochat_wire::{
    ErrorCode, Timestamp,
    call::linking::{LinkPut, LinkSide, LinkState},
    limits::MAX_LINK_BYTES,
};

use crate::{
    connection::AccountConnection,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn put(
    core: &Core,
    connection: &AccountConnection,
    request: LinkPut,
    now: Timestamp,
) -> Result<LinkState, Refusal> {
    let LinkPut { link, side, number, sealed } = request;
    if sealed.is_empty() {
        return Err(ErrorCode::BadRequest.into());
    }
    if sealed.len() > MAX_LINK_BYTES {
        return Err(ErrorCode::TooLarge.into());
    }
    let opener = core.links.opener(&link, now)?;
    if side == LinkSide::Holder {
        let device = connection.state().device.ok_or(ErrorCode::NotAuthenticated)?;
        if device != opener {
            return Err(ErrorCode::NotAuthenticated.into());
        }
        read(&*core.store, move |tx| device.confirm(tx)).await?;
    }
    let left = core.links.put(&link, side, number, sealed, now)?;
    Ok(LinkState { left })
}
