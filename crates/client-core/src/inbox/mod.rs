//! The own inbox: read to its end, entries opened and verified, invitations turned into requests or joins.
//!
//! ```text
//!   entry ──open, verify──▶ from a contact ──────────────────────────────▶ Joining ──▶ Joined
//!              │ no             stranger ──look-up──▶ Request ──accepted──▶   └──────▶ Failed
//!              └▶ dropped                   └──no such account──▶ dropped
//! ```
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a refusal that is not named is waited out, an answer that is not named is not of the protocol"
)]

mod join;
mod open;
pub(crate) mod unopened;

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_wire::{
    ConnectionKind, MessageId, Response, Timestamp,
    call::{
        directory::Subject,
        inbox::{InboxPage, InboxRead, InboxSubscribe},
    },
    limits::MAX_PAGE_ENTRIES,
    time::Duration,
};

pub(crate) use join::JoinCall;
use join::Way;

use crate::{
    channels::Channels,
    command::CommandError,
    engine::{Cx, LinkStatus, Mode, Purpose, Stream},
    error::EngineError,
    event::Event,
    fetch::{Fetch, Ticket, stored_identity},
    input::{CallError, SubscriptionId},
    store::{Invitation, InvitationState, Relation, SecretBytes},
    trust::PinnedKey,
};

/// Pause after a refusal or a failed look-up.
const PAUSE: Duration = Duration::from_secs(10);

/// Calls of this part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum InboxCall {
    Read,
    Join(MessageId, JoinCall),
}

/// See the module.
pub(crate) struct Inbox {
    reading: bool,
    stream: Option<SubscriptionId>,
    caught_up: bool,
    rest_until: Option<Timestamp>,
    /// Whether invitations may have changed since they were last looked at.
    touched: bool,
    checks: BTreeMap<MessageId, Ticket>,
    joins: BTreeMap<MessageId, join::Join>,
    /// Invitations that are left alone until then.
    resting: BTreeMap<MessageId, Timestamp>,
    /// Those of them that the server knew no key of.
    denied: BTreeSet<MessageId>,
    /// Invitations into conversations that are to be read on first; see [`Way::Later`].
    waiting: BTreeSet<MessageId>,
    /// Whether a keyring held nothing for this account since this was last asked.
    new_doubt: bool,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            reading: false,
            stream: None,
            caught_up: false,
            rest_until: None,
            touched: true,
            checks: BTreeMap::new(),
            joins: BTreeMap::new(),
            resting: BTreeMap::new(),
            denied: BTreeSet::new(),
            waiting: BTreeSet::new(),
            new_doubt: false,
        }
    }
}

impl Inbox {
    /// Reads the inbox again, as a new wish to catch up needs it.
    pub(crate) fn again(&mut self) {
        self.caught_up = self.caught_up && self.stream.is_some();
        self.rest_until = None;
        self.resting.clear();
        self.denied.clear();
        self.touched = true;
    }

    /// Ends the subscription.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>) {
        if let Some(stream) = self.stream.take() {
            cx.unsubscribe(stream);
        }
        self.caught_up = false;
    }

    /// Looks at the invitations again.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether the server knew no key of a channel that an invitation leads to, which is tried again later.
    pub(crate) fn is_denied(&self, id: &MessageId) -> bool {
        self.denied.contains(id)
    }

    /// Whether the inbox is read to its end.
    pub(crate) const fn caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether every invitation that can be dealt with has been.
    pub(crate) fn is_idle(&self) -> bool {
        self.caught_up && self.checks.is_empty() && self.joins.is_empty() && !self.touched
    }

    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, mode: Mode, fetch: &mut Fetch) -> Result<(), EngineError> {
        if mode.active() && self.rest_until.is_none_or(|until| until <= cx.now) {
            self.read_on(cx, mode)?;
        }
        self.check_senders(cx, fetch)?;
        let waited = !core::mem::take(&mut self.waiting).is_empty();
        let resting = self.resting.len();
        self.resting.retain(|_, until| *until > cx.now);
        self.touched |= self.resting.len() < resting;
        if core::mem::take(&mut self.touched) || waited {
            for invitation in cx.tx.inbox().invitations()? {
                self.look_at(cx, fetch, invitation)?;
            }
        }
        self.drive_joins(cx)
    }

    fn read_on(&mut self, cx: &mut Cx<'_>, mode: Mode) -> Result<(), EngineError> {
        let wanted = (mode.listen && self.stream.is_none()) || (!mode.listen && !self.caught_up && !self.reading);
        if !wanted || cx.link(ConnectionKind::Account) != LinkStatus::Ready {
            return Ok(());
        }
        let after = cx.tx.inbox().inbox_cursor()?;
        if mode.listen {
            self.stream = Some(cx.subscribe(ConnectionKind::Account, InboxSubscribe { after }, Stream::Inbox));
        } else {
            self.reading = true;
            let request = InboxRead { after, limit: MAX_PAGE_ENTRIES };
            cx.call(ConnectionKind::Account, request, Purpose::Inbox(InboxCall::Read));
        }
        Ok(())
    }

    /// Starts what an invitation waits for.
    fn look_at(&mut self, cx: &mut Cx<'_>, fetch: &mut Fetch, invitation: Invitation) -> Result<(), EngineError> {
        let id = invitation.id;
        if self.resting.get(&id).is_some_and(|until| *until > cx.now) {
            return Ok(());
        }
        match invitation.state {
            InvitationState::Unchecked if !self.checks.contains_key(&id) => {
                self.checks.insert(id, fetch.ask(Subject::Account(invitation.from)));
                self.check_senders(cx, fetch)
            }
            InvitationState::Joining if !self.joins.contains_key(&id) => {
                match join::Join::begin(&invitation) {
                    Some(join) => match join::way(cx, &join.body)? {
                        Way::In => {
                            self.joins.insert(id, join);
                        }
                        Way::Later => {
                            self.waiting.insert(id);
                        }
                        Way::Nowhere(state) => set_state(cx, invitation, state)?,
                    },
                    None => set_state(cx, invitation, InvitationState::Failed)?,
                }
                Ok(())
            }
            InvitationState::Request => self.answered_elsewhere(cx, invitation),
            InvitationState::Unchecked
            | InvitationState::Joining
            | InvitationState::Joined
            | InvitationState::Blocked
            | InvitationState::Failed => Ok(()),
        }
    }

    /// A request that another device of the account has answered.
    fn answered_elsewhere(&mut self, cx: &Cx<'_>, invitation: Invitation) -> Result<(), EngineError> {
        let Some(contact) = cx.tx.contacts().contact(&invitation.from)? else { return Ok(()) };
        let key = PinnedKey::of(stored_identity(&invitation.identity)?.key());
        match contact.relation {
            Relation::Blocked => set_state(cx, invitation, InvitationState::Blocked),
            Relation::Contact if open::is_known_by_key(&contact, key) => {
                self.touched = true;
                set_state(cx, invitation, InvitationState::Joining)
            }
            Relation::Contact | Relation::Seen => Ok(()),
        }
    }

    /// Strangers are shown only once the directory has vouched for them.
    fn check_senders(&mut self, cx: &mut Cx<'_>, fetch: &mut Fetch) -> Result<(), EngineError> {
        let tickets: Vec<(MessageId, Ticket)> = self.checks.iter().map(|(id, ticket)| (*id, *ticket)).collect();
        for (id, ticket) in tickets {
            let Some(result) = fetch.take(cx, ticket) else { continue };
            self.checks.remove(&id);
            let Some(invitation) = cx.tx.inbox().invitation(&id)? else { continue };
            match result {
                Ok(record) if record.identity.name().as_str() == invitation.from_name => {
                    self.present(cx, invitation)?;
                }
                // The name is somebody's whose key is pinned: the warning was given, the person decides.
                Err(CommandError::KeyChanged { .. }) => self.present(cx, invitation)?,
                Ok(_) | Err(CommandError::UnknownName { .. } | CommandError::BadRecord { .. }) => {
                    cx.tx.inbox().delete_invitation(&id)?;
                }
                Err(_) => {
                    let until = cx.wake_after(PAUSE);
                    self.resting.insert(id, until);
                }
            }
        }
        Ok(())
    }

    fn present(&mut self, cx: &mut Cx<'_>, invitation: Invitation) -> Result<(), EngineError> {
        let relation = cx.tx.contacts().contact(&invitation.from)?.map(|contact| contact.relation);
        self.touched = true;
        match relation {
            Some(Relation::Blocked) => Ok(cx.tx.inbox().delete_invitation(&invitation.id)?),
            Some(Relation::Contact) => set_state(cx, invitation, InvitationState::Joining),
            Some(Relation::Seen) | None => {
                let (id, from, name) = (invitation.id, invitation.from, invitation.from_name.clone());
                set_state(cx, invitation, InvitationState::Request)?;
                cx.notify(Event::Request { invitation: id, from, name });
                Ok(())
            }
        }
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: InboxCall,
        result: Result<Response, CallError>,
        channels: &mut Channels,
    ) -> Result<(), EngineError> {
        match call {
            InboxCall::Read => {
                self.reading = false;
                match result {
                    Ok(Response::InboxPage(page)) => self.page(cx, &page),
                    Ok(_) => {
                        self.rest_until = Some(cx.wake_after(PAUSE));
                        Ok(())
                    }
                    Err(CallError::Refused(failure)) => {
                        self.rest_until = Some(cx.wake_after(failure.retry_after.unwrap_or(PAUSE)));
                        Ok(())
                    }
                    Err(CallError::LinkLost) => Ok(()),
                }
            }
            InboxCall::Join(id, call) => self.join_answer(cx, id, call, result, channels),
        }
    }

    pub(crate) fn push(&mut self, cx: &mut Cx<'_>, item: Response) -> Result<(), EngineError> {
        match item {
            Response::InboxPage(page) => self.page(cx, &page),
            _ => Ok(()),
        }
    }

    pub(crate) fn stream_ended(&mut self, cx: &mut Cx<'_>, error: &CallError) {
        self.stream = None;
        self.caught_up = false;
        if let CallError::Refused(failure) = error {
            self.rest_until = Some(cx.wake_after(failure.retry_after.unwrap_or(PAUSE)));
        }
    }

    fn page(&mut self, cx: &mut Cx<'_>, page: &InboxPage) -> Result<(), EngineError> {
        let mut cursor = cx.tx.inbox().inbox_cursor()?;
        for entry in &page.entries {
            if entry.seq > cursor {
                open::take(cx, entry)?;
                cursor = entry.seq;
            }
        }
        cx.tx.inbox().put_inbox_cursor(cursor)?;
        self.caught_up = !page.more;
        self.touched = self.touched || !page.entries.is_empty();
        Ok(())
    }
}

/// Moves an invitation on; what is no longer needed of it is wiped.
pub(crate) fn set_state(cx: &Cx<'_>, mut invitation: Invitation, state: InvitationState) -> Result<(), EngineError> {
    if matches!(state, InvitationState::Joined | InvitationState::Blocked | InvitationState::Failed) {
        invitation.body = SecretBytes::default();
    }
    invitation.state = state;
    Ok(cx.tx.inbox().put_invitation(&invitation)?)
}
