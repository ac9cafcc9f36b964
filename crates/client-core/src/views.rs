//! Questions about the store that are answered without the engine: what the conversations are, who is in them, what was said.

use std::collections::BTreeMap;

use quicprochat_wire::{AccountId, ChannelId};

use crate::{
    channels::restore,
    content::MimiContent,
    inbox, lineage, repair, state,
    store::{
        Conversation, ConversationKind, ConversationSettings, ConversationState, LogBody, LogEntry, MemberDevice,
        MessagePurpose, ServerPutBack, StoreFault, StoreTx,
    },
};

/// A conversation as people see it: a group, or everything between two accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConversationView {
    /// The channel to write to.
    pub main: Conversation,
    /// Its other channels: those that it was in before, and for a direct conversation that was made on both sides at once the other
    /// one.
    pub others: Vec<Conversation>,
    /// Its title; the other's name for a direct one.
    pub title: String,
    /// Messages that wait for the server.
    pub waiting: usize,
    /// What the person set for it, on whichever device.
    pub settings: ConversationSettings,
}

/// A member with all devices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberView {
    /// Who.
    pub account: AccountId,
    /// The name; empty if nothing is known.
    pub name: String,
    /// Whether the directory vouched for the name, or it is the own one.
    pub confirmed: bool,
    /// Whether the safety number was compared.
    pub verified: bool,
    /// Devices in the conversation.
    pub devices: Vec<MemberDevice>,
    /// Whether the member has left and waits to be removed.
    pub leaving: bool,
}

/// Why a text names no conversation.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nothing fits.
    #[error("no such conversation")]
    Unknown,
    /// Several fit.
    #[error("{} conversations fit", .0.len())]
    Ambiguous(Vec<ChannelId>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// How many invitations to the account this device could not open: made for its other devices, before it was enrolled, or
/// for a KeyPackage of its own that is gone.
pub fn unopened_invitations(tx: &dyn StoreTx) -> Result<u64, StoreFault> {
    inbox::unopened::read(tx)
}

/// How many positions of a channel this device cannot read, as far as it keeps track of its gaps.
pub fn missing_positions(tx: &dyn StoreTx, channel: &ChannelId) -> Result<u64, StoreFault> {
    repair::missing(tx, channel)
}

/// How many entries the server's log of a channel lacks, where that is why it stopped.
pub fn missing_at_server(tx: &dyn StoreTx, channel: &ChannelId) -> Result<Option<u64>, StoreFault> {
    restore::missing_at_server(tx, channel)
}

/// What this device has noticed of a server that was put back to an older backup, if it has.
pub fn server_put_back(tx: &dyn StoreTx) -> Result<Option<ServerPutBack>, StoreFault> {
    restore::put_back(tx)
}

/// Names for which this device has pinned another key than another device of the account: a person must find out which is right.
pub fn pinned_otherwise(tx: &dyn StoreTx) -> Result<Vec<String>, StoreFault> {
    state::pinned_otherwise(tx)
}

/// Every conversation, by id of its main channel.
pub fn conversations(tx: &dyn StoreTx) -> Result<Vec<ConversationView>, StoreFault> {
    let all = tx.conversations().all_conversations()?;
    let mut direct: BTreeMap<AccountId, Vec<Conversation>> = BTreeMap::new();
    for conversation in all.iter().filter(|conversation| conversation.kind == ConversationKind::Direct) {
        if let Some(peer) = conversation.peer {
            direct.entry(peer).or_default().push(conversation.clone());
        }
    }
    let mut views = Vec::new();
    for conversation in &all {
        let group = match (&conversation.kind, conversation.peer) {
            (ConversationKind::Direct, Some(peer)) => direct.get(&peer).cloned().unwrap_or_default(),
            _ if lineage::is_past(tx, conversation)? => continue,
            _ => [vec![conversation.clone()], lineage::before(tx, conversation)?].concat(),
        };
        let main = main_channel(&group);
        if main.map(|main| main.channel) != Some(conversation.channel) {
            continue;
        }
        let mut settings = settings_of(tx, &conversation.channel)?;
        for other in group.iter().filter(|other| other.channel != conversation.channel) {
            fill_in(&mut settings, settings_of(tx, &other.channel)?);
        }
        let others = group.into_iter().filter(|other| other.channel != conversation.channel).collect();
        let title = match (&settings.title, conversation.peer) {
            (Some(title), _) => title.clone(),
            (None, Some(peer)) if conversation.title.is_empty() => name_of(tx, &peer)?.0,
            (None, _) => conversation.title.clone(),
        };
        let rows = tx.outbox().outbox_of(&conversation.channel)?;
        let waiting = rows.iter().filter(|row| row.purpose != MessagePurpose::Control).count();
        views.push(ConversationView { main: conversation.clone(), others, title, waiting, settings });
    }
    Ok(views)
}

/// In the order in which people want to see them: pinned ones first and archived ones last, among these by the place that they
/// were given, then by title.
pub fn in_order(views: &mut [ConversationView]) {
    views.sort_by(|one, other| {
        let place = |view: &ConversationView| {
            let settings = &view.settings;
            (settings.archived, !settings.pinned, settings.order.unwrap_or(u32::MAX))
        };
        place(one).cmp(&place(other)).then_with(|| one.title.cmp(&other.title))
    });
}

/// How many messages of others come after what was read of a conversation, on whichever device of the account.
///
/// Own messages count as read and move nothing; what was imported or sent again counts like everything else, at its own position.
pub fn unread(tx: &dyn StoreTx, view: &ConversationView) -> Result<u64, StoreFault> {
    let channels = core::iter::once(&view.main).chain(&view.others);
    channels.map(|conversation| unread_in(tx, &conversation.channel)).sum()
}

/// Messages of others in a channel after what was read of it.
fn unread_in(tx: &dyn StoreTx, channel: &ChannelId) -> Result<u64, StoreFault> {
    const PAGE: usize = 512;
    let own = tx.account().own_account()?.map(|own| own.account);
    let mut after = tx.state().conversation_settings(channel)?.map_or(0, |settings| settings.read_to);
    let mut unread = 0;
    loop {
        let page = tx.messages().messages_of(channel, after, PAGE)?;
        let counts = |entry: &&LogEntry| Some(entry.sender) != own && is_message(&entry.body);
        unread += page.iter().filter(counts).count() as u64;
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            Some(_) | None => return Ok(unread),
        }
    }
}

/// Whether it is something that somebody said. A wish to leave that was sent again is not, as it is not in the first place.
fn is_message(body: &LogBody) -> bool {
    match body {
        LogBody::Content { .. } => true,
        LogBody::Relayed { content, .. } => {
            !MimiContent::decode(content).is_ok_and(|content| matches!(content.as_control(), Ok(Some(_))))
        }
        LogBody::Membership { .. }
        | LogBody::Renamed { .. }
        | LogBody::Leave
        | LogBody::Joined
        | LogBody::Updated
        | LogBody::Replaced { .. }
        | LogBody::Gap { .. } => false,
    }
}

fn settings_of(tx: &dyn StoreTx, channel: &ChannelId) -> Result<ConversationSettings, StoreFault> {
    Ok(tx.state().conversation_settings(channel)?.unwrap_or(ConversationSettings::new(*channel)))
}

/// Of several channels with one person, whatever is set for one of them counts.
fn fill_in(settings: &mut ConversationSettings, other: ConversationSettings) {
    settings.title = settings.title.take().or(other.title);
    settings.muted_until = settings.muted_until.max(other.muted_until);
    settings.archived |= other.archived;
    settings.pinned |= other.pinned;
    settings.order = settings.order.or(other.order);
    settings.draft = settings.draft.take().or(other.draft);
}

/// The direct channels with somebody, by id.
pub fn direct_channels(tx: &dyn StoreTx, peer: &AccountId) -> Result<Vec<Conversation>, StoreFault> {
    let all = tx.conversations().all_conversations()?;
    let direct = |conversation: &Conversation| {
        conversation.kind == ConversationKind::Direct && conversation.peer.as_ref() == Some(peer)
    };
    Ok(all.into_iter().filter(direct).collect())
}

/// The channel of several that is written to: the lowest that is active and has the other account in it, as long as an
/// invitation may not have come through; else the lowest that is active, else the lowest that was not replaced.
pub(crate) fn main_channel(channels: &[Conversation]) -> Option<&Conversation> {
    let is_active =
        |conversation: &&Conversation| conversation.state == ConversationState::Active || conversation.is_replacing();
    let has_peer = |conversation: &&Conversation| {
        conversation.members.iter().any(|member| Some(member.account) == conversation.peer)
    };
    let goes_on = |conversation: &&Conversation| !matches!(conversation.state, ConversationState::Replaced { .. });
    let both = channels.iter().filter(is_active).find(has_peer);
    let active = both.or_else(|| channels.iter().find(is_active));
    active.or_else(|| channels.iter().find(goes_on)).or_else(|| channels.first())
}

/// The conversation that a text names: an id, an unambiguous prefix of one, or a title.
pub fn resolve(tx: &dyn StoreTx, text: &str) -> Result<ConversationView, ResolveError> {
    let views = conversations(tx)?;
    let wanted = text.to_ascii_lowercase();
    let by_id = |view: &&ConversationView| {
        let fits = |conversation: &Conversation| conversation.channel.to_string().starts_with(&wanted);
        !wanted.is_empty() && (fits(&view.main) || view.others.iter().any(fits))
    };
    let titled: Vec<&ConversationView> =
        views.iter().filter(|view| view.title == text || (!text.is_empty() && view.main.title == text)).collect();
    let found = if titled.is_empty() { views.iter().filter(by_id).collect() } else { titled };
    match found.as_slice() {
        [] => Err(ResolveError::Unknown),
        [one] => Ok((*one).clone()),
        several => Err(ResolveError::Ambiguous(several.iter().map(|view| view.main.channel).collect())),
    }
}

/// The log of a conversation: entries above `since`, at most `limit` of them, the last ones if `since` is 0.
pub fn log(tx: &dyn StoreTx, view: &ConversationView, since: u64, limit: usize) -> Result<Vec<LogEntry>, StoreFault> {
    let channels: Vec<ChannelId> =
        core::iter::once(&view.main).chain(&view.others).map(|conversation| conversation.channel).collect();
    merged_log(tx, &channels, since, limit)
}

/// The logs of several channels as one: entries above `since`, at most `limit` of them, the last ones if `since` is 0.
///
/// By the server's minute, then by channel, one that took another's place behind it and the one that is written to last, then by
/// position: both sides show one order.
pub fn merged_log(
    tx: &dyn StoreTx,
    channels: &[ChannelId],
    since: u64,
    limit: usize,
) -> Result<Vec<LogEntry>, StoreFault> {
    let (mut entries, mut ages) = (Vec::new(), BTreeMap::new());
    for channel in channels {
        if let Some(conversation) = tx.conversations().conversation(channel)? {
            ages.insert(*channel, lineage::before(tx, &conversation)?.len());
        }
        entries.extend(if since == 0 {
            tx.messages().last_messages(channel, limit)?
        } else {
            tx.messages().messages_of(channel, since, limit)?
        });
    }
    if channels.len() > 1 {
        entries.sort_by_key(|entry| {
            (entry.time, ages.get(&entry.channel).copied(), core::cmp::Reverse(entry.channel), entry.seq)
        });
    }
    if since == 0 {
        let surplus = entries.len().saturating_sub(limit);
        entries.drain(..surplus);
    } else {
        entries.truncate(limit);
    }
    Ok(entries)
}

/// The members, in order of their first leaf.
pub fn members(tx: &dyn StoreTx, conversation: &Conversation) -> Result<Vec<MemberView>, StoreFault> {
    let own = tx.account().own_account()?;
    let mut members: Vec<MemberView> = Vec::new();
    for leaf in conversation.members.iter() {
        if let Some(member) = members.iter_mut().find(|member| member.account == leaf.account) {
            member.devices.push(leaf.clone());
            continue;
        }
        let (name, confirmed, verified) = match &own {
            Some(own) if own.account == leaf.account => (own.name.clone(), true, true),
            _ => name_of(tx, &leaf.account)?,
        };
        let leaving = conversation.leavers.iter().any(|leaver| leaver.account == leaf.account);
        let devices = vec![leaf.clone()];
        members.push(MemberView { account: leaf.account, name, confirmed, verified, devices, leaving });
    }
    Ok(members)
}

/// The name of an account, whether the directory vouched for it, and whether the person was verified.
pub fn name_of(tx: &dyn StoreTx, account: &AccountId) -> Result<(String, bool, bool), StoreFault> {
    if let Some(contact) = tx.contacts().contact(account)? {
        return Ok((contact.name, contact.confirmed, contact.verified));
    }
    // Another device of the account has met them; this one has not looked them up.
    Ok((tx.state().known_contact(account)?.map(|known| known.name).unwrap_or_default(), false, false))
}
