//! Giving a server back what it lost when it was put back to an older backup (L3).
//!
//! ```text
//!   attach ──▶ its log ends before this device's ──▶ it is a prefix of the raw log ──▶ wait up to 2 s ──▶ attach again
//!     │ key unknown: an earlier one of the raw log        │ no, or not kept                              │ still short
//!     └──▶ the newest that is in force                    └──▶ Diverged; looked at again         offer ◀─┘ page by page
//!                                                              (others may have more)               │ a roll: next key
//!                                                          on as usual ◀── attach with the newest ◀─┘
//! ```
//!
//! Nothing of this is stored but what is said to people: a process that dies begins anew, and the server passes over what it
//! has already.

use quicprochat_e2ee::{
    channel::{ChannelKeys, GroupInfoBody, seal_keyring},
    mls::Group,
};
use quicprochat_identity::InboxPublicKey;
use quicprochat_wire::{
    AccessPublicKey, CallFailure, ChannelId, ConnectionKind, ErrorCode, Timestamp,
    call::channel::{
        AccessRoll, ChainPoint, ChannelRestore, ChannelState, CommitParts, EntryKind, RestoreOutcome, Restored,
        RestoredEntry, TreeChange,
    },
    chain,
    limits::{MAX_PAGE_BYTES, MAX_PAGE_ENTRIES},
    mutant::{Mutant, is_on},
    time::Duration,
};

use super::{
    attach, denied, merge, raw, records,
    session::{ChannelCall, Session},
    tree,
};
use crate::{
    engine::{Cx, Purpose, keys},
    error::EngineError,
    event::Event,
    fetch::Fetch,
    store::{
        Conversation, ConversationState, MessagePurpose, PendingCommit, PendingGroupInfo, RawEntry, RejoinReason,
        Secret, ServerPutBack, StoreFault, StoreTx, Stored as _,
    },
    vault::rows,
};

/// Within which time a holder offers, so that not all do at once.
const SPREAD: Duration = Duration::from_secs(2);
/// First pause after which a log that is short is looked at again, and the longest; it doubles.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
const LONGEST_LOOK: Duration = Duration::from_secs(600);
/// Pause before attaching with another key, once the server has said one thing and then another.
const DOUBT: Duration = Duration::from_secs(1);
/// Most earlier keys that are tried.
const MOST_KEYS: u32 = 64;
/// Rows that are read at a time.
const ROWS: usize = 16;

/// What a link knows of a server that was put back.
#[derive(Default)]
pub(crate) struct Restore {
    /// An earlier key, which the server may know instead of the newest.
    key: Option<Secret<96>>,
    /// The key of the keyring that the server does not know.
    denied: Option<AccessPublicKey>,
    /// Rolling commits from there on were tried, and how many keys.
    tried: Option<(u64, u32)>,
    /// Where the server's log ends, from where on entries are offered.
    from: Option<ChainPoint>,
    /// The key that is in force after the page on its way, if another one.
    next: Option<Secret<96>>,
    /// Whether what is offered is the last entry that this device has read, which the server may have: to see whether it has.
    probes: bool,
    /// Whether it has.
    proven: bool,
    /// Others may offer the same: nothing is offered before.
    not_before: Option<Timestamp>,
    /// Entries that the server took from this device.
    given: u64,
    /// How often in a row nothing could be done.
    failures: u32,
}

impl Restore {
    /// Whether the server is being shown an earlier key.
    pub(super) const fn is_seeking_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether something is being given back, or a key looked for.
    pub(super) const fn is_on(&self) -> bool {
        self.key.is_some() || self.from.is_some() || self.not_before.is_some()
    }
}

/// The key to attach with.
pub(super) fn wanted_keys(session: &Session, conversation: &Conversation) -> ChannelKeys {
    session.restore.key.as_ref().map_or_else(|| attach::newest_keys(conversation), keys)
}

/// What the end of the server's log means.
pub(super) enum Past {
    /// It is the log that this device has read, as far as can be told; perhaps longer.
    Same,
    /// It is shorter than what this device knows of.
    Short,
    /// It is longer than what this device has read, which had stopped: whether it is the same shows the entry that follows this
    /// point.
    Doubtful(ChainPoint),
    /// It is another one.
    Other,
}

/// Compares. `read` is how far the log reached at least, when this was asked.
pub(super) fn compare(
    cx: &Cx<'_>,
    session: &Session,
    conversation: &Conversation,
    state: &ChannelState,
    read: u64,
) -> Result<Past, EngineError> {
    let cursor = conversation.cursor;
    if state.last.position < read {
        let differs = state.last.position == cursor.position && state.last.hash != cursor.hash;
        return Ok(if differs { Past::Other } else { Past::Short });
    }
    let goes_on = state.last.position > cursor.position;
    if goes_on && conversation.has_stopped() && !session.restore.proven {
        if let Some(before) = before_cursor(cx, conversation)? {
            return Ok(Past::Doubtful(before));
        }
        if conversation.state == ConversationState::Diverged && !is_short(cx.tx, &conversation.channel)? {
            return Ok(Past::Other);
        }
    }
    let same = match state.last.position.cmp(&cursor.position) {
        // Another process may have read on while the answer was under way.
        core::cmp::Ordering::Less => true,
        core::cmp::Ordering::Equal => state.last.hash == cursor.hash,
        core::cmp::Ordering::Greater => {
            state.last_commit.position > cursor.position || state.last_commit == conversation.last_commit
        }
    };
    // The commit that replaced an earlier key is not in a log that goes on with that key.
    Ok(if same && session.restore.key.is_none() { Past::Same } else { Past::Other })
}

/// What the entry at the cursor follows, if both are kept.
fn before_cursor(cx: &Cx<'_>, conversation: &Conversation) -> Result<Option<ChainPoint>, EngineError> {
    let Some(position) = conversation.cursor.position.checked_sub(1) else { return Ok(None) };
    if position == 0 {
        let start = ChainPoint { position, hash: chain::start(&conversation.channel) };
        let rows = cx.tx.raw_log().raw_after(&conversation.channel, 0, 1)?;
        return Ok(rows.first().filter(|row| row.at() == conversation.cursor).map(|_| start));
    }
    let rows = cx.tx.raw_log().raw_after(&conversation.channel, position.saturating_sub(1), 2)?;
    Ok(match &rows[..] {
        [before, last] if last.at() == conversation.cursor && before.position == position => Some(before.at()),
        _ => None,
    })
}

/// Offers the entry at the cursor, which the server has if its log is the right one.
pub(super) fn probe(session: &mut Session, before: ChainPoint) {
    session.restore.probes = true;
    session.restore.from = Some(before);
}

/// The server's log ends before what this device knows of: offers the rest if it has it, soon; else says what is missing, and
/// looks again later, when others may have.
pub(super) fn found_short(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    last: ChainPoint,
    read: u64,
) -> Result<(), EngineError> {
    let (channel, cursor) = (conversation.channel, conversation.cursor);
    let missing = read.saturating_sub(last.position);
    if last.position >= cursor.position || is_on(Mutant::GiveNothingBack) {
        return lost(cx, session, conversation, missing);
    }
    let next = cx.tx.raw_log().raw_after(&channel, last.position, 1)?.pop();
    let span = cx.tx.raw_log().raw_span(&channel)?;
    let ends_here = span.is_some_and(|(_, end)| end.position == cursor.position);
    match next.filter(|row| last.position.checked_add(1) == Some(row.position) && ends_here) {
        None => lost(cx, session, conversation, missing),
        Some(row) if offered(&row, None).at(&last) != row.at() => stop(cx, session, conversation),
        Some(_) => {
            if session.restore.not_before.is_some_and(|at| at <= cx.now) {
                session.restore.from = Some(last);
            } else {
                tracing::info!(
                    at = last.position,
                    known = cursor.position,
                    "the server's log is short; offering the rest"
                );
                let at = cx.jittered(SPREAD);
                session.restore.not_before = Some(at);
                session.attached = None;
                session.rest_until = Some(at);
                cx.wake(at);
            }
            Ok(())
        }
    }
}

/// The log is the right one, and as long as it has to be.
pub(super) fn settled(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let restore = core::mem::take(&mut session.restore);
    if restore.given > 0 {
        let row = put_back(cx.tx)?.unwrap_or_default();
        store_put_back(
            cx,
            &ServerPutBack {
                noticed: cx.now,
                given: row.given.saturating_add(restore.given),
                conversations: row.conversations.saturating_add(1),
                ..row
            },
        )?;
        cx.notify(Event::GivenBack { channel, entries: restore.given });
    }
    if conversation.has_stopped() {
        conversation.state = resumed(cx, conversation)?;
    }
    denied::forget(cx, &channel)?;
    cx.tx.upkeep().put_setting(&name(&channel), None)?;
    raw::prune(cx, &channel)
}

/// In which state a conversation goes on that had stopped.
pub(crate) fn resumed(cx: &Cx<'_>, conversation: &Conversation) -> Result<ConversationState, EngineError> {
    if let Some(reason) = entered_for(cx.tx, &conversation.channel)? {
        return Ok(ConversationState::NeedsRejoin { reason });
    }
    let waiting = cx.tx.outbox().outbox_of(&conversation.channel)?;
    Ok(match (conversation.members.is_empty(), waiting.iter().any(|row| row.purpose == MessagePurpose::Leave)) {
        (true, _) => rows::NEW_DEVICE,
        (false, true) => ConversationState::Leaving,
        (false, false) => ConversationState::Active,
    })
}

/// Keeps why a conversation was to be entered anew while it stops, and forgets it once it has gone on. Whether it goes on so now.
pub(super) fn settle(
    cx: &Cx<'_>,
    before: &ConversationState,
    conversation: &Conversation,
) -> Result<bool, EngineError> {
    let (name, is_stopped) = (entered_for_name(&conversation.channel), conversation.has_stopped());
    match before {
        ConversationState::NeedsRejoin { reason } if is_stopped => {
            cx.tx.upkeep().put_setting(&name, Some(&reason.encode()?))?;
            Ok(false)
        }
        ConversationState::Diverged | ConversationState::Gone if !is_stopped => {
            let kept = entered_for(cx.tx, &conversation.channel)?;
            cx.tx.upkeep().put_setting(&name, None)?;
            let again = kept.map(|reason| ConversationState::NeedsRejoin { reason });
            Ok(again.as_ref() == Some(&conversation.state))
        }
        _ => Ok(false),
    }
}

fn entered_for(tx: &dyn StoreTx, channel: &ChannelId) -> Result<Option<RejoinReason>, StoreFault> {
    let row = tx.upkeep().setting(&entered_for_name(channel))?;
    row.map(|row| RejoinReason::decode(&row).map_err(StoreFault::from)).transpose()
}

fn entered_for_name(channel: &ChannelId) -> String {
    format!("entered-for/{channel}")
}

/// The server does not know the key: the next earlier one to try, newest first.
pub(super) fn earlier_key(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
) -> Result<bool, EngineError> {
    if let (None, Some(ahead)) = (&session.restore.key, &conversation.ahead) {
        let denied = Some(keys(&ahead.keys).access_public());
        // The keyring said so twice: it was never a key of the channel.
        let again = session.restore.denied == denied;
        session.restore.denied = denied;
        session.restore.key = (!again).then(|| conversation.keys.clone());
        return Ok(!again);
    }
    let (before, count) = session.restore.tried.unwrap_or((u64::MAX, 0));
    let roll = cx.tx.raw_log().raw_roll_before(&conversation.channel, before)?;
    let found = roll.filter(|_| count < MOST_KEYS).and_then(|row| Some((row.position, row.roll?.before)));
    let Some((position, key)) = found else {
        session.restore.key = None;
        session.restore.tried = None;
        return Ok(false);
    };
    session.restore.tried = Some((position, count.saturating_add(1)));
    session.restore.key = Some(key);
    Ok(true)
}

/// The earlier key that was tried is not in force, as if somebody had rolled the keys since. Whether the keyring is to be asked.
pub(super) fn replaced(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    in_force: AccessPublicKey,
) -> Result<bool, EngineError> {
    let Some(tried) = session.restore.key.take() else { return Ok(true) };
    session.restore.from = None;
    session.rest_until = Some(cx.wake_after(DOUBT));
    if conversation.ahead.take().is_some() && tried == conversation.keys {
        session.rest_until = None;
        return Ok(true);
    }
    if attach::newest_keys(conversation).access_public() == in_force {
        return Ok(false);
    }
    let mut before = u64::MAX;
    for _ in 0..MOST_KEYS {
        let Some(row) = cx.tx.raw_log().raw_roll_before(&conversation.channel, before)? else { break };
        before = row.position;
        if let Some(roll) = row.roll.filter(|roll| keys(&roll.before).access_public() == in_force) {
            session.restore.key = Some(roll.before);
            return Ok(false);
        }
    }
    stop(cx, session, conversation)?;
    Ok(false)
}

/// The server knows the key that this device had before it looked into the keyring, and calls it the one in force.
pub(super) fn knows_own_key(session: &mut Session, conversation: &mut Conversation) {
    if conversation.ahead.is_some() && session.restore.key.as_ref() == Some(&conversation.keys) {
        conversation.ahead = None;
        session.restore.key = None;
    }
}

/// Offers the next page, if it is known where it begins.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    fetch: &mut Fetch,
) -> Result<(), EngineError> {
    let Some(from) = session.restore.from.filter(|_| !session.is_calling()) else { return Ok(()) };
    let before = conversation.state.clone();
    let page = if session.restore.probes {
        match cx.tx.raw_log().raw_after(&conversation.channel, from.position, 1)?.first() {
            Some(row) => Page::Offer { entries: vec![offered(row, None)], next: None },
            None => Page::Impossible,
        }
    } else {
        page(cx, session, conversation, from, fetch)?
    };
    match page {
        Page::Offer { entries, next } => {
            session.restore.next = next;
            session.sending = true;
            let channel = conversation.channel;
            let request = ChannelRestore { channel, after: from, entries };
            cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Restore));
            Ok(())
        }
        Page::Wait => Ok(()),
        Page::Impossible => {
            let missing = conversation.cursor.position.saturating_sub(from.position);
            lost(cx, session, conversation, missing)?;
            super::settle(cx, &before, conversation)
        }
    }
}

enum Page {
    Offer { entries: Vec<RestoredEntry>, next: Option<Secret<96>> },
    Wait,
    Impossible,
}

/// As many entries as a call may hold. One that rolls the keys is the last; so is one that brings a GroupInfo.
fn page(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    from: ChainPoint,
    fetch: &mut Fetch,
) -> Result<Page, EngineError> {
    let (mut entries, mut bytes, mut end) = (Vec::new(), 0, from);
    'all: while entries.len() < usize::from(MAX_PAGE_ENTRIES) && bytes < MAX_PAGE_BYTES {
        let rows = cx.tx.raw_log().raw_after(&conversation.channel, end.position, ROWS)?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let is_newest = row.begins == Some(conversation.epoch);
            if (row.roll.is_some() || is_newest) && !entries.is_empty() {
                break 'all;
            }
            if row.position > conversation.cursor.position
                || entries.len() >= usize::from(MAX_PAGE_ENTRIES)
                || bytes >= MAX_PAGE_BYTES
            {
                break 'all;
            }
            let parts = match (row.kind, &row.roll) {
                (EntryKind::Message, _) => None,
                (EntryKind::Commit, roll) => {
                    let roll = match roll {
                        None => None,
                        Some(roll) => match keyring(cx, session, conversation, &row, &roll.next, fetch)? {
                            Sealed::Roll(roll) => Some(roll),
                            Sealed::Wait => return Ok(Page::Wait),
                            Sealed::Impossible => return Ok(Page::Impossible),
                        },
                    };
                    let (group_info, tree) =
                        if is_newest { group_info(cx, session, conversation, &row)? } else { Default::default() };
                    Some(CommitParts { group_info, roll, tree })
                }
            };
            let entry = offered(&row, parts);
            end = entry.at(&end);
            if end != row.at() {
                return Ok(Page::Impossible);
            }
            bytes = bytes.saturating_add(row.sealed.len());
            entries.push(entry);
            if let Some(roll) = &row.roll {
                return Ok(Page::Offer { entries, next: Some(roll.next.clone()) });
            }
            if is_newest {
                break 'all;
            }
        }
    }
    Ok(if entries.is_empty() { Page::Impossible } else { Page::Offer { entries, next: None } })
}

/// An entry as it is offered. Its chain value depends on whether there are parts of a commit, not on what they are.
fn offered(row: &RawEntry, parts: Option<CommitParts>) -> RestoredEntry {
    let none = || CommitParts { group_info: Vec::new(), roll: None, tree: TreeChange::default() };
    RestoredEntry {
        id: row.id,
        after_commit: row.after,
        sealed: row.sealed.clone(),
        time: row.time,
        commit: (row.kind == EntryKind::Commit).then(|| parts.unwrap_or_else(none)),
    }
}

enum Sealed {
    Roll(AccessRoll),
    /// Records of members are being looked up.
    Wait,
    /// There are members whom the keys cannot be sealed to.
    Impossible,
}

/// The keys that a rolling commit derived, for those who are members today: whoever was away finds them with an earlier key.
fn keyring(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    row: &RawEntry,
    next: &Secret<96>,
    fetch: &mut Fetch,
) -> Result<Sealed, EngineError> {
    let (channel, next) = (conversation.channel, keys(next));
    match session.book.complete(cx, conversation, fetch)? {
        None => return Ok(Sealed::Wait),
        Some(0) => {}
        Some(_) => return Ok(Sealed::Impossible),
    }
    let accounts = merge::accounts(&conversation.members);
    let recipients = records::inbox_keys(cx, &channel, &accounts, &[])?;
    if recipients.is_empty() || recipients.len() < accounts.len() {
        return Ok(Sealed::Impossible);
    }
    let recipients: Vec<&InboxPublicKey> = recipients.iter().collect();
    let epoch = row.begins.unwrap_or(conversation.epoch);
    let keyring = seal_keyring(&channel, &next, epoch, &recipients, cx.entropy)?;
    Ok(Sealed::Roll(AccessRoll { access: next.access_public(), keyring }))
}

/// The GroupInfo of the epoch in force, which the commit of this row began, with its whole tree; nothing if this device has lost
/// the group.
fn group_info(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    row: &RawEntry,
) -> Result<(Vec<u8>, TreeChange), EngineError> {
    let channel = conversation.channel;
    let own = cx.own()?.device();
    let provider = cx.provider();
    let group = match Group::load(&provider, conversation.group) {
        Ok(group) => group.filter(|group| Some(group.epoch()) == row.begins),
        Err(error) => {
            tracing::debug!(?error, "the group does not load");
            None
        }
    };
    let Some(group) = group else { return Ok(Default::default()) };
    let (group_info, ratchet_tree) = group.group_info(&provider, &own)?;
    drop(provider);
    let body = GroupInfoBody { group_info, ratchet_tree };
    let as_sent = PendingCommit {
        channel,
        id: row.id,
        after: row.after,
        sealed: Vec::new(),
        group_info: PendingGroupInfo::sealed(Vec::new(), TreeChange::default()),
        roll: None,
        next_keys: conversation.keys.clone(),
        records: Vec::new().into(),
        lease: None,
    };
    session.tree = tree::TreeBook::default();
    let (sealed, _) = tree::seal(cx, &as_sent, &body, None)?;
    sealed.to_send().ok_or(EngineError::OwnState)
}

/// The server's verdict on a page.
pub(super) fn answered(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    restored: &Restored,
) -> Result<(), EngineError> {
    let from = session.restore.from.take();
    let next = session.restore.next.take();
    session.refused = None;
    if !conversation.is_looked_at() {
        // Another process has read meanwhile that this device is out.
        return Ok(());
    }
    if core::mem::take(&mut session.restore.probes) && restored.outcome == RestoreOutcome::Whole {
        session.restore.proven = true;
        session.attached = None;
        return Ok(());
    }
    match restored.outcome {
        RestoreOutcome::Whole => {
            session.restore.given = session.restore.given.saturating_add(restored.added.into());
            let progress = from.is_some_and(|from| restored.last.position > from.position);
            let whole = restored.last.position >= conversation.cursor.position;
            if next.is_none() && progress && !whole {
                session.restore.from = Some(restored.last);
                return Ok(());
            }
            // The next key, or the end of it: attaching says where things stand.
            let newest = attach::newest_keys(conversation).access_public();
            session.restore.key = match next {
                Some(next) => Some(next).filter(|next| keys(next).access_public() != newest),
                None if whole => None,
                None => session.restore.key.take(),
            };
            session.attached = None;
            if !progress {
                session.rest_until = Some(cx.wake_after(DOUBT));
            }
        }
        RestoreOutcome::Short => {
            session.attached = None;
            session.rest_until = Some(cx.wake_after(DOUBT));
        }
        RestoreOutcome::Diverged => stop(cx, session, conversation)?,
    }
    Ok(())
}

/// The server refused a page.
pub(super) fn refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    failure: CallFailure,
) -> Result<(), EngineError> {
    let from = session.restore.from.take();
    session.restore.next = None;
    session.restore.probes = false;
    session.attached = None;
    if !conversation.is_looked_at() {
        return Ok(());
    }
    match failure.code {
        // Somebody else was faster, and the key has rolled.
        ErrorCode::AccessDenied => session.rest_until = Some(cx.wake_after(DOUBT)),
        ErrorCode::UnknownMethod | ErrorCode::BadRequest | ErrorCode::TooLarge => {
            let end = from.map_or(0, |from| from.position);
            let missing = conversation.cursor.position.saturating_sub(end);
            tracing::warn!(%failure, "the server does not take back what it lost");
            lost(cx, session, conversation, missing)?;
        }
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// This device cannot give back what is missing: it says so, writes nothing, and looks again, when others may have.
pub(super) fn lost(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    missing: u64,
) -> Result<(), EngineError> {
    conversation.state = ConversationState::Diverged;
    cx.tx.upkeep().put_setting(&name(&conversation.channel), Some(&missing.to_le_bytes()))?;
    denied::forget(cx, &conversation.channel)?;
    look_again(cx, session);
    Ok(())
}

/// Looks again after a pause that grows, when others may have given back what is missing.
pub(super) fn look_again(cx: &mut Cx<'_>, session: &mut Session) {
    let Restore { failures, given, .. } = core::mem::take(&mut session.restore);
    session.restore = Restore { failures: failures.saturating_add(1), given, ..Restore::default() };
    session.attached = None;
    let pause = LOOK_AGAIN * 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    session.back_off(cx, CallFailure::retry(ErrorCode::Unavailable, pause.min(LONGEST_LOOK)));
}

/// The server has another past: nothing that anybody offers will mend that.
pub(super) fn stop(cx: &Cx<'_>, session: &mut Session, conversation: &mut Conversation) -> Result<(), EngineError> {
    tracing::warn!("the server's log has another past");
    session.restore = Restore::default();
    conversation.state = ConversationState::Diverged;
    denied::forget(cx, &conversation.channel)?;
    Ok(cx.tx.upkeep().put_setting(&name(&conversation.channel), None)?)
}

/// Forgets what was kept for a channel that this device is not in any more.
pub(super) fn forget(cx: &Cx<'_>, channel: &ChannelId) -> Result<(), EngineError> {
    cx.tx.raw_log().clear_raw(channel)?;
    denied::forget(cx, channel)?;
    Ok(cx.tx.upkeep().put_setting(&name(channel), None)?)
}

/// The server takes nothing new for a while, as it was put back. Reading goes on; people are told once.
pub(super) fn put_off(cx: &mut Cx<'_>, session: &mut Session, failure: CallFailure) -> Result<(), EngineError> {
    let pause = failure.retry_after.unwrap_or(LOOK_AGAIN);
    let until = cx.wake_after(pause);
    session.refused = Some(failure);
    session.write_after = Some(until);
    let row = put_back(cx.tx)?.unwrap_or_default();
    if row.until <= cx.now {
        cx.notify(Event::ServerPutBack { wait: pause });
    }
    store_put_back(cx, &ServerPutBack { until, noticed: cx.now, ..row })
}

impl Default for ServerPutBack {
    fn default() -> Self {
        Self { until: Timestamp(0), noticed: Timestamp(0), given: 0, conversations: 0 }
    }
}

const PUT_BACK: &str = "server-put-back";

/// What this device has noticed of a server that was put back, if it has.
pub(crate) fn put_back(tx: &dyn StoreTx) -> Result<Option<ServerPutBack>, StoreFault> {
    tx.upkeep().setting(PUT_BACK)?.map(|row| ServerPutBack::decode(&row).map_err(StoreFault::from)).transpose()
}

fn store_put_back(cx: &Cx<'_>, row: &ServerPutBack) -> Result<(), EngineError> {
    Ok(cx.tx.upkeep().put_setting(PUT_BACK, Some(&row.encode()?))?)
}

/// How many entries the server's log of a conversation lacks, where it stopped for that and for nothing else.
pub(crate) fn missing_at_server(tx: &dyn StoreTx, channel: &ChannelId) -> Result<Option<u64>, StoreFault> {
    let Some(row) = tx.upkeep().setting(&name(channel))? else { return Ok(None) };
    row.try_into().map(|bytes| Some(u64::from_le_bytes(bytes))).map_err(|_| StoreFault::Damaged)
}

fn is_short(tx: &dyn StoreTx, channel: &ChannelId) -> Result<bool, StoreFault> {
    Ok(missing_at_server(tx, channel)?.is_some() || denied::is_noted(tx, channel)?)
}

fn name(channel: &ChannelId) -> String {
    format!("restore/{channel}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channels::tests::conversation, engine::bed::Bed};

    #[test]
    fn an_answer_that_comes_after_the_own_removal_was_read_changes_nothing() {
        let (mut bed, mut conversation) = (Bed::new(), conversation());
        conversation.state = ConversationState::Removed;
        let point = conversation.cursor;
        let restored = Restored { outcome: RestoreOutcome::Diverged, last: point, last_commit: point, added: 0 };
        bed.at(1_000, |cx| {
            let mut session = Session::default();
            session.restore.from = Some(point);
            answered(cx, &mut session, &mut conversation, &restored).expect("takes it");
            assert_eq!(conversation.state, ConversationState::Removed);
            session.restore.from = Some(point);
            refused(cx, &mut session, &mut conversation, ErrorCode::TooLarge.into()).expect("takes it");
            assert_eq!(conversation.state, ConversationState::Removed);
            assert!(!session.restore.is_on());
        });
    }
}
