//! Sealing of plaintexts that nobody would seal, in the forms of protocol.md.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use hpke::{
    Deserializable as _, OpModeS, Serializable as _, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing,
    setup_sender_with_rng,
};
use quicprochat_identity::EntropyRng;
use quicprochat_wire::padding;
use sha2::Sha256;

use crate::cast::entropy;

const NONCE: [u8; 24] = [9; 24];

/// XChaCha20-Poly1305 with its nonce in front.
pub(crate) fn seal(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plaintext, aad };
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt(XNonce::from_slice(&NONCE), payload).expect("seals");
    [&NONCE[..], &sealed].concat()
}

/// The same over the padded plaintext.
pub(crate) fn seal_padded(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut padded = plaintext.to_vec();
    padding::pad(&mut padded);
    seal(key, aad, &padded)
}

/// What [`seal_padded`] sealed.
pub(crate) fn open_padded(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    let (nonce, ciphertext) = sealed.split_at(NONCE.len());
    let payload = Payload { msg: ciphertext, aad };
    let padded = XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), payload).expect("opens");
    padding::unpad(&padded).expect("padded").to_vec()
}

/// HPKE with X-Wing: encapsulated key, then ciphertext.
pub(crate) fn envelope(public: &[u8], info: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    type Public = <XWing as hpke::Kem>::PublicKey;
    let public = Public::from_bytes(public).expect("a public key");
    let mut entropy = entropy();
    let mut rng = EntropyRng::new(&mut entropy);
    let (output, mut context) =
        setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeS::Base, &public, info, &mut rng)
            .expect("seals");
    [output.to_bytes().to_vec(), context.seal(plaintext, aad).expect("seals")].concat()
}

/// HKDF-SHA-256 of a secret; the label is followed by a zero byte.
pub(crate) fn derive_key(secret: &[u8], label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret).expand_multi_info(&[label.as_bytes(), &[0]], &mut key).expect("32 bytes");
    key
}
