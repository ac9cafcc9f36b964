//! Entering a group anew by external commit (M2): how `NeedsRejoin` mends itself.
//!
//! ```text
//!   attach ──▶ GroupInfo of the last commit ──▶ the chunks of its tree ──▶ whole group checked
//!                 ▲            ▲ does not open, or                     │
//!                 │            │ members did not follow: the one before│ a record for every member: book, contacts, directory
//!                 │ Stale      └───────────────────────────────────────┤
//!                 └────────────── pending commit, with the new group ◀─┘ stored at once
//!                                    └──Accepted──▶ cursor at the commit, the span before it is a gap ──▶ Active
//! ```

use std::collections::BTreeSet;

use quicprochat_e2ee::{
    E2eeError,
    channel::{ChannelKeys, ChunkList, EntryHead, GroupInfoBody},
    mls::{EntryRecords, Group, GroupSummary, Invalid, Member, Transcript, inspect_group_info, named_group},
};
use quicprochat_identity::UnverifiedIdentity;
use quicprochat_wire::{
    AccountId, CallFailure, ChannelId, ConnectionKind, Digest, ErrorCode, MessageId, Timestamp,
    call::channel::{
        ChainPoint, ChannelEntry, ChannelGroupInfo, ChannelRead, Enqueued, EntryKind, GroupInfo, TreeChunks,
    },
    limits::MAX_PAGE_ENTRIES,
    mutant::{Mutant, is_on},
    time::Duration,
};

use super::{
    attach,
    commit::{self, Plan},
    merge, raw,
    records::{self, Search},
    replace, restore,
    session::{ChannelCall, Session},
    settle,
    tree::{self, Gathering},
    write,
};
use crate::{
    deliveries,
    engine::{Cx, Purpose, stored_keys},
    error::EngineError,
    fetch::Fetch,
    repair,
    store::{Conversation, ConversationState, GapRow, LogBody, LogEntry, MessagePurpose, PendingCommit, RejoinReason},
};

/// First step of the pause after losing against another commit; doubles with each loss.
const BACK_OFF: Duration = Duration::from_millis(50);
/// Pause where only somebody else's next step can help.
const PAUSE: Duration = Duration::from_secs(300);
/// How many commits before the last one are tried.
const MOST_STEPS_BACK: u32 = 3;

/// What a link knows of a group that is to be entered anew.
#[derive(Default)]
pub(crate) struct Rejoin {
    info: Option<GroupInfo>,
    /// Its tree, as far as it is there.
    gathering: Option<Gathering>,
    /// What it holds, once opened and checked: that costs much, and look-ups are awaited afterwards.
    opened: Option<(GroupInfoBody, GroupSummary)>,
    /// Records of the group's members that this device was never shown.
    pub(super) search: Search,
    /// The last commit of the log, where the GroupInfo is of an earlier one.
    last_commit: Option<ChainPoint>,
    /// The commit whose GroupInfo to take; the last one if `None`.
    from: Option<u64>,
    /// How far the entries that are passed over were looked at, and whether to their end.
    pub(crate) scanned: Option<u64>,
    pub(crate) scan_ended: bool,
    /// How many attempts lost against another commit.
    losses: u32,
    steps_back: u32,
}

impl Rejoin {
    pub(super) fn found(&mut self, info: GroupInfo) {
        self.info = Some(info);
        self.opened = None;
        self.gathering = None;
    }

    pub(super) fn gathered(&mut self, chunks: TreeChunks) {
        if let Some(gathering) = &mut self.gathering {
            gathering.take(chunks);
        }
    }

    /// Somebody else's entry counted in the group that was entered.
    pub(super) fn followed(&mut self, cx: &Cx<'_>, channel: &ChannelId) -> Result<(), EngineError> {
        self.steps_back = 0;
        repair::set_unconfirmed(cx, channel, None)
    }

    /// Somebody goes on in the epoch before the one that was entered: the members did not follow.
    pub(super) fn not_followed(&mut self, cx: &Cx<'_>, conversation: &Conversation) -> Result<(), EngineError> {
        let channel = &conversation.channel;
        let Some(before) = repair::unconfirmed(cx, channel)? else { return Ok(()) };
        repair::set_unconfirmed(cx, channel, None)?;
        self.last_commit = Some(conversation.last_commit);
        self.step_back(before);
        Ok(())
    }

    /// Forgets what the server said, but not how often it was of no use.
    fn again(&mut self) {
        let Self { from, losses, steps_back, last_commit, scanned, scan_ended, .. } = core::mem::take(self);
        *self = Self { from, losses, steps_back, last_commit, scanned, scan_ended, ..Self::default() };
    }

    /// Another commit came first. If that is news, its GroupInfo is the one to take; if not, the end of the log was unknown.
    fn stale(&mut self, last_commit: ChainPoint) {
        self.again();
        let news = self.from.is_none() || self.last_commit.is_some();
        (self.from, self.last_commit) = if news { (None, None) } else { (self.from, Some(last_commit)) };
    }

    /// Takes the GroupInfo of the commit at `before` next; whether there are tries left.
    fn step_back(&mut self, before: u64) -> bool {
        self.again();
        self.steps_back = self.steps_back.saturating_add(1);
        let more = self.steps_back <= MOST_STEPS_BACK;
        self.from = more.then_some(before);
        if !more {
            self.steps_back = 0;
        }
        more
    }
}

/// Takes the next step. The newest key is attached.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    fetch: &mut Fetch,
) -> Result<(), EngineError> {
    if let Some(stream) = session.stream.take() {
        cx.unsubscribe(stream);
    }
    if session.is_calling() {
        return Ok(());
    }
    let channel = conversation.channel;
    if let Some(pending) = cx.tx.conversations().pending_commit(&channel)? {
        // Stored with the group that it makes: it is sent as it stands until the server has said what became of it.
        if !cx.held_by_another(pending.lease.as_ref()) {
            write::send_commit(cx, session, pending)?;
        }
        return Ok(());
    }
    if let Some((until, failure)) = repair::waits(cx, &channel)? {
        session.refused = Some(failure);
        session.rest_until = Some(until);
        return Ok(());
    }
    if repair::scan_is_due(cx, session, conversation)? {
        session.reading = true;
        let after = session.rejoin.scanned.unwrap_or(conversation.cursor.position);
        let request = ChannelRead { channel, after, limit: MAX_PAGE_ENTRIES };
        cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Scan));
        return Ok(());
    }
    let Some(info) = session.rejoin.info.clone() else {
        session.reading = true;
        let position = session.rejoin.from.unwrap_or(u64::MAX);
        let request = ChannelGroupInfo { channel, position };
        cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::GroupInfo));
        return Ok(());
    };
    let end = session.last_commit.filter(|last| last.position > info.at.position).unwrap_or(info.at);
    let pinned = conversation.last_commit;
    let goes_back = end.position < pinned.position || (end.position == pinned.position && end != pinned);
    if session.rejoin.from.is_none() && goes_back {
        // This device, or another one of the account that left word in the vault, has read more of this log.
        let before = conversation.state.clone();
        conversation.state = ConversationState::Diverged;
        return settle(cx, &before, conversation);
    }
    if let (None, true, ConversationState::NeedsRejoin { reason }) =
        (session.rejoin.from, end != info.at, conversation.state.clone())
    {
        // The last commit was given back by somebody who did not have its GroupInfo: nobody who followed it follows an entry from
        // an older one.
        tracing::info!(at = info.at.position, last = end.position, "the last commit has no GroupInfo");
        return wait(cx, session, conversation, reason);
    }
    let current = attach::newest_keys(conversation);
    let looked = match session.rejoin.opened.take() {
        Some(looked) => Some(looked),
        None => look(cx, session, conversation, &current, &info)?,
    };
    let Some((body, group)) = looked else { return Ok(()) };
    conversation.group = group.group;
    if replace::has_to_wait(cx, conversation)? {
        let ConversationState::NeedsRejoin { reason } = conversation.state.clone() else { return Ok(()) };
        return wait(cx, session, conversation, reason);
    }
    if !gather_records(cx, session, channel, &body, &group.members)? {
        session.rejoin.opened = Some((body, group));
        return Ok(());
    }
    if let Some(own) = other_past(conversation, &group) {
        tracing::warn!(epoch = own.epoch, "the group at the server has another past than this device");
        let reason = RejoinReason::OtherPast { epoch: own.epoch, transcript: own.hash };
        return wait(cx, session, conversation, reason);
    }
    let named: BTreeSet<_> =
        group.members.iter().map(|member| (member.credential.account, member.credential.identity_hash)).collect();
    let Some(missing) = session.rejoin.search.find(cx, channel, &named, fetch)? else {
        session.rejoin.opened = Some((body, group));
        return Ok(());
    };
    let own = cx.own()?.row.device;
    if missing > 0 && group.members.iter().any(|member| member.credential.device == own) {
        // The commit must remove this device's old leaf, so its keyring must reach every member.
        return wait(cx, session, conversation, RejoinReason::RecordsMissing);
    }
    let after = session.rejoin.last_commit.unwrap_or(info.at);
    // The chunks in use at the server are those of the last commit's GroupInfo.
    let list = session.rejoin.gathering.as_ref().and_then(Gathering::list).filter(|_| after == info.at);
    let before = list.cloned();
    build(cx, session, conversation, &current, (&body, before.as_ref()), &group, after)
}

/// Opens a GroupInfo, fetches its tree, and checks the whole group; `None` while that takes, or if it is of no use.
fn look(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    keys: &ChannelKeys,
    info: &GroupInfo,
) -> Result<Option<(GroupInfoBody, GroupSummary)>, EngineError> {
    let channel = conversation.channel;
    let looked = match &session.rejoin.gathering {
        None => Gathering::begin(keys, channel, info).map(|gathering| {
            session.rejoin.gathering = Some(gathering);
        }),
        Some(_) => Ok(()),
    };
    if let Some(request) = session.rejoin.gathering.as_ref().and_then(|gathering| gathering.request(channel)) {
        session.reading = true;
        cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Chunks));
        return Ok(None);
    }
    let looked = looked.and_then(|()| match &session.rejoin.gathering {
        None => Ok(None),
        Some(gathering) => {
            let body = gathering.finish(&channel)?;
            // Whoever was never in it learns from the GroupInfo which group has gone on in this channel.
            let of = if conversation.members.is_empty() { named_group(&body)? } else { conversation.group };
            let group = inspect_group_info(&cx.provider(), of, &body)?;
            Ok(Some((body, group)))
        }
    });
    match looked {
        Ok(looked) => Ok(looked),
        Err(error @ E2eeError::Store(_)) => Err(error.into()),
        Err(error) => useless(cx, session, conversation, info, &error).map(|()| None),
    }
}

/// Fetches the records that the book does not have from the channel, as far as it has them; whether that is done. Only what a
/// leaf names counts: so it was announced in the group.
fn gather_records(
    cx: &mut Cx<'_>,
    session: &mut Session,
    channel: ChannelId,
    body: &GroupInfoBody,
    members: &[Member],
) -> Result<bool, EngineError> {
    let Some(gathering) = &mut session.rejoin.gathering else { return Ok(true) };
    let tx = cx.tx;
    gathering.want_records(&body.ratchet_tree, |hash| Ok(tx.records().record_by_hash(&channel, hash)?.is_some()))?;
    if let Some(request) = gathering.request(channel) {
        session.reading = true;
        cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Chunks));
        return Ok(false);
    }
    let named: BTreeSet<(AccountId, Digest)> =
        members.iter().map(|member| (member.credential.account, member.credential.identity_hash)).collect();
    for part in gathering.records(&channel) {
        let Ok(identity) = UnverifiedIdentity::parse(&part).and_then(UnverifiedIdentity::verify) else { continue };
        if named.contains(&(identity.account(), identity.hash())) {
            records::put(cx, channel, &identity)?;
        }
    }
    Ok(true)
}

/// Whoever stored the GroupInfo made it useless; the one before may do.
fn useless(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    info: &GroupInfo,
    error: &E2eeError,
) -> Result<(), EngineError> {
    tracing::debug!(?error, at = info.at.position, "a GroupInfo is of no use");
    if info.at.position == 0 || !session.rejoin.step_back(info.after_commit.position) {
        return wait(cx, session, conversation, RejoinReason::GroupInfoGone);
    }
    Ok(())
}

/// L9: what this device computed of the epoch that it could not enter, if the GroupInfo is of that epoch and says otherwise.
fn other_past(conversation: &Conversation, group: &GroupSummary) -> Option<Transcript> {
    let ConversationState::NeedsRejoin { reason } = &conversation.state else { return None };
    let (RejoinReason::CommitSpoilt { epoch, transcript } | RejoinReason::OtherPast { epoch, transcript }) = reason
    else {
        return None;
    };
    let own = Transcript { epoch: *epoch, hash: *transcript };
    (own.epoch == group.transcript.epoch && own != group.transcript).then_some(own)
}

/// Builds the commit; the group that it makes, its bytes and the attempt are stored in this transaction.
fn build(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    current: &ChannelKeys,
    (body, before_list): (&GroupInfoBody, Option<&ChunkList>),
    group: &GroupSummary,
    after: ChainPoint,
) -> Result<(), EngineError> {
    let before = conversation.state.clone();
    let channel = conversation.channel;
    let (own, own_part) = (cx.own()?.device(), cx.own()?.row.identity.clone());
    // The key that is attached is in force, and the group is the one at the server.
    conversation.keys = stored_keys(current);
    conversation.keys_since = session.access_since;
    conversation.ahead = None;
    conversation.members = merge::devices(&group.members);
    let head = EntryHead { channel, id: cx.random_id(), kind: EntryKind::Commit, after };
    replace::follows(cx, conversation)?;
    let of = conversation.group;
    let built = Group::rejoin(&cx.provider(), &own, of, current, body, &head.aad());
    let staged = match built {
        Ok((_, staged)) => staged,
        Err(error @ E2eeError::Store(_)) => return Err(error.into()),
        // In the group of an earlier commit this device may not have been yet.
        Err(E2eeError::Forbidden(Invalid::NoLeaf | Invalid::RemovedDevice { .. })) if session.rejoin.from.is_none() => {
            conversation.state = ConversationState::Removed;
            merge::clear(cx, conversation, true)?;
            return settle(cx, &before, conversation);
        }
        Err(error) => {
            tracing::warn!(?error, "the group cannot be entered anew");
            Group::discard(&cx.provider(), of)?;
            return wait(cx, session, conversation, RejoinReason::GroupInfoGone);
        }
    };
    if let Err(error) = commit::seal(cx, conversation, &Plan::default(), &own, own_part, &head, &staged)? {
        tracing::warn!(%error, "the commit to enter with cannot be sent");
        Group::discard(&cx.provider(), of)?;
        return wait(cx, session, conversation, RejoinReason::GroupInfoGone);
    }
    settle(cx, &before, conversation)?;
    let Some(mut pending) = cx.tx.conversations().pending_commit(&channel)? else { return Err(EngineError::OwnState) };
    let used = session.rejoin.info.as_ref().map(|info| info.after_commit.position);
    repair::set_unconfirmed(cx, &channel, used)?;
    let known = before_list.map(|list| (list, body.ratchet_tree.as_slice()));
    match tree::seal_entry(cx, session, &mut pending, known) {
        Err(EngineError::Crypto(error)) => {
            tracing::warn!(?error, "the GroupInfo of the commit to enter with cannot be sealed");
            discard(cx, conversation)?;
            wait(cx, session, conversation, RejoinReason::GroupInfoGone)
        }
        sealed => sealed.and_then(|()| write::send_commit(cx, session, pending)),
    }
}

/// Nothing more can be done by this device for now, and why.
fn wait(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    reason: RejoinReason,
) -> Result<(), EngineError> {
    let before = conversation.state.clone();
    session.rejoin = Rejoin::default();
    session.back_off(cx, CallFailure::retry(ErrorCode::Unavailable, PAUSE));
    conversation.state = ConversationState::NeedsRejoin { reason };
    settle(cx, &before, conversation)
}

/// The server's verdict on the commit to enter with.
pub(super) fn answered(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    id: &MessageId,
    enqueued: &Enqueued,
) -> Result<(), EngineError> {
    let pending = cx.tx.conversations().pending_commit(&conversation.channel)?;
    let Some(pending) = pending.filter(|pending| pending.id == *id) else { return Ok(()) };
    session.refused = None;
    match enqueued {
        Enqueued::Accepted { at, time } => {
            session.tree.accepted(id, *at);
            entered(cx, session, conversation, pending, *at, *time)
        }
        Enqueued::Stale { last_commit } => {
            discard(cx, conversation)?;
            if session.last_commit.is_none_or(|known| known.position < last_commit.position) {
                session.last_commit = Some(*last_commit);
            }
            let spread = BACK_OFF * (1 << session.rejoin.losses.min(6));
            session.rejoin.losses = session.rejoin.losses.saturating_add(1);
            session.rejoin.stale(*last_commit);
            let until = cx.jittered(spread);
            session.rest_until = Some(until);
            cx.wake(until);
            Ok(())
        }
        Enqueued::Diverged { last, .. } => {
            write::diverged(cx, session, conversation, *last)?;
            discard(cx, conversation)
        }
    }
}

/// The server refused the commit to enter with.
pub(super) fn refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    id: &MessageId,
    failure: CallFailure,
) -> Result<(), EngineError> {
    match failure.code {
        ErrorCode::AccessDenied => session.attached = None,
        ErrorCode::TooLarge | ErrorCode::BadRequest => {
            if let Some(pending) = tree::sealed_anew(cx, session, &conversation.channel, id)? {
                return write::send_commit(cx, session, pending);
            }
            let pending = cx.tx.conversations().pending_commit(&conversation.channel)?;
            if pending.is_some_and(|pending| pending.id == *id) {
                discard(cx, conversation)?;
            }
            session.rejoin.again();
            session.back_off(cx, CallFailure { retry_after: Some(PAUSE), ..failure });
        }
        ErrorCode::Restoring => {
            restore::put_off(cx, session, failure)?;
            session.rest_until = session.write_after;
        }
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// Drops an attempt and the group that it made.
fn discard(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<(), EngineError> {
    cx.tx.conversations().delete_pending_commit(&conversation.channel)?;
    repair::set_unconfirmed(cx, &conversation.channel, None)?;
    Ok(Group::discard(&cx.provider(), conversation.group)?)
}

/// Takes back what this device had on the way as a member, but for messages, which wait.
pub(super) fn withdraw(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<(), EngineError> {
    let channel = conversation.channel;
    if let Some(pending) = cx.tx.conversations().pending_commit(&channel)? {
        cx.tx.conversations().delete_pending_commit(&channel)?;
        deliveries::withdraw(cx, &channel, &pending.id)?;
    }
    Ok(())
}

/// The commit is in the log: this device is a member again, from there on.
fn entered(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    pending: PendingCommit,
    at: ChainPoint,
    time: Option<Timestamp>,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let Some(group) = Group::load(&cx.provider(), conversation.group)? else { return Err(EngineError::OwnState) };
    cx.tx.conversations().delete_pending_commit(&channel)?;
    let own = (cx.own()?.row.account, cx.own()?.row.device);
    let before = raw::Before::entering(conversation);
    records::announce(cx, channel, &EntryRecords::check(&pending.records), &[own.0])?;
    merge::whole(cx, conversation, &group)?;
    if pending.roll.is_some() {
        conversation.keys = pending.next_keys;
        conversation.keys_since = at.position;
    }
    conversation.ahead = None;
    let missed = (conversation.cursor.position.saturating_add(1), at.position.saturating_sub(1));
    conversation.cursor = at;
    conversation.last_commit = at;
    session.head = session.head.max(at.position);
    conversation.head = conversation.head.max(at.position);
    conversation.fresh_leaf = false;
    conversation.leaf_updated = cx.now;
    let members = merge::accounts(&conversation.members);
    conversation.leavers.retain(|leaver| members.contains(&leaver.account));
    let leaving = cx.tx.outbox().outbox_of(&channel)?.iter().any(|row| row.purpose == MessagePurpose::Leave);
    conversation.state = if leaving { ConversationState::Leaving } else { ConversationState::Active };
    let body = match missed {
        (from, to) if from <= to && !is_on(Mutant::HideGap) => {
            repair::opened(cx, &channel, GapRow { seq: at.position, from, to })?
        }
        _ => LogBody::Joined,
    };
    let time = time.unwrap_or(cx.server_minute());
    let entry = LogEntry {
        index: 0,
        channel,
        seq: at.position,
        id: pending.id,
        sender: own.0,
        device: own.1,
        time,
        sent_at: time,
        intent: None,
        body,
    };
    cx.tx.messages().append_message(&entry)?;
    let as_read = ChannelEntry {
        seq: at.position,
        id: pending.id,
        kind: EntryKind::Commit,
        after_commit: pending.after,
        sealed: pending.sealed,
        next_access: pending.roll.map(|roll| roll.access),
        time,
    };
    raw::keep(cx, conversation, &before, &as_read, at)?;
    let steps_back = session.rejoin.steps_back;
    session.rejoin = Rejoin { steps_back, ..Rejoin::default() };
    session.look_again = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::ChainHash;

    use super::*;
    use crate::{channels::tests::conversation, engine::bed::Bed};

    fn point(position: u64) -> ChainPoint {
        ChainPoint { position, hash: ChainHash::new([1; 32]) }
    }

    #[test]
    fn an_entry_that_nobody_followed_is_tried_with_the_commit_before_a_few_times() {
        let (mut bed, mut conversation) = (Bed::new(), conversation());
        let channel = conversation.channel;
        conversation.last_commit = point(9);
        let mut rejoin = Rejoin::default();
        let mut not_followed = |rejoin: &mut Rejoin, before| {
            bed.at(1_000, |cx| {
                repair::set_unconfirmed(cx, &channel, before).expect("stores");
                rejoin.not_followed(cx, &conversation).expect("reads");
                assert_eq!(repair::unconfirmed(cx, &channel).expect("reads"), None, "once");
            });
        };
        not_followed(&mut rejoin, None);
        assert_eq!((rejoin.from, rejoin.last_commit), (None, None), "nothing was entered");
        for (round, before) in [7, 5, 3].into_iter().enumerate() {
            not_followed(&mut rejoin, Some(before));
            assert_eq!((rejoin.from, rejoin.last_commit), (Some(before), Some(point(9))), "round {round}");
        }
        not_followed(&mut rejoin, Some(1));
        assert_eq!((rejoin.from, rejoin.steps_back), (None, 0), "from the newest again");
        bed.at(2_000, |cx| {
            repair::set_unconfirmed(cx, &channel, Some(1)).expect("stores");
            rejoin.followed(cx, &channel).expect("stores");
            assert_eq!(repair::unconfirmed(cx, &channel).expect("reads"), None, "somebody was heard");
        });
    }

    #[test]
    fn after_a_loss_the_newest_group_info_counts_unless_the_end_was_unknown() {
        let mut rejoin = Rejoin::default();
        rejoin.stale(point(4));
        assert_eq!((rejoin.from, rejoin.last_commit), (None, None));
        rejoin.step_back(2);
        rejoin.stale(point(4));
        assert_eq!((rejoin.from, rejoin.last_commit), (Some(2), Some(point(4))), "tried again at the end");
        rejoin.stale(point(5));
        assert_eq!((rejoin.from, rejoin.last_commit), (None, None), "there is a newer commit");
    }
}
