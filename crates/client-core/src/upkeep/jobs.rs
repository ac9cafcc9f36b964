//! Revocations (A5): a job is done when the device is in no conversation any more; then it is struck off the vault's list.

use quicprochat_e2ee::vault::{Job, StateKey};
use quicprochat_wire::{
    CallFailure, ConnectionKind, DeviceId, ErrorCode,
    call::vault::{VaultFetch, VaultRecord},
};

use super::UpkeepCall;
use crate::{
    auth::finish_job,
    channels::Channels,
    engine::{Cx, Purpose},
    error::EngineError,
    event::Event,
};

/// See the module.
#[derive(Default)]
pub(super) struct Jobs {
    calling: bool,
    striking: Option<DeviceId>,
}

impl Jobs {
    pub(super) const fn is_calling(&self) -> bool {
        self.calling
    }

    pub(super) fn ended(&mut self) {
        self.calling = false;
    }

    /// Whether there is a job that is done. Every conversation must be read to its end to know that.
    pub(super) fn next(&mut self, cx: &mut Cx<'_>, channels: &Channels) -> Result<bool, EngineError> {
        self.striking = None;
        let jobs = cx.tx.upkeep().revocation_jobs()?;
        if jobs.is_empty() {
            return Ok(false);
        }
        let own = cx.own()?.row.account;
        let mut conversations = cx.tx.conversations().all_conversations()?;
        conversations.retain(crate::store::Conversation::is_worked_on);
        if !conversations.iter().all(|conversation| channels.caught_up(conversation)) {
            return Ok(false);
        }
        let is_in = |device: &DeviceId| {
            let is_it = |member: &crate::store::MemberDevice| member.account == own && member.device == *device;
            conversations.iter().any(|conversation| conversation.members.iter().any(is_it))
        };
        self.striking = jobs.into_iter().map(|job| job.device).find(|device| !is_in(device));
        Ok(self.striking.is_some())
    }

    /// Fetches the list.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>) {
        self.calling = true;
        let purpose = Purpose::Upkeep(UpkeepCall::JobList);
        cx.call(ConnectionKind::Account, VaultFetch { ids: Vec::new() }, purpose);
    }

    /// Stores the list without the job, unless another device has done so.
    pub(super) fn strike(&mut self, cx: &mut Cx<'_>, records: &[VaultRecord]) -> Result<(), EngineError> {
        let Some(device) = self.striking else { return Ok(()) };
        let own = cx.own()?;
        let (account, key) = (own.row.account, StateKey::from_bytes(own.row.state_key.expose()));
        match finish_job(&key, account, records, &Job::RemoveDevice(device), cx.entropy) {
            Ok(Some(request)) => {
                self.calling = true;
                cx.call(ConnectionKind::Account, request, Purpose::Upkeep(UpkeepCall::JobStrike));
                Ok(())
            }
            Ok(None) => self.struck(cx),
            Err(error) => {
                // Under another key than this device has: another device rolled the vault and will strike it off.
                tracing::warn!(%error, "the vault's list of jobs does not open");
                self.struck(cx)
            }
        }
    }

    pub(super) fn struck(&mut self, cx: &mut Cx<'_>) -> Result<(), EngineError> {
        if let Some(device) = self.striking.take() {
            cx.tx.upkeep().delete_revocation_job(&device)?;
            cx.notify(Event::DeviceRemoved { device });
        }
        Ok(())
    }

    /// Whether another device changed the list in between: it is fetched anew.
    pub(super) fn overtaken(&self, failure: CallFailure) -> bool {
        failure.code == ErrorCode::VersionConflict
    }
}
