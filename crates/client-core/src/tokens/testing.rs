//! The server's half, for tests.

use quicprochat_identity::EntropyRng;
use quicprochat_wire::{
    Fingerprint, Timestamp,
    call::token::{IssuerKey, Token, TokenIssue, TokensIssued},
};
use voprf::{BlindedElement, Group as _, Ristretto255, VoprfServer};

use super::token_input;
use crate::testing::SeededEntropy;

/// The issuer of one epoch.
pub(crate) struct Issuer {
    epoch: u32,
    server: VoprfServer<Ristretto255>,
}

impl Issuer {
    pub(crate) fn new(epoch: u32, seed: u8) -> Self {
        Self { epoch, server: VoprfServer::new_from_seed(&[seed; 32], b"test").expect("a key") }
    }

    pub(crate) fn key(&self) -> IssuerKey {
        IssuerKey {
            epoch: self.epoch,
            public_key: Ristretto255::serialize_elem(self.server.get_public_key()).to_vec(),
            issues_until: Timestamp(1),
            redeems_until: Timestamp(2),
        }
    }

    pub(crate) fn issue(&self, request: &TokenIssue) -> TokensIssued {
        let parse = |bytes: &Vec<u8>| BlindedElement::deserialize(bytes).expect("an element");
        let blinded: Vec<_> = request.blinded.iter().map(parse).collect();
        let mut entropy = SeededEntropy::new(77);
        let mut rng = EntropyRng::new(&mut entropy);
        let result = self.server.batch_blind_evaluate(&mut rng, &blinded).expect("evaluates");
        let evaluated = result.messages.iter().map(|element| element.serialize().to_vec()).collect();
        TokensIssued { evaluated, proof: result.proof.serialize().to_vec() }
    }

    pub(crate) fn takes(&self, fingerprint: &Fingerprint, token: &Token) -> bool {
        let key = self.key().public_key.try_into().expect("32 bytes");
        let nonce = token.nonce.clone().try_into().expect("32 bytes");
        let output = self.server.evaluate(&token_input(fingerprint, &key, &nonce)).expect("evaluates");
        token.epoch == self.epoch && output.to_vec() == token.authenticator
    }
}
