//! Channels and their groups: reading in order, the chain, compare-and-set, commits, keys.
//!
//! ```text
//!   attach ──▶ read or subscribe ──▶ entries, one by one ──▶ cursor at the head ──▶ pending commit ──▶ next message
//!     │ earlier key                    │ open, MLS, merge                               │ Stale: read on, rebuild
//!     └──▶ keyring ──▶ attach again    └──▶ log, members, keys, state
//! ```
//!
//! A [`Session`] is what one link knows of a channel; everything else is in the conversation's row.
#![expect(clippy::wildcard_enum_match_arm, reason = "a refusal that is not named is waited out, whatever its code")]

mod again;
mod apply;
pub(crate) mod attach;
pub(crate) mod commit;
pub(crate) mod create;
pub(crate) mod denied;
mod entering;
pub(crate) mod leave;
pub(crate) mod merge;
mod raw;
pub(crate) mod records;
mod rejoin;
pub(crate) mod replace;
pub(crate) mod restore;
mod session;
mod tail;
mod tend;
pub(crate) mod tree;
pub(crate) mod write;

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_wire::{
    ChannelId, ConnectionKind, ErrorCode, MessageId, Response,
    call::channel::{ChannelRead, ChannelSubscribe},
    limits::MAX_PAGE_ENTRIES,
};

pub(crate) use apply::own_unread;
#[cfg(test)]
pub(crate) use session::tests;
pub(crate) use session::{ChannelCall, Session};
pub(crate) use tend::spread;

use self::entering::Entering;
use crate::{
    engine::{Cx, LinkStatus, Mode, Purpose, Stream},
    error::EngineError,
    event::Event,
    fetch::Fetch,
    input::CallError,
    repair::{self, Awaited},
    stock::Stock,
    store::{Conversation, ConversationState, RejoinReason},
};

/// How often a server is asked in a row for the end of a log whose end it has told before, until it rests.
const MOST_RECHECKS: u32 = 3;

/// All channels this engine works on.
#[derive(Default)]
pub(crate) struct Channels {
    sessions: BTreeMap<ChannelId, Session>,
    /// Channels to work on, beside those of the mode.
    wanted: BTreeSet<ChannelId>,
    /// Channels whose state may have changed since they were last looked at.
    touched: BTreeSet<ChannelId>,
    everything: bool,
    /// Whether a keyring held nothing for this account since this was last asked.
    new_doubt: bool,
    entering: Entering,
    awaited: Awaited,
}

impl Channels {
    /// Forgets what was known of a channel that is entered anew.
    pub(crate) fn renew(&mut self, cx: &mut Cx<'_>, channel: &ChannelId) {
        if let Some(stream) = self.sessions.remove(channel).and_then(|session| session.stream) {
            cx.unsubscribe(stream);
        }
    }

    /// Works on a channel from now on.
    pub(crate) fn want(&mut self, channel: ChannelId) {
        self.wanted.insert(channel);
        self.entering.at_once(channel);
        self.touch(channel);
    }

    /// Looks at a channel again in this round.
    pub(crate) fn touch(&mut self, channel: ChannelId) {
        self.touched.insert(channel);
    }

    /// Looks at every channel again.
    pub(crate) fn touch_all(&mut self) {
        self.everything = true;
    }

    /// Members are not asked for what is about to come from elsewhere.
    pub(crate) fn wait_for(&mut self, awaited: Awaited) {
        if self.awaited != awaited {
            self.awaited = awaited;
            self.touch_all();
        }
    }

    /// What is about to come from elsewhere.
    pub(crate) const fn awaited(&self) -> &Awaited {
        &self.awaited
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.everything || !self.touched.is_empty()
    }

    /// Whether the cursor is at the end of the log, as far as this link knows.
    pub(crate) fn caught_up(&self, conversation: &Conversation) -> bool {
        self.sessions.get(&conversation.channel).is_some_and(|session| session.caught_up(conversation))
    }

    /// Why nothing moves in a channel, if the server refused something.
    pub(crate) fn refused(&self, channel: &ChannelId) -> Option<quicprochat_wire::CallFailure> {
        self.sessions.get(channel)?.refused
    }

    /// Why messages wait in a channel until the pause after a refused commit of this device is over, if they do.
    pub(crate) fn held(&self, channel: &ChannelId) -> Option<quicprochat_wire::CallFailure> {
        self.sessions.get(channel)?.held
    }

    /// Whether a conversation that stopped was looked at again on this link, and what was found stands.
    pub(crate) fn has_looked(&self, channel: &ChannelId) -> bool {
        self.sessions.get(channel).is_some_and(|session| {
            let looked = session.refused.is_some() || session.attached.is_some();
            looked && !session.is_calling() && !session.restore.is_on() && !session.book.is_looking()
        })
    }

    /// Whether a call of the channel is in flight.
    pub(crate) fn is_calling(&self, channel: &ChannelId) -> bool {
        self.sessions.get(channel).is_some_and(Session::is_calling)
    }

    /// Looks for the records of members that this device was never shown, whom it could not hand new keys: how many are still
    /// missing, or `None` while look-ups are on their way.
    pub(crate) fn complete_book(
        &mut self,
        cx: &mut Cx<'_>,
        conversation: &Conversation,
        fetch: &mut Fetch,
    ) -> Result<Option<usize>, EngineError> {
        self.sessions.entry(conversation.channel).or_default().book.complete(cx, conversation, fetch)
    }

    /// Whether a member's record is awaited.
    pub(crate) fn is_looking(&self, channel: &ChannelId) -> bool {
        self.sessions.get(channel).is_some_and(|session| session.book.is_looking())
    }

    /// Forgets what an earlier command was refused.
    pub(crate) fn forgive(&mut self, channel: &ChannelId) {
        if let Some(session) = self.sessions.get_mut(channel) {
            session.refused = None;
            session.held = None;
            session.rest_until = None;
            session.write_after = None;
            session.book = records::Search::default();
        }
    }

    /// Works on every channel from now on: what was refused is tried again, what was read is read on.
    pub(crate) fn again(&mut self) {
        self.everything = true;
        for session in self.sessions.values_mut() {
            session.look_again = true;
            session.refused = None;
            session.held = None;
            session.rest_until = None;
            session.write_after = None;
        }
    }

    /// Whether the newest own record has come to be needed since this was last asked.
    pub(crate) fn take_new_doubt(&mut self) -> bool {
        core::mem::take(&mut self.new_doubt)
    }

    /// Whether a channel waits for the newest own record.
    pub(crate) fn doubts(&self) -> bool {
        self.sessions.values().any(|session| session.doubt)
    }

    /// The own record is the `newest`, or cannot be had for now: nobody knows then what a keyring without anything for this
    /// account means.
    pub(crate) fn own_record_told(&mut self, cx: &mut Cx<'_>, newest: bool) {
        for (channel, session) in self.sessions.iter_mut().filter(|(_, session)| session.doubt) {
            session.doubt = false;
            if !newest {
                session.missed = None;
                session.back_off(cx, ErrorCode::Unavailable.into());
            }
            self.touched.insert(*channel);
        }
    }

    pub(crate) fn link_lost(&mut self) {
        self.sessions.clear();
        self.entering = Entering::default();
        self.touch_all();
    }

    pub(crate) fn drive(
        &mut self,
        cx: &mut Cx<'_>,
        mode: Mode,
        stock: &mut Stock,
        fetch: &mut Fetch,
    ) -> Result<(), EngineError> {
        for (channel, session) in &mut self.sessions {
            if session.poll(cx, fetch) {
                self.touched.insert(*channel);
            }
        }
        if core::mem::take(&mut self.everything) {
            if mode.active() {
                let all = cx.tx.conversations().all_conversations()?;
                let ours = all.iter().filter(|conversation| conversation.is_looked_at());
                self.wanted.extend(ours.map(|conversation| conversation.channel));
            }
            self.touched.extend(self.wanted.iter().copied());
        }
        for channel in core::mem::take(&mut self.touched) {
            self.drive_one(cx, mode, channel, stock, fetch)?;
        }
        while let Some(channel) = self.entering.next() {
            self.drive_one(cx, mode, channel, stock, fetch)?;
        }
        Ok(())
    }

    fn drive_one(
        &mut self,
        cx: &mut Cx<'_>,
        mode: Mode,
        channel: ChannelId,
        stock: &mut Stock,
        fetch: &mut Fetch,
    ) -> Result<(), EngineError> {
        let Some(mut conversation) = cx.tx.conversations().conversation(&channel)? else { return Ok(()) };
        if !conversation.is_looked_at() {
            if let Some(stream) = self.sessions.remove(&channel).and_then(|session| session.stream) {
                cx.unsubscribe(stream);
            }
            let wanted = self.wanted.remove(&channel);
            self.entering.left(&channel);
            if let (true, ConversationState::Replaced { by }) = (wanted, conversation.state) {
                // Another process of this device may have followed.
                self.want(by);
            }
            return Ok(());
        }
        let stopped = conversation.has_stopped();
        let enters = conversation.is_worked_on() && !conversation.is_live();
        let session = self.sessions.entry(channel).or_default();
        if let Some(until) = session.rest_until.filter(|until| *until > cx.now) {
            cx.wake(until);
            self.entering.left(&channel);
            return Ok(());
        }
        if cx.link(ConnectionKind::Channel) != LinkStatus::Ready {
            return Ok(());
        }
        if conversation.state == ConversationState::Creating {
            return create::drive(cx, session, &conversation, stock);
        }
        if conversation.is_replacing() {
            self.entering.left(&channel);
            return replace::drive(cx, session, &mut conversation, stock);
        }
        if enters && !self.entering.may(cx.tx, channel)? {
            return Ok(());
        }
        if !attach::drive(cx, session, &conversation)? {
            return Ok(());
        }
        if stopped || session.restore.is_on() {
            self.entering.left(&channel);
            return restore::drive(cx, session, &mut conversation, fetch);
        }
        if enters {
            rejoin::drive(cx, session, &mut conversation, fetch)?;
            if !conversation.is_worked_on() || session.rest_until.is_some_and(|until| until > cx.now) {
                self.entering.left(&channel);
            }
            return Ok(());
        }
        self.entering.left(&channel);
        if mode.listen && session.stream.is_none() {
            let after = conversation.cursor.position;
            let request = ChannelSubscribe { channel, after };
            session.stream = Some(cx.subscribe(ConnectionKind::Channel, request, Stream::Channel(channel)));
        } else if !mode.listen
            && let Some(stream) = session.stream.take()
        {
            cx.unsubscribe(stream);
        }
        if session.stream.is_some() {
            session.look_again = false;
        }
        if session.look_again || conversation.cursor.position < session.head {
            if session.stream.is_none() && !session.reading {
                session.reading = true;
                session.look_again = false;
                let request = ChannelRead { channel, after: conversation.cursor.position, limit: MAX_PAGE_ENTRIES };
                cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Read));
            }
            return Ok(());
        }
        if conversation.head > session.head.max(conversation.cursor.position) {
            // The log is known to be longer than the server said on this link: nothing is written before it says so, too.
            session.attached = None;
            session.rechecks += 1;
            if session.rechecks > MOST_RECHECKS {
                session.rechecks = 0;
                session.back_off(cx, ErrorCode::Unavailable.into());
                return Ok(());
            }
            attach::drive(cx, session, &conversation)?;
            return Ok(());
        }
        session.rechecks = 0;
        if let Some(until) = session.write_after.filter(|until| *until > cx.now) {
            cx.wake(until);
            return Ok(());
        }
        if replace::removes_first(cx, session, &conversation, fetch)? {
            return Ok(());
        }
        write::drive(cx, session, &mut conversation)?;
        if mode.active() && !session.sending && conversation.is_live() {
            tend::drive(cx, session, &mut conversation, fetch)?;
            if repair::drive(cx, &conversation, &self.awaited)? {
                write::drive(cx, session, &mut conversation)?;
            }
        }
        leave::drive(cx, session, &mut conversation)
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        channel: ChannelId,
        call: ChannelCall,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        self.touch(channel);
        let session = self.sessions.entry(channel).or_default();
        session.ended(&call);
        let Some(mut conversation) = cx.tx.conversations().conversation(&channel)? else { return Ok(()) };
        let before = conversation.state.clone();
        match (call, result) {
            (_, Err(CallError::LinkLost)) => return Ok(()),
            // Left, or deleted, since it was asked.
            (ChannelCall::Attach { .. } | ChannelCall::Keyring(_), _) if !conversation.is_looked_at() => {}
            (ChannelCall::Attach { key, read }, Ok(Response::ChannelState(state))) => {
                attach::attached(cx, session, &mut conversation, key, read, &state)?;
            }
            (ChannelCall::Attach { .. }, Err(CallError::Refused(failure))) => {
                attach::refused(cx, session, &mut conversation, failure)?;
            }
            (ChannelCall::Keyring(key), Ok(Response::Keyring(keyring))) => {
                attach::keyring(cx, session, &mut conversation, &key, &keyring)?;
                self.new_doubt |= session.doubt;
            }
            (ChannelCall::Read, Ok(Response::ChannelPage(page))) => {
                apply::page(cx, session, &mut conversation, &page)?;
            }
            (ChannelCall::Tail { after }, Ok(Response::ChannelPage(page))) => {
                tail::answered(cx, session, &mut conversation, after, &page)?;
            }
            (ChannelCall::Tail { .. }, Err(CallError::Refused(failure))) if failure.code == ErrorCode::AccessDenied => {
                tail::ended(cx, session, &mut conversation)?;
            }
            (ChannelCall::Scan, Ok(Response::ChannelPage(page))) => {
                repair::scan(cx, session, &mut conversation, &page)?;
            }
            (ChannelCall::GroupInfo, Ok(Response::GroupInfo(info))) => session.rejoin.found(info),
            (ChannelCall::Chunks, Ok(Response::TreeChunks(chunks))) => session.rejoin.gathered(chunks),
            (ChannelCall::ChunksInUse { after }, Ok(Response::GroupInfo(info))) => {
                tree::in_use(cx, session, &conversation, after, Some(&info))?;
            }
            (ChannelCall::ChunksInUse { after }, Err(CallError::Refused(failure)))
                if failure.code == ErrorCode::NotFound =>
            {
                tree::in_use(cx, session, &conversation, after, None)?;
            }
            (ChannelCall::Create, Ok(Response::Done(_))) => create::created(cx, &mut conversation)?,
            (ChannelCall::Create, Err(CallError::Refused(failure))) => {
                create::refused(cx, session, &mut conversation, failure)?;
            }
            (ChannelCall::Replacement { number }, Ok(Response::ChannelState(_)))
            | (ChannelCall::ReplacementCreate { number }, Ok(Response::Done(_))) => {
                replace::found(cx, session, &mut conversation, number)?;
            }
            (ChannelCall::Replacement { number }, Err(CallError::Refused(failure))) => {
                replace::absent(cx, session, &mut conversation, number, failure)?;
            }
            (ChannelCall::ReplacementCreate { number }, Err(CallError::Refused(failure))) => {
                replace::not_created(cx, session, &mut conversation, number, failure)?;
            }
            (ChannelCall::Message { row, id }, Ok(Response::Enqueued(enqueued))) => {
                write::enqueued(cx, session, &mut conversation, Some(row), &id, &enqueued)?;
            }
            (ChannelCall::Again { row, id }, Ok(Response::Enqueued(enqueued))) => {
                again::answered(cx, session, &mut conversation, (row, id), Ok(enqueued))?;
            }
            (ChannelCall::Again { row, id }, Err(CallError::Refused(failure))) => {
                again::answered(cx, session, &mut conversation, (row, id), Err(failure))?;
            }
            (ChannelCall::Commit { id }, Ok(Response::Enqueued(enqueued))) if !conversation.is_live() => {
                rejoin::answered(cx, session, &mut conversation, &id, &enqueued)?;
            }
            (ChannelCall::Commit { id }, Ok(Response::Enqueued(enqueued))) => {
                write::enqueued(cx, session, &mut conversation, None, &id, &enqueued)?;
            }
            (ChannelCall::Message { row, id }, Err(CallError::Refused(failure))) => {
                write::message_refused(cx, session, &conversation, row, &id, failure)?;
            }
            (ChannelCall::Commit { id }, Err(CallError::Refused(failure))) if !conversation.is_live() => {
                rejoin::refused(cx, session, &conversation, &id, failure)?;
            }
            (ChannelCall::Commit { id }, Err(CallError::Refused(failure))) => {
                write::commit_refused(cx, session, &conversation, &id, failure)?;
            }
            (ChannelCall::Restore, Ok(Response::Restored(restored))) => {
                restore::answered(cx, session, &mut conversation, &restored)?;
            }
            (ChannelCall::Restore, Err(CallError::Refused(failure))) => {
                restore::refused(cx, session, &mut conversation, failure)?;
            }
            (ChannelCall::Delete, Ok(Response::Done(_))) => {
                conversation.state = ConversationState::Left;
                merge::clear(cx, &conversation, false)?;
            }
            (
                ChannelCall::Keyring(_)
                | ChannelCall::Read
                | ChannelCall::Scan
                | ChannelCall::Tail { .. }
                | ChannelCall::GroupInfo
                | ChannelCall::Chunks
                | ChannelCall::ChunksInUse { .. }
                | ChannelCall::Delete,
                Err(CallError::Refused(failure)),
            ) => {
                if failure.code == ErrorCode::AccessDenied && session.attached.take().is_some() {
                    // The key was replaced: attaching anew says what became of it.
                    return Ok(());
                }
                session.back_off(cx, failure);
            }
            (_, Ok(_)) => session.back_off(cx, ErrorCode::BadRequest.into()),
        }
        settle(cx, &before, &conversation)?;
        if let ConversationState::Replaced { by } = conversation.state {
            // What this device tried there so far, as far as it knew of it from the vault, is overtaken.
            self.renew(cx, &by);
            self.want(by);
        }
        Ok(())
    }

    /// A page of a subscription.
    pub(crate) fn push(&mut self, cx: &mut Cx<'_>, channel: ChannelId, item: Response) -> Result<(), EngineError> {
        self.touch(channel);
        let Response::ChannelPage(page) = item else { return Ok(()) };
        let Some(mut conversation) = cx.tx.conversations().conversation(&channel)? else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(&channel) else { return Ok(()) };
        let before = conversation.state.clone();
        if conversation.is_live() {
            apply::page(cx, session, &mut conversation, &page)?;
        }
        settle(cx, &before, &conversation)
    }

    pub(crate) fn stream_ended(&mut self, cx: &mut Cx<'_>, channel: ChannelId, error: &CallError) {
        self.touch(channel);
        if let Some(session) = self.sessions.get_mut(&channel) {
            session.stream = None;
            if let CallError::Refused(failure) = error {
                // Most often the key was replaced: attach anew, which says what became of the channel.
                session.attached = None;
                if failure.code != ErrorCode::AccessDenied {
                    session.back_off(cx, *failure);
                }
            }
        }
    }

    /// Whether the channel is being deleted.
    pub(crate) fn is_deleting(&self, channel: &ChannelId) -> bool {
        self.sessions.get(channel).is_some_and(|session| session.deleting)
    }

    /// What the server answered to an attempt of this engine last, for whoever asked for the attempt.
    pub(crate) fn rejected(&mut self, intent: &MessageId) -> Option<quicprochat_wire::CallFailure> {
        self.sessions.values_mut().find_map(|session| session.rejected.remove(intent))
    }
}

/// The MLS group of a channel.
fn group_of(cx: &Cx<'_>, channel: &ChannelId) -> Result<ChannelId, EngineError> {
    Ok(cx.tx.conversations().conversation(channel)?.map_or(*channel, |conversation| conversation.group))
}

/// Stores a conversation and tells of a change of its state.
///
/// Whoever is to enter anew has nothing of its own on the way any more: what waits from then on is the attempt to enter. Nor
/// has anybody anything on the way to a channel that is gone.
pub(crate) fn settle(
    cx: &mut Cx<'_>,
    before: &ConversationState,
    conversation: &Conversation,
) -> Result<(), EngineError> {
    let rejoins = |state: &ConversationState| matches!(state, ConversationState::NeedsRejoin { .. });
    let goes_on = restore::settle(cx, before, conversation)?;
    let gone = conversation.state == ConversationState::Gone;
    if gone || (rejoins(&conversation.state) && !rejoins(before) && !goes_on) {
        rejoin::withdraw(cx, conversation)?;
    }
    let older = ConversationState::NeedsRejoin { reason: RejoinReason::StoreRolledBack };
    if conversation.state == older && *before != older && !goes_on {
        repair::noticed(cx, conversation)?;
    }
    cx.tx.conversations().put_conversation(conversation)?;
    if *before != conversation.state {
        cx.notify(Event::State { channel: conversation.channel, state: conversation.state.clone() });
    }
    Ok(())
}
