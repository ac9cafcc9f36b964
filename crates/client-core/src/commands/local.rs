//! Commands about people's keys.

use quicprochat_identity::SafetyNumber;
use quicprochat_wire::call::directory::Subject;

use super::{Step, Task};
use crate::{
    command::{CommandError, Outcome},
    engine::{Cx, Parts},
    error::EngineError,
    fetch::{self, Ticket, stored_identity},
    state::{self, Pace},
    store::{Contact, Relation},
    trust::ContactPin,
};

/// Done at once.
pub(crate) struct Nothing;

impl Task for Nothing {
    fn step(&mut self, _: &mut Cx<'_>, _: &mut Parts) -> Result<Step, EngineError> {
        Ok(Outcome::Done.into())
    }
}

/// Looks somebody up, so that their identity is pinned.
pub(crate) struct LookUp {
    name: String,
    ticket: Option<Ticket>,
}

impl LookUp {
    pub(crate) const fn new(name: String) -> Self {
        Self { name, ticket: None }
    }
}

impl Task for LookUp {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let ticket = *self.ticket.get_or_insert_with(|| parts.fetch.ask(Subject::Name(self.name.clone())));
        Ok(match parts.fetch.take(cx, ticket) {
            None => Step::Wait,
            Some(Ok(record)) => Outcome::Found { account: record.identity.account() }.into(),
            Some(Err(error)) => error.into(),
        })
    }
}

/// Records that a safety number was compared; looks the account up first if it is not known.
pub(crate) struct Verify {
    name: String,
    look_up: Option<LookUp>,
}

impl Verify {
    pub(crate) const fn new(name: String) -> Self {
        Self { name, look_up: None }
    }
}

impl Task for Verify {
    fn step(&mut self, cx: &mut Cx<'_>, parts: &mut Parts) -> Result<Step, EngineError> {
        let Some(mut contact) = cx.tx.contacts().contact_by_name(&self.name, "")? else {
            let look_up = self.look_up.get_or_insert_with(|| LookUp::new(self.name.clone()));
            return match look_up.step(cx, parts)? {
                Step::Done(Ok(_)) if cx.tx.contacts().contact_by_name(&self.name, "")?.is_some() => Ok(Step::Moved),
                Step::Done(Ok(_)) => Ok(CommandError::OwnAccount.into()),
                other => Ok(other),
            };
        };
        if contact.changed.is_some() {
            return Ok(CommandError::KeyChanged { name: contact.name }.into());
        }
        let own = cx.own()?.identity()?;
        let theirs = stored_identity(&contact.identity)?;
        let mut pin = ContactPin::from_bytes(&contact.pin).map_err(|_| EngineError::OwnState)?;
        let number = SafetyNumber::of(own.key(), theirs.key());
        if pin.verify(own.key(), theirs.key(), &number).is_err() {
            return Ok(CommandError::KeyChanged { name: contact.name }.into());
        }
        contact.pin = pin.to_bytes();
        contact.verified = true;
        contact.relation = Relation::Contact;
        cx.tx.contacts().put_contact(&contact)?;
        state::note_contact(cx, &contact.account, Pace::Setting)?;
        Ok(Outcome::Found { account: contact.account }.into())
    }
}

/// Accepts the changed key of a contact.
pub(crate) struct AcceptKey {
    pub(crate) name: String,
}

impl Task for AcceptKey {
    fn step(&mut self, cx: &mut Cx<'_>, _: &mut Parts) -> Result<Step, EngineError> {
        let Some(before) = cx.tx.contacts().contact_by_name(&self.name, "")? else {
            return Ok(CommandError::UnknownName { name: self.name.clone() }.into());
        };
        let Some(part) = &before.changed else {
            return Ok(Outcome::Found { account: before.account }.into());
        };
        let identity = stored_identity(part)?;
        let mut pin = ContactPin::from_bytes(&before.pin).map_err(|_| EngineError::OwnState)?;
        if pin.accept(&identity, cx.now).is_err() {
            return Ok(CommandError::KeyChanged { name: self.name.clone() }.into());
        }
        let account = identity.account();
        let after = Contact {
            account,
            identity: identity.signed_bytes().to_vec(),
            serial: identity.serial(),
            verified: false,
            changed: None,
            pin: pin.to_bytes(),
            ..before.clone()
        };
        if account != before.account {
            // The old account keeps its place in old conversations, without the name.
            let old = before.account;
            cx.tx.contacts().put_contact(&Contact { changed: None, superseded: true, ..before })?;
            state::note_contact(cx, &old, Pace::Setting)?;
        }
        cx.tx.contacts().put_contact(&after)?;
        state::note_contact(cx, &account, Pace::Setting)?;
        fetch::befriend(cx, &account)?;
        Ok(Outcome::Found { account }.into())
    }
}
