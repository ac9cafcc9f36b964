//! The account's conversations in the vault (A4): what a device that is enrolled later needs to get into them.
//!
//! ```text
//!   joined, created, left ──5 to 60 s──▶ vault-fetch ──merge──▶ vault-store ──version-conflict──▶ vault-fetch
//!   once a day, if keys or commits moved ─▶│
//!   first session, or another device wrote ┴──▶ rows for conversations that this device is not in
//! ```
//!
//! The server sees who writes a vault, and not who joins a channel: so a write comes at a random moment after the last change,
//! is of one size, and names every record.

pub(crate) mod activity;
mod plan;
pub(crate) mod rows;
#[cfg(test)]
mod tests;

use quicprochat_e2ee::vault::{CONVERSATION_RECORDS, CONVERSATION_SHARDS, ConversationList, StateKey};
use quicprochat_wire::{
    ConnectionKind, ErrorCode, Response, Timestamp,
    call::vault::{VaultRecord, VaultStore, VaultVersions},
    entropy::random_below,
    time::Duration,
};

use self::plan::Plan;
pub use rows::adopt_conversations;

use crate::{
    auth::{self, CeremonyError, conversation_list::present},
    engine::{Cx, LinkStatus, Mode, Purpose},
    error::EngineError,
    event::{Event, TrustWarning},
    input::CallError,
    store::StoreTx,
};

/// A write comes so long after the last change at the earliest, and that much later at most (protocol.md, section 10).
const DELAY_FROM: Duration = Duration::from_secs(5);
const DELAY_SPREAD: Duration = Duration::from_secs(55);
/// Keys and commits alone are written once in this time, and that much later at most.
const REFRESH_FROM: Duration = Duration::from_secs(24 * 3600);
const REFRESH_SPREAD: Duration = Duration::from_secs(6 * 3600);
/// Two devices that collided try again within this.
const RETRY_FROM: Duration = Duration::from_secs(1);
const RETRY_SPREAD: Duration = Duration::from_secs(4);
/// How often records may fail to open before that is said.
const SEALED_TRIES: u32 = 3;
/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(60);

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VaultCall {
    Fetch,
    Store,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Vault {
    calling: bool,
    /// The moment that the write on its way was due at: a change since then has another.
    writing: Option<Timestamp>,
    /// Version of the records that are on their way.
    version: u64,
    /// Highest version of the records that the server has told of.
    told: u64,
    /// Whether what another device wrote is to be taken over from the answer on its way.
    adopting: bool,
    rest_until: Option<Timestamp>,
    refused: bool,
    warned: bool,
    /// How often in a row the records did not open.
    sealed: u32,
}

impl Vault {
    /// Forgets refusals, for a new wish.
    pub(crate) fn again(&mut self) {
        self.rest_until = None;
        self.refused = false;
    }

    /// Takes the versions that the server tells.
    pub(crate) fn told(&mut self, item: &Response) {
        let Response::VaultVersions(VaultVersions { versions }) = item else { return };
        let ours = versions.iter().filter(|version| is_conversation_record(version.id));
        self.told = ours.map(|version| version.version).fold(self.told, u64::max);
    }

    /// Whether nothing is due now, or nothing can be done.
    pub(crate) fn is_idle(&self, cx: &Cx<'_>) -> Result<bool, EngineError> {
        Ok(!self.calling && (self.refused || !self.is_due(cx)?))
    }

    /// Whether something is due, and cannot be done.
    pub(crate) fn is_held_up(&self, cx: &Cx<'_>) -> Result<bool, EngineError> {
        Ok(self.refused && self.is_due(cx)?)
    }

    fn is_due(&self, cx: &Cx<'_>) -> Result<bool, EngineError> {
        Ok(Plan::load(cx.tx)?.is_due(cx.now, true, self.told))
    }

    /// Does what is due. `inbox_read`: an invitation that this device can join by comes before what the vault says.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, mode: Mode, inbox_read: bool) -> Result<(), EngineError> {
        if core::mem::take(&mut cx.conversations_changed) {
            let mut plan = Plan::load(cx.tx)?;
            plan.due = Some(draw(cx, DELAY_FROM, DELAY_SPREAD));
            plan.store(cx.tx)?;
        }
        if !mode.active() || self.calling || self.rest_until.is_some_and(|until| until > cx.now) {
            return Ok(());
        }
        let stored = Plan::load(cx.tx)?;
        let mut plan = stored.clone();
        // A moment beyond the longest pause of its kind was written by a clock that has been set back since.
        let refreshing = plan.refresh == Timestamp(0) || cx.is_to_come(plan.refresh, REFRESH_FROM + REFRESH_SPREAD);
        let late = plan.due.is_some_and(|due| due > cx.now.after(DELAY_FROM + DELAY_SPREAD));
        if late || (!refreshing && plan.due.is_none()) {
            plan.due = Some(draw(cx, DELAY_FROM, DELAY_SPREAD));
        }
        if !refreshing || plan.refresh == Timestamp(0) {
            plan.refresh = draw(cx, REFRESH_FROM, REFRESH_SPREAD);
        }
        if plan != stored {
            plan.store(cx.tx)?;
        }
        if let Some(due) = plan.due {
            cx.is_to_come(due, DELAY_FROM + DELAY_SPREAD);
        }
        if !plan.is_due(cx.now, inbox_read, self.told) {
            return Ok(());
        }
        match cx.link(ConnectionKind::Account) {
            LinkStatus::Ready => {}
            LinkStatus::Waiting => return Ok(()),
            LinkStatus::Down(_) | LinkStatus::Refused => {
                self.refused = true;
                return Ok(());
            }
        }
        self.refused = false;
        self.calling = true;
        self.adopting = inbox_read;
        self.writing = plan.due.filter(|due| *due <= cx.now);
        cx.call(ConnectionKind::Account, auth::conversations_request(), Purpose::Vault(VaultCall::Fetch));
        Ok(())
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: VaultCall,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        self.calling = false;
        match (call, result) {
            (VaultCall::Fetch, Ok(Response::VaultRecords(records))) => self.fetched(cx, &records.records),
            (VaultCall::Store, Ok(Response::Done(_))) => self.finished(cx),
            (VaultCall::Store, Err(CallError::Refused(failure))) if failure.code == ErrorCode::VersionConflict => {
                let mut plan = Plan::load(cx.tx)?;
                if plan.due == self.writing {
                    plan.due = Some(draw(cx, RETRY_FROM, RETRY_SPREAD));
                }
                plan.store(cx.tx)
            }
            (_, Err(CallError::LinkLost)) => Ok(()),
            (_, Err(CallError::Refused(failure))) => {
                self.rest(cx, failure.retry_after);
                Ok(())
            }
            (_, Ok(_)) => {
                self.rest(cx, None);
                Ok(())
            }
        }
    }

    fn fetched(&mut self, cx: &mut Cx<'_>, records: &[VaultRecord]) -> Result<(), EngineError> {
        let own = cx.own()?;
        let (account, server) = (own.row.account, own.row.server.clone());
        let (key, vault_version) = (StateKey::from_bytes(own.row.state_key.expose()), own.identity()?.vault_version());
        let listed = match auth::conversations(&key, account, records) {
            Ok(listed) => listed,
            Err(error) => {
                // Under another key than this device has, most likely: another device rolled the vault, and this one hears of
                // it soon. A record that is damaged looks alike.
                self.sealed += 1;
                if self.sealed >= SEALED_TRIES {
                    self.warn(cx, error);
                }
                self.rest(cx, None);
                return Ok(());
            }
        };
        self.sealed = 0;
        let mut plan = Plan::load(cx.tx)?;
        let newest = records.iter().map(|record| record.version).max().unwrap_or(0);
        if newest < plan.version {
            // What is missing is merged in again below, as far as this device has it.
            self.warn(cx, CeremonyError::VaultRolledBack { vault_version });
        }
        let is_news = newest > plan.version;
        plan.version = newest;
        self.told = newest;
        rows::take_pins(cx, &listed)?;
        if !core::mem::take(&mut self.adopting) {
            // Read to be written; what another device wrote is taken over once the inbox has been read.
            plan.imported = plan.imported && !is_news;
        } else {
            for channel in adopt_conversations(cx.tx, &server, &listed, cx.now)? {
                let state = rows::NEW_DEVICE;
                cx.notify(Event::State { channel, state });
            }
            plan.imported = true;
        }
        plan.store(cx.tx)?;
        // What changed while the answer was on its way has put the write off: it must not follow on its heels.
        if self.writing.is_none() || plan.due != self.writing {
            return Ok(());
        }
        let merged = rows::merged(cx.tx, &server, &listed)?;
        if merged == listed && present(records).count() > 0 {
            return self.finished(cx);
        }
        self.write(cx, &key, &merged, records)
    }

    fn write(
        &mut self,
        cx: &mut Cx<'_>,
        key: &StateKey,
        list: &ConversationList,
        records: &[VaultRecord],
    ) -> Result<(), EngineError> {
        let account = cx.own()?.row.account;
        match auth::seal_conversations(key, account, list, records, cx.entropy) {
            Ok(records) => {
                self.version = records.iter().map(|record| record.version).max().unwrap_or(0);
                self.calling = true;
                cx.call(ConnectionKind::Account, VaultStore { records }, Purpose::Vault(VaultCall::Store));
            }
            Err(error) => {
                tracing::warn!(%error, "the conversations cannot be put into the vault");
                self.rest(cx, Some(REFRESH_FROM));
            }
        }
        Ok(())
    }

    /// The vault has what this device knew when the write was due.
    fn finished(&mut self, cx: &mut Cx<'_>) -> Result<(), EngineError> {
        let mut plan = Plan::load(cx.tx)?;
        if plan.due == self.writing {
            plan.due = None;
        }
        plan.version = plan.version.max(self.version);
        plan.refresh = draw(cx, REFRESH_FROM, REFRESH_SPREAD);
        plan.store(cx.tx)
    }

    fn warn(&mut self, cx: &mut Cx<'_>, reason: CeremonyError) {
        tracing::warn!(error = %reason, "the vault's conversations");
        if !core::mem::replace(&mut self.warned, true) {
            cx.notify(Event::Trust(TrustWarning::OwnRecord { reason }));
        }
    }

    fn rest(&mut self, cx: &mut Cx<'_>, pause: Option<Duration>) {
        self.rest_until = Some(cx.wake_after(pause.unwrap_or(PAUSE)));
        self.refused = true;
    }
}

fn is_conversation_record(id: u32) -> bool {
    (CONVERSATION_RECORDS..CONVERSATION_RECORDS + CONVERSATION_SHARDS).contains(&id)
}

/// Whether this device has taken over what the account's other devices wrote, as far as it has heard of it.
pub(crate) fn is_imported(tx: &dyn StoreTx) -> Result<bool, EngineError> {
    Ok(Plan::load(tx)?.imported)
}

/// Has the list read again, for conversations that this device does not know.
pub(crate) fn import_again(tx: &dyn StoreTx) -> Result<(), EngineError> {
    let mut plan = Plan::load(tx)?;
    plan.imported = false;
    plan.store(tx)
}

/// A random moment, `from` to `from + spread` from now; asks to be called then.
fn draw(cx: &mut Cx<'_>, from: Duration, spread: Duration) -> Timestamp {
    let bound = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let random = Duration::from_millis(random_below(cx.entropy, bound));
    cx.wake_after(from.saturating_add(random))
}
