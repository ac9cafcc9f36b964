//! Ceremonies: registration, sign-in, devices, passwords. Each step takes the last answer and gives the next request; none
//! does I/O.
//!
//! ```text
//!   register   Registration ──RegisterStarted──▶ PreparedRegistration ──KeyPackage──▶ RegisterFinish + DeviceAccount
//!   sign in    SignIn ──SignInStarted──▶ ProvedSignIn ──SignedIn──▶ UnwrappedVault ──Record, VaultRecords──▶ OpenVault
//!   enrol      OpenVault ──enrol──▶ PreparedEnrolment ──KeyPackage──▶ PublishIdentity + DeviceAccount
//!   link       OpenVault ──admit──▶ PreparedLink ──▶ PublishIdentity; LinkingDevice ──▶ LinkedDevice ──▶ DeviceAccount
//!   revoke     OpenVault ──revoke──▶ PublishIdentity + RolledVault ──apply──▶ DeviceAccount
//!   renew      OpenVault ──renew_record──▶ PublishIdentity + RolledVault, where the server was put back to an older record
//!   the others DeviceAccount ──adopt──▶ DeviceAccount with the new keys, and the jobs to do
//!   password   OpenVault ──PasswordChange──RegisterStarted──▶ PasswordFinish
//!   recovery   OpenVault ──RecoveryChange──RegisterStarted──▶ PasswordFinish + RecoveryKey
//! ```
//! The steps that stretch a password ([`Registration::prepare`], [`SignIn::prove`], [`PasswordChange::finish`],
//! [`RecoveryChange::finish`]) take a
//! noticeable time and 64 MiB; run them where they block nobody.

mod account_state;
mod archive;
pub(crate) mod conversation_list;
mod device;
mod enrol;
mod error;
mod handover;
mod link;
mod opaque;
mod open_vault;
mod password;
mod password_change;
mod records;
mod recovery_change;
mod register;
mod renew;
mod require_link;
mod revoke;
mod sign_in;
#[cfg(test)]
mod tests;

pub use account_state::{account_state, account_state_request, seal_account_state};
pub use archive::{archive, archive_request, seal_archive};
pub use conversation_list::{conversations, conversations_request, seal_conversations};
pub use device::{DeviceAccount, authenticate, rotate_key_package};
pub use enrol::PreparedEnrolment;
pub use error::CeremonyError;
pub use handover::{Adopted, adopt};
pub use link::{LinkedDevice, LinkingDevice, PreparedLink};
pub use open_vault::{OpenVault, check_own_record};
pub use password::{Password, WayIn};
pub use password_change::{ChangedPassword, PasswordChange};
pub use quicprochat_e2ee::link::{
    Answered, Holder, Joiner, LinkCode, LinkCodeProblem, LinkContent, LinkHandover, LinkOffer, LinkRefusal,
    LinkSession, LinkString, Revealed,
};
pub use quicprochat_e2ee::vault::{
    ConversationList, Job, LinkSecret, RecoveryKey, RecoveryKeyProblem, Standing as VaultStanding, VaultConversation,
};
pub use records::{DeviceLabel, MAX_LABEL_BYTES, device_labels, finish_job, jobs, rename_device};
pub use recovery_change::RecoveryChange;
pub use register::{PreparedRegistration, Registration};
pub use require_link::{link_secret, link_secret_request};
pub use revoke::RolledVault;
pub use sign_in::{ProvedSignIn, SignIn, UnwrappedVault};

use quicprochat_wire::call::auth::AccountDelete;

/// Asks for the account's deletion, on a connection that is signed in. Leave every conversation first: afterwards nobody can.
#[must_use]
pub const fn delete_account() -> AccountDelete {
    AccountDelete {}
}
