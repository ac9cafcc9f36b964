//! Names of accounts, alone and with their host.

use core::{fmt, str::FromStr};

use quicprochat_wire::limits::MAX_NAME_BYTES;

use crate::error::IdentityError;

/// The name of an account on its server.
///
/// Shape:    1 to 32 of `a-z 0-9 . _ -`, beginning and ending with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// Which rule for names is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Over the limit.
    #[error("it is longer than 32 characters")]
    TooLong,
    /// A character that no name has; capital letters are among them.
    #[error("it has a character other than a-z, 0-9, dot, underscore and hyphen")]
    Character,
    /// A dot, underscore or hyphen at one end.
    #[error("it does not begin and end with a letter or digit")]
    Ends,
}

impl AccountName {
    /// Takes a name exactly as it stands; capital letters are refused, never folded.
    ///
    /// Errors:   [`IdentityError::NameInvalid`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        match problem_with(text) {
            Some(problem) => Err(IdentityError::NameInvalid { problem }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn problem_with(text: &str) -> Option<NameProblem> {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Some(NameProblem::Empty);
    };
    if bytes.len() > MAX_NAME_BYTES {
        Some(NameProblem::TooLong)
    } else if !bytes.iter().all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-')) {
        Some(NameProblem::Character)
    } else if !alphanumeric(first) || !alphanumeric(last) {
        Some(NameProblem::Ends)
    } else {
        None
    }
}

impl FromStr for AccountName {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::parse(text)
    }
}

impl AsRef<str> for AccountName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A name as people pass it on: `alice@chat.example`.
///
/// Shape:    name, `@`, a host name of `a-z 0-9 - .` in labels of at most 63, or an IPv4 address, or an IPv6 address in brackets.
///           Capital letters of the host are folded, as in DNS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NameAtHost {
    name: AccountName,
    host: String,
}

impl NameAtHost {
    /// Puts the two together.
    ///
    /// Errors:   [`IdentityError::HostInvalid`].
    pub fn new(name: AccountName, host: &str) -> Result<Self, IdentityError> {
        if host_is_valid(host) {
            Ok(Self { name, host: host.to_ascii_lowercase() })
        } else {
            Err(IdentityError::HostInvalid)
        }
    }

    /// Takes `name@host`.
    ///
    /// Errors:   [`IdentityError::NameInvalid`], [`IdentityError::HostInvalid`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let (name, host) = text.split_once('@').ok_or(IdentityError::HostInvalid)?;
        Self::new(AccountName::parse(name)?, host)
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &AccountName {
        &self.name
    }

    /// The host, an IPv6 address in its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

fn host_is_valid(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= 253 && host.split('.').all(label_is_valid)
}

impl FromStr for NameAtHost {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        Self::parse(text)
    }
}

impl fmt::Display for NameAtHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for good in ["a", "7", "alice", "a.b_c-d", "0-0", &"x".repeat(32)] {
            assert_eq!(AccountName::parse(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        let cases = [
            ("", NameProblem::Empty),
            (&*"x".repeat(33), NameProblem::TooLong),
            ("Alice", NameProblem::Character),
            ("al ice", NameProblem::Character),
            ("alicé", NameProblem::Character),
            ("alice@host", NameProblem::Character),
            ("alice\0", NameProblem::Character),
            (".alice", NameProblem::Ends),
            ("alice-", NameProblem::Ends),
            ("_", NameProblem::Ends),
        ];
        for (bad, problem) in cases {
            assert_eq!(AccountName::parse(bad), Err(IdentityError::NameInvalid { problem }), "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for (text, printed) in [
            ("alice@chat.example", "alice@chat.example"),
            ("alice@Chat.Example", "alice@chat.example"),
            ("a.b@localhost", "a.b@localhost"),
            ("bob@127.0.0.1", "bob@127.0.0.1"),
            ("bob@[::1]", "bob@[::1]"),
        ] {
            assert_eq!(text.parse::<NameAtHost>().map(|name| name.to_string()), Ok(printed.to_owned()));
        }
        let long = format!("a@{}", ["x".repeat(63).as_str(); 4].join("."));
        for bad in [
            "alice", "a@", "a@b@c", "a@b c", "a@-b", "a@b-", "a@b..c", "a@.b", "a@[::1", "a@[x]", "a@::1", "a@h:1",
            &long,
        ] {
            assert_eq!(NameAtHost::parse(bad), Err(IdentityError::HostInvalid), "{bad}");
        }
        let problem = NameProblem::Empty;
        assert_eq!(NameAtHost::parse("@host"), Err(IdentityError::NameInvalid { problem }));
    }
}
