//! One inbox entry: opened, verified, filed.

use quicprochat_e2ee::{
    mls::welcome_for,
    sealed::{InboxKind, Invitation as Body, open_inbox},
};
use quicprochat_wire::call::inbox::InboxEntry;

use super::unopened;
use crate::{
    engine::Cx,
    error::EngineError,
    event::{Event, TrustWarning},
    store::{Contact, Invitation, InvitationState, Relation, SecretBytes},
    trust::{ContactPin, PinnedKey},
};

/// Files an entry as an invitation; drops it if it is not a valid one.
pub(super) fn take(cx: &mut Cx<'_>, entry: &InboxEntry) -> Result<(), EngineError> {
    if cx.tx.inbox().invitation(&entry.id)?.is_some() {
        return Ok(());
    }
    let own = cx.own()?;
    let account = own.row.account;
    let fingerprint = *own.row.server.fingerprint();
    let opened = open_inbox(&account, &own.inbox_secrets(), &entry.id, &entry.sealed);
    let checked = opened.and_then(|entry| entry.verify()).and_then(|opened| {
        let InboxKind::Invitation = opened.kind;
        Body::parse(&opened.body).map(|body| (opened, body))
    });
    let (opened, body) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            tracing::debug!(?error, "an inbox entry is dropped");
            cx.notify(Event::Trust(TrustWarning::BadInboxEntry { id: entry.id }));
            return Ok(());
        }
    };
    if *body.link.fingerprint() != fingerprint {
        // Channels of other servers come with federation; nothing could be joined.
        cx.notify(Event::Trust(TrustWarning::BadInboxEntry { id: entry.id }));
        return Ok(());
    }
    if !is_for_this_device(cx, &body)? {
        tracing::debug!("an invitation has no secrets for this device");
        return unopened::count(cx);
    }
    let sender = &opened.sender;
    let contact = cx.tx.contacts().contact(&sender.account())?;
    let state = match contact {
        _ if sender.account() == account => InvitationState::Joining,
        Some(contact) if contact.relation == Relation::Blocked => return Ok(()),
        Some(contact) if is_known_by_key(&contact, PinnedKey::of(sender.key())) => match contact.relation {
            Relation::Contact => InvitationState::Joining,
            Relation::Seen | Relation::Blocked => InvitationState::Request,
        },
        Some(_) | None => InvitationState::Unchecked,
    };
    let (id, from, name) = (entry.id, sender.account(), sender.name().as_str().to_owned());
    let invitation = Invitation {
        id,
        channel: body.channel,
        from,
        from_name: name.clone(),
        identity: sender.signed_bytes().to_vec(),
        body: SecretBytes::new(opened.body.to_vec()),
        received: cx.now,
        state: state.clone(),
    };
    replace_older(cx, &body)?;
    cx.tx.inbox().put_invitation(&invitation)?;
    if state == InvitationState::Request {
        cx.notify(Event::Request { invitation: id, from, name });
    }
    Ok(())
}

/// Whether the Welcome has secrets for a KeyPackage of this device. The inbox is the account's: other devices have theirs, and
/// a device enrolled later finds what was there before it.
pub(super) fn is_for_this_device(cx: &Cx<'_>, body: &Body) -> Result<bool, EngineError> {
    let packages = cx.tx.upkeep().key_packages()?;
    let packages: Vec<&[u8]> = packages.iter().map(|package| package.key_package.as_slice()).collect();
    let (Ok(ours), Ok(none)) = (welcome_for(&body.welcome, &packages), welcome_for(&body.welcome, &[])) else {
        return Ok(false);
    };
    Ok(ours.len() > none.len())
}

/// Drops unanswered invitations to the same conversation that begin earlier: the newest one is what counts.
fn replace_older(cx: &Cx<'_>, body: &Body) -> Result<(), EngineError> {
    for other in cx.tx.inbox().invitations()? {
        let waits = matches!(other.state, InvitationState::Request | InvitationState::Unchecked);
        if other.channel == body.channel && waits {
            let older = Body::parse(other.body.expose()).is_ok_and(|other| other.start.position <= body.start.position);
            if older {
                cx.tx.inbox().delete_invitation(&other.id)?;
            }
        }
    }
    Ok(())
}

/// Whether this very key is pinned for a name the directory vouched for, and no warning is open.
pub(super) fn is_known_by_key(contact: &Contact, key: PinnedKey) -> bool {
    contact.confirmed
        && !contact.superseded
        && contact.changed.is_none()
        && ContactPin::from_bytes(&contact.pin).is_ok_and(|pin| pin.key() == key)
}
