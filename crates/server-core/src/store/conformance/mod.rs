//! What every backend must do, as a suite that it runs on itself.

mod accounts;
mod archives;
mod channels;
mod durability;
mod inboxes;

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{Refusal, Store};

/// How the suite gets at stores of a backend.
pub trait Fixture: Send {
    /// Opens a new, empty store.
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>>;
    /// Shuts the store down and opens it again from what it left on disk.
    fn reopen(&mut self, store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>>;
}

/// A rule that the backend breaks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NonConformance {
    /// It does something else than it should.
    #[error("the store breaks a rule: {rule}")]
    Broken {
        /// As a sentence.
        rule: &'static str,
    },
    /// It fails where it should not.
    #[error("the store failed")]
    Failed(#[from] Refusal),
}

/// Ends a check with the rule that does not hold.
macro_rules! ensure {
    ($holds:expr, $rule:literal) => {
        if !$holds {
            return Err($crate::store::conformance::NonConformance::Broken { rule: $rule });
        }
    };
}
use ensure;

/// Runs the whole suite, each part on a store of its own.
pub async fn run(fixture: &mut dyn Fixture) -> Result<(), NonConformance> {
    accounts::check(&*fixture.open().await).await?;
    archives::check(&*fixture.open().await).await?;
    channels::check(&*fixture.open().await).await?;
    inboxes::check(&*fixture.open().await).await?;
    durability::check(fixture).await
}
