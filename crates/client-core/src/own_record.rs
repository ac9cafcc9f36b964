//! The own account record: what other devices of the account changed in it (A1, A5).
//!
//! ```text
//!   own-record ──▶ as stored: nothing to do
//!              └─▶ newer ──▶ vault-fetch ──▶ adopt: identity part, inbox keys, state key; revocation jobs
//! ```
//!
//! Asked once for each account connection of an engine that syncs or listens. A KeyPackage names the identity part it was
//! made under, so upkeep publishes a fresh one after every change.

use quicprochat_e2ee::vault::{Job, open_handover};
use quicprochat_wire::{
    ConnectionKind, Digest, Response,
    call::{
        directory::{KeyPackagePart, OwnRecord as OwnRecordCall, Record},
        vault::{VaultFetch, VaultRecords},
    },
};

use crate::{
    auth::{self, CeremonyError, DeviceAccount},
    engine::{Cx, LinkStatus, Mode, Own, Purpose},
    error::EngineError,
    event::{Event, TrustWarning},
    input::CallError,
    store::{OwnAccount, RevocationJob, Standing},
};

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OwnRecordCallKind {
    Record,
    Vault,
}

/// What an answer said of the own record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// Nothing yet.
    Nothing,
    /// What is stored is the newest.
    Same,
    /// There was a newer one, which is stored now.
    Changed,
    /// Nothing for now: it was refused, by the server or by this device.
    Refused,
}

/// See the module.
#[derive(Default)]
pub(crate) struct OwnRecord {
    asked: bool,
    /// Whether a call is in flight: perhaps one from before [`OwnRecord::again`], whose answer is too old.
    calling: bool,
    /// The own identity part in force when it was asked: an answer says nothing about what another process stored since.
    known: Option<Digest>,
    newer: Option<Record>,
    /// Whether the directory has a KeyPackage of this device that the store does not know.
    unknown_package: bool,
}

impl OwnRecord {
    /// Asks again: a new connection, or a new wish.
    pub(crate) fn again(&mut self) {
        self.asked = false;
        self.newer = None;
    }

    /// Whether the directory was found with a KeyPackage of this device that the store does not have, since this was last asked:
    /// what is made with it cannot be opened here.
    pub(crate) fn take_unknown_package(&mut self) -> bool {
        core::mem::take(&mut self.unknown_package)
    }

    /// Whether the answer is still to come, or to be asked for.
    pub(crate) const fn is_idle(&self) -> bool {
        self.asked && self.newer.is_none()
    }

    /// `wanted` asks for it also where nothing else is worked on.
    pub(crate) fn drive(&mut self, cx: &mut Cx<'_>, mode: Mode, wanted: bool) {
        let due = (mode.active() || wanted) && !self.asked && !self.calling;
        if due && cx.link(ConnectionKind::Account) == LinkStatus::Ready {
            self.asked = true;
            self.calling = true;
            self.known = cx.own.as_ref().map(Own::identity_hash);
            let purpose = Purpose::OwnRecord(OwnRecordCallKind::Record);
            cx.call(ConnectionKind::Account, OwnRecordCall {}, purpose);
        }
    }

    /// Takes an answer.
    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: OwnRecordCallKind,
        result: Result<Response, CallError>,
    ) -> Result<Told, EngineError> {
        self.calling = false;
        if !self.asked {
            // Asked for again since: the next answer counts.
            return Ok(Told::Nothing);
        }
        if self.known != Some(cx.own()?.identity_hash()) {
            self.again();
            return Ok(Told::Nothing);
        }
        match (call, result) {
            (OwnRecordCallKind::Record, Ok(Response::Record(record))) => {
                let own = cx.own()?.row.device;
                let packages = cx.tx.upkeep().key_packages()?;
                let unknown = |part: &KeyPackagePart| packages.iter().all(|package| package.part != part.bytes);
                self.unknown_package =
                    record.key_packages.iter().any(|part| part.device == own && unknown(part)) && !packages.is_empty();
                if record.identity.0 == cx.own()?.row.identity {
                    return Ok(Told::Same);
                }
                self.newer = Some(record);
                self.calling = true;
                let purpose = Purpose::OwnRecord(OwnRecordCallKind::Vault);
                cx.call(ConnectionKind::Account, VaultFetch { ids: Vec::new() }, purpose);
                Ok(Told::Nothing)
            }
            (OwnRecordCallKind::Vault, Ok(Response::VaultRecords(vault))) => match self.newer.take() {
                Some(record) => adopt(cx, &record, &vault),
                None => Ok(Told::Nothing),
            },
            (_, Err(CallError::LinkLost)) => {
                self.again();
                Ok(Told::Nothing)
            }
            // Refused, or an answer to something else: what is stored stays in force until the next connection.
            (_, Ok(_) | Err(CallError::Refused(_))) => {
                self.newer = None;
                Ok(Told::Refused)
            }
        }
    }
}

fn adopt(cx: &mut Cx<'_>, record: &Record, vault: &VaultRecords) -> Result<Told, EngineError> {
    let row = cx.own()?.row.clone();
    let stored = DeviceAccount::from_stored(&row).map_err(|_| EngineError::OwnState)?;
    let packages = cx.tx.upkeep().key_packages()?;
    let provider = cx.provider();
    let opened = |sealed: &[u8]| {
        let open = |key_package: &[u8]| open_handover(&provider, &row.account, &row.device, key_package, sealed);
        packages.iter().find_map(|package| open(&package.key_package).ok())
    };
    let adopted = auth::adopt(&stored, record, vault, opened);
    drop(provider);
    match adopted {
        Ok(adopted) => {
            let next = adopted.account.to_stored(row.server.clone(), row.host.clone());
            put(cx, next.map_err(|_| EngineError::OwnState)?)?;
            for Job::RemoveDevice(device) in adopted.jobs {
                cx.tx.upkeep().put_revocation_job(&RevocationJob { device, since: cx.now })?;
            }
            Ok(Told::Changed)
        }
        Err(CeremonyError::UnknownDevice { .. }) => {
            put(cx, OwnAccount { standing: Standing::Revoked, ..row })?;
            cx.own = None;
            cx.notify(Event::DeviceRevoked);
            Ok(Told::Refused)
        }
        Err(CeremonyError::VaultSealed) => {
            cx.notify(Event::SignInNeeded);
            Ok(Told::Refused)
        }
        Err(error) => {
            tracing::warn!(%error, "the own record was refused");
            cx.notify(Event::Trust(TrustWarning::OwnRecord { reason: error }));
            Ok(Told::Refused)
        }
    }
}

fn put(cx: &mut Cx<'_>, row: OwnAccount) -> Result<(), EngineError> {
    cx.tx.account().put_own_account(&row)?;
    cx.own = Some(Own { row });
    Ok(())
}
