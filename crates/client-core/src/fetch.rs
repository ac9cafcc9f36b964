//! Look-ups: a record is asked for, verified, and compared with what is pinned.
//!
//! ```text
//!   ask(subject) ──ticket──▶ call on the look-up link ──▶ Directory::verify ──▶ pin ──▶ take(ticket): Found or CommandError
//! ```

use std::collections::{BTreeMap, btree_map::Entry};

use quicprochat_identity::{UnverifiedIdentity, VerifiedIdentity};
use quicprochat_wire::{AccountId, ConnectionKind, Digest, ErrorCode, Response, call::directory::Subject};
use sha2::{Digest as _, Sha256};

use crate::{
    command::{CommandError, RecordFault},
    engine::{Cx, LinkStatus, Purpose},
    error::EngineError,
    event::{Event, TrustWarning},
    input::CallError,
    state::{self, Pace},
    store::{Contact, Relation},
    trust::{ContactPin, Directory, PinnedKey, PlainDirectory, TrustError, VerifiedRecord},
};

/// Verified parts that are kept; about 10 KB each.
const MOST_VERIFIED: usize = 256;

/// Look-ups on their way, and those whose results were not taken yet.
#[derive(Default)]
pub(crate) struct Fetch {
    directory: PlainDirectory,
    asked: BTreeMap<u64, Lookup>,
    last_ticket: u64,
    /// Stored identity parts that were verified before, by hash: many conversations have the same people in them.
    verified: BTreeMap<Digest, VerifiedIdentity>,
}

struct Lookup {
    subject: Subject,
    state: State,
}

enum State {
    Waiting,
    Calling,
    Done(Box<Result<VerifiedRecord, CommandError>>),
}

/// A look-up that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u64);

impl Fetch {
    /// Asks for a record; the result is to be taken later.
    pub(crate) fn ask(&mut self, subject: Subject) -> Ticket {
        self.last_ticket += 1;
        self.asked.insert(self.last_ticket, Lookup { subject, state: State::Waiting });
        Ticket(self.last_ticket)
    }

    /// The result, once it is there; asks the server for it if that was not done yet.
    ///
    /// A record that comes out is verified, and its key is the pinned one.
    pub(crate) fn take(&mut self, cx: &mut Cx<'_>, ticket: Ticket) -> Option<Result<VerifiedRecord, CommandError>> {
        let lookup = self.asked.get(&ticket.0)?;
        let same = |other: &Lookup| other.subject == lookup.subject && matches!(other.state, State::Calling);
        // One answer is for everybody who waits for it.
        let calling = !matches!(lookup.state, State::Waiting) || self.asked.values().any(same);
        let lookup = self.asked.get_mut(&ticket.0)?;
        if matches!(lookup.state, State::Waiting) && !calling {
            match cx.link(ConnectionKind::Lookup) {
                LinkStatus::Ready => {
                    let request = self.directory.lookup(&lookup.subject);
                    lookup.state = State::Calling;
                    cx.call(ConnectionKind::Lookup, request, Purpose::Lookup(ticket.0));
                }
                LinkStatus::Waiting => {}
                LinkStatus::Down(_) | LinkStatus::Refused => {
                    lookup.state = State::Done(Box::new(Err(CommandError::Unreachable { unfinished: false })));
                }
            }
        }
        if !matches!(lookup.state, State::Done(_)) {
            return None;
        }
        match self.asked.remove(&ticket.0)?.state {
            State::Done(result) => Some(*result),
            State::Waiting | State::Calling => None,
        }
    }

    /// Forgets a look-up that nobody waits for any more.
    pub(crate) fn forget(&mut self, ticket: Ticket) {
        self.asked.remove(&ticket.0);
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        ticket: u64,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        let Some(lookup) = self.asked.get_mut(&ticket) else { return Ok(()) };
        let name = match &lookup.subject {
            Subject::Name(name) => name.clone(),
            Subject::Account(account) => account.short(),
        };
        let found = match result {
            Ok(response) => match self.directory.verify(&lookup.subject, response) {
                Ok(record) => observe(cx, &record.identity)?.map(|()| record).map_err(|fault| fault.explain(name)),
                Err(error) => Err(CommandError::BadRecord { name, fault: record_fault(&error) }),
            },
            Err(CallError::LinkLost) => Err(CommandError::Unreachable { unfinished: false }),
            Err(CallError::Refused(failure)) if failure.code == ErrorCode::NotFound => {
                Err(CommandError::UnknownName { name })
            }
            Err(CallError::Refused(failure)) => Err(CommandError::Refused(failure)),
        };
        let subject = lookup.subject.clone();
        lookup.state = State::Done(Box::new(found.clone()));
        for other in self.asked.values_mut() {
            if other.subject == subject && matches!(other.state, State::Waiting) {
                other.state = State::Done(Box::new(found.clone()));
            }
        }
        Ok(())
    }

    /// A stored identity part, verified: once for each that is asked for again and again.
    pub(crate) fn stored(&mut self, part: &[u8]) -> Result<&VerifiedIdentity, EngineError> {
        let hash = Digest::new(Sha256::digest(part).into());
        if self.verified.len() >= MOST_VERIFIED && !self.verified.contains_key(&hash) {
            self.verified.clear();
        }
        match self.verified.entry(hash) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(stored_identity(part)?)),
        }
    }
}

/// Why a verified record is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Doubt {
    KeyChanged,
    RolledBack,
    Other,
}

impl Doubt {
    fn explain(self, name: String) -> CommandError {
        match self {
            Self::KeyChanged => CommandError::KeyChanged { name },
            Self::RolledBack => CommandError::BadRecord { name, fault: RecordFault::RolledBack },
            Self::Other => CommandError::BadRecord { name, fault: RecordFault::Identity },
        }
    }
}

fn record_fault(error: &TrustError) -> RecordFault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other fault is one of the identity part")]
    match error {
        TrustError::WrongName | TrustError::WrongAccount { .. } => RecordFault::WrongSubject,
        TrustError::WrongDevice { .. } => RecordFault::KeyPackage,
        _ => RecordFault::Identity,
    }
}

/// Compares a record that the directory vouched for with the pin of its name, and remembers it.
pub(crate) fn observe(cx: &mut Cx<'_>, identity: &VerifiedIdentity) -> Result<Result<(), Doubt>, EngineError> {
    let name = identity.name().as_str();
    let (mut pinned, mut pin) = match cx.tx.contacts().contact_by_name(name, "")? {
        Some(pinned) => {
            let pin = ContactPin::from_bytes(&pinned.pin).map_err(|_| EngineError::OwnState)?;
            (pinned, pin)
        }
        // Another device of the account may have pinned a key for the name.
        None => match state::expected_pin(cx, identity)? {
            Some(pin) if pin.key() != PinnedKey::of(identity.key()) => (expected(&pin, cx)?, pin),
            Some(_) | None => return confirm(cx, identity).map(Ok),
        },
    };
    let result = pin.observe(identity);
    pinned.pin = pin.to_bytes();
    let account = pinned.account;
    let warn = |cx: &mut Cx<'_>, warning| cx.notify(Event::Trust(warning));
    let outcome = match result {
        Ok(_) => {
            if identity.serial() >= pinned.serial {
                pinned.identity = identity.signed_bytes().to_vec();
                pinned.serial = identity.serial();
            }
            Ok(())
        }
        Err(TrustError::ChangedKey(_)) => {
            pinned.changed = Some(identity.signed_bytes().to_vec());
            warn(cx, TrustWarning::KeyChanged { account, name: name.to_owned() });
            Err(Doubt::KeyChanged)
        }
        Err(TrustError::RolledBack { .. } | TrustError::Forked { .. }) => {
            warn(cx, TrustWarning::RolledBack { account, name: name.to_owned() });
            Err(Doubt::RolledBack)
        }
        Err(_) => Err(Doubt::Other),
    };
    cx.tx.contacts().put_contact(&pinned)?;
    // A key that changed and then changed back stays a matter for the person: the warning was not answered.
    if outcome.is_ok() && pinned.changed.is_some() { Ok(Err(Doubt::KeyChanged)) } else { Ok(outcome) }
}

/// Pins an account on first use; what was only claimed of it before is replaced.
fn confirm(cx: &mut Cx<'_>, identity: &VerifiedIdentity) -> Result<(), EngineError> {
    let before = cx.tx.contacts().contact(&identity.account())?;
    let contact = Contact {
        confirmed: true,
        pin: ContactPin::first_use(identity, cx.now).to_bytes(),
        ..claim(identity, before.as_ref(), cx)
    };
    cx.tx.contacts().put_contact(&contact)?;
    state::settle_contact(cx, &identity.account())
}

/// What is known of a name that another device of the account has pinned, when another key is shown for it: everything but a
/// record.
fn expected(pin: &ContactPin, cx: &Cx<'_>) -> Result<Contact, EngineError> {
    let before = cx.tx.contacts().contact(&pin.account())?;
    let (name, account) = (pin.name().as_str().to_owned(), pin.account());
    Ok(Contact {
        account,
        name,
        host: String::new(),
        identity: before.as_ref().map(|contact| contact.identity.clone()).unwrap_or_default(),
        serial: 0,
        relation: before.as_ref().map_or(Relation::Contact, |contact| contact.relation.clone()),
        verified: false,
        changed: None,
        confirmed: true,
        pin: Vec::new(),
        superseded: false,
        first_seen: before.map_or(cx.now, |contact| contact.first_seen),
    })
}

/// What an account's own record says of it, until the directory has vouched for its name.
fn claim(identity: &VerifiedIdentity, before: Option<&Contact>, cx: &Cx<'_>) -> Contact {
    Contact {
        account: identity.account(),
        name: identity.name().as_str().to_owned(),
        host: String::new(),
        identity: identity.signed_bytes().to_vec(),
        serial: identity.serial(),
        relation: before.map_or(Relation::Seen, |contact| contact.relation.clone()),
        verified: false,
        changed: None,
        confirmed: false,
        pin: Vec::new(),
        superseded: false,
        first_seen: before.map_or(cx.now, |contact| contact.first_seen),
    }
}

/// Remembers an account that a conversation or request showed, without pinning its name.
pub(crate) fn remember(cx: &mut Cx<'_>, identity: &VerifiedIdentity) -> Result<(), EngineError> {
    let before = cx.tx.contacts().contact(&identity.account())?;
    match before {
        Some(contact) if contact.confirmed || contact.serial >= identity.serial() => Ok(()),
        before => Ok(cx.tx.contacts().put_contact(&claim(identity, before.as_ref(), cx))?),
    }
}

/// Makes an account a contact: it was invited, written to, accepted or verified.
pub(crate) fn befriend(cx: &mut Cx<'_>, account: &AccountId) -> Result<(), EngineError> {
    let contact = cx.tx.contacts().contact(account)?;
    if let Some(mut contact) = contact.filter(|contact| contact.relation != Relation::Contact) {
        contact.relation = Relation::Contact;
        cx.tx.contacts().put_contact(&contact)?;
        state::note_contact(cx, account, Pace::Consequence)?;
    }
    Ok(())
}

/// A stored identity part of somebody, whose signature was verified before it was stored.
pub(crate) fn stored_identity(part: &[u8]) -> Result<VerifiedIdentity, EngineError> {
    UnverifiedIdentity::parse(part).and_then(UnverifiedIdentity::verify).map_err(|_| EngineError::OwnState)
}
