//! The certificate a server shows, and the fingerprint it is known by.

use core::fmt;

use quicprochat_wire::Fingerprint;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

/// A certificate with its private key.
///
/// Secrets:  the key is shown by [`Self::key_der`] only, for whoever stores it.
pub struct ServerIdentity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: Fingerprint,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It could not be made.
    #[error("no certificate could be made")]
    Generate(#[source] rcgen::Error),
    /// The bytes are no X.509 certificate.
    #[error("not an X.509 certificate")]
    Parse,
    /// The bytes are no private key in PKCS #8, SEC 1 or PKCS #1.
    #[error("not a private key")]
    Key,
    /// The key is not the certificate's, or of a kind that TLS does not use here.
    #[error("certificate and key do not fit together")]
    Mismatch(#[source] rustls::Error),
}

impl ServerIdentity {
    /// Makes a self-signed certificate with a new key (ECDSA P-256).
    ///
    /// Clients know the server by its key, so `host` and dates are for people only.
    pub fn generate(host: &str) -> Result<Self, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Generate)?;
        Self::self_signed(host, &key)
    }

    /// Makes a self-signed certificate for a key that there is (PKCS #8, DER): the fingerprint stays.
    pub fn from_key(host: &str, key: &[u8]) -> Result<Self, CertificateError> {
        let key = PrivatePkcs8KeyDer::from(key);
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(|_| CertificateError::Key)?;
        Self::self_signed(host, &key)
    }

    fn self_signed(host: &str, key: &KeyPair) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(CertificateError::Generate)?;
        params.distinguished_name.push(DnType::CommonName, host);
        let certificate = params.self_signed(key).map_err(CertificateError::Generate)?;
        Self::from_der(certificate.der().to_vec(), key.serialize_der())
    }

    /// Takes a certificate and its private key (PKCS #8), both DER, as a server stores them.
    pub fn from_der(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from(certificate);
        let fingerprint = fingerprint_of(&certificate).ok_or(CertificateError::Parse)?;
        Ok(Self { certificate, key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)), fingerprint })
    }

    /// What clients know the server by.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key, PKCS #8 DER.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        self.key.secret_der()
    }

    /// What TLS takes.
    pub(super) fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone()], self.key.clone_key())
    }
}

impl fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerIdentity({:?})", self.fingerprint)
    }
}

/// SHA-256 of the SubjectPublicKeyInfo; `None` if the bytes are no certificate.
pub(super) fn fingerprint_of(certificate: &[u8]) -> Option<Fingerprint> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(Fingerprint::new(Sha256::digest(parsed.tbs_certificate.subject_pki.raw).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_that_of_the_public_key() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let expected = Fingerprint::new(Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)).into());
        for host in ["a.example", "b.example"] {
            let params = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
            let certificate = params.self_signed(&key).expect("a certificate").der().to_vec();
            assert_eq!(fingerprint_of(&certificate), Some(expected), "the same key under another name");
        }
    }

    #[test]
    fn a_stored_identity_is_the_same_when_loaded() {
        let made = ServerIdentity::generate("sam.example").expect("a certificate");
        let loaded = ServerIdentity::from_der(made.certificate_der().to_vec(), made.key_der().to_vec());
        assert_eq!(loaded.expect("well-formed").fingerprint(), made.fingerprint());
        assert!(matches!(ServerIdentity::from_der(vec![1, 2, 3], vec![]), Err(CertificateError::Parse)));
        assert_eq!(format!("{made:?}").len(), "ServerIdentity(spki:01234567)".len());
    }
}
