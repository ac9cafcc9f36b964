//! A channel of which the server says that it knows no key of this device (L3, L7).
//!
//! It says so of a channel that it does not have, and of one in which it was put back to before the commit that brought the only
//! keys that this device has. Whoever keeps that commit gives it back: so the channel is looked at again for a while before it is
//! taken to be gone, and with each link after that.

use quicprochat_wire::{CallFailure, ChannelId, Timestamp, time::Duration};

use super::{leave, restore, session::Session};
use crate::{
    engine::Cx,
    error::EngineError,
    store::{Conversation, ConversationState, StoreFault, StoreTx},
};

/// For how long somebody may come who gives it back.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Pauses between looks at a channel that is gone, on one link; and at one that an invitation leads to, the first and the longest.
const GONE: Duration = Duration::from_secs(3600);
const INVITED: Duration = Duration::from_secs(10);
const INVITED_LONGEST: Duration = Duration::from_secs(600);

/// No key that this device has is one that the server knows.
pub(super) fn refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    failure: CallFailure,
) -> Result<(), EngineError> {
    let is_over = cx.now.since(since(cx, &conversation.channel)?) > PATIENCE;
    if conversation.state == ConversationState::Gone || is_over || !may_come_back(cx, conversation)? {
        session.restore = restore::Restore::default();
        conversation.state = ConversationState::Gone;
        session.back_off(cx, CallFailure { retry_after: Some(GONE), ..failure });
    } else {
        conversation.state = ConversationState::Diverged;
        restore::look_again(cx, session);
    }
    Ok(())
}

/// Whether a server that has the channel may not know the key: not if the key is the first one, nor if this device was about to
/// delete the channel.
fn may_come_back(cx: &Cx<'_>, conversation: &Conversation) -> Result<bool, EngineError> {
    let deletes = conversation.state == ConversationState::Leaving
        && cx.tx.outbox().outbox_of(&conversation.channel)?.is_empty()
        && leave::is_last(cx, conversation)?;
    Ok(!deletes && (conversation.keys_since > 0 || conversation.ahead.is_some()))
}

/// When to look again at a channel that an invitation leads to, unless it was tried for long enough.
pub(crate) fn look_again_at(cx: &Cx<'_>, channel: &ChannelId) -> Result<Option<Duration>, EngineError> {
    let passed = cx.now.since(since(cx, channel)?);
    Ok((passed <= PATIENCE).then(|| (passed / 4).clamp(INVITED, INVITED_LONGEST)))
}

/// Nobody is waited for if the server does not know the keys: another device of the account has left, or the channel was gone
/// before.
pub(crate) fn expect(cx: &Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    if conversation.state == ConversationState::Diverged && is_noted(cx.tx, &conversation.channel)? {
        conversation.state = ConversationState::Gone;
    }
    note(cx, &conversation.channel, Some(Timestamp(0)))
}

/// The server knows a key of this device, or nobody asks any more.
pub(crate) fn forget(cx: &Cx<'_>, channel: &ChannelId) -> Result<(), EngineError> {
    note(cx, channel, None)
}

/// Whether the server did not know a key when it was last asked.
pub(super) fn is_noted(tx: &dyn StoreTx, channel: &ChannelId) -> Result<bool, StoreFault> {
    Ok(read(tx, channel)?.is_some())
}

/// Since when; from now on, if it has not been so before.
fn since(cx: &Cx<'_>, channel: &ChannelId) -> Result<Timestamp, EngineError> {
    // A moment to come was written by a clock that has been set back since.
    if let Some(since) = read(cx.tx, channel)?.filter(|since| *since <= cx.now) {
        return Ok(since);
    }
    note(cx, channel, Some(cx.now))?;
    Ok(cx.now)
}

fn read(tx: &dyn StoreTx, channel: &ChannelId) -> Result<Option<Timestamp>, StoreFault> {
    let Some(row) = tx.upkeep().setting(&name(channel))? else { return Ok(None) };
    row.try_into().map(|bytes| Some(Timestamp(u64::from_le_bytes(bytes)))).map_err(|_| StoreFault::Damaged)
}

fn note(cx: &Cx<'_>, channel: &ChannelId, since: Option<Timestamp>) -> Result<(), EngineError> {
    let row = since.map(|since| since.0.to_le_bytes());
    Ok(cx.tx.upkeep().put_setting(&name(channel), row.as_ref().map(<[u8; 8]>::as_slice))?)
}

fn name(channel: &ChannelId) -> String {
    format!("denied/{channel}")
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{AccessPublicKey, ErrorCode};

    use super::*;
    use crate::{
        channels::{ChannelCall, Channels, tests::conversation},
        engine::bed::Bed,
        input::CallError,
    };

    #[test]
    fn a_denial_that_comes_after_the_own_leave_or_removal_changes_nothing() {
        for state in [ConversationState::Left, ConversationState::Removed, ConversationState::Spoilt] {
            let (mut bed, mut conversation) = (Bed::new(), conversation());
            (conversation.state, conversation.keys_since) = (state.clone(), 4);
            bed.at(1_000, |cx| {
                cx.tx.conversations().put_conversation(&conversation).expect("stores");
                let call = ChannelCall::Attach { key: AccessPublicKey::new([1; 32]), read: 0 };
                let denied = Err(CallError::Refused(ErrorCode::AccessDenied.into()));
                Channels::default().respond(cx, conversation.channel, call, denied).expect("takes it");
                let found = cx.tx.conversations().conversation(&conversation.channel).expect("reads").expect("there");
                assert_eq!(found.state, state);
                assert_eq!(is_noted(cx.tx, &conversation.channel), Ok(false));
            });
        }
    }
}
