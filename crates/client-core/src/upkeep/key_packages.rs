//! KeyPackages (A1): a fresh one every day, old ones deleted after their grace period.

use quicprochat_e2ee::mls::{self, Suite};
use quicprochat_identity::sign_key_package_part;
use quicprochat_wire::{
    ConnectionKind, Digest,
    call::directory::{KeyPackagePart, PublishKeyPackage},
    time::Duration,
};

use super::UpkeepCall;
use crate::{
    engine::{Cx, Purpose},
    error::EngineError,
    store::{InvitationState, KeyPackageState, OwnKeyPackage},
};

/// How long a KeyPackage is published (A1).
const ROTATION: Duration = Duration::from_secs(24 * 3600);
/// How long the private key of a replaced KeyPackage is kept (A1).
const GRACE: Duration = Duration::from_secs(3 * 24 * 3600);
/// How long it is kept at most for the sake of invitations that nobody answered.
const LONGEST_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// See the module.
#[derive(Default)]
pub(super) struct KeyPackages {
    pub(super) publishing: bool,
    pub(super) rotate: bool,
    /// The own identity hash that the published KeyPackage was found to name.
    checked: Option<Digest>,
}

impl KeyPackages {
    /// Publishes what is staged, or stages a new one if it is time; whether a call is on its way.
    pub(super) fn publish(&mut self, cx: &mut Cx<'_>) -> Result<bool, EngineError> {
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

    /// The directory has what was staged.
    pub(super) fn done(&mut self, cx: &mut Cx<'_>) -> Result<(), EngineError> {
        self.rotate = false;
        self.checked = None;
        published(cx)
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
pub(super) fn delete_old(cx: &mut Cx<'_>) -> Result<(), EngineError> {
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
