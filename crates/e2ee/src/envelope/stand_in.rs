//! A stand-in for HPKE: hashes in the sizes of its keys, and an AEAD, so that a wrong key, context or text fails as it does
//! there. Whoever has a public key can open what is sealed to it.

use chacha20poly1305::{
    ChaCha20Poly1305 as Cipher, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use hpke::{HpkeError, rand_core::CryptoRng};
use quicprochat_identity::primitive::stand_in::{digest, expand};
use zeroize::Zeroizing;

use super::{XWING_OUTPUT_BYTES, XWING_PUBLIC_BYTES};

const SECRET_BYTES: usize = 32;

/// What is sealed with.
pub(crate) trait Aead {
    const NAME: &'static [u8];
}

/// How keys are agreed.
pub(crate) trait Kem {
    const NAME: &'static [u8];
    const PUBLIC: usize;
    const OUTPUT: usize;
}

pub(crate) struct AesGcm128;
pub(crate) struct ChaCha20Poly1305;
pub(crate) struct XWing;
pub(crate) struct X25519HkdfSha256;

impl Aead for AesGcm128 {
    const NAME: &'static [u8] = b"aes";
}

impl Aead for ChaCha20Poly1305 {
    const NAME: &'static [u8] = b"chacha";
}

impl Kem for XWing {
    const NAME: &'static [u8] = b"x-wing";
    const PUBLIC: usize = XWING_PUBLIC_BYTES;
    const OUTPUT: usize = XWING_OUTPUT_BYTES;
}

impl Kem for X25519HkdfSha256 {
    const NAME: &'static [u8] = b"x25519";
    const PUBLIC: usize = 32;
    const OUTPUT: usize = 32;
}

/// Seals `plaintext` to a public key. Returns the encapsulated key and the ciphertext.
pub(crate) fn seal<A: Aead, K: Kem>(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Vec<u8>), HpkeError> {
    let output = encapsulate::<K>(public, rng)?;
    let key = agreed::<A, K>(public, &output, info);
    let ciphertext = Cipher::new((&key).into()).encrypt(&Nonce::default(), Payload { msg: plaintext, aad });
    Ok((output, ciphertext.map_err(|_| HpkeError::SealError)?))
}

/// Opens what [`seal`] made.
pub(crate) fn open<A: Aead, K: Kem>(
    secret: &[u8],
    output: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, HpkeError> {
    let public = public_key::<K>(secret)?;
    check(output, K::OUTPUT)?;
    let key = agreed::<A, K>(&public, output, info);
    let opened = Cipher::new((&key).into()).decrypt(&Nonce::default(), Payload { msg: ciphertext, aad });
    opened.map_err(|_| HpkeError::OpenError)
}

/// Sets up a sender's context and exports a secret from it.
pub(crate) fn sender_export<A: Aead, K: Kem>(
    public: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    len: usize,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), HpkeError> {
    let output = encapsulate::<K>(public, rng)?;
    let key = agreed::<A, K>(public, &output, info);
    Ok((output, exported(&key, exporter_context, len)))
}

/// The receiver's half of [`sender_export`].
pub(crate) fn receiver_export<A: Aead, K: Kem>(
    secret: &[u8],
    output: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let public = public_key::<K>(secret)?;
    check(output, K::OUTPUT)?;
    Ok(exported(&agreed::<A, K>(&public, output, info), exporter_context, len))
}

/// A key pair from keying material. Returns the private, then the public key.
pub(crate) fn derive_key_pair<K: Kem>(ikm: &[u8]) -> (Zeroizing<Vec<u8>>, Vec<u8>) {
    let secret = Zeroizing::new(digest(&[b"secret", K::NAME, ikm]).to_vec());
    let public = expand(&digest(&[b"public", K::NAME, &secret]), K::PUBLIC);
    (secret, public)
}

/// The public half of a private key.
pub(crate) fn public_key<K: Kem>(secret: &[u8]) -> Result<Vec<u8>, HpkeError> {
    check(secret, SECRET_BYTES)?;
    Ok(expand(&digest(&[b"public", K::NAME, secret]), K::PUBLIC))
}

fn encapsulate<K: Kem>(public: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, HpkeError> {
    check(public, K::PUBLIC)?;
    let mut drawn = [0; 32];
    rng.fill_bytes(&mut drawn);
    Ok(expand(&digest(&[b"output", &drawn]), K::OUTPUT))
}

fn agreed<A: Aead, K: Kem>(public: &[u8], output: &[u8], info: &[u8]) -> [u8; 32] {
    digest(&[b"agreed", A::NAME, K::NAME, public, output, info])
}

fn exported(key: &[u8; 32], context: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(expand(&digest(&[b"exported", key, context]), len))
}

const fn check(bytes: &[u8], expected: usize) -> Result<(), HpkeError> {
    if bytes.len() == expected { Ok(()) } else { Err(HpkeError::IncorrectInputLength(expected, bytes.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rng::EntropyRng, testing::SeededEntropy};

    #[test]
    fn a_stand_in_opens_for_its_key_context_and_text_alone() {
        let (secret, public) = derive_key_pair::<XWing>(b"alice");
        let (other, _) = derive_key_pair::<XWing>(b"mallory");
        let mut entropy = SeededEntropy::new(1);
        let mut rng = EntropyRng(&mut entropy);
        let sealed = seal::<AesGcm128, XWing>(&public, b"info", b"aad", b"text", &mut rng).expect("seals");
        let (output, ciphertext) = sealed;
        assert_eq!((output.len(), public.len(), ciphertext.len()), (XWING_OUTPUT_BYTES, XWING_PUBLIC_BYTES, 20));
        let open =
            |secret: &[u8], info: &[u8], aad: &[u8]| open::<AesGcm128, XWing>(secret, &output, info, aad, &ciphertext);
        assert_eq!(open(&secret, b"info", b"aad"), Ok(b"text".to_vec()));
        assert_eq!(open(&other, b"info", b"aad"), Err(HpkeError::OpenError));
        assert_eq!(open(&secret, b"other", b"aad"), Err(HpkeError::OpenError));
        assert_eq!(open(&secret, b"info", b"other"), Err(HpkeError::OpenError));
        assert_eq!(open(b"short", b"info", b"aad"), Err(HpkeError::IncorrectInputLength(32, 5)));
    }
}
