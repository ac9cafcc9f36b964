//! `hello`.

use super::{
    error::CodecError,
    field::{id, known, limited_text, millis, text},
};
use crate::{
    call::{
        ConnectionKind,
        session::{Hello, HelloReply, Registration, ServerLimits},
    },
    id::Challenge,
    limits::MAX_HOST_BYTES,
    schema::qpc_capnp::{self as schema, hello, hello_reply, server_limits},
    time::{Duration, Timestamp},
};

pub(super) fn write_hello(hello: &Hello, mut out: hello::Builder<'_>) {
    out.set_version(hello.version);
    out.set_kind(match hello.kind {
        ConnectionKind::Account => schema::ConnectionKind::Account,
        ConnectionKind::Channel => schema::ConnectionKind::Channel,
        ConnectionKind::Lookup => schema::ConnectionKind::Lookup,
    });
}

pub(super) fn read_hello(from: hello::Reader<'_>) -> Result<Hello, CodecError> {
    Ok(Hello {
        version: from.get_version(),
        kind: match known("kind", from.get_kind())? {
            schema::ConnectionKind::Account => ConnectionKind::Account,
            schema::ConnectionKind::Channel => ConnectionKind::Channel,
            schema::ConnectionKind::Lookup => ConnectionKind::Lookup,
        },
    })
}

pub(super) fn write_hello_reply(reply: &HelloReply, mut out: hello_reply::Builder<'_>) -> Result<(), CodecError> {
    out.set_version(reply.version);
    out.set_challenge(reply.challenge.as_bytes());
    out.set_time(reply.time.0);
    out.set_host(limited_text("host", &reply.host, MAX_HOST_BYTES)?);
    out.set_registration(match reply.registration {
        Registration::Open => schema::Registration::Open,
        Registration::Invite => schema::Registration::Invite,
        Registration::Closed => schema::Registration::Closed,
    });
    write_limits(&reply.limits, out.init_limits());
    Ok(())
}

pub(super) fn read_hello_reply(from: hello_reply::Reader<'_>) -> Result<HelloReply, CodecError> {
    Ok(HelloReply {
        version: from.get_version(),
        challenge: id("challenge", from.get_challenge(), Challenge::new)?,
        time: Timestamp(from.get_time()),
        host: text("host", from.get_host(), MAX_HOST_BYTES)?,
        registration: match known("registration", from.get_registration())? {
            schema::Registration::Open => Registration::Open,
            schema::Registration::Invite => Registration::Invite,
            schema::Registration::Closed => Registration::Closed,
        },
        limits: read_limits(from.get_limits()?),
    })
}

fn write_limits(limits: &ServerLimits, mut out: server_limits::Builder<'_>) {
    out.set_frame_bytes(limits.frame_bytes);
    out.set_message_bytes(limits.message_bytes);
    out.set_commit_bytes(limits.commit_bytes);
    out.set_group_info_bytes(limits.group_info_bytes);
    out.set_keyring_bytes(limits.keyring_bytes);
    out.set_inbox_bytes(limits.inbox_bytes);
    out.set_retention_ms(millis(limits.retention));
}

fn read_limits(from: server_limits::Reader<'_>) -> ServerLimits {
    ServerLimits {
        frame_bytes: from.get_frame_bytes(),
        message_bytes: from.get_message_bytes(),
        commit_bytes: from.get_commit_bytes(),
        group_info_bytes: from.get_group_info_bytes(),
        keyring_bytes: from.get_keyring_bytes(),
        inbox_bytes: from.get_inbox_bytes(),
        retention: Duration::from_millis(from.get_retention_ms()),
    }
}
