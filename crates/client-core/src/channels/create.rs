//! Creating a channel and its group (L7: the first keys come from epoch 0).

use quicprochat_e2ee::{
    channel::{GroupInfoBody, GroupInfoHead, seal_group_info, seal_keyring},
    mls::{Group, Profile, Suite},
};
use quicprochat_wire::{
    AccountId, CallFailure, ChannelId, ConnectionKind, ErrorCode, MessageId,
    call::channel::{ChainPoint, ChannelCreate},
    chain,
    entropy::random_array,
};

use super::{
    merge, records,
    session::{ChannelCall, Session},
};
use crate::{
    command::SuiteChoice,
    engine::{Cx, Purpose, stored_keys},
    error::EngineError,
    stock::{Stock, Take},
    store::{Conversation, ConversationKind, ConversationState, Creation, LogBody, LogEntry},
};

impl SuiteChoice {
    /// The MLS suite.
    pub(crate) const fn suite(self) -> Suite {
        match self {
            Self::Hybrid => Suite::Hybrid,
            Self::Classical => Suite::Classical,
        }
    }
}

/// Makes the group of a new channel, to be created at the server; `peer` makes it a direct one.
pub(crate) fn begin(
    cx: &mut Cx<'_>,
    title: &str,
    peer: Option<AccountId>,
    suite: SuiteChoice,
) -> Result<ChannelId, EngineError> {
    let own = cx.own()?.device();
    let identity = cx.own()?.identity()?;
    let channel = ChannelId::new(random_array(cx.entropy));
    let profile = if peer.is_some() { Profile::direct() } else { Profile::group(title) };
    let provider = cx.provider();
    let group = Group::create(&provider, &own, channel, suite.suite(), &profile)?;
    let keys = group.channel_keys(&provider)?;
    let (group_info, ratchet_tree) = group.group_info(&provider, &own)?;
    drop(provider);
    let head = GroupInfoHead { channel, after_position: 0, commit: MessageId::new([0; 16]) };
    let body = GroupInfoBody { group_info, ratchet_tree };
    let creation = Creation {
        channel,
        access: keys.access_public(),
        group_info: seal_group_info(&keys, &head, &body, cx.entropy)?,
        keyring: seal_keyring(&channel, &keys, 0, &[identity.inbox_key()], cx.entropy)?,
        token: None,
    };
    cx.tx.conversations().put_creation(&creation)?;
    records::put(cx, channel, &identity)?;
    let start = ChainPoint { position: 0, hash: chain::start(&channel) };
    let mut conversation = Conversation {
        channel,
        kind: if peer.is_some() { ConversationKind::Direct } else { ConversationKind::Group },
        title: title.to_owned(),
        peer,
        state: ConversationState::Creating,
        suite: suite.suite().number(),
        cursor: start,
        last_commit: start,
        head: 0,
        epoch: 0,
        keys: stored_keys(&keys),
        keys_since: 0,
        ahead: None,
        members: Vec::new().into(),
        leavers: Vec::new().into(),
        leaf_updated: cx.now,
        fresh_leaf: false,
        since: cx.now,
        inviter: None,
        group: channel,
        replaces: None,
        rounds: 0,
        spoilt_at: None,
    };
    merge::view(&mut conversation, &group)?;
    cx.tx.conversations().put_conversation(&conversation)?;
    Ok(channel)
}

/// Sends the creation as it stands, once it is paid for.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &Conversation,
    stock: &mut Stock,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    let Some(mut creation) = cx.tx.conversations().creation(&channel)? else { return Ok(()) };
    if session.creating {
        return Ok(());
    }
    let token = match creation.token.clone() {
        Some(token) => token,
        None => match stock.take(cx)? {
            Take::Token(token) => token,
            Take::Wait | Take::Failed(_) => return Ok(()),
        },
    };
    creation.token = Some(token.clone());
    cx.tx.conversations().put_creation(&creation)?;
    session.creating = true;
    let Creation { access, group_info, keyring, .. } = creation;
    let request = ChannelCreate { channel, access, group_info, keyring, token };
    cx.call(ConnectionKind::Channel, request, Purpose::Channel(channel, ChannelCall::Create));
    Ok(())
}

pub(super) fn created(cx: &mut Cx<'_>, conversation: &mut Conversation) -> Result<(), EngineError> {
    if conversation.state != ConversationState::Creating {
        return Ok(());
    }
    cx.tx.conversations().delete_creation(&conversation.channel)?;
    conversation.state = ConversationState::Active;
    let own = cx.own()?;
    let (sender, device) = (own.row.account, own.row.device);
    let entry = LogEntry {
        index: 0,
        channel: conversation.channel,
        seq: 0,
        id: MessageId::new([0; 16]),
        sender,
        device,
        time: cx.now,
        sent_at: cx.now,
        intent: None,
        body: LogBody::Joined,
    };
    cx.tx.messages().append_message(&entry)?;
    Ok(())
}

pub(super) fn refused(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    failure: CallFailure,
) -> Result<(), EngineError> {
    let channel = conversation.channel;
    match failure.code {
        ErrorCode::TokenInvalid | ErrorCode::TokenSpent | ErrorCode::TokenExpired => {
            if let Some(mut creation) = cx.tx.conversations().creation(&channel)? {
                creation.token = None;
                cx.tx.conversations().put_creation(&creation)?;
            }
            session.back_off(cx, failure);
        }
        ErrorCode::ChannelExists | ErrorCode::TooLarge | ErrorCode::BadRequest => {
            abandon(cx, conversation)?;
            conversation.state = ConversationState::Gone;
            session.refused = Some(failure);
        }
        _ => session.back_off(cx, failure),
    }
    Ok(())
}

/// Gives up a channel that was never created.
pub(crate) fn abandon(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<(), EngineError> {
    cx.tx.conversations().delete_creation(&conversation.channel)?;
    merge::clear(cx, conversation, false)
}
