//! The server's TLS key: made at first start, and kept. Its fingerprint stands in every server link.

use std::path::{Path, PathBuf};

use quicprochat_transport::{ServerIdentity, quic::CertificateError};

use crate::private_file::{self, PrivateFileError};

/// Why the server has no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The key file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The file does not hold a key.
    #[error("{path} does not hold the server's key; restore it from a backup (clients know the server by it)", path = path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// No key could be made.
    #[error("the server's key cannot be made")]
    Generate(#[source] CertificateError),
}

/// Loads the key, or makes it. The certificate is made anew at each start, under the same key.
///
/// Errors:   [`IdentityError`]; a key file that cannot be used is left as it is.
pub fn load_or_create(key: &Path, host: &str) -> Result<ServerIdentity, IdentityError> {
    if let Some(stored) = private_file::read_private(key)? {
        return ServerIdentity::from_key(host, &stored)
            .map_err(|source| IdentityError::Key { path: key.to_owned(), source });
    }
    let made = ServerIdentity::generate(host).map_err(IdentityError::Generate)?;
    private_file::write_private(key, made.key_der())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_stays_when_the_host_changes() {
        let temp = tempfile::tempdir().expect("a directory");
        let key = temp.path().join("server.key");
        let made = load_or_create(&key, "a.example").expect("made");
        let loaded = load_or_create(&key, "b.example").expect("loaded");
        assert_eq!(made.fingerprint(), loaded.fingerprint());
        assert_ne!(made.certificate_der(), loaded.certificate_der());
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let temp = tempfile::tempdir().expect("a directory");
        let key = temp.path().join("server.key");
        private_file::write_private(&key, b"not a key").expect("written");
        assert!(matches!(load_or_create(&key, "a.example"), Err(IdentityError::Key { .. })));
        assert_eq!(std::fs::read(&key).expect("there"), b"not a key");
    }
}
