//! Going on in another channel where somebody spoilt the one at hand (L11).
//!
//! ```text
//!   a recorded key is not the derived one ──▶ Replacing { 1 } ──attach: there──────────────────────────▶ switch ──▶ Active there,
//!                                                 ▲   │ not there: members in turn, by leaf ──create──────▶ │       Replaced here
//!                                                 │   └──exists, and under another key ──▶ Replacing { n + 1 }
//!                                                 └─ doctor ── Spoilt ◀── none could be had
//! ```
//!
//! The commit itself counts: all members are in the epoch that it begins, and the replacement is derived from its exporter. The
//! group goes on in it from there; whoever spoilt the old one is the first to be removed.

use quicprochat_e2ee::{
    channel::{GroupInfoBody, GroupInfoHead, seal_group_info, seal_keyring},
    mls::{Group, Replacement},
};
use quicprochat_wire::{
    AccountId, CallFailure, ChannelId, ConnectionKind, ErrorCode, MessageId, Timestamp,
    call::channel::{ChainPoint, ChannelCreate},
    chain,
    time::Duration,
};

use super::{
    attach,
    commit::{self, Plan},
    restore,
    session::{ChannelCall, Session},
    settle,
    tend::spread,
};
use crate::{
    archive,
    engine::{Cx, Purpose, stored_keys},
    error::EngineError,
    event::Event,
    fetch::Fetch,
    lineage,
    stock::{Stock, Take},
    store::{
        AnnouncedRecord, Conversation, ConversationKind, ConversationState, Creation, Leaver, LogBody, LogEntry,
        MessagePurpose, OutboxMessage,
    },
};

/// How many replacements of one epoch are tried: somebody who may derive them, too, can make them first with another key.
const MOST_NUMBERS: u32 = 4;
/// How many in a row may be spoilt again before whoever does it is out.
const MOST_ROUNDS: u32 = 4;
/// How many there are of a conversation in all: whoever spoils one after the other, unknown, must not fill stores and vaults.
const MOST_EVER: usize = 64;
/// How long each member in line leaves the creation to those before it.
const TURN: Duration = Duration::from_secs(2);
/// Spread within a turn.
const TURN_SPREAD_MS: u64 = 1_000;
/// The longest wait of all.
const LONGEST: Duration = Duration::from_secs(10);

/// What a link knows of the replacement that is tried.
#[derive(Default)]
pub(crate) struct Looking {
    /// The server does not have it under the derived key.
    absent: bool,
    /// The server has a channel of that id.
    taken: bool,
}

/// The last commit's recorded access key is not the derived one.
pub(super) fn noticed(cx: &Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    tracing::warn!(at = conversation.last_commit.position, "an access key was recorded that is not the derived one");
    conversation.spoilt_at = Some(conversation.last_commit.position);
    conversation.ahead = None;
    // Nothing of this channel is given back to anybody.
    restore::forget(cx, &conversation.channel)?;
    begin(cx, conversation)
}

/// It is the derived one, and the commit rolled: whoever spoilt the channel before may be out by now.
pub(super) fn rolled(conversation: &mut Conversation) {
    let stays = |leaver: &Leaver| conversation.members.iter().any(|member| member.account == leaver.account);
    if !conversation.leavers.iter().any(stays) {
        conversation.rounds = 0;
    }
}

fn begin(cx: &Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    let goes_on = conversation.rounds < MOST_ROUNDS && lineage::named(cx.tx, conversation)?.len() < MOST_EVER;
    conversation.state =
        if goes_on { ConversationState::Replacing { number: 1, since: cx.now } } else { ConversationState::Spoilt };
    Ok(())
}

/// Tries once more where no replacement could be had; whether there is anything to try.
pub(crate) fn again(cx: &mut Cx<'_>, conversation: &mut Conversation) -> Result<bool, EngineError> {
    let spoilt = conversation.state == ConversationState::Spoilt;
    if !spoilt || conversation.spoilt_at != Some(conversation.last_commit.position) {
        return Ok(false);
    }
    if Group::load(&cx.provider(), conversation.group)?.is_none() {
        return Ok(false);
    }
    conversation.rounds = 0;
    let before = conversation.state.clone();
    begin(cx, conversation)?;
    settle(cx, &before, conversation)?;
    Ok(conversation.is_replacing())
}

/// Takes the next step towards the replacement.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    stock: &mut Stock,
) -> Result<(), EngineError> {
    let ConversationState::Replacing { number, since } = conversation.state else { return Ok(()) };
    if let Some(stream) = session.stream.take() {
        cx.unsubscribe(stream);
    }
    if session.is_calling() {
        return Ok(());
    }
    let Some(replacement) = derive(cx, conversation, number)? else { return give_up(cx, session, conversation) };
    if !session.replacement.absent {
        session.attaching = true;
        let request = attach::attach_request(cx, replacement.channel, &replacement.keys)?;
        let call = ChannelCall::Replacement { number };
        cx.call(ConnectionKind::Channel, request, Purpose::Channel(conversation.channel, call));
        return Ok(());
    }
    let turn = turn(conversation, culprit(cx, conversation)?, cx.own()?.row.device, since);
    if cx.is_to_come(turn, LONGEST) {
        // It is looked for again then, and made if nobody before in line has done so.
        session.replacement.absent = false;
        session.rest_until = Some(turn);
        return Ok(());
    }
    create(cx, session, conversation, &replacement, number, stock)
}

/// The replacement of that number; `None` if this device does not have the group.
fn derive(cx: &mut Cx<'_>, conversation: &Conversation, number: u32) -> Result<Option<Replacement>, EngineError> {
    let provider = cx.provider();
    let Some(group) = Group::load(&provider, conversation.group)? else { return Ok(None) };
    Ok(Some(group.replacement(&provider, number)?))
}

/// Who made the commit that spoilt the channel; `None` if it counted for nobody, so that nobody knows.
fn culprit(cx: &Cx<'_>, conversation: &Conversation) -> Result<Option<AccountId>, EngineError> {
    let Some(at) = conversation.spoilt_at else { return Ok(None) };
    let found = cx.tx.messages().messages_of(&conversation.channel, at.saturating_sub(1), 1)?;
    let is_commit =
        |body: &LogBody| matches!(body, LogBody::Membership { .. } | LogBody::Renamed { .. } | LogBody::Updated);
    Ok(found.into_iter().find(|entry| entry.seq == at && is_commit(&entry.body)).map(|entry| entry.sender))
}

/// When this device is to make the replacement: member i of those that are not to be removed, by leaf, waits i turns.
fn turn(
    conversation: &Conversation,
    culprit: Option<AccountId>,
    device: quicprochat_wire::DeviceId,
    since: Timestamp,
) -> Timestamp {
    let in_line = || conversation.members.iter().filter(|member| Some(member.account) != culprit);
    let rank = in_line().position(|member| member.device == device).unwrap_or_else(|| in_line().count());
    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
    let jitter = if rank == 0 { 0 } else { spread(device, TURN_SPREAD_MS) };
    let longest = LONGEST.saturating_sub(Duration::from_millis(TURN_SPREAD_MS));
    since.after(TURN.saturating_mul(rank).min(longest) + Duration::from_millis(jitter))
}

/// Sends the creation as it stands, once it is paid for.
fn create(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    replacement: &Replacement,
    number: u32,
    stock: &mut Stock,
) -> Result<(), EngineError> {
    let mut creation = match cx.tx.conversations().creation(&replacement.channel)? {
        Some(creation) => creation,
        None => first_contents(cx, conversation, replacement)?,
    };
    let token = match creation.token.clone() {
        Some(token) => token,
        None => match stock.take(cx)? {
            Take::Token(token) => token,
            Take::Wait => return Ok(()),
            Take::Failed(_) => {
                session.back_off(cx, ErrorCode::Unavailable.into());
                return Ok(());
            }
        },
    };
    creation.token = Some(token.clone());
    cx.tx.conversations().put_creation(&creation)?;
    session.creating = true;
    let Creation { channel, access, group_info, keyring, .. } = creation;
    let request = ChannelCreate { channel, access, group_info, keyring, token };
    let call = ChannelCall::ReplacementCreate { number };
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(conversation.channel, call));
    Ok(())
}

/// What a replacement is created with: the GroupInfo of the epoch at which it begins, with its whole tree. Nobody has an earlier
/// key of the channel, so its keyring is of no use to anybody and for this account alone.
fn first_contents(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    replacement: &Replacement,
) -> Result<Creation, EngineError> {
    let Replacement { channel, keys } = replacement;
    let own = cx.own()?.device();
    let identity = cx.own()?.identity()?;
    let provider = cx.provider();
    let group = Group::load(&provider, conversation.group)?.ok_or(EngineError::OwnState)?;
    let (group_info, ratchet_tree) = group.group_info(&provider, &own)?;
    drop(provider);
    let head = GroupInfoHead { channel: *channel, after_position: 0, commit: MessageId::new([0; 16]) };
    let body = GroupInfoBody { group_info, ratchet_tree };
    Ok(Creation {
        channel: *channel,
        access: keys.access_public(),
        group_info: seal_group_info(keys, &head, &body, cx.entropy)?,
        keyring: seal_keyring(channel, keys, conversation.epoch, &[identity.inbox_key()], cx.entropy)?,
        token: None,
    })
}

/// The server has the replacement under the derived key, whoever made it.
pub(super) fn found(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    number: u32,
) -> Result<(), EngineError> {
    if !is_tried(conversation, number) {
        return Ok(());
    }
    let Some(replacement) = derive(cx, conversation, number)? else { return give_up(cx, session, conversation) };
    switch(cx, conversation, &replacement)
}

/// The server does not have it, or has it under another key.
pub(super) fn absent(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    number: u32,
    failure: CallFailure,
) -> Result<(), EngineError> {
    if !is_tried(conversation, number) {
        return Ok(());
    }
    match failure.code {
        ErrorCode::AccessDenied | ErrorCode::NotFound if session.replacement.taken => {
            tracing::warn!(number, "a replacement is there under another access key than the derived one");
            session.replacement = Looking::default();
            if number >= MOST_NUMBERS {
                return give_up(cx, session, conversation);
            }
            conversation.state = ConversationState::Replacing { number: number + 1, since: cx.now };
        }
        ErrorCode::AccessDenied | ErrorCode::NotFound => session.replacement.absent = true,
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// The server did not make it.
pub(super) fn not_created(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    number: u32,
    failure: CallFailure,
) -> Result<(), EngineError> {
    if !is_tried(conversation, number) {
        return Ok(());
    }
    let Some(Replacement { channel, .. }) = derive(cx, conversation, number)? else {
        return give_up(cx, session, conversation);
    };
    match failure.code {
        ErrorCode::TokenInvalid | ErrorCode::TokenSpent | ErrorCode::TokenExpired => {
            if let Some(mut creation) = cx.tx.conversations().creation(&channel)? {
                creation.token = None;
                cx.tx.conversations().put_creation(&creation)?;
            }
            session.back_off(cx, failure);
        }
        ErrorCode::ChannelExists => {
            // Made since it was looked for, most likely by another member: the next look says whether under the derived key.
            cx.tx.conversations().delete_creation(&channel)?;
            session.replacement = Looking { absent: false, taken: true };
        }
        ErrorCode::TooLarge | ErrorCode::BadRequest => {
            cx.tx.conversations().delete_creation(&channel)?;
            session.refused = Some(failure);
            give_up(cx, session, conversation)?;
        }
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

fn is_tried(conversation: &Conversation, number: u32) -> bool {
    matches!(conversation.state, ConversationState::Replacing { number: tried, .. } if tried == number)
}

fn give_up(cx: &mut Cx<'_>, session: &mut Session, conversation: &mut Conversation) -> Result<(), EngineError> {
    session.replacement = Looking::default();
    let before = core::mem::replace(&mut conversation.state, ConversationState::Spoilt);
    settle(cx, &before, conversation)
}

/// The conversation goes on in its replacement, with everything that belongs to it, in this one transaction.
fn switch(cx: &mut Cx<'_>, conversation: &mut Conversation, to: &Replacement) -> Result<(), EngineError> {
    let channel = to.channel;
    let culprit = culprit(cx, conversation)?;
    let (own, device) = (cx.own()?.row.account, cx.own()?.row.device);
    let mut leavers = conversation.leavers.clone();
    let is_group = conversation.kind == ConversationKind::Group;
    if let Some(account) = culprit.filter(|culprit| is_group && *culprit != own)
        && conversation.members.iter().any(|member| member.account == account)
        && leavers.iter().all(|leaver| leaver.account != account)
    {
        // Removed like somebody who has left: by the next commit, whatever it is for.
        leavers.push(Leaver { account, since: cx.now });
    }
    let leaves = move_outbox(cx, conversation, channel)?;
    // Another device of the account may have read on there, and said so in the vault.
    let head = cx.tx.conversations().conversation(&channel)?.map_or(0, |known| known.head);
    for record in cx.tx.records().records_of(&conversation.channel)? {
        cx.tx.records().put_record(&AnnouncedRecord { channel, ..record })?;
    }
    let start = ChainPoint { position: 0, hash: chain::start(&channel) };
    let row = Conversation {
        channel,
        state: if leaves { ConversationState::Leaving } else { ConversationState::Active },
        cursor: start,
        last_commit: start,
        head,
        keys: stored_keys(&to.keys),
        keys_since: 0,
        ahead: None,
        leavers,
        replaces: Some(conversation.channel),
        rounds: conversation.rounds.saturating_add(1),
        spoilt_at: None,
        ..conversation.clone()
    };
    archive::went_on(cx.tx, &conversation.channel, channel)?;
    cx.tx.conversations().delete_creation(&channel)?;
    cx.tx.conversations().delete_pending_commit(&channel)?;
    cx.tx.conversations().put_conversation(&row)?;
    let entry = LogEntry {
        index: 0,
        channel,
        seq: 0,
        id: MessageId::new([0; 16]),
        sender: culprit.unwrap_or(own),
        device,
        time: cx.server_minute(),
        sent_at: cx.server_minute(),
        intent: None,
        body: LogBody::Replaced { culprit },
    };
    cx.tx.messages().append_message(&entry)?;
    conversation.state = ConversationState::Replaced { by: channel };
    cx.notify(Event::State { channel, state: row.state });
    Ok(())
}

/// What waits for the channel waits for its replacement, to be encrypted anew; whether a wish to leave is among it.
fn move_outbox(cx: &Cx<'_>, conversation: &Conversation, to: ChannelId) -> Result<bool, EngineError> {
    let mut leaves = false;
    for row in cx.tx.outbox().outbox_of(&conversation.channel)? {
        cx.tx.outbox().delete_outbox(row.row)?;
        leaves |= row.purpose == MessagePurpose::Leave;
        // What clients tell each other of positions is about the channel that they were read in.
        if row.purpose != MessagePurpose::Control {
            let tries = row.tries.saturating_add(u32::from(row.attempt.is_some()));
            let moved = OutboxMessage { channel: to, attempt: None, tries, not_before: cx.now, lease: None, ..row };
            cx.tx.outbox().push_outbox(&moved)?;
        }
    }
    Ok(leaves)
}

/// Whether a channel must not be entered yet. If it took the place of another one that this device is in, reading that to its end
/// shows as much, and what is there must not be lost. If it only has the group of another one, it may be somebody's trick.
pub(super) fn has_to_wait(cx: &Cx<'_>, conversation: &Conversation) -> Result<bool, EngineError> {
    let named = lineage::named(cx.tx, conversation)?;
    let is_first = conversation.group == conversation.channel;
    for other in others(cx, conversation)? {
        let waits = if named.contains(&other.channel) {
            other.is_live() || other.is_replacing()
        } else {
            other.group == conversation.group && !is_first && holds_group(&other)
        };
        if waits {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether what this device has of a conversation's group belongs to another conversation, or may yet. Somebody who invites must not
/// take it away by naming the same group.
pub(crate) fn is_used_elsewhere(cx: &Cx<'_>, conversation: &Conversation) -> Result<bool, EngineError> {
    Ok(others(cx, conversation)?.iter().any(|other| other.group == conversation.group && holds_group(other)))
}

fn holds_group(other: &Conversation) -> bool {
    !matches!(other.state, ConversationState::Left | ConversationState::Removed | ConversationState::Gone)
}

/// A channel is entered that the account's vault names: where this device was before, and could not go on, it goes on in this one.
/// Only what a device of the account has said counts, that followed itself: everybody can make a group that is called like another.
pub(super) fn follows(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<(), EngineError> {
    let named = lineage::named(cx.tx, conversation)?;
    for mut other in others(cx, conversation)? {
        if !named.contains(&other.channel) {
            continue;
        }
        let before = core::mem::replace(&mut other.state, ConversationState::Replaced { by: conversation.channel });
        cx.tx.conversations().delete_pending_commit(&other.channel)?;
        restore::forget(cx, &other.channel)?;
        move_outbox(cx, &other, conversation.channel)?;
        archive::went_on(cx.tx, &other.channel, conversation.channel)?;
        settle(cx, &before, &other)?;
    }
    Ok(())
}

/// Conversations in other channels, but those that were replaced.
fn others(cx: &Cx<'_>, conversation: &Conversation) -> Result<Vec<Conversation>, EngineError> {
    let mut all = cx.tx.conversations().all_conversations()?;
    all.retain(|other| {
        other.channel != conversation.channel && !matches!(other.state, ConversationState::Replaced { .. })
    });
    Ok(all)
}

/// In a replacement whoever spoilt the old channel is removed before anything is written; whether that has to be waited for.
pub(super) fn removes_first(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    fetch: &mut Fetch,
) -> Result<bool, EngineError> {
    let channel = conversation.channel;
    let begins = conversation.replaces.is_some() && conversation.last_commit.position == 0;
    if !begins
        || conversation.state != ConversationState::Active
        || session.sending
        || !commit::waits_for_removal(cx, conversation)?
        || cx.tx.conversations().pending_commit(&channel)?.is_some()
        || cx.tx.outbox().outbox_of(&channel)?.is_empty()
        || session.own_commits.lasts(cx).is_some()
    {
        return Ok(false);
    }
    match session.book.complete(cx, conversation, fetch)? {
        None => return Ok(true),
        // Nobody can be removed by this device for now; others can, and what waits is for all who are in.
        Some(1..) => return Ok(false),
        Some(0) => {}
    }
    if let Err(error) = commit::stage(cx, conversation, &Plan::default())? {
        tracing::warn!(%error, "whoever spoilt the channel cannot be removed by this device");
        session.own_commits.refused(cx, ErrorCode::Internal.into());
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{ChainHash, DeviceId};

    use super::*;
    use crate::{
        engine::bed::Bed,
        store::{RawEntry, RejoinReason},
        testing::{conversation, own},
    };

    fn channel(number: u8) -> ChannelId {
        ChannelId::new([number; 32])
    }

    fn put(cx: &Cx<'_>, row: &Conversation) {
        cx.tx.conversations().put_conversation(row).expect("stores");
    }

    fn state(cx: &Cx<'_>, number: u8) -> ConversationState {
        cx.tx.conversations().conversation(&channel(number)).expect("reads").expect("there").state
    }

    fn waiting(cx: &Cx<'_>, number: u8) -> usize {
        cx.tx.outbox().outbox_of(&channel(number)).expect("reads").len()
    }

    const IN_VAIN: ConversationState = ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice };

    #[test]
    fn a_group_that_is_called_like_another_gets_nothing_of_it_unless_the_vault_says_so() {
        for says_so in [false, true] {
            let mut bed = Bed::new();
            bed.at(1, |cx| {
                cx.own = Some(own(1, 1, Vec::new()));
                let old = Conversation { state: ConversationState::Removed, ..conversation(channel(1)) };
                put(cx, &old);
                let secret = OutboxMessage {
                    row: 0,
                    channel: channel(1),
                    intent: MessageId::new([1; 16]),
                    purpose: MessagePurpose::Content,
                    content: vec![1],
                    attempt: None,
                    not_before: cx.now,
                    queued: cx.now,
                    tries: 0,
                    lease: None,
                };
                cx.tx.outbox().push_outbox(&secret).expect("stores");
                let replaces = says_so.then_some(channel(1));
                let new = Conversation { state: IN_VAIN, group: channel(1), replaces, ..conversation(channel(2)) };
                put(cx, &new);
                assert!(!has_to_wait(cx, &new).expect("reads"));
                follows(cx, &new).expect("follows");
                let expected = if says_so {
                    (ConversationState::Replaced { by: channel(2) }, 0, 1)
                } else {
                    (ConversationState::Removed, 1, 0)
                };
                assert_eq!((state(cx, 1), waiting(cx, 1), waiting(cx, 2)), expected, "{says_so}");
            });
        }
    }

    #[test]
    fn a_channel_waits_as_long_as_its_group_is_in_use_elsewhere() {
        let mut bed = Bed::new();
        bed.at(1, |cx| {
            let old = conversation(channel(1));
            let new = Conversation { state: IN_VAIN, group: channel(1), ..conversation(channel(2)) };
            put(cx, &new);
            for (other, named, expected) in [
                (ConversationState::Active, true, true),
                (ConversationState::Replacing { number: 1, since: cx.now }, true, true),
                (IN_VAIN, true, false),
                (ConversationState::Spoilt, true, false),
                (ConversationState::Active, false, true),
                (ConversationState::Spoilt, false, true),
                (IN_VAIN, false, true),
                (ConversationState::Left, false, false),
                (ConversationState::Replaced { by: channel(2) }, false, false),
            ] {
                let old = Conversation { state: other.clone(), ..old.clone() };
                put(cx, &old);
                let new = Conversation { replaces: named.then_some(channel(1)), ..new.clone() };
                assert_eq!(has_to_wait(cx, &new).expect("reads"), expected, "{other:?}, {named}");
                assert!(!has_to_wait(cx, &old).expect("reads"), "the group is called after it");
            }
        });
    }

    #[test]
    fn a_conversation_is_replaced_so_often_and_no_more_and_keeps_nothing_to_give_back() {
        let mut bed = Bed::new();
        bed.at(1, |cx| {
            let mut newest = conversation(channel(1));
            for number in 2..=65 {
                put(cx, &Conversation { state: ConversationState::Replaced { by: channel(number) }, ..newest.clone() });
                newest = Conversation { replaces: Some(channel(number - 1)), ..conversation(channel(number)) };
                let raw = RawEntry {
                    channel: channel(number),
                    position: 1,
                    hash: ChainHash::new([1; 32]),
                    id: MessageId::new([1; 16]),
                    kind: quicprochat_wire::call::channel::EntryKind::Message,
                    after: newest.cursor,
                    sealed: vec![1],
                    time: cx.now,
                    begins: None,
                    roll: None,
                    offset: 0,
                };
                cx.tx.raw_log().put_raw(&raw).expect("stores");
                let mut spoilt = newest.clone();
                noticed(cx, &mut spoilt).expect("notices");
                assert_eq!(spoilt.is_replacing(), number < 65, "{number}");
                assert_eq!(cx.tx.raw_log().raw_span(&channel(number)), Ok(None));
            }
            let mut spoilt = Conversation { rounds: MOST_ROUNDS, ..conversation(channel(90)) };
            noticed(cx, &mut spoilt).expect("notices");
            assert_eq!(spoilt.state, ConversationState::Spoilt);
        });
    }

    #[test]
    fn only_the_commit_that_spoilt_a_channel_says_who_did() {
        let mut bed = Bed::new();
        bed.at(1, |cx| {
            let spoilt = Conversation { spoilt_at: Some(5), ..conversation(channel(1)) };
            let entry = |seq, body| LogEntry {
                index: 0,
                channel: channel(1),
                seq,
                id: MessageId::new([u8::try_from(seq).expect("few"); 16]),
                sender: AccountId::new([7; 32]),
                device: DeviceId::new([7; 16]),
                time: Timestamp(1),
                sent_at: Timestamp(1),
                intent: None,
                body,
            };
            let append = |cx: &Cx<'_>, entry| cx.tx.messages().append_message(&entry).map(drop).expect("stores");
            append(cx, entry(4, LogBody::Updated));
            append(cx, entry(6, LogBody::Updated));
            assert_eq!(culprit(cx, &spoilt).expect("reads"), None, "what counts for nobody leaves no line");
            append(cx, entry(5, LogBody::Content { content: vec![1] }));
            assert_eq!(culprit(cx, &spoilt).expect("reads"), None, "nor does a message name anybody");
            let other = Conversation { spoilt_at: Some(4), ..spoilt };
            assert_eq!(culprit(cx, &other).expect("reads"), Some(AccountId::new([7; 32])));
        });
    }
}
