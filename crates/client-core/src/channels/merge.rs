//! What a commit that counted changes here: members, keys, records, state.

use quicprochat_e2ee::mls::{self, CommitEffect, EntryRecords, Group, Member};
use quicprochat_wire::{
    AccountId, ErrorCode,
    call::channel::{ChainPoint, ChannelEntry},
    mutant::{Mutant, is_on},
};

use super::{apply, records, replace, restore};
use crate::{
    deliveries,
    engine::{Cx, stored_keys},
    error::EngineError,
    event::Event,
    fetch,
    store::{
        Conversation, ConversationKind, ConversationState, KeysAhead, List, LogBody, MemberDevice, MessagePurpose,
        RejoinReason,
    },
};

/// Takes over what a merged commit did. `group` is of the epoch it began.
#[expect(clippy::too_many_arguments, reason = "one commit has as many sides; they are used once")]
pub(super) fn merged(
    cx: &mut Cx<'_>,
    conversation: &mut Conversation,
    entry: &ChannelEntry,
    at: ChainPoint,
    group: &Group,
    effect: &CommitEffect,
    entry_records: &EntryRecords,
    own: bool,
) -> Result<(), EngineError> {
    let before = accounts(&conversation.members);
    let committer = effect.committer.credential.account;
    let sender = (committer, effect.committer.credential.device);
    let body = describe(conversation, effect, &before);
    conversation.epoch = effect.epoch;
    if effect.removes_me {
        apply::log(cx, conversation, entry, at, sender, None, body)?;
        conversation.members.retain(|member| effect.removed.iter().all(|gone| gone.leaf != member.leaf));
        let own = (cx.own()?.row.account, cx.own()?.row.device);
        let leaves = conversation.leavers.iter().any(|leaver| leaver.account == own.0);
        conversation.state = if effect.joined_externally && sender == own {
            // This device entered in place of its own leaf, and has lost what it entered with since: nobody removed it. It is
            // not in the new epoch, whose keys the keyring still has for it.
            conversation.epoch = effect.epoch.saturating_sub(1);
            ConversationState::NeedsRejoin { reason: RejoinReason::StoreRolledBack }
        } else if leaves {
            ConversationState::Left
        } else {
            ConversationState::Removed
        };
        conversation.ahead = None;
        return clear(cx, conversation, true);
    }
    let announced: Vec<AccountId> =
        effect.added.iter().map(|member| member.credential.account).chain([committer]).collect();
    records::announce(cx, conversation.channel, entry_records, &announced)?;
    remember_added(cx, effect, entry_records)?;
    view(conversation, group)?;
    if let (true, Some(next)) = (effect.rolls && !is_on(Mutant::KeepOldKeys), &effect.keys) {
        conversation.keys = stored_keys(next);
        conversation.keys_since = at.position;
    }
    // Of which epoch they are, only whoever sealed them says.
    let is_reached = |ahead: &KeysAhead| ahead.epoch <= conversation.epoch || ahead.keys == conversation.keys;
    if conversation.ahead.as_ref().is_some_and(is_reached) {
        conversation.ahead = None;
    }
    if let Some(profile) = &effect.profile {
        conversation.title.clone_from(&profile.title);
    }
    let after = accounts(&conversation.members);
    conversation.leavers.retain(|leaver| after.contains(&leaver.account));
    if own {
        conversation.fresh_leaf = group.has_fresh_leaf();
        if !conversation.fresh_leaf {
            conversation.leaf_updated = cx.now;
        }
        cx.tx.conversations().delete_pending_commit(&conversation.channel)?;
    }
    apply::log(cx, conversation, entry, at, sender, None, body)?;
    if own {
        deliveries::release(cx, conversation, &entry.id, at)?;
    }
    Ok(())
}

/// This device's own wish to leave stands in the log: nothing more is read or written here.
pub(super) fn leave(cx: &mut Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    conversation.state = ConversationState::Left;
    clear(cx, conversation, false)
}

/// Drops what only a member needs; the readable log stays.
pub(crate) fn clear(cx: &mut Cx<'_>, conversation: &Conversation, keep_outbox: bool) -> Result<(), EngineError> {
    let channel = conversation.channel;
    if !replace::is_used_elsewhere(cx, conversation)? {
        Group::discard(&cx.provider(), conversation.group)?;
    }
    restore::forget(cx, &channel)?;
    if let Some(pending) = cx.tx.conversations().pending_commit(&channel)? {
        cx.tx.conversations().delete_pending_commit(&channel)?;
        deliveries::withdraw(cx, &channel, &pending.id)?;
    }
    if !keep_outbox {
        for row in cx.tx.outbox().outbox_of(&channel)? {
            cx.tx.outbox().delete_outbox(row.row)?;
            if row.purpose == MessagePurpose::Content {
                cx.notify(Event::Rejected { channel, intent: row.intent, code: ErrorCode::AccessDenied });
            }
        }
    }
    Ok(())
}

/// Copies what people ask for out of the group.
pub(crate) fn view(conversation: &mut Conversation, group: &Group) -> Result<(), EngineError> {
    conversation.members = devices(&group.members()?);
    conversation.epoch = group.epoch();
    Ok(())
}

/// Leaves as rows hold them.
pub(crate) fn devices(members: &[Member]) -> List<MemberDevice> {
    let leaf = |member: &Member| MemberDevice {
        leaf: member.leaf,
        account: member.credential.account,
        device: member.credential.device,
        identity_hash: member.credential.identity_hash,
    };
    members.iter().map(leaf).collect::<Vec<_>>().into()
}

/// Everything that a group says of its conversation, for a device that has just entered.
pub(crate) fn whole(cx: &Cx<'_>, conversation: &mut Conversation, group: &Group) -> Result<(), EngineError> {
    view(conversation, group)?;
    let profile = group.profile()?;
    conversation.title = profile.title;
    let own = cx.own()?.row.account;
    let other = accounts(&conversation.members).into_iter().find(|account| *account != own);
    (conversation.kind, conversation.peer) = match profile.kind {
        mls::ConversationKind::Group => (ConversationKind::Group, None),
        mls::ConversationKind::Direct => (ConversationKind::Direct, other),
    };
    conversation.suite = group.suite()?.number();
    Ok(())
}

/// The accounts of leaves, each once, in order of their first leaf.
pub(crate) fn accounts(members: &[MemberDevice]) -> Vec<AccountId> {
    let mut accounts: Vec<AccountId> = Vec::new();
    for member in members {
        if !accounts.contains(&member.account) {
            accounts.push(member.account);
        }
    }
    accounts
}

fn describe(conversation: &Conversation, effect: &CommitEffect, before: &[AccountId]) -> LogBody {
    let has_leaf = |account: &AccountId| {
        let stays = |leaf: &&MemberDevice| effect.removed.iter().all(|gone| gone.leaf != leaf.leaf);
        conversation.members.iter().filter(stays).any(|leaf| leaf.account == *account)
            || effect.added.iter().any(|member| member.credential.account == *account)
            // Whoever enters in place of its own leaf takes it along.
            || (effect.joined_externally && effect.committer.credential.account == *account)
    };
    let mut added: Vec<AccountId> = Vec::new();
    let mut devices_added = 0;
    for member in &effect.added {
        let account = member.credential.account;
        if before.contains(&account) {
            devices_added += 1;
        } else if !added.contains(&account) {
            added.push(account);
        }
    }
    let mut removed: Vec<AccountId> = Vec::new();
    let mut devices_removed = 0;
    for member in &effect.removed {
        let account = member.credential.account;
        if has_leaf(&account) {
            devices_removed += 1;
        } else if !removed.contains(&account) {
            removed.push(account);
        }
    }
    if effect.joined_externally {
        devices_added = 1;
    }
    if devices_added > 0 || !effect.added.is_empty() || !effect.removed.is_empty() {
        return LogBody::Membership { added: added.into(), removed: removed.into(), devices_added, devices_removed };
    }
    match &effect.profile {
        Some(profile) if conversation.kind == ConversationKind::Group && profile.title != conversation.title => {
            LogBody::Renamed { title: profile.title.clone() }
        }
        Some(_) | None => LogBody::Updated,
    }
}

/// Remembers accounts that a commit added, as far as their whole record verifies.
fn remember_added(cx: &mut Cx<'_>, effect: &CommitEffect, records: &EntryRecords) -> Result<(), EngineError> {
    for record in records.identities() {
        let added = effect.added.iter().any(|member| member.credential.account == record.account());
        if added && let Ok(identity) = fetch::stored_identity(record.signed_bytes()) {
            fetch::remember(cx, &identity)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::MessageId;

    use super::*;
    use crate::{
        channels::session::tests::conversation,
        effect::Effect,
        engine::bed::Bed,
        store::{MessagePurpose, OutboxMessage},
    };

    #[test]
    fn what_still_waits_when_a_conversation_is_left_is_said_to_be_refused() {
        let (mut bed, conversation) = (Bed::new(), conversation());
        bed.at(1, |cx| {
            for (intent, purpose) in [(1, MessagePurpose::Content), (2, MessagePurpose::Leave)] {
                let message = OutboxMessage {
                    row: 0,
                    channel: conversation.channel,
                    intent: MessageId::new([intent; 16]),
                    purpose,
                    content: vec![intent],
                    attempt: None,
                    not_before: cx.now,
                    queued: cx.now,
                    tries: 0,
                    lease: None,
                };
                cx.tx.outbox().push_outbox(&message).expect("stores");
            }
            clear(cx, &conversation, false).expect("clears");
            assert_eq!(cx.tx.outbox().outbox_of(&conversation.channel), Ok(Vec::new()));
        });
        let (channel, intent) = (conversation.channel, MessageId::new([1; 16]));
        let refused = Event::Rejected { channel, intent, code: ErrorCode::AccessDenied };
        assert_eq!(bed.effects, [Effect::Notify(refused)], "a wish to leave is no message");
    }
}
