//! Blind tokens.

use super::{
    error::CodecError,
    field::{exact_bytes, exact_list, sized, structs, write_exact_list, write_structs},
};
use crate::{
    call::token::{IssuerKey, IssuerKeys, Token, TokenIssue, TokensIssued},
    limits::{
        MAX_ISSUER_KEYS, TOKEN_BATCH, TOKEN_ELEMENT_BYTES, TOKEN_NONCE_BYTES, TOKEN_OUTPUT_BYTES, TOKEN_PROOF_BYTES,
    },
    schema::qpc_capnp::{issuer_key, issuer_keys, token, token_issue, tokens_issued},
    time::Timestamp,
};

pub(super) fn write_keys(keys: &IssuerKeys, out: issuer_keys::Builder<'_>) -> Result<(), CodecError> {
    write_structs!("keys", &keys.keys, MAX_ISSUER_KEYS, out => init_keys, write_key);
    Ok(())
}

pub(super) fn read_keys(from: issuer_keys::Reader<'_>) -> Result<IssuerKeys, CodecError> {
    Ok(IssuerKeys { keys: structs("keys", from.get_keys(), MAX_ISSUER_KEYS, read_key)? })
}

fn write_key(key: &IssuerKey, mut out: issuer_key::Builder<'_>) -> Result<(), CodecError> {
    out.set_epoch(key.epoch);
    out.set_public_key(sized("publicKey", &key.public_key, TOKEN_ELEMENT_BYTES)?);
    out.set_issues_until(key.issues_until.0);
    out.set_redeems_until(key.redeems_until.0);
    Ok(())
}

fn read_key(from: issuer_key::Reader<'_>) -> Result<IssuerKey, CodecError> {
    Ok(IssuerKey {
        epoch: from.get_epoch(),
        public_key: exact_bytes("publicKey", from.get_public_key(), TOKEN_ELEMENT_BYTES)?,
        issues_until: Timestamp(from.get_issues_until()),
        redeems_until: Timestamp(from.get_redeems_until()),
    })
}

pub(super) fn write_issue(issue: &TokenIssue, mut out: token_issue::Builder<'_>) -> Result<(), CodecError> {
    out.set_epoch(issue.epoch);
    write_exact_list!("blinded", &issue.blinded, TOKEN_BATCH, TOKEN_ELEMENT_BYTES, out => init_blinded);
    Ok(())
}

pub(super) fn read_issue(from: token_issue::Reader<'_>) -> Result<TokenIssue, CodecError> {
    Ok(TokenIssue {
        epoch: from.get_epoch(),
        blinded: exact_list("blinded", from.get_blinded(), TOKEN_BATCH, TOKEN_ELEMENT_BYTES)?,
    })
}

pub(super) fn write_issued(issued: &TokensIssued, mut out: tokens_issued::Builder<'_>) -> Result<(), CodecError> {
    out.set_proof(sized("proof", &issued.proof, TOKEN_PROOF_BYTES)?);
    let items = &issued.evaluated;
    write_exact_list!("evaluated", items, TOKEN_BATCH, TOKEN_ELEMENT_BYTES, out => init_evaluated);
    Ok(())
}

pub(super) fn read_issued(from: tokens_issued::Reader<'_>) -> Result<TokensIssued, CodecError> {
    Ok(TokensIssued {
        evaluated: exact_list("evaluated", from.get_evaluated(), TOKEN_BATCH, TOKEN_ELEMENT_BYTES)?,
        proof: exact_bytes("proof", from.get_proof(), TOKEN_PROOF_BYTES)?,
    })
}

pub(super) fn write_token(token: &Token, mut out: token::Builder<'_>) -> Result<(), CodecError> {
    out.set_epoch(token.epoch);
    out.set_nonce(sized("nonce", &token.nonce, TOKEN_NONCE_BYTES)?);
    out.set_authenticator(sized("authenticator", &token.authenticator, TOKEN_OUTPUT_BYTES)?);
    Ok(())
}

pub(super) fn read_token(from: token::Reader<'_>) -> Result<Token, CodecError> {
    Ok(Token {
        epoch: from.get_epoch(),
        nonce: exact_bytes("nonce", from.get_nonce(), TOKEN_NONCE_BYTES)?,
        authenticator: exact_bytes("authenticator", from.get_authenticator(), TOKEN_OUTPUT_BYTES)?,
    })
}
