//! Whoever runs a log: its configuration and its private keys.

use crate::{
    Digest, KeyTransError, VrfOutput,
    config::{Configuration, DeploymentMode},
    error::KeyOf,
    head::TreeHead,
    proof::PrefixLeaf,
    prove::{LogError, SignedHead, prefix::MAX_LOOKUPS},
    suite::{self, HeadKey, Suite, VrfKey},
    value::{Opening, commit, vrf_input},
};

/// A log's configuration with the keys that belong to it. It may be shared among threads, and outlives the stores that it is used with.
#[derive(Debug)]
pub struct Operator {
    config: Configuration,
    suite: &'static dyn Suite,
    vrf: Box<dyn VrfKey>,
    head: Box<dyn HeadKey>,
}

/// A value that is to become a label's next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    /// The label, of at most 255 bytes.
    pub label: Vec<u8>,
    /// What it says.
    pub value: Vec<u8>,
    /// Fresh randomness: who knows it can check a guess of the value.
    pub opening: Opening,
}

/// A new version with its leaf: all of an append's costs that don't depend on the tree. Made by [`Operator::prepare`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub(super) new: New,
    pub(super) version: u32,
    pub(super) leaf: PrefixLeaf,
}

impl Operator {
    /// Brings the keys together with the configuration that names them.
    ///
    /// Errors:   [`LogError::ForeignKey`]; [`KeyTransError::UnsupportedSuite`].
    pub fn new(config: Configuration, vrf: Box<dyn VrfKey>, head: Box<dyn HeadKey>) -> Result<Self, LogError> {
        let suite = suite::by_id(config.cipher_suite)?;
        Self::with_suite(config, suite, vrf, head)
    }

    pub(crate) fn with_suite(
        config: Configuration,
        suite: &'static dyn Suite,
        vrf: Box<dyn VrfKey>,
        head: Box<dyn HeadKey>,
    ) -> Result<Self, LogError> {
        if vrf.public_key() != config.vrf_public_key {
            return Err(LogError::ForeignKey { of: KeyOf::Vrf });
        }
        if head.public_key() != config.signature_public_key {
            return Err(LogError::ForeignKey { of: KeyOf::Operator });
        }
        Ok(Self { config, suite, vrf, head })
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Configuration {
        &self.config
    }

    /// How many new versions one entry can have; `None`: no limit. An auditor's proof holds 255 look-ups, so with an auditor it is that.
    #[must_use]
    pub const fn max_batch(&self) -> Option<usize> {
        match self.config.mode {
            DeploymentMode::ContactMonitoring => None,
            DeploymentMode::ThirdPartyAuditing { .. } => Some(MAX_LOOKUPS),
        }
    }

    /// Where a label-version pair stands. Most of an append's time is spent here; calls can run in parallel.
    ///
    /// Errors:   [`crate::DecodeError::TooLong`] for a label above 255 bytes; those of the key.
    pub fn place(&self, label: &[u8], version: u32) -> Result<VrfOutput, KeyTransError> {
        self.vrf.evaluate(&vrf_input(label, version)?)
    }

    /// Where a label-version pair stands, and the proof of it.
    ///
    /// Errors:   those of [`Self::place`].
    pub fn prove_place(&self, label: &[u8], version: u32) -> Result<(VrfOutput, Vec<u8>), KeyTransError> {
        self.vrf.prove(&vrf_input(label, version)?)
    }

    /// Computes the leaf of a new version. Depends on nothing but its arguments; calls can run in parallel.
    ///
    /// Errors:   those of [`Self::place`]; [`crate::DecodeError::TooLong`] for a value above 2^32-1 bytes.
    pub fn prepare(&self, new: New, version: u32) -> Result<Prepared, KeyTransError> {
        let vrf_output = self.place(&new.label, version)?;
        let commitment = commit(&new.opening, &new.label, version, &new.value)?;
        Ok(Prepared { new, version, leaf: PrefixLeaf { vrf_output, commitment } })
    }

    pub(super) fn sign(&self, tree_size: u64, root: Digest) -> Result<SignedHead, LogError> {
        let signature = self.head.sign(&self.config.head_to_sign(tree_size, &root)?);
        Ok(SignedHead { tree_head: TreeHead { tree_size, signature }, root })
    }

    pub(super) fn verify(&self, head: &SignedHead) -> Result<(), LogError> {
        let message = self.config.head_to_sign(head.tree_head.tree_size, &head.root)?;
        let key = &self.config.signature_public_key;
        if self.suite.verify_signature(key, &message, &head.tree_head.signature) {
            Ok(())
        } else {
            Err(KeyTransError::Signature { by: KeyOf::Operator }.into())
        }
    }
}

impl Prepared {
    /// The label.
    #[must_use]
    pub fn label(&self) -> &[u8] {
        &self.new.label
    }

    /// The version that it will be.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Its leaf.
    #[must_use]
    pub const fn leaf(&self) -> &PrefixLeaf {
        &self.leaf
    }
}
