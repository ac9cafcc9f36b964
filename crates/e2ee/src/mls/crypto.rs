//! The cryptography of OpenMLS: forwarded to `openmls_rust_crypto`, except where a key pair is derived or randomness is
//! drawn.
//!
//! Two things are ours. *Derivation*: the library's own provider expands a seed by a rule that draft-ietf-hpke-pq has
//! replaced, and TreeKEM derives every path key that way; `hpke` follows the current draft. *Randomness*: everything that
//! draws it, draws it from the [`Entropy`] handed in.

use std::sync::{LazyLock, Mutex, PoisonError};

use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    crypto::OpenMlsCrypto,
    random::OpenMlsRand,
    types::{
        AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeAeadType, HpkeCiphertext, HpkeConfig,
        HpkeKdfType, HpkeKemType, HpkeKeyPair, HpkePrivateKey, KemOutput, SignatureScheme,
    },
};
use quicprochat_identity::DeviceSecretKey;
use quicprochat_wire::Entropy;
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

use crate::{
    envelope::{self, AesGcm128, ChaCha20Poly1305, X25519HkdfSha256, XWing},
    rng::DerivedRng,
};

/// What is forwarded to; holds a generator of its own, which nothing here draws from.
static FORWARD: LazyLock<RustCrypto> = LazyLock::new(RustCrypto::default);

/// Suites of the messenger, and 0x0003, whose HPKE differs from 0x0001's in the AEAD only.
const SUITES: [Ciphersuite; 3] = [
    Ciphersuite::MLS_128_MLKEM768X25519_AES128GCM_SHA256_Ed25519,
    Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
    Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
];

/// The crypto and the randomness of a [`Provider`](super::Provider).
pub struct Crypto<'a> {
    entropy: Mutex<&'a mut dyn Entropy>,
    /// Drawn when the first seal asks for it; see [`DerivedRng`].
    seed: Mutex<Option<Zeroizing<[u8; 32]>>>,
    /// Plaintexts opened since [`Self::watch`]; `None` while nobody watches.
    opened: Mutex<Option<Vec<Zeroizing<Vec<u8>>>>>,
}

/// Runs an HPKE operation with the types of a configuration.
macro_rules! with_hpke {
    ($config:expr, $operation:ident ( $($argument:expr),* )) => {
        match $config {
            HpkeConfig(HpkeKemType::XWingKemDraft6, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128) =>
                envelope::$operation::<AesGcm128, XWing>($($argument),*),
            HpkeConfig(HpkeKemType::XWingKemDraft6, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305) =>
                envelope::$operation::<ChaCha20Poly1305, XWing>($($argument),*),
            HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::AesGcm128) =>
                envelope::$operation::<AesGcm128, X25519HkdfSha256>($($argument),*),
            HpkeConfig(HpkeKemType::DhKem25519, HpkeKdfType::HkdfSha256, HpkeAeadType::ChaCha20Poly1305) =>
                envelope::$operation::<ChaCha20Poly1305, X25519HkdfSha256>($($argument),*),
            _ => return Err(CryptoError::UnsupportedCiphersuite),
        }
    };
}

impl<'a> Crypto<'a> {
    /// Draws from `entropy` from now on.
    pub(crate) fn new(entropy: &'a mut dyn Entropy) -> Self {
        Self { entropy: Mutex::new(entropy), seed: Mutex::new(None), opened: Mutex::new(None) }
    }

    /// Lends the source of randomness.
    pub(crate) fn with_entropy<T>(&self, draw: impl FnOnce(&mut dyn Entropy) -> T) -> T {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        draw(&mut **entropy)
    }

    /// Keeps what the AEAD opens from now on.
    pub(super) fn watch(&self) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// What the AEAD has opened since [`Self::watch`], in order, and ends watching.
    pub(super) fn opened(&self) -> Vec<Zeroizing<Vec<u8>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    fn derived(&self, inputs: &[&[u8]]) -> DerivedRng {
        let mut seed = self.seed.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = seed.get_or_insert_with(|| {
            let mut seed = Zeroizing::new([0; 32]);
            self.with_entropy(|entropy| entropy.fill(seed.as_mut_slice()));
            seed
        });
        DerivedRng::new(seed, inputs)
    }
}

impl core::fmt::Debug for Crypto<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Crypto(..)")
    }
}

impl OpenMlsCrypto for Crypto<'_> {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        if SUITES.contains(&suite) { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        SUITES.to_vec()
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        FORWARD.hkdf_extract(hash, salt, ikm)
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        FORWARD.hmac(hash, key, message)
    }

    fn hkdf_expand(&self, hash: HashType, prk: &[u8], info: &[u8], len: usize) -> Result<SecretVLBytes, CryptoError> {
        FORWARD.hkdf_expand(hash, prk, info, len)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        FORWARD.hash(hash, data)
    }

    fn aead_encrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_nonce(nonce)?;
        FORWARD.aead_encrypt(aead, key, data, nonce, aad)
    }

    fn aead_decrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        ciphertext: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_nonce(nonce)?;
        let plaintext = FORWARD.aead_decrypt(aead, key, ciphertext, nonce, aad)?;
        if let Some(opened) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            opened.push(Zeroizing::new(plaintext.clone()));
        }
        Ok(plaintext)
    }

    fn signature_key_gen(&self, scheme: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        if scheme != SignatureScheme::ED25519 {
            return Err(CryptoError::UnsupportedSignatureScheme);
        }
        let mut seed = Zeroizing::new([0; 32]);
        self.with_entropy(|entropy| entropy.fill(seed.as_mut_slice()));
        let public = DeviceSecretKey::from_bytes(&seed).public();
        Ok((seed.to_vec(), public.as_bytes().to_vec()))
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        public: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        #[cfg(feature = "simulation")]
        if scheme == SignatureScheme::ED25519 {
            let public = public.try_into().map_err(|_| CryptoError::InvalidPublicKey)?;
            let checked = quicprochat_identity::verify_ed25519(public, data, signature);
            return checked.map_err(|_| CryptoError::InvalidSignature);
        }
        FORWARD.verify_signature(scheme, data, public, signature)
    }

    fn sign(&self, scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        FORWARD.sign(scheme, data, key)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        let mut rng = self.derived(&[b"seal", public, info, aad, plaintext]);
        let (kem_output, ciphertext) = with_hpke!(config, seal(public, info, aad, plaintext, &mut rng))
            .map_err(|_| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext { kem_output: kem_output.into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        secret: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        with_hpke!(config, open(secret, input.kem_output.as_slice(), info, aad, input.ciphertext.as_slice()))
            .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        let mut rng = self.derived(&[b"export", public, info, exporter_context]);
        let (output, secret) =
            with_hpke!(config, sender_export(public, info, exporter_context, exporter_length, &mut rng))
                .map_err(|_| CryptoError::SenderSetupError)?;
        Ok((output, ExporterSecret::from(secret.to_vec())))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        output: &[u8],
        secret: &[u8],
        info: &[u8],
        exporter_context: &[u8],
        exporter_length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        let exported = with_hpke!(config, receiver_export(secret, output, info, exporter_context, exporter_length))
            .map_err(|_| CryptoError::ReceiverSetupError)?;
        Ok(ExporterSecret::from(exported.to_vec()))
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        let (private, public) = match config.0 {
            HpkeKemType::XWingKemDraft6 => envelope::derive_key_pair::<XWing>(ikm),
            HpkeKemType::DhKem25519 => envelope::derive_key_pair::<X25519HkdfSha256>(ikm),
            HpkeKemType::DhKemP256
            | HpkeKemType::DhKemP384
            | HpkeKemType::DhKemP521
            | HpkeKemType::DhKem448
            | HpkeKemType::MlKem768
            | HpkeKemType::MlKem1024 => return Err(CryptoError::UnsupportedCiphersuite),
        };
        Ok(HpkeKeyPair { private: HpkePrivateKey::from(private.to_vec()), public })
    }
}

impl OpenMlsRand for Crypto<'_> {
    type Error = CryptoError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Self::Error> {
        Ok(self.with_entropy(quicprochat_wire::entropy::random_array))
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, Self::Error> {
        let mut out = vec![0; len];
        self.with_entropy(|entropy| entropy.fill(&mut out));
        Ok(out)
    }
}

/// The AEADs behind take any slice and panic on a length that is not theirs.
fn check_nonce(nonce: &[u8]) -> Result<(), CryptoError> {
    if nonce.len() == 12 { Ok(()) } else { Err(CryptoError::InvalidLength) }
}

#[cfg(test)]
mod tests;
