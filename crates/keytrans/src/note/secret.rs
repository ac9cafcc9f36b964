//! Private keys for notes.

use core::{convert::Infallible, fmt};

use ed25519_dalek::Signer as _;
use ml_dsa::{Keypair as _, MlDsa44, Seed};
use zeroize::Zeroizing;

use super::{
    Algorithm, KeyName, SignatureLine, UnixSeconds, VerifierKey, cosignature, cosignature::MAX_TIMESTAMP, text::bad,
};
use crate::{
    KeyTransError,
    error::{NotePart, NoteProblem},
};

/// A private key for notes, of a log or of a witness.
///
/// Secrets:  the key; wiped when dropped.
pub struct NoteKey {
    verifier: VerifierKey,
    secret: Secret,
}

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    Ed25519Cosignature(ed25519_dalek::SigningKey),
    MlDsa44Cosignature(Box<ml_dsa::SigningKey<MlDsa44>>),
}

impl NoteKey {
    /// The key of a seed.
    ///
    /// One seed must not serve two algorithms or two names.
    ///
    /// Secrets:  `seed`.
    /// Errors:   [`KeyTransError::Note`] if the public key is not valid, which no seed leads to in practice.
    pub fn from_seed(name: KeyName, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyTransError> {
        let secret = match algorithm {
            Algorithm::Ed25519 => Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)),
            Algorithm::Ed25519Cosignature => Secret::Ed25519Cosignature(ed25519_dalek::SigningKey::from_bytes(seed)),
            Algorithm::MlDsa44Cosignature => {
                let mut xi = Zeroizing::new(Seed::default());
                xi.copy_from_slice(seed);
                Secret::MlDsa44Cosignature(Box::new(ml_dsa::SigningKey::from_seed(&xi)))
            }
        };
        let public = match &secret {
            Secret::Ed25519(key) | Secret::Ed25519Cosignature(key) => key.verifying_key().to_bytes().to_vec(),
            Secret::MlDsa44Cosignature(key) => key.verifying_key().encode().to_vec(),
        };
        Ok(Self { verifier: VerifierKey::new(name, algorithm, &public)?, secret })
    }

    /// The public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text of a note; for cosignatures that of a checkpoint.
    ///
    /// `time` goes into cosignatures. A log that signs with ML-DSA-44 may leave it out and then says nothing of the time; a witness must not.
    /// `hedge` is fresh randomness for ML-DSA-44 (zeros give the deterministic variant of FIPS 204).
    ///
    /// Errors:   [`KeyTransError::Note`] for a text that the key cannot sign and for a missing or impossible time;
    ///           [`KeyTransError::Signing`] if ML-DSA finds no signature, which does not happen in practice.
    pub fn sign(
        &self,
        text: &str,
        time: Option<UnixSeconds>,
        hedge: &[u8; 32],
    ) -> Result<SignatureLine, KeyTransError> {
        let missing = bad(NotePart::Timestamp, NoteProblem::Empty);
        if time.is_some_and(|time| time.0 == 0 || time > MAX_TIMESTAMP) {
            return Err(bad(NotePart::Timestamp, NoteProblem::Number));
        }
        let signature = match &self.secret {
            Secret::Ed25519(key) => key.sign(text.as_bytes()).to_bytes().to_vec(),
            Secret::Ed25519Cosignature(key) => {
                let time = time.ok_or(missing)?;
                let message = cosignature::ed25519_message(text, time)?;
                timestamped(time, &key.sign(&message).to_bytes())
            }
            Secret::MlDsa44Cosignature(key) => {
                let time = time.unwrap_or(UnixSeconds(0));
                let message = cosignature::ml_dsa_message(text, &self.verifier.name().clone(), time)?;
                let signature = key.expanded_key().sign_randomized(&message, &[], &mut Hedge(hedge));
                timestamped(time, &signature.map_err(|_| KeyTransError::Signing)?.encode())
            }
        };
        Ok(SignatureLine { name: self.verifier.name().clone(), id: self.verifier.id(), signature })
    }
}

fn timestamped(time: UnixSeconds, signature: &[u8]) -> Vec<u8> {
    [&time.0.to_be_bytes(), signature].concat()
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NoteKey({}+{}, ..)", self.verifier.name(), self.verifier.id())
    }
}

/// The randomness that was handed in, for the one draw of 32 bytes that signing makes.
struct Hedge<'a>(&'a [u8; 32]);

impl rand_core_next::TryRng for Hedge<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for (to, from) in to.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
        Ok(())
    }
}

impl rand_core_next::TryCryptoRng for Hedge<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::test_support::{TEXT, all_keys, key};

    #[test]
    fn sizes_of_signature_lines_are_those_of_the_specification() {
        for key in all_keys("example.com/log") {
            let line = key.sign(TEXT, Some(UnixSeconds(1)), &[1; 32]).unwrap();
            assert_eq!(line.signature.len(), key.verifier().algorithm().signature_bytes());
        }
    }

    #[test]
    fn a_hedged_signature_differs_each_time_and_an_unhedged_one_does_not() {
        let key = key("example.com/w", Algorithm::MlDsa44Cosignature, 3);
        let sign = |hedge| key.sign(TEXT, Some(UnixSeconds(5)), &[hedge; 32]).unwrap().signature;
        assert_eq!(sign(0), sign(0));
        assert_ne!(sign(1), sign(2));
    }

    #[test]
    fn a_cosignature_needs_a_possible_time() {
        let ed25519 = key("example.com/w", Algorithm::Ed25519Cosignature, 3);
        let missing = bad(NotePart::Timestamp, NoteProblem::Empty);
        assert_eq!(ed25519.sign(TEXT, None, &[0; 32]), Err(missing));
        for key in all_keys("example.com/w") {
            for time in [0, 1 << 63, u64::MAX] {
                let found = key.sign(TEXT, Some(UnixSeconds(time)), &[0; 32]);
                assert_eq!(found, Err(bad(NotePart::Timestamp, NoteProblem::Number)));
            }
        }
    }

    #[test]
    fn a_private_key_does_not_show_itself() {
        let key = key("example.com/w", Algorithm::Ed25519, 0x5a);
        let shown = format!("{key:?}");
        assert!(!shown.contains("5a5a") && !shown.contains("90, 90") && shown.contains("example.com/w"), "{shown}");
    }
}
