//! The closed list of what a server can refuse a call with.

use crate::time::Duration;

/// Defines [`ErrorCode`] and its number and name from one table.
macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $wire:literal;)*) => {
        /// Why a call failed. Numbers are part of the protocol and never reused.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The name in documentation, `--json` output and logs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The code with this number; `None` if this version does not know it.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

error_codes! {
    /// The server failed; nothing was done. Its log says why.
    Internal = 1, "internal";
    /// The server is draining, out of disk, or otherwise unable for now; retry later.
    Unavailable = 2, "unavailable";
    /// The bytes are not a well-formed request.
    BadRequest = 3, "bad-request";
    /// A field or the frame exceeds its limit.
    TooLarge = 4, "too-large";
    /// The method number is unknown to this server.
    UnknownMethod = 5, "unknown-method";
    /// The protocol version of `hello` is not spoken here.
    UnsupportedVersion = 6, "unsupported-version";
    /// The call does not belong on this kind of connection, or `hello` has not been said.
    WrongConnection = 7, "wrong-connection";
    /// The call needs an authenticated device.
    NotAuthenticated = 8, "not-authenticated";
    /// The call needs a fresh sign-in with password on this connection.
    SignInRequired = 9, "sign-in-required";
    /// Unknown name or wrong password: which of them is not told.
    SignInFailed = 10, "sign-in-failed";
    /// A signature over the challenge, a record or a package does not verify.
    BadSignature = 11, "bad-signature";
    /// The device is not, or no longer, on the account's record.
    DeviceRevoked = 12, "device-revoked";
    /// The name is taken.
    NameTaken = 13, "name-taken";
    /// The name breaks the rules for names.
    NameInvalid = 14, "name-invalid";
    /// Registration is closed on this server.
    RegistrationClosed = 15, "registration-closed";
    /// An invite code is missing, unknown or used.
    InviteInvalid = 16, "invite-invalid";
    /// A rate limit; retry after the time given.
    RateLimited = 17, "rate-limited";
    /// A quota is full (bytes, records, devices, channels, entries).
    QuotaFull = 18, "quota-full";
    /// What was asked for does not exist, or is not shown to this caller.
    NotFound = 19, "not-found";
    /// A versioned record was changed in between; fetch it and try again.
    VersionConflict = 20, "version-conflict";
    /// The account record or package is malformed or breaks a rule.
    RecordInvalid = 21, "record-invalid";
    /// The token does not verify.
    TokenInvalid = 22, "token-invalid";
    /// The token was spent before.
    TokenSpent = 23, "token-spent";
    /// The token's key epoch is over.
    TokenExpired = 24, "token-expired";
    /// The channel key used is not the current one, or was never attached.
    AccessDenied = 25, "access-denied";
    /// The channel id exists already.
    ChannelExists = 26, "channel-exists";
    /// The code to link a device is not known: it is too old, or was taken back.
    LinkExpired = 27, "link-expired";
    /// The code to link a device was used by another device.
    LinkUsed = 28, "link-used";
    /// The account takes new devices from one of its devices only.
    LinkRequired = 29, "link-required";
    /// The server was put back to an older state, and takes nothing new for a channel before what it lost is offered again;
    /// retry after the time given, unchanged.
    Restoring = 30, "restoring";
}

impl ErrorCode {
    /// Whether the server could not do it for now: nothing is wrong with the call, and the same one may succeed later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable | Self::Restoring)
    }
}

/// A refused call as it travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallFailure {
    /// What went wrong.
    pub code: ErrorCode,
    /// When a retry may succeed, where the server knows.
    pub retry_after: Option<Duration>,
}

impl CallFailure {
    /// A refusal that names no time for a retry.
    #[must_use]
    pub const fn new(code: ErrorCode) -> Self {
        Self { code, retry_after: None }
    }

    /// A refusal that a retry after `retry_after` may overcome.
    #[must_use]
    pub const fn retry(code: ErrorCode, retry_after: Duration) -> Self {
        Self { code, retry_after: Some(retry_after) }
    }
}

impl From<ErrorCode> for CallFailure {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl core::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.code.name())?;
        if let Some(after) = self.retry_after {
            write!(f, " (retry after {} ms)", after.as_millis())?;
        }
        Ok(())
    }
}

impl core::error::Error for CallFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_distinct_and_reversible() {
        for (index, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
            assert_eq!(usize::from(code.number()), index + 1, "{}", code.name());
        }
    }
}
