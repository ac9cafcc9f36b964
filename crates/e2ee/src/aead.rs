//! XChaCha20-Poly1305 with a random nonce in front, over a padded plaintext: how everything but HPKE is sealed here.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use quicprochat_wire::{Entropy, entropy::random_array, padding};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{E2eeError, Sealed};

const NONCE_BYTES: usize = 24;

/// Pads and seals. Returns `nonce || ciphertext`.
///
/// Errors:   [`E2eeError::TooLarge`] if the result is larger than `limit`.
pub(crate) fn seal_padded(
    key: &[u8; 32],
    aad: &[u8],
    plaintext: Vec<u8>,
    what: Sealed,
    limit: usize,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let mut plaintext = Zeroizing::new(plaintext);
    padding::pad(&mut plaintext);
    let sealed = seal(key, aad, &plaintext, what, entropy)?;
    if sealed.len() > limit {
        return Err(E2eeError::TooLarge { what, limit, found: sealed.len() });
    }
    Ok(sealed)
}

/// Opens what [`seal_padded`] made.
pub(crate) fn open_padded(
    key: &[u8; 32],
    aad: &[u8],
    sealed: &[u8],
    what: Sealed,
) -> Result<Zeroizing<Vec<u8>>, E2eeError> {
    let mut plaintext = open(key, aad, sealed, what)?;
    let len = padding::unpad(&plaintext).ok_or(E2eeError::BadPadding { what })?.len();
    plaintext.truncate(len);
    Ok(plaintext)
}

/// Seals without padding. Returns `nonce || ciphertext`.
pub(crate) fn seal(
    key: &[u8; 32],
    aad: &[u8],
    plaintext: &[u8],
    what: Sealed,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let nonce: [u8; NONCE_BYTES] = random_array(entropy);
    let mut sealed = nonce.to_vec();
    let ciphertext = XChaCha20Poly1305::new(key.into())
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: plaintext, aad })
        .map_err(|_| E2eeError::TooLarge { what, limit: usize::MAX, found: plaintext.len() })?;
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens what [`seal`] made.
pub(crate) fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8], what: Sealed) -> Result<Zeroizing<Vec<u8>>, E2eeError> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(E2eeError::CannotOpen { what })?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .map_err(|_| E2eeError::CannotOpen { what })
}

/// HKDF-SHA-256 with an empty salt, 32 bytes; `label` is followed by a zero byte.
pub(crate) fn derive_key(secret: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    #[expect(clippy::expect_used, reason = "32 bytes are far below the 8,160 that HKDF-SHA-256 yields")]
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(&[label.as_bytes(), &[0]], key.as_mut_slice())
        .expect("32 bytes expand");
    key
}
