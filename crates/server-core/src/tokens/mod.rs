//! Blind tokens: issued to accounts, spent by nobody in particular (DESIGN A6).

mod issue;
mod issuer;
mod keys;
mod spend;

pub(crate) use issue::issue;
pub(crate) use issuer::{Issuer, VerifiedToken};
pub(crate) use keys::keys;
pub(crate) use spend::spend;

#[cfg(test)]
mod tests;
