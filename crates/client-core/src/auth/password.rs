//! What a person proves on the way into the vault: a password or the recovery key.

use core::fmt;

use quicprochat_e2ee::vault::RecoveryKey;
use quicprochat_wire::call::vault::{WAY_PASSWORD, WAY_RECOVERY};
use zeroize::Zeroizing;

/// What a person typed.
///
/// Secrets:  zeroised on drop; it lives as long as its ceremony and is stored nowhere.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password over from whoever read it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A way into the account and its vault, with what opens it.
///
/// Secrets:  zeroised on drop.
#[derive(Clone)]
pub enum WayIn {
    /// By the password.
    Password(Password),
    /// By the recovery key.
    RecoveryKey(RecoveryKey),
}

impl WayIn {
    /// The way's number, and what OPAQUE takes as its password.
    pub(super) fn into_secret(self) -> (u16, Password) {
        match self {
            Self::Password(password) => (WAY_PASSWORD, password),
            Self::RecoveryKey(key) => (WAY_RECOVERY, Password(key.secret())),
        }
    }
}

impl From<Password> for WayIn {
    fn from(password: Password) -> Self {
        Self::Password(password)
    }
}

impl From<RecoveryKey> for WayIn {
    fn from(key: RecoveryKey) -> Self {
        Self::RecoveryKey(key)
    }
}

impl fmt::Debug for WayIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::RecoveryKey(_) => "RecoveryKey",
        })
    }
}
