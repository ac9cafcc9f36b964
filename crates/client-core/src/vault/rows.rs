//! Conversations between the store and the vault.

use quicprochat_e2ee::vault::{ConversationList, Standing, VaultConversation};
use quicprochat_wire::{ChannelId, ServerLink, Timestamp};
use zeroize::Zeroizing;

use super::activity::Activity;
use crate::{
    channels,
    engine::Cx,
    error::EngineError,
    store::{Conversation, ConversationKind, ConversationState, LogBody, RejoinReason, Secret, StoreFault, StoreTx},
};

/// Takes over how far other devices of the account have read: a log that the server shows to be shorter, or with another past,
/// was changed.
pub(super) fn take_pins(cx: &mut Cx<'_>, listed: &ConversationList) -> Result<(), EngineError> {
    for (channel, entry) in listed.iter() {
        let Some(mut conversation) = cx.tx.conversations().conversation(channel)? else { continue };
        let (pinned, before) = (entry.pinned, conversation.state.clone());
        if entry.standing == Standing::Left && pinned.position >= conversation.last_commit.position {
            // So the channel may have been deleted.
            has_left(cx, &mut conversation)?;
        }
        if !conversation.is_worked_on() || conversation.state == ConversationState::Creating {
            continue;
        }
        if pinned.position == conversation.last_commit.position && pinned != conversation.last_commit {
            conversation.state = ConversationState::Diverged;
        }
        let raised = pinned.position > conversation.head;
        conversation.head = conversation.head.max(pinned.position);
        if raised || conversation.state != before {
            channels::settle(cx, &before, &conversation)?;
        }
    }
    Ok(())
}

/// Another device of the account has left.
fn has_left(cx: &mut Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    let before = conversation.state.clone();
    if !conversation.is_worked_on() && before != ConversationState::Diverged {
        return Ok(());
    }
    channels::denied::expect(cx, conversation)?;
    if conversation.state != before {
        channels::settle(cx, &before, conversation)?;
    }
    Ok(())
}

/// The state of a conversation that is known from the vault alone.
pub(crate) const NEW_DEVICE: ConversationState = ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice };

/// What the vault says with what this device knows.
pub(super) fn merged(
    tx: &dyn StoreTx,
    server: &ServerLink,
    listed: &ConversationList,
) -> Result<ConversationList, StoreFault> {
    let mut merged = listed.clone();
    for conversation in tx.conversations().all_conversations()? {
        if let Some(entry) = entry(tx, &conversation, server)? {
            merged.add(conversation.channel, entry);
        }
    }
    Ok(merged)
}

/// Among so many entries the newest message is looked for: commits alone are no activity.
const RECENT: usize = 16;

/// What the vault is to hold of a conversation; nothing while the server does not have it.
fn entry(
    tx: &dyn StoreTx,
    conversation: &Conversation,
    server: &ServerLink,
) -> Result<Option<VaultConversation>, StoreFault> {
    let standing = match conversation.state {
        ConversationState::Creating => return Ok(None),
        // It never came to be, or nothing was written there.
        ConversationState::Gone if conversation.cursor.position == 0 => return Ok(None),
        // This device alone may be stuck; the account is in it.
        ConversationState::Active
        | ConversationState::Leaving
        | ConversationState::NeedsRejoin { .. }
        | ConversationState::Diverged
        | ConversationState::Gone
        | ConversationState::Replacing { .. }
        | ConversationState::Spoilt => Standing::Joined,
        ConversationState::Left | ConversationState::Removed | ConversationState::Replaced { .. } => Standing::Left,
    };
    let recent = tx.messages().last_messages(&conversation.channel, RECENT)?;
    let newest =
        recent.iter().rev().find(|entry| matches!(entry.body, LogBody::Content { .. } | LogBody::Relayed { .. }));
    Ok(Some(VaultConversation {
        server: server.to_string(),
        kind: match conversation.kind {
            ConversationKind::Group => 0,
            ConversationKind::Direct => 1,
        },
        keys: Zeroizing::new(*conversation.keys.expose()),
        keys_since: conversation.keys_since,
        pinned: conversation.last_commit,
        standing,
        title: VaultConversation::listed_title(&conversation.title),
        peer: conversation.peer,
        active: newest.map_or(Timestamp(0), |entry| entry.time),
        replaces: conversation.replaces,
    }))
}

/// Makes a row for every conversation of the account that this device is not in, in the state `NeedsRejoin` for the reason
/// `NewDevice`; returns which they are. The title is that of the list, and members are unknown, until it is in.
///
/// That is so for conversations that have no row yet, and for those from which the account was removed, as far as this device
/// knows, and in which another device has seen it since. Who has left stays out.
///
/// Channels of other servers than `server` are left alone: no client can reach them yet.
pub fn adopt_conversations(
    tx: &dyn StoreTx,
    server: &ServerLink,
    listed: &ConversationList,
    now: Timestamp,
) -> Result<Vec<ChannelId>, StoreFault> {
    let (mut adopted, mut activity) = (Vec::new(), Activity::load(tx)?);
    for (channel, entry) in listed.iter() {
        let here = entry.server.parse::<ServerLink>().is_ok_and(|link| link.fingerprint() == server.fingerprint());
        let kind = match entry.kind {
            0 => ConversationKind::Group,
            1 => ConversationKind::Direct,
            // Of a kind that a newer client made.
            _ => continue,
        };
        if !here || entry.standing != Standing::Joined {
            continue;
        }
        let row = row(*channel, kind, entry, now);
        let mut row = match tx.conversations().conversation(channel)? {
            None => row,
            Some(known) if is_back(&known, entry) => {
                let Conversation { title, cursor, inviter, group, replaces, .. } = known;
                let title = if row.title.is_empty() { title } else { row.title };
                Conversation { title, cursor, inviter, group, replaces, ..row }
            }
            // Known from a backup, perhaps, which does not say what it was before.
            Some(known) if known.replaces.is_none() && matches!(known.state, ConversationState::NeedsRejoin { .. }) => {
                if entry.replaces.is_some() {
                    let replaces = adopt_past(tx, listed, (*channel, entry), now)?;
                    tx.conversations().put_conversation(&Conversation { replaces, ..known })?;
                }
                continue;
            }
            Some(_) => continue,
        };
        if row.replaces.is_none() {
            row.replaces = adopt_past(tx, listed, (*channel, entry), now)?;
        }
        tx.conversations().put_conversation(&row)?;
        activity.note(*channel, entry.active);
        adopted.push(*channel);
    }
    activity.store(tx)?;
    Ok(adopted)
}

/// Makes rows for the channels that a conversation was in before, so that what was written there has its place; returns the newest
/// of them. One that this device knows is left in its state: it reads there what became of it, or follows where it enters.
fn adopt_past(
    tx: &dyn StoreTx,
    listed: &ConversationList,
    (channel, entry): (ChannelId, &VaultConversation),
    now: Timestamp,
) -> Result<Option<ChannelId>, StoreFault> {
    let (mut newest, mut by, mut replaces) = (None, channel, entry.replaces);
    while let Some((past, entry)) = listed.iter().find(|(past, _)| Some(**past) == replaces) {
        if *past == channel {
            break;
        }
        if let Some(known) = tx.conversations().conversation(past)? {
            newest = newest.or(Some(*past));
            if known.replaces.is_some() || entry.replaces.is_none() {
                break;
            }
            tx.conversations().put_conversation(&Conversation { replaces: entry.replaces, ..known })?;
            (by, replaces) = (*past, entry.replaces);
            continue;
        }
        let kind = if entry.kind == 1 { ConversationKind::Direct } else { ConversationKind::Group };
        let state = ConversationState::Replaced { by };
        let row = Conversation { state, replaces: entry.replaces, ..row(*past, kind, entry, now) };
        tx.conversations().put_conversation(&row)?;
        newest = newest.or(Some(*past));
        (by, replaces) = (*past, entry.replaces);
    }
    Ok(newest)
}

/// Whether the account has come back into a conversation that this device was removed from.
fn is_back(known: &Conversation, entry: &VaultConversation) -> bool {
    known.state == ConversationState::Removed
        && entry.pinned.position > known.cursor.position.max(known.last_commit.position)
}

/// The row of a conversation that this device is to enter.
pub(crate) fn row(
    channel: ChannelId,
    kind: ConversationKind,
    entry: &VaultConversation,
    now: Timestamp,
) -> Conversation {
    Conversation {
        channel,
        title: entry.title.clone(),
        peer: entry.peer.filter(|_| kind == ConversationKind::Direct),
        kind,
        state: NEW_DEVICE,
        suite: 0,
        cursor: entry.pinned,
        last_commit: entry.pinned,
        head: entry.pinned.position,
        epoch: 0,
        keys: Secret::new(*entry.keys),
        keys_since: entry.keys_since,
        ahead: None,
        members: Vec::new().into(),
        leavers: Vec::new().into(),
        leaf_updated: now,
        fresh_leaf: true,
        since: now,
        inviter: None,
        group: channel,
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    }
}
