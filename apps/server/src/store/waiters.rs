//! Telling those who wait for a transaction.
//!
//! To wake many tasks of a runtime from a thread that is none of its own costs a system call each. A task of the runtime wakes
//! them for nothing.

use std::sync::{Arc, OnceLock};

use quicprochat_server_core::store::StoreFault;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
};

/// What a job came to.
pub(super) type Outcome = Result<(), StoreFault>;

/// Whom to tell what; they are told when this is dropped.
#[derive(Default, Debug)]
pub(super) struct Finished(pub(super) Vec<(oneshot::Sender<Outcome>, Outcome)>);

impl Drop for Finished {
    fn drop(&mut self) {
        for (done, outcome) in self.0.drain(..) {
            // A caller that went away needs no answer.
            let _ = done.send(outcome);
        }
    }
}

/// The runtime of those who wait, once there was one.
#[derive(Clone, Default, Debug)]
pub(super) struct Waiters(Arc<OnceLock<Handle>>);

impl Waiters {
    /// Notes the runtime of whoever submits a job. Only one with threads of its own: nobody might drive another.
    pub(super) fn note(&self) {
        if self.0.get().is_none()
            && let Ok(runtime) = Handle::try_current()
            && runtime.runtime_flavor() == RuntimeFlavor::MultiThread
        {
            self.0.get_or_init(|| runtime);
        }
    }

    /// Tells everybody, from one task if there are many. Should the runtime be gone, it drops the task, which tells them, too.
    pub(super) fn tell(&self, finished: Finished) {
        match self.0.get() {
            Some(runtime) if finished.0.len() > 1 => drop(runtime.spawn(async move { drop(finished) })),
            Some(_) | None => drop(finished),
        }
    }
}
