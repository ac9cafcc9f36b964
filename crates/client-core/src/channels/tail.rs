//! The end of what an own key reaches (L7), where no keyring leads on.
//!
//! A commit that rolls the keys cuts off whom it removes, and is to hand the new ones to everybody else. Whoever made it may have
//! left somebody out, or have had a key recorded that is not the derived one (L11). The log tells the three apart: an earlier key
//! still reads it up to the commit that ended the key.
//!
//! ```text
//!   keyring without the key in force ──▶ entries up to that commit ──▶ removed by it, rolled with it, or a spoilt channel
//!                                            └─ nothing more there ──▶ Removed
//! ```

use quicprochat_wire::{
    ConnectionKind,
    call::channel::{ChannelPage, ChannelRead},
    limits::MAX_PAGE_ENTRIES,
};

use super::{
    again, apply, merge,
    session::{ChannelCall, Session},
};
use crate::{
    engine::{Cx, Purpose},
    error::EngineError,
    store::{Conversation, ConversationState},
};

/// Reads on as far as the key that was attached reaches.
pub(super) fn read(cx: &mut Cx<'_>, session: &mut Session, conversation: &Conversation) {
    session.tail = true;
    let (channel, after) = (conversation.channel, conversation.cursor.position);
    let request = ChannelRead { channel, after, limit: MAX_PAGE_ENTRIES };
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Tail { after }));
}

/// What is read there is applied as ever; if it led nowhere, this account is out.
pub(super) fn answered(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    after: u64,
    page: &ChannelPage,
) -> Result<(), EngineError> {
    if conversation.is_live() {
        apply::page(cx, session, conversation, page)?;
    }
    if conversation.is_live() && conversation.cursor.position == after {
        return ended(cx, session, conversation);
    }
    // With the keys that were derived on the way, or for the next page.
    session.attached = None;
    Ok(())
}

/// There is nothing more to read with the own key.
pub(super) fn ended(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
) -> Result<(), EngineError> {
    // What was on the way may have been accepted in a part of the log that is not kept any more.
    if again::ask(cx, session, conversation)? { Ok(()) } else { cut_off(cx, conversation) }
}

/// Nothing leads on: the account was removed while this device was away.
pub(super) fn cut_off(cx: &mut Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    conversation.state = ConversationState::Removed;
    merge::clear(cx, conversation, true)
}
