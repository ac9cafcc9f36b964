//! `channel-keyring`: the current keyring, for any key the channel ever had (DESIGN L7).

use quicprochat_wire::{
    ErrorCode,
    call::channel::{ChannelKeyring, Keyring},
};

use super::authorise::reach;
use crate::{
    connection::ChannelConnection,
    shared::Core,
    store::{Refusal, read},
};

pub(crate) async fn keyring(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelKeyring,
) -> Result<Keyring, Refusal> {
    let channel = request.channel;
    let attached = connection.keys(&channel)?;
    read(&*core.store, move |tx| {
        // Attached keys were the channel's then; it may have been deleted since, and made anew with other keys.
        let mut entitled = Err(ErrorCode::AccessDenied.into());
        for access in &attached {
            match reach(tx, &channel, access) {
                Err(Refusal::Call(_)) => {}
                known => entitled = known,
            }
        }
        entitled?;
        let found = tx.channels().keyring(&channel)?.ok_or(ErrorCode::AccessDenied)?;
        Ok(Keyring { at: found.at, keyring: found.keyring })
    })
    .await
}
