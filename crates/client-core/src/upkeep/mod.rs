//! Regular work of the account, on its link: KeyPackages and revocations.
//!
//! ```text
//!   KeyPackage older than a day, or naming an older identity part ──▶ publish-key-package
//!   revoked device in no conversation any more ──▶ strike the job off the vault's list
//! ```

mod jobs;
mod key_packages;

use quicprochat_wire::{ConnectionKind, Response, Timestamp, time::Duration};

use self::{jobs::Jobs, key_packages::KeyPackages};
use crate::{
    channels::Channels,
    command::CommandError,
    engine::{Cx, LinkStatus, Mode},
    error::EngineError,
    input::CallError,
};

/// Pause after a refusal that names none.
const PAUSE: Duration = Duration::from_secs(60);

/// Calls of this part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UpkeepCall {
    Publish,
    JobList,
    JobStrike,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Upkeep {
    packages: KeyPackages,
    jobs: Jobs,
    rest_until: Option<Timestamp>,
    refused: Option<CommandError>,
    touched: bool,
}

impl Upkeep {
    /// Looks at everything again that is in the store.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// Publishes a fresh KeyPackage, however young the last one is.
    pub(crate) fn rotate(&mut self) {
        self.packages.rotate = true;
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
        (self.packages.rotate || self.packages.publishing, self.refused.as_ref())
    }

    /// Whether nothing is left to do, or nothing can be done.
    pub(crate) const fn is_idle(&self) -> bool {
        !self.is_calling() && (!self.touched || self.refused.is_some())
    }

    const fn is_calling(&self) -> bool {
        self.packages.publishing || self.jobs.is_calling()
    }

    pub(crate) fn drive(
        &mut self,
        cx: &mut Cx<'_>,
        mode: Mode,
        channels: &Channels,
        inbox_read: bool,
    ) -> Result<(), EngineError> {
        let wanted = mode.active() || self.packages.rotate;
        if !wanted || self.is_calling() || self.rest_until.is_some_and(|until| until > cx.now) {
            return Ok(());
        }
        let striking = mode.active() && self.jobs.next(cx, channels)?;
        if !self.touched && !striking {
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
        if striking {
            self.jobs.ask(cx);
            return Ok(());
        }
        if self.packages.publish(cx)? {
            return Ok(());
        }
        if !mode.active() || inbox_read {
            key_packages::delete_old(cx)?;
            self.touched = false;
        }
        Ok(())
    }

    pub(crate) fn respond(
        &mut self,
        cx: &mut Cx<'_>,
        call: UpkeepCall,
        result: Result<Response, CallError>,
    ) -> Result<(), EngineError> {
        self.touched = true;
        match call {
            UpkeepCall::Publish => self.packages.publishing = false,
            UpkeepCall::JobList | UpkeepCall::JobStrike => self.jobs.ended(),
        }
        match result {
            Ok(response) => match (call, response) {
                (UpkeepCall::Publish, Response::Done(_)) => self.packages.done(cx),
                (UpkeepCall::JobList, Response::VaultRecords(records)) => self.jobs.strike(cx, &records.records),
                (UpkeepCall::JobStrike, Response::Done(_)) => self.jobs.struck(cx),
                _ => {
                    self.rest(cx, CommandError::Protocol, None);
                    Ok(())
                }
            },
            Err(CallError::LinkLost) => Ok(()),
            Err(CallError::Refused(failure)) => {
                if !(call == UpkeepCall::JobStrike && self.jobs.overtaken(failure)) {
                    self.rest(cx, CommandError::Refused(failure), failure.retry_after);
                }
                Ok(())
            }
        }
    }

    fn rest(&mut self, cx: &mut Cx<'_>, error: CommandError, pause: Option<Duration>) {
        self.rest_until = Some(cx.wake_after(pause.unwrap_or(PAUSE)));
        self.refused = Some(error);
    }
}
