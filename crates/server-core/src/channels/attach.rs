//! `channel-attach`: proof that the caller holds an access key (DESIGN L8).

use quicprochat_identity::{attach_text, verify_ed25519};
use quicprochat_wire::{
    AccessPublicKey, ChainHash, ErrorCode, Timestamp,
    call::channel::{ChainPoint, ChannelAttach, ChannelState},
};

use super::authorise::{Reach, reach};
use crate::{
    connection::ChannelConnection,
    shared::Core,
    store::{Refusal, read},
};

/// The holder of a key that ended learns only which key is in force; the keyring, which is sealed to that key's name, leads on
/// from there.
const fn ended(access: AccessPublicKey) -> ChannelState {
    ChannelState { current: false, access, access_since: 0, last_commit: NOWHERE, last: NOWHERE, first: 0 }
}
const NOWHERE: ChainPoint = ChainPoint { position: 0, hash: ChainHash::new([0; 32]) };

pub(crate) async fn attach(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelAttach,
    now: Timestamp,
) -> Result<ChannelState, Refusal> {
    connection.attaches.take(now)?;
    let ChannelAttach { channel, access, signature } = request;
    let text = attach_text(&core.config.fingerprint, &connection.challenge, &channel, &access);
    verify_ed25519(access.as_bytes(), &text, &signature).map_err(|_| ErrorCode::BadSignature)?;
    let (row, reach) = read(&*core.store, move |tx| reach(tx, &channel, &access)).await?;
    connection.attach(channel, access)?;
    if reach != Reach::Open {
        return Ok(ended(row.access));
    }
    Ok(ChannelState {
        current: true,
        access: row.access,
        access_since: row.access_since,
        last_commit: row.last_commit,
        last: row.last,
        first: row.first,
    })
}
