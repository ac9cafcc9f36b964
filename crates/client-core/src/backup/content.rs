//! Items out of a store.

use std::collections::BTreeSet;

use quicprochat_e2ee::vault::Standing;
use quicprochat_wire::Timestamp;
use zeroize::Zeroizing;

use super::{AccountItem, ContactItem, ContentError, ConversationItem, Counts, Item};
use crate::{
    history::HistoryRecord,
    store::{Contact, Conversation, ConversationKind, ConversationState, OwnAccount, StoreTx},
};

/// Entries read from the store at a time.
const PAGE: usize = 64;
/// An item of history ends with the record that makes its records this many bytes, or more.
const HISTORY_BYTES: usize = 256 * 1024;

/// Gives every item of a backup to `emit`, in order, and says how many there were.
///
/// Errors:   [`ContentError::NoAccount`], [`ContentError::Store`], and whatever `emit` answers.
pub fn write<E: From<ContentError>>(
    tx: &dyn StoreTx,
    made: Timestamp,
    program: &str,
    emit: &mut dyn FnMut(Item) -> Result<(), E>,
) -> Result<Counts, E> {
    let store = |fault| E::from(ContentError::Store(fault));
    let own = tx.account().own_account().map_err(store)?.ok_or(ContentError::NoAccount)?;
    emit(Item::Account(account(&own, made, program)))?;
    let mut counts = Counts::default();
    for contact in tx.contacts().all_contacts().map_err(store)? {
        emit(Item::Contact(contact_item(contact)))?;
        counts.contacts += 1;
    }
    for conversation in tx.conversations().all_conversations().map_err(store)? {
        // While the server does not have it, there is nothing that another device could enter.
        if conversation.state == ConversationState::Creating {
            continue;
        }
        emit(Item::Conversation(conversation_item(&conversation, &own)))?;
        counts.conversations += 1;
        counts.entries += history(tx, &conversation, emit)?;
    }
    emit(Item::End(counts))?;
    Ok(counts)
}

fn history<E: From<ContentError>>(
    tx: &dyn StoreTx,
    conversation: &Conversation,
    emit: &mut dyn FnMut(Item) -> Result<(), E>,
) -> Result<u64, E> {
    let (mut after, mut entries) = (0, 0);
    let (mut records, mut size) = (Vec::new(), 0_usize);
    loop {
        let page = tx.messages().messages_of(&conversation.channel, after, PAGE);
        let page = page.map_err(|fault| E::from(ContentError::Store(fault)))?;
        let Some(last) = page.last().map(|entry| entry.seq) else { break };
        for entry in &page {
            let record = HistoryRecord::from(entry);
            size = size.saturating_add(record.encode().len());
            records.push(record);
            entries += 1;
            if size >= HISTORY_BYTES {
                emit(Item::History(core::mem::take(&mut records)))?;
                size = 0;
            }
        }
        after = last;
    }
    if !records.is_empty() {
        emit(Item::History(records))?;
    }
    Ok(entries)
}

fn account(own: &OwnAccount, made: Timestamp, program: &str) -> AccountItem {
    AccountItem {
        account: own.account,
        name: own.name.clone(),
        host: own.host.clone(),
        server: own.server.to_string(),
        made,
        program: program.to_owned(),
    }
}

fn contact_item(contact: Contact) -> ContactItem {
    let Contact { account, name, host, identity, serial: _, relation, verified, changed, .. } = contact;
    let Contact { confirmed, pin, superseded, first_seen, .. } = contact;
    ContactItem { account, name, host, identity, relation, verified, confirmed, superseded, changed, pin, first_seen }
}

fn conversation_item(conversation: &Conversation, own: &OwnAccount) -> ConversationItem {
    let members: BTreeSet<_> = conversation.members.iter().map(|member| member.account).collect();
    ConversationItem {
        channel: conversation.channel,
        server: own.server.to_string(),
        kind: match conversation.kind {
            ConversationKind::Group => 0,
            ConversationKind::Direct => 1,
        },
        standing: match conversation.state {
            ConversationState::Left | ConversationState::Removed | ConversationState::Replaced { .. } => Standing::Left,
            ConversationState::Creating
            | ConversationState::Active
            | ConversationState::Leaving
            | ConversationState::NeedsRejoin { .. }
            | ConversationState::Diverged
            | ConversationState::Gone
            | ConversationState::Replacing { .. }
            | ConversationState::Spoilt => Standing::Joined,
        },
        title: conversation.title.clone(),
        peer: conversation.peer,
        members: members.into_iter().collect(),
        since: conversation.since,
        keys: Zeroizing::new(*conversation.keys.expose()),
        keys_since: conversation.keys_since,
        pinned: conversation.last_commit,
        cursor: conversation.cursor,
    }
}
