//! `hello`: protocol version and kind of connection, exactly once.

use quicprochat_wire::{
    CallFailure, Challenge, ErrorCode, Timestamp,
    call::session::{Hello, HelloReply},
    limits::PROTOCOL_VERSION,
};

use crate::{connection::Connection, shared::Core};

pub(crate) fn hello(
    core: &Core,
    connection: &Connection,
    request: &Hello,
    now: Timestamp,
) -> Result<HelloReply, CallFailure> {
    if request.version != PROTOCOL_VERSION {
        return Err(ErrorCode::UnsupportedVersion.into());
    }
    let challenge = Challenge::new(core.random());
    connection.choose(request.kind, challenge, &core.config.limits)?;
    Ok(HelloReply {
        version: PROTOCOL_VERSION,
        challenge,
        time: now,
        host: core.config.host.clone(),
        registration: core.config.registration,
        limits: core.config.limits.announced(),
    })
}
