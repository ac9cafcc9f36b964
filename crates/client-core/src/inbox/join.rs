//! Joining (M1): from an invitation to a conversation that reads on at the commit that added this device.
//!
//! ```text
//!   attach ──earlier key──▶ keyring ──▶ attach        the keys may have rolled since
//!      └──▶ the commit's entry ──▶ its GroupInfo ──▶ chunks ──▶ MLS join, every record checked ──▶ conversation
//!                                                                  └─ the KeyPackage is gone, and this device has a leaf ──▶ enter anew (M2)
//! ```

use std::collections::BTreeSet;

use quicprochat_e2ee::{
    E2eeError,
    channel::{ChannelKeys, GroupInfoBody},
    mls::{EntryRecords, Group, inspect_group_info, named_group},
    sealed::Invitation as Body,
};
use quicprochat_identity::{UnverifiedIdentity, VerifiedIdentity};
use quicprochat_wire::{
    AccessPublicKey, AccountId, ChannelId, ConnectionKind, Digest, ErrorCode, MessageId, Response, Timestamp,
    call::channel::{ChannelGroupInfo, ChannelKeyring, ChannelRead, EntryKind},
    time::Duration,
};

use super::{Inbox, InboxCall, PAUSE, open, set_state, unopened};
use crate::{
    channels::{self, Channels, attach, denied, merge, records, tree::Gathering},
    engine::{Cx, LinkStatus, Purpose, stored_keys},
    error::EngineError,
    event::Event,
    fetch,
    input::CallError,
    store::{
        Conversation, ConversationKind, ConversationState, Invitation, InvitationState, KeysAhead, LogBody, LogEntry,
        RejoinReason,
    },
};

/// Calls of a join, on the channel link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum JoinCall {
    Attach,
    Keyring(AccessPublicKey),
    Entry,
    Info,
    Chunks,
}

/// A join under way.
pub(super) struct Join {
    pub(super) body: Body,
    ahead: Option<(ChannelKeys, u64)>,
    missed: Option<AccessPublicKey>,
    /// Whether that waits for the newest own record, as where a channel is attached anew.
    pub(super) doubt: bool,
    next: JoinCall,
    calling: bool,
    /// When the server took the commit.
    committed: Timestamp,
    gathering: Option<Gathering>,
}

/// What an answer leads to.
enum Verdict {
    GoOn,
    Done(Box<Conversation>),
    /// The invitation is worth nothing.
    Failed,
    /// The device belongs there, but cannot enter.
    Rejoin(RejoinReason),
    Later,
    /// The server knows none of its keys, and may have been put back to before them: somebody may give them back.
    NotYet(Duration),
}

impl Join {
    /// `None` if the body is not usable.
    pub(super) fn begin(invitation: &Invitation) -> Option<Self> {
        let body = Body::parse(invitation.body.expose()).ok()?;
        Some(Self {
            body,
            ahead: None,
            missed: None,
            doubt: false,
            next: JoinCall::Attach,
            calling: false,
            committed: Timestamp(u64::MAX),
            gathering: None,
        })
    }

    fn call(&mut self, cx: &mut Cx<'_>, id: MessageId) -> Result<(), EngineError> {
        let channel = self.body.channel;
        let start = self.body.start.position;
        let purpose = Purpose::Inbox(InboxCall::Join(id, self.next.clone()));
        self.calling = true;
        let kind = ConnectionKind::Channel;
        match self.next {
            JoinCall::Attach => {
                let keys = self.ahead.as_ref().map_or(&self.body.keys, |(keys, _)| keys);
                let request = attach::attach_request(cx, channel, keys)?;
                cx.call(kind, request, purpose);
            }
            JoinCall::Keyring(_) => cx.call(kind, ChannelKeyring { channel }, purpose),
            JoinCall::Entry => {
                let request = ChannelRead { channel, after: start.saturating_sub(1), limit: 1 };
                cx.call(kind, request, purpose);
            }
            JoinCall::Info => cx.call(kind, ChannelGroupInfo { channel, position: start }, purpose),
            JoinCall::Chunks => match self.gathering.as_ref().and_then(|gathering| gathering.request(channel)) {
                Some(request) => cx.call(kind, request, purpose),
                None => return Err(EngineError::OwnState),
            },
        }
        Ok(())
    }
}

/// What is to be done with an invitation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// It leads into a conversation that this device is not in.
    In,
    /// It begins behind what this device has read of a conversation that it believes to be in. Reading on shows whether it was
    /// removed in between; the invitation waits for that, and nothing waits for the invitation.
    Later,
    /// It leads nowhere any more, and has become this.
    Nowhere(InvitationState),
}

/// See [`Way`].
pub(super) fn way(cx: &Cx<'_>, body: &Body) -> Result<Way, EngineError> {
    let Some(conversation) = cx.tx.conversations().conversation(&body.channel)? else { return Ok(Way::In) };
    let never_in = conversation.state == ConversationState::NeedsRejoin { reason: RejoinReason::NewDevice };
    let begins_later = conversation.cursor.position < body.start.position;
    Ok(match (conversation.is_live(), begins_later) {
        _ if never_in => Way::In,
        (false, true) => Way::In,
        (true, true) => Way::Later,
        // Already in, perhaps by another process.
        (true, false) => Way::Nowhere(InvitationState::Joined),
        // An old one once more: this device has read further than where it would begin.
        (false, false) => Way::Nowhere(InvitationState::Failed),
    })
}

impl Inbox {
    pub(super) fn drive_joins(&mut self, cx: &mut Cx<'_>) -> Result<(), EngineError> {
        if self.joins.is_empty() || cx.link(ConnectionKind::Channel) != LinkStatus::Ready {
            return Ok(());
        }
        for (id, join) in &mut self.joins {
            if !join.calling && !join.doubt {
                join.call(cx, *id)?;
            }
        }
        Ok(())
    }

    /// Whether the newest own record has come to be needed since this was last asked.
    pub(crate) fn take_new_doubt(&mut self) -> bool {
        core::mem::take(&mut self.new_doubt)
    }

    /// Whether a join waits for the newest own record.
    pub(crate) fn doubts(&self) -> bool {
        self.joins.values().any(|join| join.doubt)
    }

    /// The own record is the `newest`, or cannot be had for now: joins that wait for it go on, or begin anew later.
    pub(crate) fn own_record_told(&mut self, cx: &mut Cx<'_>, newest: bool) {
        let waiting: Vec<MessageId> = self.joins.iter().filter(|(_, join)| join.doubt).map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(join) = self.joins.get_mut(&id).filter(|_| newest) {
                join.doubt = false;
            } else {
                self.joins.remove(&id);
                let until = cx.wake_after(PAUSE);
                self.resting.insert(id, until);
            }
        }
    }

    pub(super) fn join_answer(
        &mut self,
        cx: &mut Cx<'_>,
        id: MessageId,
        call: JoinCall,
        result: Result<Response, CallError>,
        channels: &mut Channels,
    ) -> Result<(), EngineError> {
        let Some(mut join) = self.joins.remove(&id) else { return Ok(()) };
        join.calling = false;
        self.touched = true;
        let Some(invitation) = cx.tx.inbox().invitation(&id)? else { return Ok(()) };
        if invitation.state != InvitationState::Joining {
            return Ok(());
        }
        match way(cx, &join.body)? {
            Way::In => {}
            // Another process has entered the conversation anew meanwhile.
            Way::Later => return Ok(()),
            Way::Nowhere(state) => return set_state(cx, invitation, state),
        }
        match answer(cx, &mut join, &invitation, call, result)? {
            Verdict::GoOn => {
                self.new_doubt |= join.doubt;
                self.joins.insert(id, join);
            }
            Verdict::Later => {
                let until = cx.wake_after(PAUSE);
                self.resting.insert(id, until);
            }
            Verdict::NotYet(pause) => {
                self.denied.insert(id);
                let until = cx.wake_after(pause);
                self.resting.insert(id, until);
            }
            Verdict::Failed => {
                // An attempt to enter anew that it took the place of begins once more.
                channels.touch(join.body.channel);
                set_state(cx, invitation, InvitationState::Failed)?;
            }
            Verdict::Rejoin(reason) => {
                let conversation = outside(cx, &join, &invitation, reason);
                channels::settle(cx, &ConversationState::Active, &conversation)?;
                channels.want(conversation.channel);
                set_state(cx, invitation, InvitationState::Joined)?;
            }
            Verdict::Done(conversation) => {
                let channel = conversation.channel;
                channels.renew(cx, &channel);
                cx.tx.conversations().put_conversation(&conversation)?;
                log_joined(cx, &join, &invitation)?;
                cx.notify(Event::Joined { channel, inviter: invitation.from });
                set_state(cx, invitation, InvitationState::Joined)?;
                channels.want(channel);
            }
        }
        Ok(())
    }
}

fn answer(
    cx: &mut Cx<'_>,
    join: &mut Join,
    invitation: &Invitation,
    call: JoinCall,
    result: Result<Response, CallError>,
) -> Result<Verdict, EngineError> {
    let response = match result {
        Ok(response) => response,
        Err(CallError::LinkLost) => {
            join.next = JoinCall::Attach;
            return Ok(Verdict::GoOn);
        }
        Err(CallError::Refused(failure)) => {
            return Ok(match (call, failure.code) {
                (JoinCall::Attach, ErrorCode::AccessDenied | ErrorCode::NotFound) => {
                    match denied::look_again_at(cx, &join.body.channel)? {
                        Some(pause) => Verdict::NotYet(pause),
                        None => {
                            denied::forget(cx, &join.body.channel)?;
                            Verdict::Failed
                        }
                    }
                }
                (JoinCall::Info, ErrorCode::NotFound) => Verdict::Rejoin(RejoinReason::GroupInfoGone),
                // The keys rolled in between.
                (JoinCall::Entry | JoinCall::Info | JoinCall::Chunks, ErrorCode::AccessDenied) => {
                    join.next = JoinCall::Attach;
                    Verdict::GoOn
                }
                _ => Verdict::Later,
            });
        }
    };
    let start = join.body.start;
    match (call, response) {
        (JoinCall::Attach, Response::ChannelState(state)) => {
            denied::forget(cx, &join.body.channel)?;
            join.next = if !state.current {
                JoinCall::Keyring(state.access)
            } else if state.first > start.position.saturating_add(1) {
                // What came after the commit cannot be read on.
                return Ok(Verdict::Rejoin(RejoinReason::GroupInfoGone));
            } else if state.first > start.position {
                join.committed = Timestamp(0);
                JoinCall::Info
            } else {
                JoinCall::Entry
            };
            Ok(Verdict::GoOn)
        }
        (JoinCall::Keyring(access), Response::Keyring(keyring)) => {
            join.next = JoinCall::Attach;
            match attach::newer_keys(cx, &join.body.channel, &access, &keyring)? {
                Some(keys) => join.ahead = Some(keys),
                None if join.missed != Some(access) => {
                    join.missed = Some(access);
                    join.doubt = true;
                }
                // Removed again before this device came.
                None => return Ok(Verdict::Failed),
            }
            Ok(Verdict::GoOn)
        }
        (JoinCall::Entry, Response::ChannelPage(page)) => {
            match page.entries.into_iter().find(|entry| entry.seq == start.position) {
                Some(entry) if entry.id == join.body.commit && entry.kind == EntryKind::Commit => {
                    join.committed = entry.time;
                }
                Some(_) => return Ok(Verdict::Failed),
                // It has expired since.
                None => join.committed = Timestamp(0),
            }
            join.next = JoinCall::Info;
            Ok(Verdict::GoOn)
        }
        (JoinCall::Info, Response::GroupInfo(info)) => {
            if info.at != start || info.commit != join.body.commit {
                return Ok(Verdict::Failed);
            }
            match Gathering::begin(&join.body.keys, join.body.channel, &info) {
                Ok(gathering) => go_on(cx, join, invitation, gathering),
                Err(_) => Ok(Verdict::Failed),
            }
        }
        (JoinCall::Chunks, Response::TreeChunks(chunks)) => {
            let Some(mut gathering) = join.gathering.take() else { return Ok(Verdict::Later) };
            gathering.take(chunks);
            go_on(cx, join, invitation, gathering)
        }
        _ => Ok(Verdict::Later),
    }
}

/// Fetches what is missing of the tree and then of the members' records, or enters.
fn go_on(
    cx: &mut Cx<'_>,
    join: &mut Join,
    invitation: &Invitation,
    mut gathering: Gathering,
) -> Result<Verdict, EngineError> {
    let channel = join.body.channel;
    if gathering.request(channel).is_none() {
        let opened = match gathering.finish(&channel) {
            Ok(opened) => opened,
            Err(error) => {
                // A later GroupInfo, by somebody else, may lead in.
                tracing::debug!(?error, "the tree of a GroupInfo is not whole");
                return Ok(Verdict::Rejoin(RejoinReason::GroupInfoGone));
            }
        };
        let brought: BTreeSet<Digest> = join.body.records.iter().map(|part| records::hash_of(part)).collect();
        gathering.want_records(&opened.ratchet_tree, |hash| Ok(brought.contains(hash)))?;
        if gathering.request(channel).is_none() {
            let stored = gathering.records(&channel);
            return enter(cx, join, invitation, &opened, stored);
        }
    }
    join.gathering = Some(gathering);
    join.next = JoinCall::Chunks;
    Ok(Verdict::GoOn)
}

/// The last step: everything is here.
fn enter(
    cx: &mut Cx<'_>,
    join: &Join,
    invitation: &Invitation,
    opened: &GroupInfoBody,
    stored: Vec<Vec<u8>>,
) -> Result<Verdict, EngineError> {
    let body = &join.body;
    let channel = body.channel;
    let verified: Option<Vec<VerifiedIdentity>> = body
        .records
        .iter()
        .map(|part| UnverifiedIdentity::parse(part).and_then(UnverifiedIdentity::verify).ok())
        .collect();
    let Some(mut verified) = verified else { return Ok(Verdict::Failed) };
    // Any member may have stored these: what does not verify is missing, and the join says so.
    let from_channel: Vec<VerifiedIdentity> =
        stored.iter().filter_map(|part| UnverifiedIdentity::parse(part).ok()?.verify().ok()).collect();
    let book = EntryRecords::check(&[body.records.clone(), stored].concat());
    let Some(of) = group_to_enter(cx, join, invitation, opened)? else { return Ok(Verdict::Later) };
    // The group of an attempt to enter anew that was under way makes room: without it that attempt leads nowhere.
    cx.tx.conversations().delete_pending_commit(&channel)?;
    let provider = cx.provider();
    Group::discard(&provider, of)?;
    let joined = Group::join(&provider, of, &body.welcome, &opened.ratchet_tree, &book).and_then(|group| {
        let keys = group.channel_keys(&provider)?;
        Ok((group, keys))
    });
    drop(provider);
    let (group, derived) = match joined {
        Ok(joined) => joined,
        Err(error @ E2eeError::Store(_)) => return Err(error.into()),
        Err(error) => {
            tracing::debug!(?error, "the Welcome does not open the group");
            // Made for other devices only: what this device never had cannot be broken here.
            let known = cx.tx.conversations().conversation(&channel)?.is_some();
            if !known && !open::is_for_this_device(cx, body)? && !has_leaf(cx, of, opened)? {
                unopened::count(cx)?;
                return Ok(Verdict::Failed);
            }
            for identity in &verified {
                records::put(cx, channel, identity)?;
            }
            return Ok(Verdict::Rejoin(RejoinReason::BadWelcome));
        }
    };
    let members = group.members()?;
    let of_the_channel = body.since != body.start.position || derived == body.keys;
    if !of_the_channel || members.iter().all(|member| member.credential.account != invitation.from) {
        Group::discard(&cx.provider(), of)?;
        return Ok(Verdict::Failed);
    }
    let named: BTreeSet<(AccountId, Digest)> =
        members.iter().map(|member| (member.credential.account, member.credential.identity_hash)).collect();
    verified.extend(from_channel.into_iter().filter(|identity| named.contains(&(identity.account(), identity.hash()))));
    for identity in &verified {
        records::put(cx, channel, identity)?;
        fetch::remember(cx, identity)?;
    }
    let mut conversation = outside(cx, join, invitation, RejoinReason::BadWelcome);
    conversation.group = of;
    conversation.state = ConversationState::Active;
    merge::whole(cx, &mut conversation, &group)?;
    conversation.fresh_leaf = true;
    // As old as its KeyPackage at least: one that lay about is renewed the sooner (M3).
    conversation.leaf_updated = join.committed.min(cx.now);
    Ok(Verdict::Done(Box::new(conversation)))
}

/// The group that a GroupInfo names, which is another one than the channel if that replaced another; the channel itself if it does
/// not parse, which the join finds out. `None` as long as this device goes on in that group elsewhere.
fn group_to_enter(
    cx: &Cx<'_>,
    join: &Join,
    invitation: &Invitation,
    opened: &GroupInfoBody,
) -> Result<Option<ChannelId>, EngineError> {
    let mut conversation = outside(cx, join, invitation, RejoinReason::BadWelcome);
    conversation.group = named_group(opened).unwrap_or(conversation.channel);
    let elsewhere = channels::replace::is_used_elsewhere(cx, &conversation)?;
    Ok((!elsewhere).then_some(conversation.group))
}

/// Whether this device has a leaf in a group, whatever became of the KeyPackage that it was added by.
fn has_leaf(cx: &mut Cx<'_>, group: ChannelId, info: &GroupInfoBody) -> Result<bool, EngineError> {
    let own = cx.own()?.row.device;
    match inspect_group_info(&cx.provider(), group, info) {
        Ok(group) => Ok(group.members.iter().any(|member| member.credential.device == own)),
        Err(error @ E2eeError::Store(_)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// A conversation as the invitation describes it, before the group is known.
fn outside(cx: &Cx<'_>, join: &Join, invitation: &Invitation, reason: RejoinReason) -> Conversation {
    let body = &join.body;
    let ahead = join.ahead.as_ref().map(|(keys, epoch)| KeysAhead { keys: stored_keys(keys), epoch: *epoch });
    Conversation {
        channel: body.channel,
        kind: ConversationKind::Group,
        title: String::new(),
        peer: None,
        state: ConversationState::NeedsRejoin { reason },
        suite: 0,
        cursor: body.start,
        last_commit: body.start,
        head: body.start.position,
        epoch: 0,
        keys: stored_keys(&body.keys),
        keys_since: body.since,
        ahead,
        members: Vec::new().into(),
        leavers: Vec::new().into(),
        leaf_updated: cx.now,
        fresh_leaf: true,
        since: cx.now,
        inviter: Some(invitation.from),
        group: body.channel,
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    }
}

fn log_joined(cx: &mut Cx<'_>, join: &Join, invitation: &Invitation) -> Result<(), EngineError> {
    let own = cx.own()?;
    let entry = LogEntry {
        index: 0,
        channel: join.body.channel,
        seq: join.body.start.position,
        id: join.body.commit,
        sender: invitation.from,
        device: own.row.device,
        time: cx.now,
        sent_at: cx.now,
        intent: None,
        body: LogBody::Joined,
    };
    cx.tx.messages().append_message(&entry)?;
    Ok(())
}
