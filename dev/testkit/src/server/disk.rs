//! A disk that takes its time: what is submitted becomes durable at the next sync, many jobs at once.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt as _,
    channel::oneshot,
    future::{self, BoxFuture},
};
use quicprochat_server_core::store::{Job, Store, StoreFault, memory::MemoryStore};
use quicprochat_wire::mutant::{Mutant, is_on};

type Waiting = VecDeque<(Job, oneshot::Sender<Result<(), StoreFault>>)>;

/// A store whose writes wait for [`Disk::sync`]. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Disk {
    store: MemoryStore,
    waiting: Arc<Mutex<Waiting>>,
    /// What is on the platters, while [`Mutant::AcknowledgeBeforeSync`] has told more than that.
    synced: Arc<Mutex<Option<MemoryStore>>>,
}

impl Disk {
    pub(crate) fn new(store: MemoryStore) -> Self {
        Self { store, waiting: Arc::default(), synced: Arc::default() }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.lock().is_empty() && self.synced().is_none()
    }

    /// Makes everything submitted durable in order, then tells those who wait. Returns how many jobs there were. A crash among
    /// them (a fault of the store) keeps those before it.
    pub(crate) fn sync(&self) -> usize {
        if self.store.crashed() {
            // What was told early, and is on no platter, is lost with the process.
            return 0;
        }
        let jobs: Vec<_> = self.lock().drain(..).collect();
        let count = jobs.len() + usize::from(self.synced().take().is_some());
        let mut done = Vec::with_capacity(count);
        for (job, sender) in jobs {
            let result = self.store.submit(job).now_or_never().unwrap_or(Err(StoreFault::Closed));
            done.push((sender, result));
        }
        for (sender, result) in done {
            // Whoever asked may be gone; the job counts all the same.
            let _: Result<_, _> = sender.send(result);
        }
        count
    }

    /// Forgets what was submitted and not synced: the process is gone.
    pub(crate) fn lose(&self) {
        self.lock().clear();
        if let Some(before) = self.synced().take() {
            self.store.restore(&before);
        }
    }

    /// Does a job at once and tells so, as if it were durable.
    fn tell_early(&self, job: Job) -> Result<(), StoreFault> {
        self.synced().get_or_insert_with(|| self.store.snapshot());
        self.store.submit(job).now_or_never().unwrap_or(Err(StoreFault::Closed))
    }

    fn synced(&self) -> MutexGuard<'_, Option<MemoryStore>> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Disk {
    fn submit(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
        if self.store.crashed() {
            return future::ready(Err(StoreFault::Closed)).boxed();
        }
        if is_on(Mutant::AcknowledgeBeforeSync) {
            return future::ready(self.tell_early(job)).boxed();
        }
        let (sender, receiver) = oneshot::channel();
        self.lock().push_back((job, sender));
        receiver.map(|answer| answer.unwrap_or(Err(StoreFault::Closed))).boxed()
    }

    fn query(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
        self.store.query(job)
    }
}

#[cfg(test)]
mod tests {
    use quicprochat_server_core::store::{
        StateKey,
        memory::{Fault, FaultPoint},
        read, write,
    };

    use super::*;

    fn stored(disk: &Disk) -> Option<Vec<u8>> {
        let read = read(disk, |tx| Ok(tx.state().get(StateKey::TokenSeed)?));
        read.now_or_never().expect("reads at once").expect("readable")
    }

    #[test]
    fn nothing_is_durable_or_acknowledged_before_the_sync() {
        let disk = Disk::new(MemoryStore::new());
        let mut put = Box::pin(write(&disk, |tx| Ok(tx.state().put(StateKey::TokenSeed, &[1])?)));
        assert_eq!(put.as_mut().now_or_never(), None);
        assert_eq!(stored(&disk), None);
        assert_eq!(disk.sync(), 1);
        assert_eq!(stored(&disk), Some(vec![1]));
        assert_eq!(put.now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_crash_in_a_sync_keeps_what_came_before_it() {
        let store = MemoryStore::new();
        let disk = Disk::new(store.clone());
        let mut puts: Vec<_> = (1..=3)
            .map(|value| Box::pin(write(&disk, move |tx| Ok(tx.state().put(StateKey::TokenSeed, &[value])?))))
            .collect();
        assert!(puts.iter_mut().all(|put| put.as_mut().now_or_never().is_none()));
        let mut syncs = 0;
        store.set_faults(Some(Box::new(move |at| {
            syncs += u32::from(at == FaultPoint::BeforeSync);
            if syncs == 2 { Fault::Crash } else { Fault::None }
        })));
        disk.sync();
        store.set_faults(None);
        store.restart();
        assert_eq!(stored(&disk), Some(vec![1]));
        let answers: Vec<_> = puts.iter_mut().map(|put| put.as_mut().now_or_never().expect("told")).collect();
        assert_eq!(answers.first(), Some(&Ok(())));
        assert!(answers.iter().skip(1).all(Result::is_err));
    }
}
