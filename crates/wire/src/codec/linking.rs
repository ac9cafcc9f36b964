//! Linking a device.

use super::{
    error::CodecError,
    field::{at_most, bytes, id, known, limited, millis},
};
use crate::{
    call::linking::{LinkOpen, LinkPage, LinkPut, LinkSide, LinkState, LinkSubscribe},
    id::LinkId,
    limits::{MAX_LINK_BYTES, MAX_LINK_MESSAGES},
    schema::qpc_capnp::{self as schema, link_open, link_page, link_put, link_state, link_subscribe},
    time::Duration,
};

const fn schema_side(side: LinkSide) -> schema::LinkSide {
    match side {
        LinkSide::Holder => schema::LinkSide::Holder,
        LinkSide::Joiner => schema::LinkSide::Joiner,
    }
}

const fn side(side: schema::LinkSide) -> LinkSide {
    match side {
        schema::LinkSide::Holder => LinkSide::Holder,
        schema::LinkSide::Joiner => LinkSide::Joiner,
    }
}

pub(super) fn write_open(open: &LinkOpen, mut out: link_open::Builder<'_>) {
    out.set_link(open.link.as_bytes());
}

pub(super) fn read_open(from: link_open::Reader<'_>) -> Result<LinkOpen, CodecError> {
    Ok(LinkOpen { link: id("link", from.get_link(), LinkId::new)? })
}

pub(super) fn write_put(put: &LinkPut, mut out: link_put::Builder<'_>) -> Result<(), CodecError> {
    out.set_link(put.link.as_bytes());
    out.set_side(schema_side(put.side));
    out.set_number(put.number);
    out.set_sealed(limited("sealed", &put.sealed, MAX_LINK_BYTES)?);
    Ok(())
}

pub(super) fn read_put(from: link_put::Reader<'_>) -> Result<LinkPut, CodecError> {
    Ok(LinkPut {
        link: id("link", from.get_link(), LinkId::new)?,
        side: side(known("side", from.get_side())?),
        number: from.get_number(),
        sealed: bytes("sealed", from.get_sealed(), MAX_LINK_BYTES)?,
    })
}

pub(super) fn write_subscribe(subscribe: &LinkSubscribe, mut out: link_subscribe::Builder<'_>) {
    out.set_link(subscribe.link.as_bytes());
    out.set_side(schema_side(subscribe.side));
    out.set_from(subscribe.from);
}

pub(super) fn read_subscribe(from: link_subscribe::Reader<'_>) -> Result<LinkSubscribe, CodecError> {
    Ok(LinkSubscribe {
        link: id("link", from.get_link(), LinkId::new)?,
        side: side(known("side", from.get_side())?),
        from: from.get_from(),
    })
}

pub(super) fn write_state(state: &LinkState, mut out: link_state::Builder<'_>) {
    out.set_left_ms(millis(state.left));
}

pub(super) fn read_state(from: link_state::Reader<'_>) -> LinkState {
    LinkState { left: Duration::from_millis(from.get_left_ms()) }
}

pub(super) fn write_page(page: &LinkPage, out: link_page::Builder<'_>) -> Result<(), CodecError> {
    let mut list = out.init_messages(at_most("messages", page.messages.len(), usize::from(MAX_LINK_MESSAGES))?);
    for (index, message) in (0..).zip(&page.messages) {
        list.set(index, limited("message", message, MAX_LINK_BYTES)?);
    }
    Ok(())
}

pub(super) fn read_page(from: link_page::Reader<'_>) -> Result<LinkPage, CodecError> {
    let list = from.get_messages()?;
    at_most("messages", usize::try_from(list.len()).unwrap_or(usize::MAX), usize::from(MAX_LINK_MESSAGES))?;
    let messages = list.iter().map(|message| bytes("message", message, MAX_LINK_BYTES));
    Ok(LinkPage { messages: messages.collect::<Result<_, _>>()? })
}
