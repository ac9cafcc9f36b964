//! Attaching with the right key (L7, L8): the derived one, or the newer one that the keyring holds.

use quicprochat_e2ee::channel::{ChannelKeys, open_keyring};
use quicprochat_identity::attach_text;
use quicprochat_wire::{
    AccessPublicKey, CallFailure, ConnectionKind, ErrorCode,
    call::channel::{ChannelAttach, ChannelKeyring, ChannelState, Keyring},
    time::Duration,
};

use super::{
    again, denied,
    restore::{self, Past},
    session::{ChannelCall, Session},
    tail,
};
use crate::{
    engine::{Cx, Purpose, keys, stored_keys},
    error::EngineError,
    store::{Conversation, ConversationState, KeysAhead, RejoinReason},
};

/// After so long on one link, where a log begins is asked again.
const LONG_LINK: Duration = Duration::from_secs(3600);

/// The newest keys this device has for attaching.
pub(super) fn newest_keys(conversation: &Conversation) -> ChannelKeys {
    keys(conversation.ahead.as_ref().map_or(&conversation.keys, |ahead| &ahead.keys))
}

/// Whether the newest key is attached; attaches it if not.
pub(super) fn drive(cx: &mut Cx<'_>, session: &mut Session, conversation: &Conversation) -> Result<bool, EngineError> {
    let keys = restore::wanted_keys(session, conversation);
    // What expires on a long link is not pushed and would not be missed: whoever looks again asks where the log begins.
    let is_old = session.look_again && cx.now.since(session.attached_at) > LONG_LINK;
    if session.attached == Some(keys.access_public()) && !is_old {
        return Ok(true);
    }
    if session.doubt || session.tail {
        return Ok(false);
    }
    if let Some(stream) = session.stream.take() {
        cx.unsubscribe(stream);
    }
    session.attached = None;
    if !session.attaching {
        session.attaching = true;
        let call = ChannelCall::Attach { key: keys.access_public(), read: told_end(conversation) };
        call_attach(cx, conversation.channel, &keys, call)?;
    }
    Ok(false)
}

/// The least position at which the log can end: this device has read as far, or was told so by the server, or by another device
/// of the account through the vault.
fn told_end(conversation: &Conversation) -> u64 {
    conversation.cursor.position.max(conversation.head)
}

/// Signs the link's challenge with an access key.
pub(crate) fn call_attach(
    cx: &mut Cx<'_>,
    channel: quicprochat_wire::ChannelId,
    keys: &ChannelKeys,
    call: ChannelCall,
) -> Result<(), EngineError> {
    let request = attach_request(cx, channel, keys)?;
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, call));
    Ok(())
}

/// See [`call_attach`].
pub(crate) fn attach_request(
    cx: &Cx<'_>,
    channel: quicprochat_wire::ChannelId,
    keys: &ChannelKeys,
) -> Result<ChannelAttach, EngineError> {
    let challenge = cx.net.challenge(ConnectionKind::Channel).ok_or(EngineError::OwnState)?;
    let access = keys.access_public();
    let text = attach_text(cx.own()?.row.server.fingerprint(), &challenge, &channel, &access);
    Ok(ChannelAttach { channel, access, signature: keys.access().sign(&text).to_vec() })
}

pub(super) fn attached(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    key: AccessPublicKey,
    read: u64,
    state: &ChannelState,
) -> Result<(), EngineError> {
    if key != restore::wanted_keys(session, conversation).access_public() {
        // The keys rolled while the call was on its way: the next round attaches the right one.
        return Ok(());
    }
    if !state.current {
        if !restore::replaced(cx, session, conversation, state.access)? {
            return Ok(());
        }
        session.attaching = true;
        let channel = conversation.channel;
        let purpose = Purpose::Channel(channel, ChannelCall::Keyring(state.access));
        cx.call(ConnectionKind::Channel, ChannelKeyring { channel }, purpose);
        return Ok(());
    }
    restore::knows_own_key(session, conversation);
    session.refused = None;
    session.attached = Some(key);
    session.attached_at = cx.now;
    session.access_since = state.access_since;
    session.last_commit = Some(state.last_commit);
    session.look_again = false;
    let cursor = conversation.cursor;
    session.head = state.last.position.max(cursor.position);
    conversation.head = conversation.head.max(state.last.position);
    if state.access != key {
        conversation.state = ConversationState::Spoilt;
        return Ok(());
    }
    match restore::compare(cx, session, conversation, state, read)? {
        Past::Same => {}
        Past::Short => return restore::found_short(cx, session, conversation, state.last, read),
        Past::Doubtful(before) => {
            restore::probe(session, before);
            return Ok(());
        }
        Past::Other => return restore::stop(cx, session, conversation),
    }
    restore::settled(cx, session, conversation)?;
    if conversation.is_live()
        && state.last.position > cursor.position
        && state.first > cursor.position.saturating_add(1)
    {
        conversation.state = ConversationState::NeedsRejoin { reason: RejoinReason::EntriesExpired };
    }
    Ok(())
}

pub(super) fn refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    failure: CallFailure,
) -> Result<(), EngineError> {
    let own_too = session.restore.is_seeking_key();
    match failure.code {
        // The commit that brought it may be what a server lost that was put back.
        ErrorCode::AccessDenied | ErrorCode::NotFound if restore::earlier_key(cx, session, conversation)? => {}
        ErrorCode::AccessDenied | ErrorCode::NotFound if conversation.ahead.is_some() && !own_too => {
            // What the keyring held was never a key of the channel.
            conversation.ahead = None;
            conversation.state = ConversationState::Spoilt;
        }
        ErrorCode::AccessDenied | ErrorCode::NotFound => denied::refused(cx, session, conversation, failure)?,
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// The keyring came: with newer keys, or without any for this account, which means that it was removed.
pub(super) fn keyring(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    access: &AccessPublicKey,
    keyring: &Keyring,
) -> Result<(), EngineError> {
    // Keys that are not those in force are none.
    let in_force = |(keys, _): &(ChannelKeys, u64)| keys.access_public() == *access;
    match newer_keys(cx, &conversation.channel, access, keyring)?.filter(in_force) {
        Some((keys, epoch)) if epoch > conversation.epoch => {
            conversation.ahead = Some(KeysAhead { keys: stored_keys(&keys), epoch });
        }
        Some(_) if !conversation.is_live() => session.back_off(cx, ErrorCode::AccessDenied.into()),
        // Another roll may have come between the two answers, and a revocation may have changed the account's inbox key: only a
        // second look at the same key's keyring counts, with the newest own record.
        _ if session.missed != Some(*access) => {
            session.missed = Some(*access);
            session.doubt = true;
        }
        // Whoever rolled the keys may have left this account out: the log says whether it was removed.
        _ if conversation.is_live() => tail::read(cx, session, conversation),
        // What was on the way may have been accepted before.
        _ if again::ask(cx, session, conversation)? => {}
        _ => tail::cut_off(cx, conversation)?,
    }
    Ok(())
}

/// The keys of a keyring, if one of its items is for this account.
pub(crate) fn newer_keys(
    cx: &Cx<'_>,
    channel: &quicprochat_wire::ChannelId,
    access: &AccessPublicKey,
    keyring: &Keyring,
) -> Result<Option<(ChannelKeys, u64)>, EngineError> {
    // A keyring that does not parse holds nothing for anybody.
    Ok(open_keyring(channel, access, &keyring.keyring, &cx.own()?.inbox_secrets()).unwrap_or(None))
}
