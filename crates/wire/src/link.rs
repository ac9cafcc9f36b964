//! The address of a server: `qpc://HOST:PORT/#FINGERPRINT`.

use core::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::id::Fingerprint;

/// Where a server is and which key it must show.
///
/// Shape:    `qpc://` host `:` port `/#` base64url (no padding) of SHA-256 of the server's SPKI. An IPv6 host stands in
///           brackets. Source: DESIGN section 5.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ServerLink {
    host: String,
    port: u16,
    fingerprint: Fingerprint,
}

/// What is wrong with a link's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Not `qpc://` at the start.
    #[error("a server link begins with qpc://")]
    Scheme,
    /// Host missing, over 253 bytes, or with a character that no host name has.
    #[error("the server link names no valid host")]
    Host,
    /// Port missing or not 1 to 65535.
    #[error("the server link names no valid port")]
    Port,
    /// The part behind `/#` is not 32 bytes of base64url.
    #[error("the server link has no valid fingerprint after /#")]
    Fingerprint,
}

impl ServerLink {
    /// Puts a link together.
    ///
    /// Errors:   [`LinkError::Host`] or [`LinkError::Port`] for parts a link cannot carry.
    pub fn new(host: &str, port: u16, fingerprint: Fingerprint) -> Result<Self, LinkError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        if host.is_empty() || host.len() > 253 || !host.chars().all(valid) {
            return Err(LinkError::Host);
        }
        if port == 0 {
            return Err(LinkError::Port);
        }
        Ok(Self { host: host.to_ascii_lowercase(), port, fingerprint })
    }

    /// Host name or address, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// UDP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The key the server must show.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Display for ServerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = URL_SAFE_NO_PAD.encode(self.fingerprint.as_bytes());
        if self.host.contains(':') {
            write!(f, "qpc://[{}]:{}/#{fingerprint}", self.host, self.port)
        } else {
            write!(f, "qpc://{}:{}/#{fingerprint}", self.host, self.port)
        }
    }
}

impl FromStr for ServerLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let rest = text.trim().strip_prefix("qpc://").ok_or(LinkError::Scheme)?;
        let (address, fingerprint) = rest.split_once("/#").ok_or(LinkError::Fingerprint)?;
        let (host, port) = match address.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once("]:").ok_or(LinkError::Host)?,
            None => address.rsplit_once(':').ok_or(LinkError::Port)?,
        };
        let port = port.parse().map_err(|_| LinkError::Port)?;
        let bytes = URL_SAFE_NO_PAD.decode(fingerprint).map_err(|_| LinkError::Fingerprint)?;
        let fingerprint = Fingerprint::from_slice(&bytes).ok_or(LinkError::Fingerprint)?;
        if !address.starts_with('[') && host.contains(':') {
            return Err(LinkError::Host);
        }
        Self::new(host, port, fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_names_and_addresses() {
        for host in ["127.0.0.1", "chat.example", "::1"] {
            let link = ServerLink::new(host, 4433, Fingerprint::new([9; 32])).expect("valid parts");
            assert_eq!(link.to_string().parse(), Ok(link));
        }
    }

    #[test]
    fn names_the_part_that_is_wrong() {
        let good = ServerLink::new("h", 1, Fingerprint::new([0; 32])).expect("valid parts").to_string();
        let cases = [
            ("https://h:1/#x".to_owned(), LinkError::Scheme),
            ("qpc://h:1".to_owned(), LinkError::Fingerprint),
            (good.replace("qpc://h:1", "qpc://h:0"), LinkError::Port),
            (good.replace("qpc://h:1", "qpc://h"), LinkError::Port),
            (good.replace("qpc://h:1", "qpc://h h:1"), LinkError::Host),
            (good.replace("qpc://h:1", "qpc://::1:1"), LinkError::Host),
            (good.replace("#A", "#"), LinkError::Fingerprint),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ServerLink>(), Err(expected), "{text}");
        }
    }
}
