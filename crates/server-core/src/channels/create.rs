//! `channel-create`: an empty log with its first key, for a token.

use quicprochat_wire::{
    Digest, ErrorCode, Timestamp, Writer,
    call::{
        Done,
        channel::{ChainPoint, ChannelCreate},
    },
    chain,
};
use sha2::{Digest as _, Sha256};

use crate::{
    connection::ChannelConnection,
    shared::Core,
    store::{ChannelRow, GroupInfoRow, KeyRow, KeyringRow, Refusal, write},
    tokens::spend,
};

pub(crate) async fn create(
    core: &Core,
    connection: &ChannelConnection,
    request: ChannelCreate,
    now: Timestamp,
) -> Result<Done, Refusal> {
    connection.attaches.take(now)?;
    let limits = core.config.limits.announced();
    let ChannelCreate { channel, access, group_info, keyring, token } = request;
    let group_info_bytes = u64::try_from(group_info.len()).unwrap_or(u64::MAX);
    let keyring_bytes = u64::try_from(keyring.len()).unwrap_or(u64::MAX);
    if group_info_bytes > u64::from(limits.group_info_bytes) || keyring_bytes > u64::from(limits.keyring_bytes) {
        return Err(ErrorCode::TooLarge.into());
    }
    let contents = Writer::new().fixed(access).bytes(&group_info).bytes(&keyring).finish();
    let created_with = Digest::new(Sha256::digest(contents).into());
    let start = ChainPoint { position: 0, hash: chain::start(&channel) };
    let row = ChannelRow {
        access,
        access_since: 0,
        last_commit: start,
        last: start,
        first: 1,
        oldest: None,
        bytes: 0,
        group_infos: 1,
        group_info_bytes,
        created_with,
    };
    // Recomputed outside the writer; what it says counts only if the id is new.
    let token = core.issuer.verify(&token, now);
    write(&*core.store, move |tx| {
        if let Some(existing) = tx.channels().load(&channel)? {
            let same = existing.created_with == created_with;
            return if same { Ok(()) } else { Err(ErrorCode::ChannelExists.into()) };
        }
        spend(tx, token)?;
        let channels = tx.channels();
        channels.insert(&channel, &row)?;
        channels.put_key(&channel, &access, KeyRow { since: 0, until: None })?;
        channels.put_group_info(&channel, GroupInfoRow { at: start, sealed: group_info })?;
        Ok(channels.put_keyring(&channel, KeyringRow { at: start, keyring })?)
    })
    .await?;
    Ok(Done)
}
