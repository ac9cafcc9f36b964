//! Regular work of the account: a fresh KeyPackage every day, old ones deleted after their grace period, jobs that are done.

use quicprochat_e2ee::mls::{self, Suite};
use quicprochat_identity::sign_key_package_part;
use quicprochat_wire::{
    ConnectionKind, Digest, Response, Timestamp,
    call::directory::{KeyPackagePart, PublishKeyPackage},
    time::Duration,
};

use crate::{
    channels::Channels,
    command::CommandError,
    engine::{Cx, LinkStatus, Mode, Purpose},
    error::EngineError,
    event::Event,
    input::CallError,
    store::{InvitationState, KeyPackageState, OwnKeyPackage},
};

/// How long a KeyPackage is published (A1).
const ROTATION: Duration = Duration::from_secs(24 * 3600);
/// How long the private key of a replaced KeyPackage is kept (A1).
const GRACE: Duration = Duration::from_secs(3 * 24 * 3600);
/// How long it is kept at most for the sake of invitations that nobody answered.
const LONGEST_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(60);

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UpkeepCall {
    Publish,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Upkeep {
    publishing: bool,
    rotate: bool,
    rest_until: Option<Timestamp>,
    refused: Option<CommandError>,
    touched: bool,
    /// The own identity hash that the published KeyPackage was found to name.
    checked: Option<Digest>,
}

impl Upkeep {
    /// Looks at everything again.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// Publishes a fresh KeyPackage, however young the last one is.
    pub(crate) fn rotate(&mut self) {
        self.rotate = true;
        self.again();
    }

    /// Forgets refusals, for a new wish.
    pub(crate) fn again(&mut self) {
        self.rest_until = None;
        self.refused = None;
        self.touched = true;
    }

    /// Whether a rotation is still to be done, and why it is not.
    pub(crate) const fn rotation(&self) -> (bool, Option<&CommandError>) {
        (self.rotate || self.publishing, self.refused.as_ref())
    }

    /// Whether nothing is left to do, or nothing can be done.
    pub(crate) const fn is_idle(&self) -> bool {
        !self.publishing && (!self.touched || self.refused.is_some())
    }

    pub(crate) fn drive(
        &mut self,
        cx: &mut Cx<'_>,
        mode: Mode,
        channels: &Channels,
        inbox_read: bool,
    ) -> Result<(), EngineError> {
        if !(mode.active() || self.rotate) || self.publishing {
            return Ok(());
        }
        if mode.active() {
            finish_jobs(cx, channels)?;
        }
        if !self.touched || self.rest_until.is_some_and(|until| until > cx.now) {
            return Ok(());
        }
        match cx.link(ConnectionKind::Account) {
            LinkStatus::Ready => self.refused = None,
            LinkStatus::Waiting => return Ok(()),
            LinkStatus::Down(_) | LinkStatus::Refused => {
                self.refused = Some(CommandError::Unreachable { unfinished: false });
                return Ok(());
            }
        }
        if self.publish(cx)? {
            return Ok(());
        }
        if !mode.active() || inbox_read {
            delete_old(cx)?;
            self.touched = false;
        }
        Ok(())
    }

    /// Publishes what is staged, or stages a new one if it is time; whether a call is on its way.
    fn publish(&mut self, cx: &mut Cx<'_>) -> Result<bool, EngineError> {
        let packages = cx.tx.upkeep().key_packages()?;
        let staged = packages.iter().find(|package| package.state == KeyPackageState::Staged);
        let package = match staged {
            Some(package) => package.clone(),
            None => {
                let newest = packages.iter().rev().find(|package| package.state == KeyPackageState::Published);
                if !self.rotate && newest.is_some() && self.is_good(cx, newest)? {
                    return Ok(false);
                }
                make(cx)?
            }
        };
        self.publishing = true;
        let device = cx.own()?.row.device;
        let request = PublishKeyPackage { part: KeyPackagePart { device, bytes: package.part } };
        cx.call(ConnectionKind::Account, request, Purpose::Upkeep(UpkeepCall::Publish));
        Ok(true)
    }

    /// Whether the published KeyPackage may stay: it is young, and names the identity part in force.
    fn is_good(&mut self, cx: &mut Cx<'_>, newest: Option<&OwnKeyPackage>) -> Result<bool, EngineError> {
        let Some(newest) = newest else { return Ok(false) };
        let due = newest.made.after(ROTATION);
        if due <= cx.now {
            return Ok(false);
        }
        cx.wake(due);
        let identity_hash = cx.own()?.identity_hash();
        if self.checked == Some(identity_hash) {
            return Ok(true);
        }
        let (_, credential) = mls::inspect_key_package(&cx.provider(), &newest.key_package)?;
        if credential.identity_hash != identity_hash {
            return Ok(false);
        }
        self.checked = Some(identity_hash);
        Ok(true)
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: UpkeepCall,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        let UpkeepCall::Publish = call;
        self.publishing = false;
        match result {
            Ok(_) => {
                self.rotate = false;
                self.checked = None;
                self.touched = true;
                published(cx)
            }
            Err(CallError::LinkLost) => Ok(()),
            Err(CallError::Refused(failure)) => {
                self.rest_until = Some(cx.wake_after(failure.retry_after.unwrap_or(PAUSE)));
                self.refused = Some(CommandError::Refused(failure));
                Ok(())
            }
        }
    }
}

/// Makes a KeyPackage and stages its publication.
fn make(cx: &mut Cx<'_>) -> Result<OwnKeyPackage, EngineError> {
    let own = cx.own()?.device();
    let key_package = mls::new_key_package(&cx.provider(), &own, Suite::Hybrid)?;
    let part = sign_key_package_part(own.account, own.device, cx.now, &key_package, &own.secret)
        .map_err(|_| EngineError::OwnState)?;
    let package = OwnKeyPackage { key_package, part, made: cx.now, state: KeyPackageState::Staged };
    cx.tx.upkeep().put_key_package(&package)?;
    Ok(package)
}

/// The staged KeyPackage is in the directory; what was there before is superseded.
fn published(cx: &mut Cx<'_>) -> Result<(), EngineError> {
    let until = cx.now.after(GRACE);
    for mut package in cx.tx.upkeep().key_packages()? {
        package.state = match package.state {
            KeyPackageState::Staged => KeyPackageState::Published,
            KeyPackageState::Published => KeyPackageState::Superseded { until },
            KeyPackageState::Superseded { .. } => continue,
        };
        cx.tx.upkeep().put_key_package(&package)?;
    }
    Ok(())
}

/// Deletes private keys whose grace period is over. The inbox has been read; invitations that may still need one keep them.
fn delete_old(cx: &mut Cx<'_>) -> Result<(), EngineError> {
    let open = cx.tx.inbox().invitations()?.iter().any(|invitation| {
        matches!(invitation.state, InvitationState::Unchecked | InvitationState::Request | InvitationState::Joining)
    });
    for package in cx.tx.upkeep().key_packages()? {
        let KeyPackageState::Superseded { until } = package.state else { continue };
        let longest = package.made.after(LONGEST_GRACE);
        if until <= cx.now && (!open || longest <= cx.now) {
            mls::delete_key_package(&cx.provider(), &package.key_package)?;
            cx.tx.upkeep().delete_key_package(&package.key_package)?;
        }
    }
    Ok(())
}

/// A revocation is done when the device is in no conversation any more (A5).
fn finish_jobs(cx: &mut Cx<'_>, channels: &Channels) -> Result<(), EngineError> {
    let jobs = cx.tx.upkeep().revocation_jobs()?;
    if jobs.is_empty() {
        return Ok(());
    }
    let own = cx.own()?.row.account;
    let mut conversations = cx.tx.conversations().all_conversations()?;
    conversations.retain(|conversation| conversation.is_live());
    if !conversations.iter().all(|conversation| channels.caught_up(conversation)) {
        return Ok(());
    }
    for job in jobs {
        let is_in = conversations
            .iter()
            .any(|conversation| conversation.members.iter().any(|m| m.account == own && m.device == job.device));
        if !is_in {
            cx.tx.upkeep().delete_revocation_job(&job.device)?;
            cx.notify(Event::DeviceRemoved { device: job.device });
        }
    }
    Ok(())
}
