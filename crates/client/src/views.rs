//! What a person sees of the store: conversations with titles, members with names.
//!
//! Two people who write to each other at the same moment get two channels; here they are one conversation, under the lower
//! channel id, which is where new messages go.

use std::collections::BTreeMap;

use quicprochat_client_core::store::{Conversation, ConversationKind, ConversationState, StoreFault, StoreTx};
use quicprochat_wire::{AccountId, ChannelId};

/// Shortest prefix of an id that names a conversation.
const MIN_PREFIX: usize = 4;

/// A conversation as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// Its id: the channel that new messages go to.
    pub id: ChannelId,
    /// Every channel whose log belongs to it, `id` first.
    pub channels: Vec<ChannelId>,
    /// Its title; for a direct one the other's name.
    pub title: String,
    /// Group or direct.
    pub kind: ConversationKind,
    /// Where it stands.
    pub state: ConversationState,
    /// MLS cipher suite number.
    pub suite: u16,
    /// Who is in it, by name.
    pub members: Vec<MemberView>,
}

/// A member of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub account: AccountId,
    /// The name, or the short id of an account whose record is unknown.
    pub name: String,
    /// With how many devices.
    pub devices: usize,
}

/// All conversations, directs with one peer taken together; by title.
pub fn conversations(tx: &dyn StoreTx) -> Result<Vec<ConversationView>, StoreFault> {
    let mut directs: BTreeMap<AccountId, Vec<Conversation>> = BTreeMap::new();
    let mut views = Vec::new();
    for conversation in tx.conversations().all_conversations()? {
        match conversation.peer {
            Some(peer) if conversation.kind == ConversationKind::Direct => {
                directs.entry(peer).or_default().push(conversation);
            }
            Some(_) | None => views.extend(view(tx, vec![conversation])?),
        }
    }
    for (_, channels) in directs {
        views.extend(view(tx, channels)?);
    }
    views.sort_by(|a, b| (&a.title, a.id).cmp(&(&b.title, b.id)));
    Ok(views)
}

/// The conversations that `text` may mean: the one with this id; else those with this title; else those whose id begins so.
#[must_use]
pub fn choose<'a>(all: &'a [ConversationView], text: &str) -> Vec<&'a ConversationView> {
    let matching = |test: &dyn Fn(&ConversationView) -> bool| all.iter().filter(|view| test(view)).collect::<Vec<_>>();
    let by_id = matching(&|view| view.channels.iter().any(|channel| channel.to_string() == text));
    if !by_id.is_empty() {
        return by_id;
    }
    let by_title = matching(&|view| view.title == text);
    if !by_title.is_empty() || text.len() < MIN_PREFIX {
        return by_title;
    }
    let prefix = text.to_ascii_lowercase();
    matching(&|view| view.channels.iter().any(|channel| channel.to_string().starts_with(&prefix)))
}

/// What to call an account.
pub fn name_of(tx: &dyn StoreTx, account: &AccountId) -> Result<String, StoreFault> {
    if let Some(own) = tx.account().own_account()?.filter(|own| own.account == *account) {
        return Ok(own.name);
    }
    Ok(tx.contacts().contact(account)?.map_or_else(|| account.short(), |contact| contact.name))
}

fn view(tx: &dyn StoreTx, mut channels: Vec<Conversation>) -> Result<Option<ConversationView>, StoreFault> {
    // The lowest id that is alive, as the engine chooses it too.
    channels.sort_by_key(|conversation| (conversation.state != ConversationState::Active, conversation.channel));
    let Some(first) = channels.first() else { return Ok(None) };
    let mut devices: BTreeMap<AccountId, usize> = BTreeMap::new();
    for member in first.members.iter() {
        *devices.entry(member.account).or_default() += 1;
    }
    let mut members = Vec::new();
    for (account, devices) in devices {
        members.push(MemberView { account, name: name_of(tx, &account)?, devices });
    }
    members.sort_by(|a, b| a.name.cmp(&b.name));
    let title = match (&first.kind, &first.peer) {
        (ConversationKind::Direct, Some(peer)) => name_of(tx, peer)?,
        (ConversationKind::Direct | ConversationKind::Group, _) => first.title.clone(),
    };
    Ok(Some(ConversationView {
        id: first.channel,
        channels: channels.iter().map(|conversation| conversation.channel).collect(),
        title,
        kind: first.kind.clone(),
        state: first.state.clone(),
        suite: first.suite,
        members,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: u8, title: &str) -> ConversationView {
        let id = ChannelId::new([id; 32]);
        ConversationView {
            id,
            channels: vec![id],
            title: title.to_owned(),
            kind: ConversationKind::Group,
            state: ConversationState::Active,
            suite: 0x4f,
            members: Vec::new(),
        }
    }

    #[test]
    fn an_id_counts_before_a_title_and_a_title_before_a_prefix() {
        let all = [named(0xab, "abab"), named(0xcd, "abababab"), named(0xce, "abab")];
        let ids = |text: &str| choose(&all, text).iter().map(|view| view.id.as_bytes()[0]).collect::<Vec<_>>();
        assert_eq!(ids(&"ab".repeat(32)), [0xab]);
        assert_eq!(ids("abab"), [0xab, 0xce]);
        assert_eq!(ids("CDCD"), [0xcd]);
        assert_eq!(ids("cdc"), [] as [u8; 0], "a prefix has at least four digits");
        assert_eq!(ids("nothing"), [] as [u8; 0]);
    }
}
