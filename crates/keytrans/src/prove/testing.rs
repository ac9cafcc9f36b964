//! An operator whose cryptography is hashes, for tests of everything else.

use std::sync::Arc;

use super::{New, Operator};
use crate::{
    Digest, KeyTransError, VrfOutput,
    config::{CipherSuite, Configuration, DeploymentMode},
    suite::{HeadKey, Suite, VrfKey},
    value::Opening,
};

#[derive(Debug)]
pub(crate) struct Hashes;

impl Suite for Hashes {
    fn id(&self) -> CipherSuite {
        CipherSuite(0xFFFF)
    }

    fn vrf_proof_len(&self) -> usize {
        1
    }

    fn verify_vrf(&self, public_key: &[u8], input: &[u8], proof: &[u8]) -> Result<VrfOutput, KeyTransError> {
        if proof == [9] { Ok(place(public_key, input)) } else { Err(KeyTransError::VrfProof) }
    }

    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        signature == Digest::of(&[public_key, message]).0
    }
}

/// A key whose public key is these bytes, too.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) &'static [u8]);

impl VrfKey for Key {
    fn public_key(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn evaluate(&self, input: &[u8]) -> Result<VrfOutput, KeyTransError> {
        Ok(place(self.0, input))
    }

    fn prove(&self, input: &[u8]) -> Result<(VrfOutput, Vec<u8>), KeyTransError> {
        Ok((place(self.0, input), vec![9]))
    }
}

impl HeadKey for Key {
    fn public_key(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        Digest::of(&[self.0, message]).0.to_vec()
    }
}

fn place(key: &[u8], input: &[u8]) -> VrfOutput {
    VrfOutput(Digest::of(&[key, input]).0)
}

pub(crate) fn config(mode: DeploymentMode) -> Configuration {
    Configuration {
        cipher_suite: Hashes.id(),
        mode,
        signature_public_key: b"head".to_vec(),
        vrf_public_key: b"vrf".to_vec(),
        max_ahead: 1000,
        max_behind: 1000,
        reasonable_monitoring_window: 1000,
        maximum_lifetime: None,
    }
}

pub(crate) fn audited() -> DeploymentMode {
    DeploymentMode::ThirdPartyAuditing {
        max_auditor_lag: 1000,
        auditor_start_pos: 0,
        auditor_public_key: b"auditor".to_vec(),
    }
}

pub(crate) fn operator(mode: DeploymentMode) -> Arc<Operator> {
    let operator = Operator::with_suite(config(mode), &Hashes, Box::new(Key(b"vrf")), Box::new(Key(b"head")));
    Arc::new(operator.unwrap())
}

pub(crate) fn new(label: &str, value: &str) -> New {
    New { label: label.into(), value: value.into(), opening: Opening([label.len() as u8; 16]) }
}
