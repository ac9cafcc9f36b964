//! Spending, inside the transaction of what the token pays for.

use quicprochat_wire::{
    ErrorCode,
    mutant::{Mutant, is_on},
};

use super::VerifiedToken;
use crate::store::{Refusal, StoreTx};

/// Spends a token.
///
/// Errors:   whatever was wrong with the token, `token-spent` if it was spent before.
pub(crate) fn spend(tx: &mut dyn StoreTx, token: Result<VerifiedToken, ErrorCode>) -> Result<(), Refusal> {
    let token = token?;
    if tx.tokens().spend(token.epoch, &token.nonce)? || is_on(Mutant::SpendTokenTwice) {
        Ok(())
    } else {
        Err(ErrorCode::TokenSpent.into())
    }
}
