//! The issuer's keys: one for everybody in each epoch (DESIGN A6).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use quicprochat_identity::EntropyRng;
#[cfg(feature = "simulation")]
use quicprochat_identity::primitive::blind as voprf;
use quicprochat_wire::{
    Entropy, ErrorCode, Fingerprint, Timestamp, Writer,
    call::token::{IssuerKey, Token, TokensIssued},
    entropy::random_array,
    limits::TOKEN_BATCH,
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use voprf::{BlindedElement, Group as _, Ristretto255, VoprfServer};
use zeroize::Zeroizing;

use crate::{
    config::Limits,
    error::ServerError,
    store::{Day, StateKey, Store, write},
};

/// Token type of draft-ietf-privacypass-batched-tokens: VOPRF(ristretto255, SHA-512).
const TOKEN_TYPE: u16 = 0x0005;
/// Epochs whose keys are kept at hand.
const KEYS_AT_HAND: usize = 3;

/// Issues and checks tokens.
///
/// Secrets:  the seed of all epochs' keys; whoever has it mints tokens.
pub(crate) struct Issuer {
    seed: Zeroizing<[u8; 32]>,
    /// Digest of the token challenge: the same for everybody, so that it tells nobody apart.
    challenge: [u8; 32],
    epoch_days: u32,
    grace_days: u32,
    keys: Mutex<BTreeMap<u32, Arc<EpochKey>>>,
}

/// The key of one epoch.
pub(super) struct EpochKey {
    server: VoprfServer<Ristretto255>,
    public: [u8; 32],
}

/// A token whose authenticator is right; whether it was spent is for the transaction to say.
#[derive(Clone, Copy)]
pub(crate) struct VerifiedToken {
    pub(super) epoch: u32,
    pub(super) nonce: [u8; 32],
}

impl Issuer {
    /// Takes the seed from the store, where the first start puts a new one.
    pub(crate) async fn load(
        store: &dyn Store,
        fingerprint: &Fingerprint,
        limits: &Limits,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, ServerError> {
        if limits.token_epoch_days == 0 {
            return Err(ServerError::LimitInvalid { limit: "token_epoch_days" });
        }
        if limits.token_grace_days > limits.token_epoch_days {
            return Err(ServerError::LimitInvalid { limit: "token_grace_days" });
        }
        let fresh = Zeroizing::new(random_array::<32>(entropy));
        let stored = write(store, move |tx| {
            if let Some(stored) = tx.state().get(StateKey::TokenSeed)? {
                return Ok(Zeroizing::new(stored));
            }
            tx.state().put(StateKey::TokenSeed, fresh.as_slice())?;
            Ok(Zeroizing::new(fresh.to_vec()))
        })
        .await?;
        let seed = <[u8; 32]>::try_from(stored.as_slice());
        let seed = Zeroizing::new(seed.map_err(|_| ServerError::StateDamaged { what: "token seed" })?);
        Ok(Self::new(seed, fingerprint, limits.token_epoch_days, limits.token_grace_days))
    }

    fn new(seed: Zeroizing<[u8; 32]>, fingerprint: &Fingerprint, epoch_days: u32, grace_days: u32) -> Self {
        let challenge = Writer::labelled("qpc/1 token challenge").fixed(fingerprint).finish();
        let challenge = Sha256::digest(challenge).into();
        Self { seed, challenge, epoch_days, grace_days, keys: Mutex::default() }
    }

    /// The epoch that issues now.
    pub(crate) fn epoch(&self, now: Timestamp) -> u32 {
        now.day() / self.epoch_days.max(1)
    }

    /// The first epoch whose tokens may still count; spent tokens of earlier ones can be forgotten.
    pub(crate) fn oldest_epoch(&self, now: Timestamp) -> u32 {
        self.epoch(now).saturating_sub(1)
    }

    /// The current key, and the one before while its tokens count.
    pub(super) fn public_keys(&self, now: Timestamp) -> Result<Vec<IssuerKey>, ErrorCode> {
        let current = self.epoch(now);
        let mut keys = Vec::new();
        for epoch in [Some(current), current.checked_sub(1)].into_iter().flatten() {
            if now < self.redeems_until(epoch) {
                keys.push(IssuerKey {
                    epoch,
                    public_key: self.key(epoch)?.public.to_vec(),
                    issues_until: self.issues_until(epoch),
                    redeems_until: self.redeems_until(epoch),
                });
            }
        }
        Ok(keys)
    }

    /// Checks that a request is for the epoch that issues, and well-formed.
    pub(super) fn accept(
        &self,
        epoch: u32,
        blinded: &[Vec<u8>],
        now: Timestamp,
    ) -> Result<Vec<BlindedElement<Ristretto255>>, ErrorCode> {
        if epoch != self.epoch(now) {
            return Err(ErrorCode::TokenExpired);
        }
        if blinded.len() != TOKEN_BATCH {
            return Err(ErrorCode::BadRequest);
        }
        let element = |bytes: &Vec<u8>| {
            if bytes.len() != 32 {
                return Err(ErrorCode::BadRequest);
            }
            BlindedElement::deserialize(bytes).map_err(|_| ErrorCode::BadRequest)
        };
        blinded.iter().map(element).collect()
    }

    /// Evaluates a batch, with one proof for all of it.
    pub(super) fn evaluate(
        &self,
        epoch: u32,
        blinded: &Vec<BlindedElement<Ristretto255>>,
        entropy: &mut dyn Entropy,
    ) -> Result<TokensIssued, ErrorCode> {
        self.key(epoch)?.evaluate(blinded, entropy)
    }

    /// Recomputes a token's authenticator.
    ///
    /// Errors:   `token-expired` for an epoch that is over, `token-invalid` for anything else that is wrong.
    pub(crate) fn verify(&self, token: &Token, now: Timestamp) -> Result<VerifiedToken, ErrorCode> {
        let current = self.epoch(now);
        if token.epoch > current {
            return Err(ErrorCode::TokenInvalid);
        }
        if token.epoch < self.oldest_epoch(now) || now >= self.redeems_until(token.epoch) {
            return Err(ErrorCode::TokenExpired);
        }
        let nonce = <[u8; 32]>::try_from(token.nonce.as_slice()).map_err(|_| ErrorCode::TokenInvalid)?;
        let key = self.key(token.epoch)?;
        let expected = key.output(&self.input(&nonce, &key.public))?;
        if bool::from(expected.as_slice().ct_eq(&token.authenticator)) {
            Ok(VerifiedToken { epoch: token.epoch, nonce })
        } else {
            Err(ErrorCode::TokenInvalid)
        }
    }

    /// What a token's authenticator stands over (protocol.md section 3).
    fn input(&self, nonce: &[u8; 32], public: &[u8; 32]) -> Vec<u8> {
        Writer::new()
            .fixed(TOKEN_TYPE.to_be_bytes())
            .fixed(nonce)
            .fixed(self.challenge)
            .fixed(Sha256::digest(public))
            .finish()
    }

    fn issues_until(&self, epoch: u32) -> Timestamp {
        Day(epoch.saturating_add(1).saturating_mul(self.epoch_days)).start()
    }

    fn redeems_until(&self, epoch: u32) -> Timestamp {
        Day(epoch.saturating_add(1).saturating_mul(self.epoch_days).saturating_add(self.grace_days)).start()
    }

    fn key(&self, epoch: u32) -> Result<Arc<EpochKey>, ErrorCode> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&epoch) {
            return Ok(Arc::clone(key));
        }
        let info = Writer::labelled("qpc/1 token key").u32(epoch).finish();
        let server = VoprfServer::new_from_seed(self.seed.as_slice(), &info).map_err(|_| ErrorCode::Internal)?;
        let key = Arc::new(EpochKey::new(server));
        keys.insert(epoch, Arc::clone(&key));
        while keys.len() > KEYS_AT_HAND {
            keys.pop_first();
        }
        Ok(key)
    }
}

impl EpochKey {
    fn new(server: VoprfServer<Ristretto255>) -> Self {
        let public = Ristretto255::serialize_elem(server.get_public_key()).into();
        Self { server, public }
    }

    fn evaluate(
        &self,
        blinded: &Vec<BlindedElement<Ristretto255>>,
        entropy: &mut dyn Entropy,
    ) -> Result<TokensIssued, ErrorCode> {
        let result = self.server.batch_blind_evaluate(&mut EntropyRng::new(entropy), blinded);
        let result = result.map_err(|_| ErrorCode::BadRequest)?;
        let evaluated = result.messages.iter().map(|message| message.serialize().to_vec()).collect();
        Ok(TokensIssued { evaluated, proof: result.proof.serialize().to_vec() })
    }

    fn output(&self, input: &[u8]) -> Result<[u8; 64], ErrorCode> {
        self.server.evaluate(input).map(Into::into).map_err(|_| ErrorCode::TokenInvalid)
    }
}

#[cfg(test)]
mod tests;
