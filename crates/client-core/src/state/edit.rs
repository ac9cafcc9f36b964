//! Changes that this device makes: into the document at once, into the vault later.

use quicprochat_e2ee::vault::MAX_STATE_BYTES;
use quicprochat_wire::{AccountId, ChannelId, Entropy, Timestamp, entropy::random_below, time::Duration};

use super::{
    document::{Document, StateError, draw_client},
    key::Key,
    rows,
};
use crate::{
    engine::Cx,
    error::EngineError,
    store::{AccountState, Contact, KnownContact, List, Relation, StoreTx, UnsentKey},
};

/// How long a change waits for others, so that the moment says less of what it was about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// A person set something.
    Setting,
    /// A person reads or writes: several of these are one write, and none is on the heels of a message.
    Reading,
    /// It follows from something that the server sees on another connection.
    Consequence,
}

impl Pace {
    /// Shortest and longest wait, in milliseconds.
    const fn span(self) -> (u64, u64) {
        match self {
            Self::Setting => (100, 1_000),
            Self::Reading => (2_000, 8_000),
            Self::Consequence => (5_000, 60_000),
        }
    }

    fn draw(self, now: Timestamp, entropy: &mut dyn Entropy) -> Timestamp {
        let (from, to) = self.span();
        now.after(Duration::from_millis(from + random_below(entropy, to - from + 1)))
    }
}

/// The longest of these waits.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// What is to be changed.
#[derive(Default)]
pub(crate) struct Edit {
    keys: Vec<(Key, Option<Vec<u8>>)>,
    markers: Vec<(ChannelId, u64)>,
}

impl Edit {
    pub(crate) fn set(mut self, key: Key, value: Option<Vec<u8>>) -> Self {
        self.keys.push((key, value));
        self
    }

    pub(crate) fn mark(mut self, channel: ChannelId, position: u64) -> Self {
        self.markers.push((channel, position));
        self
    }
}

/// The row and the document in it; both new if there are none.
pub(super) fn load(tx: &dyn StoreTx, entropy: &mut dyn Entropy) -> Result<(AccountState, Document), EngineError> {
    if let Some(row) = tx.state().account_state()? {
        let document = Document::stored(&row.content, row.client).map_err(|_| EngineError::OwnState)?;
        return Ok((row, document));
    }
    let client = draw_client(entropy);
    let document = Document::new(client);
    let row = AccountState {
        content: document.encode(),
        client,
        sent: 0,
        unsent: List::default(),
        due: None,
        by_hand: false,
        versions: List::default(),
    };
    Ok((row, document))
}

/// Makes a change; whether there was anything to change.
///
/// Errors:   [`StateError::TooLarge`], and nothing is changed, if the vault would have no room for it. What makes a state that is
///           too large smaller is taken.
pub(crate) fn make(cx: &mut Cx<'_>, edit: Edit, pace: Pace) -> Result<Result<bool, StateError>, EngineError> {
    let (mut row, mut document) = load(cx.tx, cx.entropy)?;
    let before = Document::stored(&row.content, row.client).map_err(|_| EngineError::OwnState)?;
    let mut changed = false;
    for (channel, position) in edit.markers {
        changed |= document.mark(channel, position);
    }
    for (key, value) in edit.keys {
        let key = key.text();
        if document.set(&key, value.as_deref()) {
            changed = true;
            row.unsent.retain(|unsent| unsent.key != key);
            row.unsent.push(UnsentKey { key, clock: document.own_clock() });
        }
    }
    if !changed {
        return Ok(Ok(false));
    }
    let size = row.content.len();
    row.content = document.encode();
    if row.content.len() > MAX_STATE_BYTES.max(size.saturating_sub(1)) {
        return Ok(Err(StateError::TooLarge { limit: MAX_STATE_BYTES, found: row.content.len() }));
    }
    put_off(cx, &mut row, pace);
    cx.tx.state().put_account_state(&row)?;
    rows::apply(cx.tx, &before, &document)?;
    Ok(Ok(true))
}

/// Draws when the row is to be written; a write that is due or on its way does not take the change along.
fn put_off(cx: &mut Cx<'_>, row: &mut AccountState, pace: Pace) {
    let drawn = pace.draw(cx.now, cx.entropy);
    let due = match row.due {
        Some(due) if due > cx.now => due.min(drawn),
        Some(_) | None => drawn,
    };
    row.due = Some(due);
    row.by_hand |= pace != Pace::Consequence;
    cx.wake(due);
}

/// Tells the account's other devices of a contact as this device has it.
pub(crate) fn note_contact(cx: &mut Cx<'_>, account: &AccountId, pace: Pace) -> Result<(), EngineError> {
    let Some(contact) = cx.tx.contacts().contact(account)? else { return Ok(()) };
    let known = cx.tx.state().known_contact(account)?;
    let edit = of_contact(Edit::default(), &contact, known.as_ref(), pace == Pace::Setting);
    note(cx, edit, pace)
}

/// The same of every contact, as far as it is news: those of before there was a document, and what a backup brought.
pub(super) fn note_all_contacts(cx: &mut Cx<'_>) -> Result<(), EngineError> {
    let mut edit = Edit::default();
    for contact in cx.tx.contacts().all_contacts()? {
        let known = cx.tx.state().known_contact(&contact.account)?;
        let relation = known.as_ref().and_then(|known| known.relation.as_ref());
        if relation.is_some_and(|relation| *relation != contact.relation) {
            // What a person decided since outlives a backup.
            rows::settle(cx.tx, &contact.account)?;
        } else {
            edit = of_contact(edit, &contact, known.as_ref(), false);
        }
    }
    note(cx, edit, Pace::Consequence)
}

fn note(cx: &mut Cx<'_>, edit: Edit, pace: Pace) -> Result<(), EngineError> {
    if edit.keys.is_empty() {
        return Ok(());
    }
    if let Err(error) = make(cx, edit, pace)? {
        tracing::warn!(%error, "the account's other devices do not hear of a contact");
    }
    Ok(())
}

/// What is news of a contact. Only what a person `decided` takes the place of what another device pinned or verified.
fn of_contact(mut edit: Edit, contact: &Contact, known: Option<&KnownContact>, decided: bool) -> Edit {
    let account = contact.account;
    let Some(relation) = rows::relation_byte(&contact.relation) else { return edit };
    if known.and_then(|known| known.relation.as_ref()) != Some(&contact.relation) {
        edit = edit.set(Key::Relation(account), Some(vec![relation]));
    }
    match rows::pin_of(contact) {
        Some(pin) if contact.relation == Relation::Contact => {
            let hash = pin.key().hash;
            if decided || known.is_none_or(|known| known.key.is_none()) {
                edit = edit.set(Key::Contact(account), Some(rows::pin_bytes(&contact.name, &contact.host, &hash)));
            }
            let is_news = known.is_none_or(|known| known.verified.is_none());
            if decided || (contact.verified && is_news) {
                edit = edit.set(Key::Verified(account), contact.verified.then(|| hash.as_bytes().to_vec()));
            }
            edit
        }
        // The name is another account's, whose key a person accepted.
        None if contact.superseded && decided => {
            edit.set(Key::Contact(account), None).set(Key::Verified(account), None)
        }
        Some(_) | None => edit,
    }
}
