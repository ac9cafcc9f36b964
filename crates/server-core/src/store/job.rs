//! Typed jobs over the untyped ones that a [`Store`] takes.

use futures::channel::oneshot;
use quicprochat_wire::{CallFailure, ErrorCode};

use super::{Store, StoreFault, StoreTx};

/// What becomes of a job's writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They become durable.
    Keep,
    /// They are undone, all of them.
    Undo,
}

/// Work inside a transaction.
pub type Job = Box<dyn FnOnce(&mut dyn StoreTx) -> Verdict + Send>;

/// Why a job was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The caller is told this.
    #[error("{0}")]
    Call(CallFailure),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Call(code.into())
    }
}

impl From<CallFailure> for Refusal {
    fn from(failure: CallFailure) -> Self {
        Self::Call(failure)
    }
}

/// Runs `job` on the writer; resolves when what it did is durable. A refusal undoes it.
pub async fn write<T: Send + 'static>(
    store: &dyn Store,
    job: impl FnOnce(&mut dyn StoreTx) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (job, outcome) = erase(job);
    store.submit(job).await?;
    outcome.await.map_err(|_| StoreFault::Closed)?
}

/// Runs `job` on a snapshot of what is durable.
pub async fn read<T: Send + 'static>(
    store: &dyn Store,
    job: impl FnOnce(&mut dyn StoreTx) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let (job, outcome) = erase(job);
    store.query(job).await?;
    outcome.await.map_err(|_| StoreFault::Closed)?
}

type Outcome<T> = oneshot::Receiver<Result<T, Refusal>>;

fn erase<T: Send + 'static>(
    job: impl FnOnce(&mut dyn StoreTx) -> Result<T, Refusal> + Send + 'static,
) -> (Job, Outcome<T>) {
    let (sender, receiver) = oneshot::channel();
    let erased = move |tx: &mut dyn StoreTx| {
        let outcome = job(tx);
        let verdict = if outcome.is_ok() { Verdict::Keep } else { Verdict::Undo };
        // Nobody waits any more if the caller went away; the job counts all the same.
        drop(sender.send(outcome));
        verdict
    };
    (Box::new(erased), receiver)
}
