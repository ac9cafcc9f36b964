//! What is signed, and how it is verified: plain signatures, Ed25519 cosignatures (v1) and ML-DSA-44 cosignatures.

use super::{Algorithm, Checkpoint, KeyId, KeyName, VerifierKey, key::Public};
use crate::{
    KeyTransError,
    codec::{Reader, Writer},
};

/// A time of day and date.
///
/// Units:    seconds since 1970-01-01 00:00 UTC (not milliseconds, as in the heads of the key-transparency log).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u64);

/// The latest time that a cosignature can have.
pub const MAX_TIMESTAMP: UnixSeconds = UnixSeconds((1 << 63) - 1);

/// The label before what ML-DSA-44 signs.
const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// A signature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSignature {
    name: KeyName,
    id: KeyId,
    algorithm: Algorithm,
    time: Option<UnixSeconds>,
}

impl VerifiedSignature {
    /// Verifies the bytes of a signature line over the text of a note. `None` if they are not the key's signature of it.
    pub(super) fn verify(key: &VerifierKey, text: &str, signature: &[u8]) -> Option<Self> {
        let algorithm = key.algorithm();
        if signature.len() != algorithm.signature_bytes() {
            return None;
        }
        let time = match &key.public {
            Public::Ed25519(public) => {
                check_ed25519(public, text.as_bytes(), signature)?;
                None
            }
            Public::Ed25519Cosignature(public) => {
                let (time, signature) = split(signature)?;
                check_ed25519(public, &ed25519_message(text, time).ok()?, signature)?;
                Some(time)
            }
            Public::MlDsa44Cosignature(public) => {
                let (time, signature) = split(signature)?;
                let message = ml_dsa_message(text, key.name(), time).ok()?;
                let signature = ml_dsa::Signature::try_from(signature).ok()?;
                public.verify_with_context(&message, &[], &signature).then_some(())?;
                Some(time)
            }
        };
        // Zero stands for no statement about the time.
        let time = time.filter(|time| time.0 != 0);
        Some(Self { name: key.name().clone(), id: key.id(), algorithm, time })
    }

    /// Whose it is.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Of which key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What it covers.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When it was made, if it says so: as of then, the checkpoint was the largest that the signer had seen of the log.
    #[must_use]
    pub const fn time(&self) -> Option<UnixSeconds> {
        self.time
    }
}

fn check_ed25519(public: &ed25519_dalek::VerifyingKey, message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
    public.verify_strict(message, &signature).ok()
}

/// `timestamped_signature`: the time and the signature proper.
fn split(signature: &[u8]) -> Option<(UnixSeconds, &[u8])> {
    let mut reader = Reader::new("timestamped_signature", signature);
    let time = UnixSeconds(reader.u64().ok()?);
    let rest = signature.get(8..)?;
    (time <= MAX_TIMESTAMP).then_some((time, rest))
}

/// What Ed25519 signs of a checkpoint: two lines of its own, and the whole text.
///
/// Errors:   [`KeyTransError::Note`] if the text is not a checkpoint.
pub(super) fn ed25519_message(text: &str, time: UnixSeconds) -> Result<Vec<u8>, KeyTransError> {
    Checkpoint::parse(text)?;
    Ok(format!("cosignature/v1\ntime {}\n{text}", time.0).into_bytes())
}

/// What ML-DSA-44 signs of a checkpoint: `cosigned_message` for the whole tree. Extension lines are not in it.
///
/// Errors:   [`KeyTransError::Note`] if the text is not a checkpoint.
pub(super) fn ml_dsa_message(text: &str, name: &KeyName, time: UnixSeconds) -> Result<Vec<u8>, KeyTransError> {
    let checkpoint = Checkpoint::parse(text)?;
    let mut writer = Writer::new();
    writer.put(SUBTREE_LABEL).bytes8(name.as_str().as_bytes())?.u64(time.0);
    writer.bytes8(checkpoint.origin().as_str().as_bytes())?;
    writer.u64(0).u64(checkpoint.size()).put(&checkpoint.root().0);
    Ok(writer.finish())
}
