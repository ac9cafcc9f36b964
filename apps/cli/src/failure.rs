//! Why a command failed: a stable word, an exit code, and a sentence that says what to do.
#![expect(clippy::wildcard_enum_match_arm, reason = "what has no word of its own fails as `failed`")]

use quicprochat_client::{
    ClientError, HomeError, LinkProblem, RunError, SessionError, StoreError,
    core::{
        CommandError,
        auth::{CeremonyError, LinkCodeProblem, RecoveryKeyProblem},
        store::StoreFault,
    },
    transport::LinkError,
};
use quicprochat_wire::{CallFailure, ErrorCode};

use crate::{exit::Exit, render, secret::SecretError};

const WRONG_SECRET: &str = "wrong name, password or recovery key";

const LINK_REQUIRED: &str = "this account takes new devices from its other devices only: run qpc device link on one of them, and \
                             qpc device join here; or use the recovery key (qpc login --recovery-key)";

/// What it means, and what to do, where the server knows nothing of this device.
pub(crate) const DEVICE_UNKNOWN: &str = "the server does not know this device: it was put back to a backup from before this device was \
                                         added, or the account was deleted. Conversations go on as far as they can; nothing else \
                                         of the account does. Ask whoever runs the server: if a newer backup is put back, all is well \
                                         by itself. If not, log in again in a home of its own (qpc --home DIR login), and let this one \
                                         sync until then: what only it has read, it gives back";

/// What is wrong with the record of the own account that the server shows, and what to do.
pub(crate) fn own_record(error: &CeremonyError) -> String {
    match error {
        CeremonyError::RecordRolledBack { seen, found } => format!(
            "the server shows record {found} of your account, and this device has seen {seen}: the server was put back to an \
             older backup, or it lies. Ask whoever runs it, in another way. If it was put back, run qpc devices after-restore: \
             what was revoked is revoked again, and everything goes on; then do this again"
        ),
        CeremonyError::RecordForked { serial } => format!(
            "the server shows another record {serial} of your account than this device has seen: after the server was put back \
             one of your devices changed the account, or somebody else does. If it was you, run qpc devices after-restore on \
             that device, and then qpc sync here; if this one still has to sign in, log it in again in a home of its own. If \
             it was not you, somebody has the account's keys: make a new account, and tell your contacts"
        ),
        other => format!("the server shows a record of your account that cannot be right: {other}; it was refused"),
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A stable word (docs/cli.md).
    pub(crate) code: &'static str,
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What happened and what to do.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, exit: Exit, text: impl Into<String>) -> Self {
        Self { code, exit, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new("usage", Exit::Usage, text)
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new("failed", Exit::Failed, text)
    }

    fn unreachable(detail: &str) -> Self {
        Self::new(
            "unreachable",
            Exit::Unreachable,
            format!("{detail}; check the connection and that the server runs, then try again"),
        )
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Home(error) => error.into(),
            ClientError::Store(error) => error.into(),
            ClientError::Fault(fault) => fault.into(),
            ClientError::Link(error) => error.into(),
            ClientError::Ceremony(error) => error.into(),
            ClientError::Run(error) => error.into(),
            ClientError::Session(error) => error.into(),
            ClientError::Backup(error) => error.into(),
            ClientError::Identity(_) | ClientError::Trust(_) => {
                Self::new("bad-signature", Exit::Trust, error.to_string())
            }
            ClientError::Linking(problem) => problem.into(),
            ClientError::DeviceUnknown => CommandError::DeviceUnknown.into(),
            ClientError::NotRegistered => Self::new("not-registered", Exit::Failed, error.to_string()),
            ClientError::AlreadyRegistered { .. } => Self::new("already-registered", Exit::Failed, error.to_string()),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let code = match error {
            HomeError::PassphraseNeeded { .. } | HomeError::PassphraseWrong { .. } => {
                return Self::new("passphrase", Exit::Authentication, error.to_string());
            }
            HomeError::KeyMissing { .. } | HomeError::KeyDamaged { .. } => "store-damaged",
            _ => "failed",
        };
        Self::new(code, Exit::Failed, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Home(error) => error.into(),
            StoreError::Fault { fault, .. } => fault.into(),
            StoreError::KeyOrDamage { .. } => Self::new("store-damaged", Exit::Failed, error.to_string()),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        let (code, text) = match fault {
            StoreFault::Locked => {
                ("store-locked", "another qpc holds the store; wait for it to finish, then try again")
            }
            StoreFault::Full => ("disk-full", "the disk is full; nothing was changed. Free some room, then try again"),
            StoreFault::Damaged => {
                ("store-damaged", "the store is damaged; run qpc doctor, and restore the home from a copy")
            }
            _ => ("failed", "the store failed; run qpc doctor"),
        };
        Self::new(code, Exit::Failed, text)
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Refused(failure) => failure.into(),
            LinkError::WrongFingerprint { .. } => Self::new(
                "wrong-certificate",
                Exit::Trust,
                "the server shows another key than its link names; nothing was sent. Ask whoever runs it for the right link",
            ),
            LinkError::Unreachable(reason) => Self::unreachable(&format!("the server cannot be reached: {reason}")),
            LinkError::Closed => Self::unreachable("the connection broke"),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<CallFailure> for Failure {
    fn from(failure: CallFailure) -> Self {
        let later = failure
            .retry_after
            .map_or_else(|| "try again later".to_owned(), |after| format!("try again in {} s", after.as_secs().max(1)));
        let (code, exit, text) = match failure.code {
            ErrorCode::SignInFailed => ("sign-in-failed", Exit::Authentication, WRONG_SECRET.to_owned()),
            ErrorCode::DeviceRevoked => {
                ("device-revoked", Exit::Authentication, "this device is no longer part of the account".to_owned())
            }
            ErrorCode::NotAuthenticated | ErrorCode::SignInRequired => {
                ("sign-in-failed", Exit::Authentication, "the server wants a sign-in first".to_owned())
            }
            ErrorCode::BadSignature | ErrorCode::RecordInvalid => {
                ("bad-signature", Exit::Trust, format!("the server refuses a signature or record ({})", failure.code.name()))
            }
            ErrorCode::NameTaken => ("name-taken", Exit::Failed, "the name is taken; choose another".to_owned()),
            ErrorCode::NameInvalid => (
                "usage",
                Exit::Usage,
                "a name has 1 to 32 of a-z 0-9 . _ - and begins and ends with a letter or digit".to_owned(),
            ),
            ErrorCode::RegistrationClosed => {
                ("registration-closed", Exit::Failed, "this server takes no new accounts".to_owned())
            }
            ErrorCode::InviteInvalid => (
                "invite-invalid",
                Exit::Failed,
                "this server wants an invite code: none was given, or it is wrong or used. Ask for another (--invite CODE)".to_owned(),
            ),
            ErrorCode::LinkExpired => (
                "link-expired",
                Exit::Failed,
                "the code does not count (any more): codes last for ten minutes, and only while the other device waits. Run qpc device link there again".to_owned(),
            ),
            ErrorCode::LinkUsed => (
                "link-used",
                Exit::Failed,
                "another device has used this code; if that was not you, somebody saw it: cancel on the other device, and make a new code".to_owned(),
            ),
            ErrorCode::LinkRequired => ("link-required", Exit::Authentication, LINK_REQUIRED.to_owned()),
            ErrorCode::RateLimited => ("rate-limited", Exit::Failed, format!("too many attempts; {later}")),
            ErrorCode::QuotaFull => ("quota-full", Exit::Failed, format!("a limit of the server is reached; {later}")),
            ErrorCode::TooLarge => ("too-large", Exit::Failed, "it is too large for this server".to_owned()),
            ErrorCode::NotFound => ("unknown-name", Exit::Failed, "there is no such thing at the server".to_owned()),
            ErrorCode::Restoring => {
                let minutes = failure.retry_after.map_or(1, |after| after.as_secs().div_ceil(60)).max(1);
                let text = format!(
                    "the server was put back to an older backup and changes nothing of a conversation before devices have given it \
                     back what it lost; try again in {minutes} min"
                );
                ("server-put-back", Exit::Unreachable, text)
            }
            ErrorCode::Unavailable => ("unreachable", Exit::Unreachable, format!("the server cannot do it now; {later}")),
            code => ("failed", Exit::Failed, format!("the server refused: {}", code.name())),
        };
        Self::new(code, exit, text)
    }
}

impl From<CeremonyError> for Failure {
    fn from(error: CeremonyError) -> Self {
        match error {
            CeremonyError::SignInFailed => Self::new("sign-in-failed", Exit::Authentication, WRONG_SECRET),
            CeremonyError::LinkRequired => Self::new("link-required", Exit::Authentication, LINK_REQUIRED),
            CeremonyError::NotCaughtUp => Self::failed(format!("{error}: run qpc sync, then try again")),
            CeremonyError::VaultSealed => Self::new("sign-in-failed", Exit::Authentication, error.to_string()),
            CeremonyError::NoRecoveryKey => {
                Self::new("no-recovery-key", Exit::Failed, format!("{error}; qpc recovery new makes one"))
            }
            CeremonyError::PasswordWeak { .. } => Self::new("weak-password", Exit::Usage, error.to_string()),
            CeremonyError::LabelTooLong { .. } => Self::usage(error.to_string()),
            CeremonyError::RecordRolledBack { .. } | CeremonyError::RecordForked { .. } => {
                Self::new("own-record", Exit::Trust, own_record(&error))
            }
            CeremonyError::StretchRefused(_)
            | CeremonyError::IdentityMismatch { .. }
            | CeremonyError::VaultRolledBack { .. }
            | CeremonyError::RecordSealed { .. }
            | CeremonyError::RecordMissing { .. }
            | CeremonyError::Record(_)
            | CeremonyError::Malformed => Self::new("bad-signature", Exit::Trust, error.to_string()),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<LinkProblem> for Failure {
    fn from(problem: LinkProblem) -> Self {
        let (code, exit) = match problem {
            LinkProblem::StringDiffers => ("link-string", Exit::Trust),
            LinkProblem::Unreadable => ("link-code", Exit::Trust),
            LinkProblem::Cancelled => ("link-cancelled", Exit::Failed),
            LinkProblem::Unfinished => ("link-unfinished", Exit::Failed),
            _ => ("failed", Exit::Failed),
        };
        Self::new(code, exit, problem.to_string())
    }
}

impl From<LinkCodeProblem> for Failure {
    fn from(problem: LinkCodeProblem) -> Self {
        Self::new("link-code", Exit::Usage, format!("that is no code of qpc device link: {problem}"))
    }
}

impl From<RecoveryKeyProblem> for Failure {
    fn from(problem: RecoveryKeyProblem) -> Self {
        Self::new("recovery-key", Exit::Usage, format!("that is no recovery key: {problem}"))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Command(error) => error.into(),
            RunError::Session(error) => error.into(),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(fault) => fault.into(),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let text = error.to_string();
        let (code, exit) = match error {
            CommandError::Unreachable { .. } => return Self::unreachable(&text),
            CommandError::Refused(failure) => return failure.into(),
            CommandError::NoAccount => return ClientError::NotRegistered.into(),
            CommandError::DeviceRevoked => ("device-revoked", Exit::Authentication),
            CommandError::DeviceUnknown => return Self::new("device-unknown", Exit::Authentication, DEVICE_UNKNOWN),
            CommandError::UnknownConversation => ("unknown-conversation", Exit::Failed),
            CommandError::ConversationState { state } => {
                let state = render::state_name(&state);
                let text = format!("the conversation is `{state}`: nothing can be written to it or changed");
                return Self::new("conversation-ended", Exit::Failed, text);
            }
            CommandError::UnknownName { .. } => ("unknown-name", Exit::Failed),
            CommandError::MemberAlreadyIn => ("already-member", Exit::Failed),
            CommandError::NotAMember { .. } => ("not-a-member", Exit::Failed),
            CommandError::TooLarge { .. } | CommandError::DoesNotFit { .. } => ("too-large", Exit::Failed),
            CommandError::KeyChanged { .. } => ("changed-key", Exit::Trust),
            CommandError::ArchiveFull => {
                let text = "the server has no room left for this account's history: what was kept stays, what is new is not added. \
                            Leave conversations out (qpc history off CONV), or ask whoever runs the server for more";
                return Self::new("history-full", Exit::Full, text);
            }
            CommandError::ArchiveUnreadable => {
                let text = "the server withholds or damaged a part of this account's history; nothing of that part was taken over. \
                            Run qpc history sync again, and on a device that has it: that one puts it in anew";
                return Self::new("history-damaged", Exit::Trust, text);
            }
            CommandError::BadRecord { .. } => ("bad-signature", Exit::Trust),
            _ => ("failed", Exit::Failed),
        };
        Self::new(code, exit, text)
    }
}
