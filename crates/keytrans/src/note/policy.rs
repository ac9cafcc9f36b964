//! Which witnesses must have cosigned a checkpoint, and how recently.

use super::{SignedCheckpoint, UnixSeconds, VerifiedSignature, VerifierKey, text::bad};
use crate::{
    KeyTransError,
    error::{NotePart, NoteProblem},
};

/// A witness, and the keys that speak for it: with Ed25519 and with ML-DSA-44, say. It counts once.
#[derive(Debug, Clone)]
pub struct WitnessKeys {
    keys: Vec<VerifierKey>,
}

impl WitnessKeys {
    /// A witness of its keys; one cosignature of one of them is needed.
    ///
    /// Errors:   [`KeyTransError::Note`] without keys, or for a key whose signatures have no time.
    pub fn new(keys: Vec<VerifierKey>) -> Result<Self, KeyTransError> {
        if keys.is_empty() {
            return Err(bad(NotePart::VerifierKey, NoteProblem::Empty));
        }
        for key in &keys {
            if !key.algorithm().is_cosignature() {
                return Err(bad(NotePart::VerifierKey, NoteProblem::Algorithm { found: key.algorithm().byte() }));
            }
        }
        Ok(Self { keys })
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }
}

/// How old a cosignature may be, seen from this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The clock of this device.
    pub now: UnixSeconds,
    /// Seconds that a cosignature may be old.
    pub max_age: u64,
    /// Seconds that it may be in the future, for clocks differ.
    pub max_ahead: u64,
}

impl Freshness {
    const fn allows(&self, time: UnixSeconds) -> bool {
        time.0 <= self.now.0.saturating_add(self.max_ahead) && time.0 >= self.now.0.saturating_sub(self.max_age)
    }
}

/// So many of these witnesses.
#[derive(Debug, Clone)]
pub struct Policy {
    needed: usize,
    witnesses: Vec<WitnessKeys>,
}

impl Policy {
    /// `needed` of `witnesses`: at least one, at most all.
    ///
    /// Errors:   [`KeyTransError::Note`] for another number, or a key that stands twice.
    pub fn new(needed: usize, witnesses: Vec<WitnessKeys>) -> Result<Self, KeyTransError> {
        if needed == 0 || needed > witnesses.len() {
            return Err(bad(NotePart::Policy, NoteProblem::Number));
        }
        VerifierKey::check_distinct(witnesses.iter().flat_map(WitnessKeys::keys))?;
        Ok(Self { needed, witnesses })
    }

    /// How many must have cosigned.
    #[must_use]
    pub const fn needed(&self) -> usize {
        self.needed
    }

    /// All witnesses.
    #[must_use]
    pub fn witnesses(&self) -> &[WitnessKeys] {
        &self.witnesses
    }

    /// Verifies the cosignatures of these witnesses, and that enough are neither too old nor too new.
    ///
    /// Errors:   [`KeyTransError::NoteSignature`] for a line that claims to be of a known witness and is not;
    ///           [`KeyTransError::Quorum`] with what there is.
    pub fn verify(&self, signed: SignedCheckpoint, freshness: Freshness) -> Result<CosignedCheckpoint, KeyTransError> {
        let verified = signed.note().verify(self.witnesses.iter().flat_map(WitnessKeys::keys))?;
        let (mut fresh, mut outdated) = (Vec::new(), 0);
        for (number, witness) in self.witnesses.iter().enumerate() {
            let own = |one: &&VerifiedSignature| {
                witness.keys.iter().any(|key| one.id() == key.id() && one.name() == key.name())
            };
            let newest =
                verified.iter().filter(own).filter(|one| one.time().is_some_and(|time| freshness.allows(time)));
            match newest.max_by_key(|one| one.time()) {
                Some(signature) => fresh.push((number, signature.clone())),
                None => outdated += usize::from(verified.iter().any(|one| own(&one))),
            }
        }
        if fresh.len() < self.needed {
            return Err(KeyTransError::Quorum { needed: self.needed, found: fresh.len(), outdated });
        }
        Ok(CosignedCheckpoint { signed, by: fresh })
    }
}

/// A checkpoint that the log signed and enough witnesses cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    signed: SignedCheckpoint,
    by: Vec<(usize, VerifiedSignature)>,
}

impl CosignedCheckpoint {
    /// The checkpoint with the log's signatures.
    #[must_use]
    pub const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// Which witnesses cosigned, by their number in [`Policy::witnesses`], each with its newest cosignature.
    #[must_use]
    pub fn witnesses(&self) -> &[(usize, VerifiedSignature)] {
        &self.by
    }
}

#[cfg(test)]
mod tests;
