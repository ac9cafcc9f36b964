//! Building a commit: everything that leaves with it is stored in the same transaction.
//!
//! ```text
//!   Plan ──▶ Group::stage_commit ─┬─▶ entry (old channel key), with the records it announces
//!                                 ├─▶ GroupInfo (channel key in force afterwards), with the chunks of its tree that changed
//!                                 ├─▶ keyring and next access key, if it removes anything
//!                                 └─▶ one staged delivery for each account it adds
//! ```

use quicprochat_e2ee::{
    E2eeError,
    channel::{EntryBody, EntryHead, seal_entry, seal_keyring},
    mls::{self, Change, Group, OwnDevice, welcome_for},
};
use quicprochat_identity::InboxPublicKey;
use quicprochat_wire::{
    AccountId, MessageId,
    call::channel::{ChainPoint, EntryKind},
    chain,
    limits::{MAX_GROUP_LEAVES, MAX_INBOX_BYTES},
    mutant::{Mutant, is_on},
};

use super::{merge, records};
use crate::{
    command::CommandError,
    deliveries,
    engine::{Cx, keys, stored_keys},
    error::EngineError,
    store::{Conversation, Delivery, DeliveryBody, PendingCommit, PendingGroupInfo, Roll, SecretBytes},
};

/// An account to add, as the directory has it.
#[derive(Clone, Debug)]
pub(crate) struct Addition {
    pub(crate) account: AccountId,
    /// The identity part, verified and pinned.
    pub(crate) part: Vec<u8>,
    pub(crate) inbox_key: InboxPublicKey,
    /// Fresh KeyPackages of the group's suite, one a device.
    pub(crate) key_packages: Vec<Vec<u8>>,
}

/// What a commit is to do.
#[derive(Clone, Default, Debug)]
pub(crate) struct Plan {
    pub(crate) add: Vec<Addition>,
    /// Leaves.
    pub(crate) remove: Vec<u32>,
    pub(crate) title: Option<String>,
    pub(crate) update: bool,
}

impl Plan {
    /// Whether the commit removes anybody, and so replaces the channel's keys.
    pub(crate) fn rolls(&self, conversation: &Conversation) -> bool {
        let leaves = |account: &AccountId| conversation.leavers.iter().any(|leaver| leaver.account == *account);
        !self.remove.is_empty() || conversation.members.iter().any(|member| leaves(&member.account))
    }

    /// Renews the own leaf.
    pub(crate) fn update() -> Self {
        Self { update: true, ..Self::default() }
    }
}

/// Stages a commit after the last one read; there must be none pending. Members that wait to be removed go with it (L10).
///
/// Returns the commit's id, or why this device cannot commit it.
pub(crate) fn stage(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    plan: &Plan,
) -> Result<Result<MessageId, CommandError>, EngineError> {
    let own = cx.own()?.device();
    let own_part = cx.own()?.row.identity.clone();
    let (channel, after) = (conversation.channel, conversation.last_commit);
    let id = cx.random_id();
    let change = change(conversation, plan, &own);
    let leaves = conversation.members.len() + change.add.len() - change.remove.len().min(conversation.members.len());
    if leaves > MAX_GROUP_LEAVES {
        return Ok(Err(CommandError::TooMany { limit: MAX_GROUP_LEAVES, found: leaves }));
    }
    let head = EntryHead { channel, id, kind: EntryKind::Commit, after };
    let provider = cx.provider();
    let Some(mut group) = Group::load(&provider, conversation.group)? else { return Ok(Err(CommandError::Crypto)) };
    let change = match &plan.title {
        Some(title) => {
            let mut profile = group.profile()?;
            profile.title.clone_from(title);
            Change { profile: Some(profile), ..change }
        }
        None => change,
    };
    let staged = match group.stage_commit(&provider, &own, &change, &head.aad()) {
        Ok(staged) => staged,
        Err(error @ E2eeError::Store(_)) => return Err(error.into()),
        Err(error) => {
            tracing::debug!(?error, "a commit is not possible");
            return Ok(Err(CommandError::Crypto));
        }
    };
    drop(provider);
    match seal(cx, conversation, plan, &own, own_part, &head, &staged)? {
        Ok(()) => Ok(Ok(id)),
        Err(error) => {
            let provider = cx.provider();
            group.clear_pending(&provider)?;
            Ok(Err(error))
        }
    }
}

/// Whether somebody else has left and is still to be removed, which the next commit does whatever it is for (L10).
pub(crate) fn waits_for_removal(cx: &Cx<'_>, conversation: &Conversation) -> Result<bool, EngineError> {
    let own = cx.own()?.row.account;
    Ok(!leaving(conversation, &own).is_empty())
}

/// Leaves of other accounts that have left.
fn leaving(conversation: &Conversation, own: &AccountId) -> Vec<u32> {
    let leaves = |account: &AccountId| conversation.leavers.iter().any(|leaver| leaver.account == *account);
    let others = conversation.members.iter().filter(|member| member.account != *own && leaves(&member.account));
    others.map(|member| member.leaf).collect()
}

/// The plan, and whoever waits to be removed.
fn change(conversation: &Conversation, plan: &Plan, own: &OwnDevice) -> Change {
    let mut remove = plan.remove.clone();
    for leaf in leaving(conversation, &own.account) {
        if !remove.contains(&leaf) {
            remove.push(leaf);
        }
    }
    let add = plan.add.iter().flat_map(|addition| addition.key_packages.iter().cloned()).collect();
    Change { add, remove, profile: None, update: plan.update }
}

pub(super) fn seal(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    plan: &Plan,
    own: &OwnDevice,
    own_part: Vec<u8>,
    head: &EntryHead,
    staged: &mls::PendingCommit,
) -> Result<Result<(), CommandError>, EngineError> {
    let channel = conversation.channel;
    let current = keys(&conversation.keys);
    let known = |member: &crate::store::MemberDevice| {
        member.account == own.account && member.identity_hash == own.identity_hash
    };
    let mut announced: Vec<Vec<u8>> = plan.add.iter().map(|addition| addition.part.clone()).collect();
    if !conversation.members.iter().any(known) {
        announced.push(own_part);
    }
    let next = match (staged.effect.rolls, &staged.effect.keys) {
        (true, Some(next)) => next.clone(),
        _ => current.clone(),
    };
    let body = EntryBody { mls: staged.message.clone(), records: announced.clone() };
    let sealed = match seal_entry(&current, head, &body, cx.entropy) {
        Ok(sealed) => sealed,
        Err(error) => return too_large(error).map(Err),
    };
    // Sealed when it is sent: what of the tree is to be sent depends on what the server has.
    let group_info =
        PendingGroupInfo::Open { group_info: staged.group_info.clone(), ratchet_tree: staged.ratchet_tree.clone() };
    let roll = if staged.effect.rolls {
        let removed = |leaf: u32| staged.effect.removed.iter().any(|gone| gone.leaf == leaf);
        let mut staying: Vec<_> = conversation
            .members
            .iter()
            .filter(|m| !removed(m.leaf) || is_on(Mutant::KeyringToRemoved))
            .cloned()
            .collect();
        staying.retain(|member| member.account != own.account);
        let mut accounts = merge::accounts(&staying);
        accounts.push(own.account);
        accounts.extend(plan.add.iter().map(|addition| addition.account));
        accounts.sort_unstable();
        accounts.dedup();
        let recipients = records::inbox_keys(cx, &channel, &accounts, &announced)?;
        if recipients.len() < accounts.len() {
            // A device that entered without every record leaves rolls to others: nobody is to be left without the keys.
            return Ok(Err(CommandError::RecordsMissing { missing: accounts.len().saturating_sub(recipients.len()) }));
        }
        let recipients: Vec<&InboxPublicKey> = recipients.iter().collect();
        match seal_keyring(&channel, &next, staged.effect.epoch, &recipients, cx.entropy) {
            Ok(keyring) => Some(Roll { access: next.access_public(), keyring }),
            Err(error) => return too_large(error).map(Err),
        }
    } else {
        None
    };
    let pending = PendingCommit {
        channel,
        id: head.id,
        after: head.after,
        sealed,
        group_info,
        roll,
        next_keys: stored_keys(&next),
        records: announced.into(),
        lease: Some(cx.lease()),
    };
    cx.tx.conversations().put_pending_commit(&pending)?;
    let staged = stage_deliveries(cx, conversation, plan, head.id, staged.welcome.as_deref())?;
    if staged.is_ok() && is_on(Mutant::WelcomeBeforeAcceptance) {
        let position = conversation.cursor.position.saturating_add(1);
        let (kind, before) = (EntryKind::Commit, &conversation.cursor.hash);
        let hash = chain::link(before, position, &head.id, kind, &head.after, &pending.sealed);
        deliveries::release(cx, conversation, &head.id, ChainPoint { position, hash })?;
    }
    Ok(staged)
}

/// M1: each account's invitation is in the outbox from the start.
fn stage_deliveries(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    plan: &Plan,
    commit: MessageId,
    welcome: Option<&[u8]>,
) -> Result<Result<(), CommandError>, EngineError> {
    let Some(welcome) = welcome else { return Ok(Ok(())) };
    for addition in &plan.add {
        let packages: Vec<&[u8]> = addition.key_packages.iter().map(Vec::as_slice).collect();
        let welcome = welcome_for(welcome, &packages)?;
        if welcome.len() > MAX_INBOX_BYTES {
            return Ok(Err(CommandError::TooLarge { limit: MAX_INBOX_BYTES, found: welcome.len() }));
        }
        let delivery = Delivery {
            id: cx.random_id(),
            account: addition.account,
            channel: conversation.channel,
            commit,
            body: DeliveryBody::Staged {
                inbox_key: addition.inbox_key.as_bytes().to_vec(),
                welcome: SecretBytes::new(welcome),
            },
            token: None,
            not_before: cx.now,
            tries: 0,
            lease: None,
        };
        cx.tx.outbox().put_delivery(&delivery)?;
    }
    Ok(Ok(()))
}

fn too_large(error: E2eeError) -> Result<CommandError, EngineError> {
    if let E2eeError::TooLarge { limit, found, .. } = error {
        Ok(CommandError::TooLarge { limit, found })
    } else {
        Err(error.into())
    }
}
