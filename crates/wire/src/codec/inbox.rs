//! Inboxes.

use super::{
    error::CodecError,
    field::{bytes, id, limited, structs, write_structs},
    token,
};
use crate::{
    call::inbox::{InboxDeliver, InboxEntry, InboxPage, InboxRead, InboxSubscribe},
    id::{AccountId, MessageId},
    limits::{MAX_INBOX_BYTES, MAX_PAGE_ENTRIES},
    schema::qpc_capnp::{inbox_deliver, inbox_entry, inbox_page, inbox_read, inbox_subscribe},
};

pub(super) fn write_deliver(deliver: &InboxDeliver, mut out: inbox_deliver::Builder<'_>) -> Result<(), CodecError> {
    out.set_account(deliver.account.as_bytes());
    out.set_id(deliver.id.as_bytes());
    out.set_sealed(limited("sealed", &deliver.sealed, MAX_INBOX_BYTES)?);
    token::write_token(&deliver.token, out.init_token())
}

pub(super) fn read_deliver(from: inbox_deliver::Reader<'_>) -> Result<InboxDeliver, CodecError> {
    Ok(InboxDeliver {
        account: id("account", from.get_account(), AccountId::new)?,
        id: id("id", from.get_id(), MessageId::new)?,
        sealed: bytes("sealed", from.get_sealed(), MAX_INBOX_BYTES)?,
        token: token::read_token(from.get_token()?)?,
    })
}

pub(super) fn write_read(read: &InboxRead, mut out: inbox_read::Builder<'_>) {
    out.set_after(read.after);
    out.set_limit(read.limit);
}

pub(super) fn read_read(from: inbox_read::Reader<'_>) -> InboxRead {
    InboxRead { after: from.get_after(), limit: from.get_limit() }
}

pub(super) fn write_subscribe(subscribe: &InboxSubscribe, mut out: inbox_subscribe::Builder<'_>) {
    out.set_after(subscribe.after);
}

pub(super) fn read_subscribe(from: inbox_subscribe::Reader<'_>) -> InboxSubscribe {
    InboxSubscribe { after: from.get_after() }
}

pub(super) fn write_page(page: &InboxPage, mut out: inbox_page::Builder<'_>) -> Result<(), CodecError> {
    out.set_more(page.more);
    let limit = usize::from(MAX_PAGE_ENTRIES);
    write_structs!("entries", &page.entries, limit, out => init_entries, write_entry);
    Ok(())
}

pub(super) fn read_page(from: inbox_page::Reader<'_>) -> Result<InboxPage, CodecError> {
    Ok(InboxPage {
        entries: structs("entries", from.get_entries(), usize::from(MAX_PAGE_ENTRIES), read_entry)?,
        more: from.get_more(),
    })
}

fn write_entry(entry: &InboxEntry, mut out: inbox_entry::Builder<'_>) -> Result<(), CodecError> {
    out.set_seq(entry.seq);
    out.set_id(entry.id.as_bytes());
    out.set_sealed(limited("sealed", &entry.sealed, MAX_INBOX_BYTES)?);
    Ok(())
}

fn read_entry(from: inbox_entry::Reader<'_>) -> Result<InboxEntry, CodecError> {
    Ok(InboxEntry {
        seq: from.get_seq(),
        id: id("id", from.get_id(), MessageId::new)?,
        sealed: bytes("sealed", from.get_sealed(), MAX_INBOX_BYTES)?,
    })
}
