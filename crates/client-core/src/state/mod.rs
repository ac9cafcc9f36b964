//! The account's state on all its devices: contacts and verifications, settings of conversations, read markers and drafts.
//!
//! ```text
//!   a person, trust ──edit──▶ document ──rows──▶ views, contacts        due ──▶ vault-store
//!                                ▲  merge                                         │ version-conflict
//!   vault-subscribe ──versions──▶ vault-fetch ◀────────────────────────────────────┘
//! ```
//!
//! The document is a CRDT (protocol.md, section 13), so devices that were offline converge whatever they changed. The server sees
//! that a device stored the records, and one of seven sizes.

mod document;
mod edit;
mod fit;
mod guard;
mod key;
mod rows;
mod task;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use quicprochat_e2ee::vault::{IDENTITY_RECORD, STATE_RECORDS, StateKey, is_account_state_record};
use quicprochat_identity::VerifiedIdentity;
use quicprochat_wire::{
    AccountId, ConnectionKind, Digest, Entropy, ErrorCode, Response, Timestamp,
    call::vault::{VaultRecord, VaultStore, VaultSubscribe, VaultVersions},
    entropy::random_below,
    time::Duration,
};
use sha2::{Digest as _, Sha256};

pub use document::{Document, StateError, draw_client};
pub(crate) use edit::{Pace, note_contact};
pub use key::Key;
use rows::Applied;
pub(crate) use rows::pinned_otherwise;
pub(crate) use task::{MarkRead, SetConversation, channels};

use crate::{
    archive::ARCHIVE_RECORD,
    auth::{self, CeremonyError},
    engine::{Cx, LinkStatus, Mode, Purpose, Stream},
    error::EngineError,
    event::{Event, TrustWarning},
    input::{CallError, SubscriptionId},
    own_record::OwnRecord,
    store::{AccountState, RecordVersion, StoreTx},
    trust::{ContactPin, PinnedKey},
};

/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(60);
/// Pause after records that do not open: another device rolled the vault, most likely, and this one is about to hear of it.
const SEALED_PAUSE: Duration = Duration::from_secs(3);
/// Only after so many of these a person is told.
const SEALED_TRIES: u32 = 3;
/// Two devices that collided try again within this.
const RETRY: u64 = 1_000;

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StateCall {
    Fetch,
    Store,
}

/// See the module.
#[derive(Default)]
pub(crate) struct State {
    stream: Option<SubscriptionId>,
    /// What stands at the server, once it has told.
    told: Option<BTreeMap<u32, u64>>,
    /// Version of the archive's record, as far as it was told.
    archive: u64,
    /// Whether the own write met a newer one: what was told is behind.
    stale: bool,
    calling: bool,
    writing: Option<Writing>,
    rest_until: Option<Timestamp>,
    refused: bool,
    sealed: u32,
    warned: bool,
    imported: bool,
}

/// A write on its way.
struct Writing {
    /// What this device had when it wrote.
    content: Digest,
    /// How far this device's operations go in it.
    clock: u32,
    versions: Vec<RecordVersion>,
    /// The document, if it was re-based for the write: it is in force only when the vault has it.
    rebased: Option<Vec<u8>>,
}

impl State {
    /// Forgets refusals, for a new wish, or because the keys changed.
    pub(crate) fn again(&mut self) {
        self.rest_until = None;
        self.refused = false;
    }

    /// Whether the vault and this device have told each other everything that does not wait for its moment.
    pub(crate) fn is_idle(&self, cx: &Cx<'_>) -> Result<bool, EngineError> {
        if self.calling {
            return Ok(false);
        }
        Ok(self.refused || self.is_told(cx)?)
    }

    /// Whether something keeps this device and the vault from telling each other what is due.
    pub(crate) fn is_held_up(&self, cx: &Cx<'_>) -> Result<bool, EngineError> {
        Ok(self.refused && !self.is_told(cx)?)
    }

    fn is_told(&self, cx: &Cx<'_>) -> Result<bool, EngineError> {
        let Some(row) = cx.tx.state().account_state()? else { return Ok(self.told.is_some()) };
        Ok(self.told.is_some() && !self.is_behind(&row) && !is_due(&row, cx.now, true))
    }

    /// Version of the archive's record at the server, once it has told.
    pub(crate) fn archive_version(&self) -> Option<u64> {
        self.told.as_ref().map(|_| self.archive)
    }

    /// Whether the vault has something else than was last seen of it.
    fn is_behind(&self, row: &AccountState) -> bool {
        let seen = row.versions.iter().map(|record| (record.id, record.version));
        self.stale || self.told.as_ref().is_some_and(|told| !seen.eq(told.iter().map(|(id, version)| (*id, *version))))
    }

    /// Does what is due.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, mode: Mode) -> Result<(), EngineError> {
        if !mode.active() {
            self.stop(cx);
            return Ok(());
        }
        if !core::mem::replace(&mut self.imported, true) {
            edit::note_all_contacts(cx)?;
        }
        if self.calling || self.rest_until.is_some_and(|until| until > cx.now) {
            return Ok(());
        }
        match cx.link(ConnectionKind::Account) {
            LinkStatus::Ready => self.refused = false,
            LinkStatus::Waiting => return Ok(()),
            LinkStatus::Down(_) | LinkStatus::Refused => {
                self.refused = true;
                return Ok(());
            }
        }
        if self.stream.is_none() {
            self.stream = Some(cx.subscribe(ConnectionKind::Account, VaultSubscribe {}, Stream::Vault));
        }
        if self.told.is_none() {
            return Ok(());
        }
        let row = cx.tx.state().account_state()?;
        let is_behind = match &row {
            Some(row) => self.is_behind(row),
            None => self.told.as_ref().is_some_and(|told| !told.is_empty()),
        };
        if is_behind {
            self.calling = true;
            let request = auth::account_state_request();
            cx.call(ConnectionKind::Account, request, Purpose::State(StateCall::Fetch));
            return Ok(());
        }
        let Some(mut row) = row else { return Ok(()) };
        let Some(due) = row.due else { return Ok(()) };
        if due > cx.now.after(edit::LONGEST) {
            // Written by a clock that has been set back since.
            row.due = Some(retry_at(cx));
            return Ok(cx.tx.state().put_account_state(&row)?);
        }
        if is_due(&row, cx.now, mode.sync) {
            return self.write(cx, row);
        }
        cx.wake(due);
        Ok(())
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        if let Some(stream) = self.stream.take() {
            cx.unsubscribe(stream);
        }
        self.told = None;
    }

    /// Takes what the server tells. Where the vault was rolled the own record has changed.
    pub(crate) fn push(&mut self, item: Response, own_record: &mut OwnRecord) {
        let Response::VaultVersions(VaultVersions { versions }) = item else { return };
        let is_first = self.told.is_none();
        if is_first {
            self.archive = 0;
        }
        let told = self.told.get_or_insert_default();
        for version in &versions {
            if is_account_state_record(version.id) {
                let known = told.entry(version.id).or_default();
                *known = version.version.max(*known);
            }
            if version.id == ARCHIVE_RECORD {
                self.archive = version.version;
            }
        }
        if !is_first && versions.iter().any(|version| version.id == IDENTITY_RECORD) {
            own_record.again();
        }
    }

    pub(crate) fn stream_ended(&mut self, cx: &mut Cx<'_>, error: &CallError) {
        self.stream = None;
        self.told = None;
        if let CallError::Refused(failure) = error {
            self.rest(cx, failure.retry_after.unwrap_or(PAUSE));
        }
    }

    /// Takes an answer; whether the own record is to be looked at, because the records do not open.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: StateCall,
        result: Result<Response, CallError>,
    ) -> Result<bool, EngineError> {
        self.calling = false;
        let writing = self.writing.take();
        match (call, result) {
            (StateCall::Fetch, Ok(Response::VaultRecords(records))) => return self.fetched(cx, &records.records),
            (StateCall::Store, Ok(Response::Done(_))) => {
                if let Some(writing) = writing {
                    self.stored(cx, writing)?;
                }
            }
            (StateCall::Store, Err(CallError::Refused(failure))) if failure.code == ErrorCode::VersionConflict => {
                self.stale = true;
                if let Some(mut row) = cx.tx.state().account_state()?.filter(|row| row.due.is_some()) {
                    row.due = Some(retry_at(cx));
                    cx.tx.state().put_account_state(&row)?;
                }
            }
            // Whether it was stored shows with the next connection.
            (_, Err(CallError::LinkLost)) => {}
            (_, Err(CallError::Refused(failure))) => self.rest(cx, failure.retry_after.unwrap_or(PAUSE)),
            (_, Ok(_)) => self.rest(cx, PAUSE),
        }
        Ok(false)
    }

    fn fetched(&mut self, cx: &mut Cx<'_>, records: &[VaultRecord]) -> Result<bool, EngineError> {
        let own = cx.own()?;
        let (account, vault_version) = (own.row.account, own.identity()?.vault_version());
        let key = StateKey::from_bytes(own.row.state_key.expose());
        let (mut row, mut document) = edit::load(cx.tx, cx.entropy)?;
        let opened = auth::account_state(&key, account, records).and_then(|content| {
            let decode = |content: &[u8]| Document::decode(content, row.client);
            content.map(|content| decode(&content)).transpose().map_err(|error| {
                tracing::warn!(%error, "the account's state in the vault");
                CeremonyError::RecordSealed { record: STATE_RECORDS }
            })
        });
        let theirs = match opened {
            Ok(theirs) => theirs,
            Err(error) => {
                self.sealed += 1;
                self.rest(cx, if self.sealed < SEALED_TRIES { SEALED_PAUSE } else { PAUSE });
                if self.sealed >= SEALED_TRIES {
                    self.warn(cx, error);
                }
                return Ok(true);
            }
        };
        self.sealed = 0;
        self.stale = false;
        let before = Document::stored(&row.content, row.client).map_err(|_| EngineError::OwnState)?;
        let seen: BTreeMap<u32, u64> = records.iter().map(|record| (record.id, record.version)).collect();
        if row.versions.iter().any(|record| seen.get(&record.id).is_none_or(|version| *version < record.version)) {
            // What is missing is written again below, as far as this device has it.
            self.warn(cx, CeremonyError::VaultRolledBack { vault_version });
        }
        if let Some(theirs) = &theirs {
            take_in(cx, &mut row, &mut document, theirs)?;
        }
        let lacks = |document: &Document| match &theirs {
            Some(theirs) => !document.is_as_far_as(theirs),
            None => !document.is_empty(),
        };
        if row.due.is_none() && lacks(&document) {
            row.due = Some(retry_at(cx));
        }
        row.content = document.encode();
        row.versions =
            seen.iter().map(|(id, version)| RecordVersion { id: *id, version: *version }).collect::<Vec<_>>().into();
        self.told = Some(seen);
        cx.tx.state().put_account_state(&row)?;
        let Applied { changed, conflicts } = rows::apply(cx.tx, &before, &document)?;
        for (account, name) in conflicts {
            cx.notify(Event::Trust(TrustWarning::PinnedOtherwise { account, name }));
        }
        if changed {
            cx.notify(Event::AccountState);
        }
        Ok(false)
    }

    fn write(&mut self, cx: &mut Cx<'_>, mut row: AccountState) -> Result<(), EngineError> {
        let own = cx.own()?;
        let (account, key) = (own.row.account, StateKey::from_bytes(own.row.state_key.expose()));
        let mut document = Document::stored(&row.content, row.client).map_err(|_| EngineError::OwnState)?;
        let clock = document.own_clock();
        let rebased = document.rebase_if_worth_it(cx.entropy).then(|| document.encode());
        let content = rebased.as_ref().unwrap_or(&row.content);
        let stored: BTreeMap<u32, u64> = row.versions.iter().map(|record| (record.id, record.version)).collect();
        let records = match auth::seal_account_state(&key, account, content, &stored, cx.entropy) {
            Ok(records) => records,
            Err(error) => {
                tracing::warn!(%error, "the account's state cannot be put into the vault");
                self.rest(cx, PAUSE);
                return Ok(());
            }
        };
        let mut versions = stored;
        versions.extend(records.iter().map(|record| (record.id, record.version)));
        let versions = versions.into_iter().map(|(id, version)| RecordVersion { id, version }).collect();
        self.writing = Some(Writing { content: digest(&row.content), clock, versions, rebased });
        row.sent = row.sent.max(clock);
        cx.tx.state().put_account_state(&row)?;
        self.calling = true;
        cx.call(ConnectionKind::Account, VaultStore { records }, Purpose::State(StateCall::Store));
        Ok(())
    }

    /// The vault has what this device had when it wrote.
    fn stored(&mut self, cx: &mut Cx<'_>, writing: Writing) -> Result<(), EngineError> {
        let Some(mut row) = cx.tx.state().account_state()? else { return Ok(()) };
        // What was changed since is to be written as well, whenever it is due.
        let is_all = digest(&row.content) == writing.content;
        row.unsent.retain(|unsent| unsent.clock > writing.clock);
        if let Some(rebased) = writing.rebased {
            let mut document = Document::stored(&row.content, row.client).map_err(|_| EngineError::OwnState)?;
            let before = Document::stored(&row.content, row.client).map_err(|_| EngineError::OwnState)?;
            let rebased = Document::decode(&rebased, row.client).map_err(|_| EngineError::OwnState)?;
            adopt(&mut row, &mut document, &rebased)?;
            fit_in(cx, &mut row, &mut document, &rebased)?;
            row.content = document.encode();
            rows::apply(cx.tx, &before, &document)?;
        }
        if is_all {
            row.due = None;
            row.by_hand = false;
        }
        self.told.get_or_insert_default().extend(writing.versions.iter().map(|record| (record.id, record.version)));
        row.versions = writing.versions.into();
        Ok(cx.tx.state().put_account_state(&row)?)
    }

    fn warn(&mut self, cx: &mut Cx<'_>, reason: CeremonyError) {
        tracing::warn!(error = %reason, "the account's state in the vault");
        if !core::mem::replace(&mut self.warned, true) {
            cx.notify(Event::Trust(TrustWarning::OwnRecord { reason }));
        }
    }

    fn rest(&mut self, cx: &mut Cx<'_>, pause: Duration) {
        self.rest_until = Some(cx.wake_after(pause));
        self.refused = true;
    }
}

/// Takes the state that the vault holds over on a device that has none yet, so that its list of conversations is the account's
/// from the beginning; whether it could be read. The first session compares it with the vault once more.
///
/// Errors:   [`EngineError`].
pub fn take_over(tx: &dyn StoreTx, content: &[u8], entropy: &mut dyn Entropy) -> Result<bool, EngineError> {
    let (mut row, mut document) = edit::load(tx, entropy)?;
    let theirs = match Document::decode(content, row.client) {
        Ok(theirs) if document.is_empty() => theirs,
        Ok(_) => return Ok(false),
        Err(error) => {
            tracing::warn!(%error, "the account's state in the vault");
            return Ok(false);
        }
    };
    let before = Document::new(row.client);
    adopt(&mut row, &mut document, &theirs)?;
    row.content = document.encode();
    tx.state().put_account_state(&row)?;
    Ok(rows::apply(tx, &before, &document)?.changed)
}

/// Takes over what another device wrote, as far as the vault has room for both.
fn take_in(
    cx: &mut Cx<'_>,
    row: &mut AccountState,
    document: &mut Document,
    theirs: &Document,
) -> Result<(), EngineError> {
    merge_in(cx, row, document, theirs)?;
    fit_in(cx, row, document, theirs)
}

fn merge_in(
    cx: &mut Cx<'_>,
    row: &mut AccountState,
    document: &mut Document,
    theirs: &Document,
) -> Result<(), EngineError> {
    let of_one_base = document.is_of_one_base(theirs);
    if of_one_base && theirs.clock_of(row.client) > row.sent {
        // This store is a copy of an earlier one, and what it wrote since bears numbers that are taken.
        row.client = draw_client(cx.entropy);
        row.sent = 0;
        return adopt(row, document, theirs);
    }
    if !of_one_base && document.is_older_than(theirs) {
        return adopt(row, document, theirs);
    }
    document.merge(theirs, &unsent(row)).map_err(|_| EngineError::OwnState)
}

/// Gives up drafts for which the vault has no room, and says so.
fn fit_in(
    cx: &mut Cx<'_>,
    row: &mut AccountState,
    document: &mut Document,
    theirs: &Document,
) -> Result<(), EngineError> {
    let drafts = fit::fit(cx.entropy, row, document, theirs)?;
    if drafts > 0 {
        tracing::warn!(drafts, "the account's state has no room for drafts of this device");
        cx.notify(Event::DraftsDropped { drafts });
    }
    Ok(())
}

/// Goes on from another document, with what is unsent set anew in it.
fn adopt(row: &mut AccountState, document: &mut Document, theirs: &Document) -> Result<(), EngineError> {
    document.adopt(theirs, &unsent(row), row.client).map_err(|_| EngineError::OwnState)?;
    row.sent = theirs.clock_of(row.client);
    let clock = document.own_clock();
    row.unsent.iter_mut().for_each(|unsent| unsent.clock = clock);
    Ok(())
}

fn digest(content: &[u8]) -> Digest {
    Digest::new(Sha256::digest(content).into())
}

fn unsent(row: &AccountState) -> BTreeSet<String> {
    row.unsent.iter().map(|unsent| unsent.key.clone()).collect()
}

/// Whether the row is to be written now. Who catches up once is not held up: the person's own changes go along, because the
/// moment is one that the person chose anyway.
fn is_due(row: &AccountState, now: Timestamp, sync: bool) -> bool {
    row.due.is_some_and(|due| due <= now || (sync && row.by_hand))
}

fn retry_at(cx: &mut Cx<'_>) -> Timestamp {
    let random = random_below(cx.entropy, RETRY);
    cx.wake_after(Duration::from_millis(random))
}

/// The pin of a name that this device has not met and another one of the account has.
pub(crate) fn expected_pin(cx: &Cx<'_>, identity: &VerifiedIdentity) -> Result<Option<ContactPin>, EngineError> {
    let known = cx.tx.state().known_contacts_by_name(identity.name().as_str(), "")?;
    Ok(known.first().and_then(|known| {
        let key = PinnedKey { account: known.account, hash: known.key? };
        Some(ContactPin::expected(identity.name().clone(), key, cx.now))
    }))
}

/// Brings a contact in line with what the account's devices know, after this one has met it.
pub(crate) fn settle_contact(cx: &Cx<'_>, account: &AccountId) -> Result<(), EngineError> {
    rows::settle(cx.tx, account)
}
