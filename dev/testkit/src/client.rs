//! The seam between a world and the engines in it.

use quicprochat_client_core::{Effect, Engine, Input, StoreTx};
use quicprochat_wire::{Entropy, Timestamp};

/// What a world drives: one engine of one process. The real one is the client engine; tests of the world itself put probes here.
pub trait Client {
    /// Handles one input inside one transaction.
    ///
    /// Errors:   in words; the transaction is rolled back and the client dropped.
    fn handle(&mut self, now: Timestamp, input: Input, tx: &mut dyn StoreTx) -> Result<(), String>;

    /// What to do next, after the transaction is committed.
    fn poll_effect(&mut self) -> Option<Effect>;

    /// When it wants to be called again.
    fn poll_timeout(&self) -> Option<Timestamp>;
}

/// Makes the client of a process that starts.
pub type MakeClient = Box<dyn FnMut(Box<dyn Entropy>) -> Box<dyn Client>>;

impl Client for Engine {
    fn handle(&mut self, now: Timestamp, input: Input, tx: &mut dyn StoreTx) -> Result<(), String> {
        Self::handle(self, now, input, tx).map_err(|error| format!("{error}: {error:?}"))
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        Self::poll_effect(self)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        Self::poll_timeout(self)
    }
}

/// Processes run the real engine.
#[must_use]
pub fn engines() -> MakeClient {
    Box::new(|entropy| Box::new(Engine::new(entropy)))
}
