//! The stock of blind tokens.

use quicprochat_wire::{Timestamp, call::token::Token};

use super::{
    StoreFault,
    codec::{stored_rows, stored_struct},
};

stored_struct! {
    /// A token that was not spent.
    StockToken {
        /// The token.
        token: Token,
        /// Not to be spent before (A6: a random delay after it was issued).
        ready: Timestamp,
        /// Worthless after.
        expires: Timestamp,
    }
}

stored_rows! { StockToken = 1, }

/// Where tokens are kept.
pub trait TokenStore {
    /// Adds one; the nonce identifies it.
    fn put_token(&self, token: &StockToken) -> Result<(), StoreFault>;

    /// All, the earliest `ready` first.
    fn stock(&self) -> Result<Vec<StockToken>, StoreFault>;

    /// Removes the token with this nonce, if present.
    fn delete_token(&self, nonce: &[u8]) -> Result<(), StoreFault>;
}
