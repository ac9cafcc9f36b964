//! Items into a store: what is missing comes in, and nothing that is there is replaced by something older.

use std::collections::BTreeMap;

use quicprochat_e2ee::vault::{ConversationList, Standing, VaultConversation};
use quicprochat_identity::{SafetyNumber, UnverifiedIdentity, VerifiedIdentity};
use quicprochat_wire::{AccountId, ChannelId, ServerLink, Timestamp};

use super::{AccountItem, ContactItem, ContentError, ConversationItem, Counts, Imported, Item};
use crate::{
    archive,
    content::Span,
    history::{HistoryRecord, import_own},
    repair::{self, Spans},
    store::{
        Contact, Conversation, ConversationKind, ConversationState, LogBody, LogEntry, OwnAccount, Relation, Secret,
        StoreTx,
    },
    trust::ContactPin,
    vault::rows,
};

/// Whether the items are a whole backup, and whose: everything that can be found out without the store.
#[derive(Debug, Default)]
pub struct Checker {
    account: Option<AccountItem>,
    seen: Counts,
    ended: bool,
}

impl Checker {
    /// Before the first item.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose backup it is, once the first item has come.
    #[must_use]
    pub const fn account(&self) -> Option<&AccountItem> {
        self.account.as_ref()
    }

    /// Looks at the next item.
    ///
    /// Errors:   [`ContentError::Incomplete`], [`ContentError::BadContact`].
    pub fn check(&mut self, item: &Item) -> Result<(), ContentError> {
        if self.ended || self.account.is_some() == matches!(item, Item::Account(_)) {
            return Err(ContentError::Incomplete);
        }
        match item {
            Item::Account(account) => self.account = Some(account.clone()),
            Item::Contact(contact) => {
                check_contact(contact)?;
                self.seen.contacts += 1;
            }
            Item::Conversation(_) => self.seen.conversations += 1,
            Item::History(records) => {
                self.seen.entries = self.seen.entries.saturating_add(records.len() as u64);
            }
            Item::End(counts) => {
                self.ended = true;
                if *counts != self.seen {
                    return Err(ContentError::Incomplete);
                }
            }
            Item::Later { .. } => {}
        }
        Ok(())
    }

    /// After the last item: what there was.
    ///
    /// Errors:   [`ContentError::Incomplete`] if the end is missing.
    pub fn finish(self) -> Result<(AccountItem, Counts), ContentError> {
        match self.account {
            Some(account) if self.ended => Ok((account, self.seen)),
            Some(_) | None => Err(ContentError::Incomplete),
        }
    }
}

impl AccountItem {
    /// Refuses a backup of another account than `own`.
    ///
    /// Errors:   [`ContentError::OtherAccount`].
    pub fn check_owner(&self, own: AccountId) -> Result<(), ContentError> {
        if self.account == own {
            return Ok(());
        }
        Err(ContentError::OtherAccount { account: self.account, name: self.name.clone(), host: self.host.clone() })
    }
}

/// Takes the items of a backup over, within one transaction of the caller.
pub struct Import<'a> {
    tx: &'a dyn StoreTx,
    own: OwnAccount,
    now: Timestamp,
    checker: Checker,
    covered: BTreeMap<ChannelId, Covered>,
    done: Imported,
}

/// How much of a conversation's log a backup says.
#[derive(Default)]
struct Covered {
    /// The first entry.
    from: Option<u64>,
    /// The last entry that the device had read.
    to: u64,
    /// What it could not read, or perhaps not.
    gaps: Vec<Span>,
    /// The entry that came last.
    last: u64,
}

impl Covered {
    fn add(&mut self, entry: &LogEntry) {
        self.from = Some(self.from.map_or(entry.seq, |from| from.min(entry.seq)));
        match entry.body {
            LogBody::Gap { from, to } => self.gaps.push(Span { from, to }),
            // Where the device came in again, nobody knows what it had read before.
            LogBody::Joined if self.last > 0 => {
                self.gaps.push(Span { from: self.last.saturating_add(1), to: entry.seq.saturating_sub(1) });
            }
            LogBody::Content { .. }
            | LogBody::Membership { .. }
            | LogBody::Renamed { .. }
            | LogBody::Leave
            | LogBody::Joined
            | LogBody::Updated
            | LogBody::Replaced { .. }
            | LogBody::Relayed { .. } => {}
        }
        self.last = entry.seq;
    }

    fn spans(self) -> Spans {
        Spans::of(self.from.map(|from| Span { from, to: self.to })).without(&Spans::of(self.gaps))
    }
}

impl<'a> Import<'a> {
    /// Begins.
    ///
    /// Errors:   [`ContentError::NoAccount`], [`ContentError::Store`].
    pub fn new(tx: &'a dyn StoreTx, now: Timestamp) -> Result<Self, ContentError> {
        let own = tx.account().own_account()?.ok_or(ContentError::NoAccount)?;
        Ok(Self { tx, own, now, checker: Checker::new(), covered: BTreeMap::new(), done: Imported::default() })
    }

    /// Takes the next item over. After an error the transaction is to be rolled back.
    ///
    /// Errors:   [`ContentError`].
    pub fn take(&mut self, item: Item) -> Result<(), ContentError> {
        self.checker.check(&item)?;
        match item {
            Item::Account(account) => account.check_owner(self.own.account),
            Item::Contact(contact) => self.contact(contact),
            Item::Conversation(conversation) => self.conversation(&conversation),
            Item::History(records) => records.into_iter().try_for_each(|record| self.entry(record)),
            Item::End(_) => Ok(()),
            Item::Later { .. } => {
                self.done.later += 1;
                Ok(())
            }
        }
    }

    /// After the last item: what came in. Now the transaction may be committed.
    ///
    /// Errors:   [`ContentError::Incomplete`].
    pub fn finish(self) -> Result<Imported, ContentError> {
        self.checker.finish()?;
        for (channel, covered) in self.covered {
            repair::filled(self.tx, &channel, &covered.spans())?;
        }
        archive::forget_holdings(self.tx)?;
        Ok(self.done)
    }

    fn entry(&mut self, record: HistoryRecord) -> Result<(), ContentError> {
        let Ok(entry) = record.into_entry() else {
            self.done.later += 1;
            return Ok(());
        };
        self.covered.entry(entry.channel).or_default().add(&entry);
        match import_own(self.tx, &entry)? {
            true => {
                self.done.entries += 1;
                if matches!(entry.body, LogBody::Gap { .. }) {
                    repair::imported_gap(self.tx, &entry.channel)?;
                }
            }
            false => self.done.known += 1,
        }
        Ok(())
    }

    fn contact(&mut self, item: ContactItem) -> Result<(), ContentError> {
        if item.account == self.own.account {
            return Ok(());
        }
        let store = self.tx.contacts();
        let Some(before) = store.contact(&item.account)? else {
            let mut contact = fresh(item)?;
            let taken = store.contact_by_name(&contact.name, &contact.host)?;
            // The name went to somebody else since the backup was made.
            contact.superseded |= contact.confirmed && taken.is_some();
            self.done.contacts += 1;
            return Ok(store.put_contact(&contact)?);
        };
        let mut after = before.clone();
        if before.relation == Relation::Seen {
            after.relation = item.relation.clone();
        }
        if item.verified && !before.verified && before.changed.is_none() {
            self.verify(&mut after, &item)?;
        }
        if after != before {
            self.done.contacts += 1;
            store.put_contact(&after)?;
        }
        Ok(())
    }

    /// The safety number was compared before the backup was made: that counts for the key that it was compared for.
    fn verify(&self, contact: &mut Contact, item: &ContactItem) -> Result<(), ContentError> {
        let (Ok(then), Ok(theirs)) = (identity(&item.identity), identity(&contact.identity)) else { return Ok(()) };
        let ours = identity(&self.own.identity)?;
        let Ok(mut pin) = ContactPin::from_bytes(&contact.pin) else { return Ok(()) };
        let compared = SafetyNumber::of(ours.key(), then.key());
        if pin.verify(ours.key(), theirs.key(), &compared).is_ok() {
            contact.pin = pin.to_bytes();
            contact.verified = true;
        }
        Ok(())
    }

    fn conversation(&mut self, item: &ConversationItem) -> Result<(), ContentError> {
        let here = |link: ServerLink| link.fingerprint() == self.own.server.fingerprint();
        let known_kind = match item.kind {
            0 => ConversationKind::Group,
            1 => ConversationKind::Direct,
            _ => {
                self.done.later += 1;
                return Ok(());
            }
        };
        if !item.server.parse().is_ok_and(here) {
            self.done.elsewhere += 1;
            return Ok(());
        }
        self.covered.entry(item.channel).or_default().to = item.cursor.position;
        let store = self.tx.conversations();
        let row = match store.conversation(&item.channel)? {
            // This device is in it, or was: it knows better.
            Some(before) if before.state != rows::NEW_DEVICE => return Ok(()),
            Some(before) => improved(before, item),
            None => {
                self.done.conversations += 1;
                let state = match item.standing {
                    Standing::Joined => rows::NEW_DEVICE,
                    Standing::Left => ConversationState::Left,
                };
                let mut row = rows::row(item.channel, known_kind, &vault_entry(item), self.now);
                row.state = state;
                improved(row, item)
            }
        };
        Ok(store.put_conversation(&row)?)
    }
}

/// A row in which this device is not yet, with what the backup knows better.
fn improved(mut row: Conversation, item: &ConversationItem) -> Conversation {
    let mut list = ConversationList::default();
    let mut known = vault_entry(item);
    known.keys.copy_from_slice(row.keys.expose());
    known.keys_since = row.keys_since;
    known.pinned = row.last_commit;
    list.add(row.channel, known);
    list.add(row.channel, vault_entry(item));
    for (_, best) in list.iter() {
        row.keys = Secret::new(*best.keys);
        row.keys_since = best.keys_since;
        row.last_commit = best.pinned;
    }
    for point in [row.last_commit, item.cursor] {
        if point.position > row.cursor.position {
            row.cursor = point;
        }
    }
    row.head = row.head.max(row.cursor.position);
    if row.title.is_empty() {
        row.title.clone_from(&item.title);
    }
    row.peer = row.peer.or(item.peer);
    row
}

fn vault_entry(item: &ConversationItem) -> VaultConversation {
    VaultConversation {
        server: item.server.clone(),
        kind: item.kind,
        keys: item.keys.clone(),
        keys_since: item.keys_since,
        pinned: item.pinned,
        standing: item.standing,
        title: VaultConversation::listed_title(&item.title),
        peer: item.peer,
        active: Timestamp(0),
        replaces: None,
    }
}

fn fresh(item: ContactItem) -> Result<Contact, ContentError> {
    let serial = if item.identity.is_empty() { 0 } else { identity(&item.identity)?.serial() };
    Ok(Contact {
        account: item.account,
        name: item.name,
        host: item.host,
        identity: item.identity,
        serial,
        relation: item.relation,
        verified: item.verified,
        changed: item.changed,
        confirmed: item.confirmed,
        pin: item.pin,
        superseded: item.superseded,
        first_seen: item.first_seen,
    })
}

fn check_contact(item: &ContactItem) -> Result<(), ContentError> {
    if !item.identity.is_empty() && identity(&item.identity)?.account() != item.account {
        return Err(ContentError::BadContact);
    }
    if let Some(changed) = &item.changed {
        identity(changed)?;
    }
    // A confirmed contact is looked up by its pin.
    let pinned = item.confirmed || !item.pin.is_empty();
    if pinned && ContactPin::from_bytes(&item.pin).map_err(|_| ContentError::BadContact)?.account() != item.account {
        return Err(ContentError::BadContact);
    }
    Ok(())
}

fn identity(part: &[u8]) -> Result<VerifiedIdentity, ContentError> {
    UnverifiedIdentity::parse(part).and_then(UnverifiedIdentity::verify).map_err(|_| ContentError::BadContact)
}

impl core::fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Import").field("done", &self.done).finish_non_exhaustive()
    }
}
