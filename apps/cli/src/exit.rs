//! Exit codes: part of what scripts rely on (docs/cli.md).

/// How `qpc` ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line is wrong (also clap's own code).
    Usage = 2,
    /// The server cannot be reached; what was to be sent is queued.
    Unreachable = 3,
    /// Wrong password, recovery key or name, or the device is revoked.
    Authentication = 4,
    /// A changed key, or a signature, fingerprint or proof that does not hold.
    Trust = 5,
    /// A file that was given is not what it should be, damaged, or of a later version.
    File = 6,
    /// The server has no room left for the account's history.
    Full = 7,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
