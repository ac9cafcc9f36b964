//! Commands that commit: create, invite, remove, rename.
//!
//! ```text
//!   resolve names ──▶ at the head, nothing pending ──▶ stage ──▶ in the log? ──▶ invitations delivered ──▶ done
//!                              ▲                                   │ lost
//!                              └────── jittered pause ◀────────────┘
//! ```

use quicprochat_e2ee::mls;
use quicprochat_wire::{
    AccountId, ChannelId, MessageId, Timestamp, call::directory::Subject, limits::TOKEN_BATCH, time::Duration,
};

use super::{Step, Task, active, at_head, channel_link};
use crate::{
    channels::{
        commit::{self, Addition, Plan, stage},
        create, merge,
        write::drop_pending,
    },
    command::{CommandError, Outcome, RecordFault, SuiteChoice},
    engine::{Cx, Parts},
    error::EngineError,
    fetch::{self, Ticket},
    store::{Conversation, ConversationKind, ConversationState},
    trust::VerifiedRecord,
};

/// Most accounts a commit adds.
const MAX_INVITED: usize = TOKEN_BATCH;
/// Attempts before a command gives up.
const MAX_TRIES: u32 = 30;
/// First step of the pause after a loss.
const BACK_OFF: Duration = Duration::from_millis(100);

/// `CreateGroup`, and the first part of a direct conversation.
pub(crate) struct Create {
    title: String,
    peer: Option<AccountId>,
    suite: SuiteChoice,
    channel: Option<ChannelId>,
}

impl Create {
    pub(crate) const fn group(title: String, suite: SuiteChoice) -> Self {
        Self { title, peer: None, suite, channel: None }
    }

    pub(crate) const fn direct(peer: AccountId, suite: SuiteChoice) -> Self {
        Self { title: String::new(), peer: Some(peer), suite, channel: None }
    }
}

impl Task for Create {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let Some(channel) = self.channel else {
            if self.suite == SuiteChoice::Classical {
                return Ok(CommandError::Unsupported { suite: self.suite }.into());
            }
            if self.title.len() > mls::MAX_TITLE_BYTES {
                let (limit, found) = (mls::MAX_TITLE_BYTES, self.title.len());
                return Ok(CommandError::TooLarge { limit, found }.into());
            }
            match channel_link(cx) {
                Ok(true) => {}
                Ok(false) => return Ok(Step::Wait),
                Err(error) => return Ok(error.into()),
            }
            // Nothing is begun before it can be paid for.
            parts.stock.want(1);
            match parts.stock.level(cx)? {
                (0, Some(error)) => return Ok(error.into()),
                (0, None) => return Ok(account_link(cx)),
                _ => {}
            }
            let channel = create::begin(cx, &self.title, self.peer, self.suite)?;
            self.channel = Some(channel);
            parts.channels.want(channel);
            return Ok(Step::Moved);
        };
        let Some(conversation) = cx.tx.conversations().conversation(&channel)? else {
            return Ok(CommandError::UnknownConversation.into());
        };
        match conversation.state {
            ConversationState::Creating => {}
            ConversationState::Active => return Ok(Outcome::Created { channel }.into()),
            state => return Ok(CommandError::ConversationState { state }.into()),
        }
        if channel_link(cx).is_err() {
            return Ok(CommandError::Unreachable { unfinished: true }.into());
        }
        if parts.channels.is_calling(&channel) {
            return Ok(Step::Wait);
        }
        let unpaid = cx.tx.conversations().creation(&channel)?.is_some_and(|creation| creation.token.is_none());
        let error = match (parts.channels.refused(&channel), parts.stock.level(cx)?) {
            (Some(failure), _) => CommandError::Refused(failure),
            (None, (0, Some(error))) if unpaid => error,
            (None, _) => return Ok(Step::Wait),
        };
        create::abandon(cx, &conversation)?;
        cx.tx.conversations().delete_conversation(&channel)?;
        Ok(error.into())
    }
}

/// Waits for the account link, which tokens come over.
fn account_link(cx: &mut Cx<'_>) -> Step {
    use crate::engine::LinkStatus;
    match cx.link(quicprochat_wire::ConnectionKind::Account) {
        LinkStatus::Ready | LinkStatus::Waiting => Step::Wait,
        LinkStatus::Down(reason) => reason.error().into(),
        LinkStatus::Refused => CommandError::DeviceRevoked.into(),
    }
}

/// What a commit is asked to do.
enum Wish {
    Invite { names: Vec<String>, tickets: Vec<Ticket>, records: Vec<VerifiedRecord> },
    Remove { name: String },
    Rename { title: String },
}

/// A command that ends with one commit in the log.
pub(crate) struct Commit {
    channel: ChannelId,
    wish: Wish,
    stage: Stage,
    tries: u32,
    not_before: Timestamp,
    added: Vec<AccountId>,
    /// Whether to wait for the deliveries, too.
    deliver: bool,
}

enum Stage {
    Begin,
    Resolve,
    Ready,
    Pending(MessageId),
    Delivering(MessageId, u64),
}

impl Commit {
    const fn new(channel: ChannelId, wish: Wish) -> Self {
        Self {
            channel,
            wish,
            stage: Stage::Begin,
            tries: 0,
            not_before: Timestamp(0),
            added: Vec::new(),
            deliver: true,
        }
    }

    pub(crate) const fn invite(channel: ChannelId, names: Vec<String>) -> Self {
        Self::new(channel, Wish::Invite { names, tickets: Vec::new(), records: Vec::new() })
    }

    /// Invites an account whose record is here, and does not wait for the delivery.
    pub(crate) fn invite_found(channel: ChannelId, record: VerifiedRecord) -> Self {
        let names = vec![record.identity.name().as_str().to_owned()];
        let wish = Wish::Invite { names, tickets: Vec::new(), records: vec![record] };
        Self { stage: Stage::Ready, deliver: false, ..Self::new(channel, wish) }
    }

    pub(crate) const fn remove(channel: ChannelId, name: String) -> Self {
        Self::new(channel, Wish::Remove { name })
    }

    pub(crate) const fn rename(channel: ChannelId, title: String) -> Self {
        Self::new(channel, Wish::Rename { title })
    }

    /// Checks what needs no server, and asks for records.
    fn begin(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let conversation = match active(cx, &self.channel)? {
            Ok(conversation) => conversation,
            Err(error) => return Ok(error.into()),
        };
        if conversation.kind == ConversationKind::Direct {
            return Ok(CommandError::DirectConversation.into());
        }
        parts.channels.want(self.channel);
        parts.channels.forgive(&self.channel);
        match &mut self.wish {
            Wish::Invite { names, tickets, .. } => {
                names.sort_unstable();
                names.dedup();
                if names.len() > MAX_INVITED {
                    return Ok(CommandError::TooMany { limit: MAX_INVITED, found: names.len() }.into());
                }
                for name in names {
                    tickets.push(parts.fetch.ask(Subject::Name(name.clone())));
                }
            }
            Wish::Rename { title } if title.len() > mls::MAX_TITLE_BYTES => {
                let (limit, found) = (mls::MAX_TITLE_BYTES, title.len());
                return Ok(CommandError::TooLarge { limit, found }.into());
            }
            Wish::Remove { .. } | Wish::Rename { .. } => {}
        }
        self.stage = Stage::Resolve;
        Ok(Step::Moved)
    }

    fn resolve(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Step {
        if let Wish::Invite { tickets, records, .. } = &mut self.wish {
            let mut open = Vec::new();
            for ticket in core::mem::take(tickets) {
                match parts.fetch.take(cx, ticket) {
                    None => open.push(ticket),
                    Some(Ok(record)) => records.push(record),
                    Some(Err(error)) => {
                        open.iter().for_each(|ticket| parts.fetch.forget(*ticket));
                        return error.into();
                    }
                }
            }
            *tickets = open;
            if !tickets.is_empty() {
                return Step::Wait;
            }
        }
        self.stage = Stage::Ready;
        Step::Moved
    }

    fn ready(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        if self.not_before > cx.now {
            cx.wake(self.not_before);
            return Ok(Step::Wait);
        }
        let conversation = match at_head(cx, parts, &self.channel)? {
            Ok(Some(conversation)) => conversation,
            Ok(None) => return Ok(Step::Wait),
            Err(error) => return Ok(error.into()),
        };
        if cx.tx.conversations().pending_commit(&self.channel)?.is_some() {
            return Ok(Step::Wait);
        }
        if matches!(self.wish, Wish::Rename { .. }) && commit::waits_for_removal(cx, &conversation)? {
            // The log has one line for an entry: whom a commit removes would hide what it renames.
            return Ok(match stage(cx, &conversation, &Plan::default())? {
                Ok(_) => {
                    parts.channels.touch(self.channel);
                    Step::Moved
                }
                Err(error) => error.into(),
            });
        }
        let plan = match self.plan(cx, &conversation)? {
            Ok(plan) => plan,
            Err(error) => return Ok(error.into()),
        };
        if plan.rolls(&conversation) {
            match parts.channels.complete_book(cx, &conversation, &mut parts.fetch)? {
                Some(0) => {}
                Some(missing) => return Ok(CommandError::RecordsMissing { missing }.into()),
                None => return Ok(Step::Wait),
            }
        }
        self.added = plan.add.iter().map(|addition| addition.account).collect();
        if !self.added.is_empty() {
            parts.stock.want(self.added.len());
        }
        match stage(cx, &conversation, &plan)? {
            Ok(id) => {
                for account in &self.added {
                    fetch::befriend(cx, account)?;
                }
                self.stage = Stage::Pending(id);
                parts.channels.touch(self.channel);
                Ok(Step::Moved)
            }
            Err(error) => Ok(error.into()),
        }
    }

    fn plan(&self, cx: &mut Cx<'_>, conversation: &Conversation) -> Result<Result<Plan, CommandError>, EngineError> {
        match &self.wish {
            Wish::Rename { title } => Ok(Ok(Plan { title: Some(title.clone()), ..Plan::default() })),
            Wish::Remove { name } => {
                let Some(account) = member_called(cx, conversation, name)? else {
                    return Ok(Err(CommandError::NotAMember { name: name.clone() }));
                };
                if account == cx.own()?.row.account {
                    return Ok(Err(CommandError::OwnAccount));
                }
                let leaves = conversation.members.iter().filter(|member| member.account == account);
                Ok(Ok(Plan { remove: leaves.map(|member| member.leaf).collect(), ..Plan::default() }))
            }
            Wish::Invite { records, .. } => {
                let mut add = Vec::new();
                for record in records {
                    match addition(cx, conversation, record)? {
                        Ok(Some(addition)) => add.push(addition),
                        Ok(None) => {}
                        Err(error) => return Ok(Err(error)),
                    }
                }
                if add.is_empty() {
                    return Ok(Err(CommandError::MemberAlreadyIn));
                }
                Ok(Ok(Plan { add, ..Plan::default() }))
            }
        }
    }

    fn pending(&mut self, cx: &mut Cx<'_>, parts: &mut Parts, id: MessageId) -> Result<Step, EngineError> {
        if let Some(entry) = cx.tx.messages().message_by_id(&self.channel, &id)? {
            self.stage = Stage::Delivering(id, entry.seq);
            return Ok(Step::Moved);
        }
        let conversation = match active(cx, &self.channel)? {
            Ok(conversation) => conversation,
            Err(error) => return Ok(error.into()),
        };
        let pending = cx.tx.conversations().pending_commit(&self.channel)?;
        if pending.is_some_and(|pending| pending.id == id) {
            if channel_link(cx).is_err() {
                return Ok(CommandError::Unreachable { unfinished: true }.into());
            }
            return match parts.channels.refused(&self.channel) {
                Some(failure) if !parts.channels.is_calling(&self.channel) => {
                    drop_pending(cx, &conversation, &id)?;
                    Ok(CommandError::Refused(failure).into())
                }
                Some(_) | None => Ok(Step::Wait),
            };
        }
        if let Some(failure) = parts.channels.refused(&self.channel) {
            return Ok(CommandError::Refused(failure).into());
        }
        // Another commit came first: the wish is looked at anew, under the new state of the group.
        self.tries += 1;
        if self.tries >= MAX_TRIES {
            return Ok(CommandError::Contended { tries: self.tries }.into());
        }
        self.not_before = cx.jittered(BACK_OFF * (1 << self.tries.min(5)));
        self.stage = Stage::Ready;
        Ok(Step::Moved)
    }

    fn delivering(&self, cx: &mut Cx<'_>, parts: &Parts, id: MessageId, seq: u64) -> Result<Step, EngineError> {
        let (undelivered, soon) = parts.deliveries.open(cx, |row| row.commit == id)?;
        if self.deliver && soon {
            return Ok(Step::Wait);
        }
        Ok(Outcome::Committed { seq, added: self.added.clone(), undelivered }.into())
    }
}

impl Task for Commit {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        match self.stage {
            Stage::Begin => self.begin(cx, parts),
            Stage::Resolve => Ok(self.resolve(cx, parts)),
            Stage::Ready => self.ready(cx, parts),
            Stage::Pending(id) => self.pending(cx, parts, id),
            Stage::Delivering(id, seq) => self.delivering(cx, parts, id, seq),
        }
    }
}

/// The member with this name, as it is shown here.
pub(crate) fn member_called(
    cx: &Cx<'_>,
    conversation: &Conversation,
    name: &str,
) -> Result<Option<AccountId>, EngineError> {
    let own = cx.own()?;
    for account in merge::accounts(&conversation.members) {
        let called = if account == own.row.account {
            own.row.name == name
        } else {
            cx.tx.contacts().contact(&account)?.is_some_and(|contact| contact.name == name)
        };
        if called {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// The devices of an account that can be added; `None` if all are in.
fn addition(
    cx: &mut Cx<'_>,
    conversation: &Conversation,
    record: &VerifiedRecord,
) -> Result<Result<Option<Addition>, CommandError>, EngineError> {
    let identity = &record.identity;
    let account = identity.account();
    let name = identity.name().as_str().to_owned();
    let is_in = |device: &quicprochat_wire::DeviceId| {
        conversation.members.iter().any(|member| member.account == account && member.device == *device)
    };
    let missing = identity.devices().iter().filter(|entry| !is_in(&entry.device)).count();
    if missing == 0 {
        return Ok(Ok(None));
    }
    let fresh: Vec<_> = record.fresh_key_packages(cx.now).filter(|part| !is_in(&part.device())).cloned().collect();
    if fresh.is_empty() {
        return Ok(Err(CommandError::BadRecord { name, fault: RecordFault::StaleKeyPackage }));
    }
    let mut key_packages = Vec::new();
    for part in &fresh {
        // What does not fit the group or the record cannot be added; another device of the account still can.
        if let Ok((suite, credential)) = mls::inspect_key_package(&cx.provider(), part.key_package()) {
            let fits = suite.number() == conversation.suite
                && credential.account == account
                && credential.device == part.device()
                && credential.identity_hash == identity.hash();
            if fits {
                key_packages.push(part.key_package().to_vec());
            }
        }
    }
    if key_packages.is_empty() {
        return Ok(Err(CommandError::BadRecord { name, fault: RecordFault::NoDevice }));
    }
    let part = identity.signed_bytes().to_vec();
    Ok(Ok(Some(Addition { account, part, inbox_key: identity.inbox_key().clone(), key_packages })))
}
