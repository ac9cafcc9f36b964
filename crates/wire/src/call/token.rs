//! Blind tokens: VOPRF ristretto255 (RFC 9497), batched as in draft-ietf-privacypass-batched-tokens (DESIGN A6).

use crate::time::Timestamp;

/// Asks for the issuer keys in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenKeys {}

/// The issuer keys in force; one for everybody in each epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuerKeys {
    /// The current epoch's, and the previous one's while its tokens still count.
    pub keys: Vec<IssuerKey>,
}

/// One issuer key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuerKey {
    /// Epoch number.
    pub epoch: u32,
    /// Compressed ristretto255 point, 32 bytes.
    pub public_key: Vec<u8>,
    /// Until when the key issues.
    pub issues_until: Timestamp,
    /// Until when its tokens count.
    pub redeems_until: Timestamp,
}

/// Asks for one batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenIssue {
    /// Under which epoch's key.
    pub epoch: u32,
    /// Exactly [`crate::limits::TOKEN_BATCH`] blinded elements of 32 bytes.
    pub blinded: Vec<Vec<u8>>,
}

/// One batch, evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokensIssued {
    /// In the order asked for.
    pub evaluated: Vec<Vec<u8>>,
    /// One DLEQ proof (c, s; 64 bytes) for the whole batch.
    pub proof: Vec<u8>,
}

/// A token as it is spent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Which key made it.
    pub epoch: u32,
    /// Random, 32 bytes.
    pub nonce: Vec<u8>,
    /// The VOPRF output over the token input of protocol.md, 64 bytes.
    pub authenticator: Vec<u8>,
}
