//! One batch from blinding to tokens.

use core::fmt;

use quicprochat_identity::EntropyRng;
#[cfg(feature = "simulation")]
use quicprochat_identity::primitive::blind as voprf;
use quicprochat_wire::{
    Entropy, Fingerprint, Reader, Writer,
    call::token::{Token, TokenIssue, TokensIssued},
    entropy::random_array,
    limits::TOKEN_BATCH,
};
use voprf::{EvaluationElement, Group as _, Proof, Ristretto255, VoprfClient};
use zeroize::Zeroizing;

use super::{IssuerPin, TokenError, read_version, token_input};

const VERSION: u8 = 1;
const CLIENT_BYTES: usize = 64;

/// A batch that was asked for and not answered yet.
///
/// Secrets:  nonces and blinds: whoever has them can match tokens with the batch. Zeroised on drop.
pub struct PendingBatch {
    issuer: IssuerPin,
    fingerprint: Fingerprint,
    tokens: Vec<PendingToken>,
}

struct PendingToken {
    nonce: Zeroizing<[u8; 32]>,
    client: VoprfClient<Ristretto255>,
}

impl PendingBatch {
    /// Blinds [`TOKEN_BATCH`] fresh nonces for the issuer's key.
    ///
    /// Errors:   [`TokenError::Blinding`], by a chance of about 2^-250.
    pub fn request(
        issuer: &IssuerPin,
        fingerprint: &Fingerprint,
        entropy: &mut dyn Entropy,
    ) -> Result<(TokenIssue, Self), TokenError> {
        let mut tokens = Vec::with_capacity(TOKEN_BATCH);
        let mut blinded = Vec::with_capacity(TOKEN_BATCH);
        for _ in 0..TOKEN_BATCH {
            let nonce = Zeroizing::new(random_array(entropy));
            let input = token_input(fingerprint, issuer.public_key(), &nonce);
            let result = VoprfClient::<Ristretto255>::blind(&input, &mut EntropyRng::new(entropy))
                .map_err(|_| TokenError::Blinding)?;
            blinded.push(result.message.serialize().to_vec());
            tokens.push(PendingToken { nonce, client: result.state });
        }
        let request = TokenIssue { epoch: issuer.epoch(), blinded };
        Ok((request, Self { issuer: *issuer, fingerprint: *fingerprint, tokens }))
    }

    /// The epoch asked for.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.issuer.epoch()
    }

    /// Checks the server's proof and unblinds the batch.
    ///
    /// Errors:   [`TokenError::BatchSize`], [`TokenError::Malformed`], [`TokenError::ProofInvalid`]; then no token of the
    ///           batch is to be used.
    pub fn finish(self, issued: &TokensIssued) -> Result<Vec<Token>, TokenError> {
        let inputs: Vec<_> = self.tokens.iter().map(|token| self.input(token)).collect();
        let (nonces, clients): (Vec<_>, Vec<_>) =
            self.tokens.into_iter().map(|token| (token.nonce, token.client)).unzip();
        let outputs = unblind(self.issuer.public_key(), &inputs, &clients, &issued.evaluated, &issued.proof)?;
        let epoch = self.issuer.epoch();
        let tokens = nonces.into_iter().zip(outputs);
        Ok(tokens.map(|(nonce, authenticator)| Token { epoch, nonce: nonce.to_vec(), authenticator }).collect())
    }

    /// The stored form, so that an answer that comes after a restart is not lost.
    ///
    /// Shape:    `u8 1 || u32 epoch || issuer key fixed(32) || fingerprint fixed(32) || list of (nonce fixed(32), blind
    ///           and blinded element fixed(64))`.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().u8(VERSION).u32(self.issuer.epoch()).fixed(self.issuer.public_key());
        let writer = writer.fixed(self.fingerprint);
        let writer = writer
            .list(&self.tokens, |writer, token| writer.fixed(token.nonce.as_slice()).fixed(token.client.serialize()));
        Zeroizing::new(writer.finish())
    }

    /// Reads the stored form.
    ///
    /// Errors:   [`TokenError::Stored`], [`TokenError::Malformed`], [`TokenError::KeyInvalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut reader = Reader::new(bytes);
        read_version(&mut reader, VERSION)?;
        let epoch = reader.u32()?;
        let issuer = IssuerPin::from_parts(epoch, reader.array()?)?;
        let fingerprint = Fingerprint::new(reader.array()?);
        let tokens = reader.list::<_, TokenError>(TOKEN_BATCH, |item| {
            let nonce = Zeroizing::new(item.array()?);
            let client = VoprfClient::deserialize(item.take(CLIENT_BYTES)?).map_err(|_| TokenError::Malformed)?;
            Ok(PendingToken { nonce, client })
        })?;
        reader.finish()?;
        Ok(Self { issuer, fingerprint, tokens })
    }

    fn input(&self, token: &PendingToken) -> Vec<u8> {
        token_input(&self.fingerprint, self.issuer.public_key(), &token.nonce)
    }
}

impl fmt::Debug for PendingBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PendingBatch(epoch {}, {} tokens)", self.issuer.epoch(), self.tokens.len())
    }
}

/// Finalize of RFC 9497 for a whole batch: checks the proof, then computes each output.
fn unblind(
    public_key: &[u8; 32],
    inputs: &Vec<Vec<u8>>,
    clients: &Vec<VoprfClient<Ristretto255>>,
    evaluated: &[Vec<u8>],
    proof: &[u8],
) -> Result<Vec<Vec<u8>>, TokenError> {
    if evaluated.len() != clients.len() {
        return Err(TokenError::BatchSize { expected: clients.len(), found: evaluated.len() });
    }
    let exact = |bytes: &[u8], len: usize| if bytes.len() == len { Ok(()) } else { Err(TokenError::Malformed) };
    let mut elements = Vec::with_capacity(evaluated.len());
    for element in evaluated {
        exact(element, 32)?;
        elements.push(EvaluationElement::<Ristretto255>::deserialize(element).map_err(|_| TokenError::Malformed)?);
    }
    exact(proof, 64)?;
    let proof = Proof::<Ristretto255>::deserialize(proof).map_err(|_| TokenError::Malformed)?;
    let public_key = Ristretto255::deserialize_elem(public_key).map_err(|_| TokenError::Malformed)?;
    let outputs = VoprfClient::batch_finalize(inputs, clients, &elements, &proof, public_key)
        .map_err(|_| TokenError::ProofInvalid)?;
    outputs.map(|output| output.map(|output| output.to_vec()).map_err(|_| TokenError::Malformed)).collect()
}

#[cfg(test)]
mod tests;
