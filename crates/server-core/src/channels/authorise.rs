//! What the holder of an access key may see (DESIGN L7, L8).

use quicprochat_wire::{
    AccessPublicKey, ChannelId, ErrorCode,
    mutant::{Mutant, is_on},
};

use crate::store::{ChannelRow, Refusal, StoreTx};

/// The channel, if the current key is among those attached.
///
/// Errors:   `access-denied`; also if there is no such channel.
pub(super) fn current(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    attached: &[AccessPublicKey],
) -> Result<ChannelRow, Refusal> {
    let row = tx.channels().load(channel)?.ok_or(ErrorCode::AccessDenied)?;
    if attached.contains(&row.access) || is_on(Mutant::EndedKeyReads) {
        Ok(row)
    } else {
        Err(ErrorCode::AccessDenied.into())
    }
}

/// The last position that the holder of the attached keys may read: the end of the log with the current key, with an earlier one
/// the commit that ended it. What came before that commit the key was in force for; nothing later is shown.
///
/// Errors:   `access-denied` if the channel never had any of these keys, or does not exist.
pub(super) fn readable(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    attached: &[AccessPublicKey],
) -> Result<u64, Refusal> {
    match current(tx, channel, attached) {
        Ok(row) => return Ok(row.last.position),
        Err(Refusal::Call(failure)) if failure.code == ErrorCode::AccessDenied => {}
        Err(refusal) => return Err(refusal),
    }
    let mut furthest = None;
    for access in attached {
        match reach(tx, channel, access) {
            Ok((row, reach)) => furthest = furthest.max(Some(row.last.position.min(reach.through()))),
            Err(Refusal::Call(_)) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    furthest.ok_or_else(|| ErrorCode::AccessDenied.into())
}

/// The channel, and the last position that the holder of `access` may be pushed: the rolling commit that ended the key, or
/// the end of the log (DESIGN L8).
///
/// Errors:   `access-denied` if the channel never had this key, or does not exist.
pub(super) fn reach(
    tx: &mut dyn StoreTx,
    channel: &ChannelId,
    access: &AccessPublicKey,
) -> Result<(ChannelRow, Reach), Refusal> {
    let row = tx.channels().load(channel)?.ok_or(ErrorCode::AccessDenied)?;
    if row.access == *access {
        return Ok((row, Reach::Open));
    }
    let key = tx.channels().key(channel, access)?.ok_or(ErrorCode::AccessDenied)?;
    Ok((row, Reach::Until(key.until.ok_or(ErrorCode::AccessDenied)?)))
}

/// How far a key sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// It is the current key.
    Open,
    /// It ended with the commit at this position.
    Until(u64),
}

impl Reach {
    pub(super) const fn covers(self, position: u64) -> bool {
        match self {
            Self::Open => true,
            Self::Until(last) => position <= last,
        }
    }

    pub(super) const fn through(self) -> u64 {
        match self {
            Self::Open => u64::MAX,
            Self::Until(last) => last,
        }
    }
}
