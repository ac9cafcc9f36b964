//! HPKE in base mode (RFC 9180, draft-ietf-hpke-pq-04), for the KEMs and AEADs we use, with HKDF-SHA-256.

use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable, aead::Aead, kdf::HkdfSha256, rand_core::CryptoRng,
    setup_receiver, setup_sender_with_rng,
};
pub(crate) use hpke::{
    aead::{AesGcm128, ChaCha20Poly1305},
    kem::{X25519HkdfSha256, XWing},
};
use zeroize::Zeroizing;

/// Seals `plaintext` to a public key. Returns the encapsulated key and the ciphertext.
pub(crate) fn seal<A: Aead, K: Kem>(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Vec<u8>), HpkeError> {
    let public = K::PublicKey::from_bytes(public)?;
    let (output, mut context) = setup_sender_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, &public, info, rng)?;
    Ok((output.to_bytes().to_vec(), context.seal(plaintext, aad)?))
}

/// Opens what [`seal`] made.
pub(crate) fn open<A: Aead, K: Kem>(
    secret: &[u8],
    output: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Vec<u8>, HpkeError> {
    let secret = K::PrivateKey::from_bytes(secret)?;
    let output = K::EncappedKey::from_bytes(output)?;
    let mut context = setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &secret, &output, info)?;
    context.open(ciphertext, aad)
}

/// Sets up a sender's context and exports a secret from it.
pub(crate) fn sender_export<A: Aead, K: Kem>(
    public: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    len: usize,
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), HpkeError> {
    let public = K::PublicKey::from_bytes(public)?;
    let (output, context) = setup_sender_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, &public, info, rng)?;
    let mut secret = Zeroizing::new(vec![0; len]);
    context.export(exporter_context, &mut secret)?;
    Ok((output.to_bytes().to_vec(), secret))
}

/// The receiver's half of [`sender_export`].
pub(crate) fn receiver_export<A: Aead, K: Kem>(
    secret: &[u8],
    output: &[u8],
    info: &[u8],
    exporter_context: &[u8],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let secret = K::PrivateKey::from_bytes(secret)?;
    let output = K::EncappedKey::from_bytes(output)?;
    let context = setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &secret, &output, info)?;
    let mut exported = Zeroizing::new(vec![0; len]);
    context.export(exporter_context, &mut exported)?;
    Ok(exported)
}

/// A key pair from keying material, by the labelled derivation of the draft. Returns the private, then the public key.
pub(crate) fn derive_key_pair<K: Kem>(ikm: &[u8]) -> (Zeroizing<Vec<u8>>, Vec<u8>) {
    let (secret, public) = K::derive_keypair(ikm);
    (Zeroizing::new(secret.to_bytes().to_vec()), public.to_bytes().to_vec())
}

/// The public half of a private key.
pub(crate) fn public_key<K: Kem>(secret: &[u8]) -> Result<Vec<u8>, HpkeError> {
    Ok(K::sk_to_pk(&K::PrivateKey::from_bytes(secret)?).to_bytes().to_vec())
}
