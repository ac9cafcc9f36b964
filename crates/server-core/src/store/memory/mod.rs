//! A store in memory: for tests, and for simulations that fail or crash it at will.

mod accounts;
mod archives;
mod channels;
mod dump;
mod inboxes;
mod table;
mod tables;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};

pub use dump::{Cell, DumpTable};

use self::tables::Tables;
use super::{Job, Store, StoreFault, Verdict};

/// A moment of a write at which something may go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultPoint {
    /// The job has not run.
    BeforeWrite,
    /// The job has run; nothing of it is durable.
    BeforeSync,
    /// It is durable; nobody has been told.
    AfterSync,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing.
    None,
    /// The write fails with this, and the store goes on. At [`FaultPoint::AfterSync`] the write is done all the same.
    Fail(StoreFault),
    /// The process dies: every call fails with [`StoreFault::Closed`] until [`MemoryStore::restart`].
    Crash,
}

/// Decides about each moment of each write.
pub type FaultHook = Box<dyn FnMut(FaultPoint) -> Fault + Send>;

/// A store in memory. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    tables: Tables,
    hook: Option<FaultHook>,
    crashed: bool,
}

impl MemoryStore {
    /// An empty store without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `hook` decide what goes wrong from now on.
    pub fn set_faults(&self, hook: Option<FaultHook>) {
        self.lock().hook = hook;
    }

    /// Whether a crash was injected and the store not restarted.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Comes back after a crash with what was durable.
    pub fn restart(&self) {
        self.lock().crashed = false;
    }

    /// Another store with what is durable in this one, and without its faults.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let mut inner = self.lock();
        inner.tables.undo();
        let copy = Inner { tables: inner.tables.clone(), hook: None, crashed: false };
        Self { inner: Arc::new(Mutex::new(copy)) }
    }

    /// Has from now on what is durable in another store: a server that was put back to an older backup.
    pub fn restore(&self, other: &Self) {
        let tables = other.snapshot().lock().tables.clone();
        self.lock().tables = tables;
    }

    /// Every row that is durable, as it stands: what a thief of the database would have.
    #[must_use]
    pub fn dump(&self) -> Vec<DumpTable> {
        let mut inner = self.lock();
        inner.tables.undo();
        inner.tables.dump()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A job that panicked has not ended its transaction; the next one undoes it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl core::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn submit(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
        let store = self.clone();
        async move { store.lock().write(job) }.boxed()
    }

    fn query(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>> {
        let store = self.clone();
        async move { store.lock().read(job) }.boxed()
    }
}

impl Inner {
    fn write(&mut self, job: Job) -> Result<(), StoreFault> {
        self.tables.undo();
        self.fault(FaultPoint::BeforeWrite)?;
        self.tables.writable = true;
        let verdict = job(&mut self.tables);
        self.tables.writable = false;
        if let Err(fault) = self.fault(FaultPoint::BeforeSync) {
            self.tables.undo();
            return Err(fault);
        }
        match verdict {
            Verdict::Keep => self.tables.keep(),
            Verdict::Undo => self.tables.undo(),
        }
        self.fault(FaultPoint::AfterSync)
    }

    fn read(&mut self, job: Job) -> Result<(), StoreFault> {
        if self.crashed {
            return Err(StoreFault::Closed);
        }
        self.tables.undo();
        job(&mut self.tables);
        Ok(())
    }

    fn fault(&mut self, point: FaultPoint) -> Result<(), StoreFault> {
        if self.crashed {
            return Err(StoreFault::Closed);
        }
        match self.hook.as_mut().map_or(Fault::None, |hook| hook(point)) {
            Fault::None => Ok(()),
            Fault::Fail(fault) => Err(fault),
            Fault::Crash => {
                self.crashed = true;
                Err(StoreFault::Closed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::store::{Refusal, StateKey, conformance, read, write};

    #[test]
    fn passes_the_conformance_suite() {
        block_on(conformance::run(&mut Fixture)).expect("conforms");
    }

    struct Fixture;

    impl conformance::Fixture for Fixture {
        fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
            async { Arc::new(MemoryStore::new()) as Arc<dyn Store> }.boxed()
        }

        fn reopen(&mut self, store: Arc<dyn Store>) -> BoxFuture<'_, Arc<dyn Store>> {
            async { store }.boxed()
        }
    }

    fn put(store: &MemoryStore, value: u8) -> Result<(), Refusal> {
        block_on(write(store, move |tx| Ok(tx.state().put(StateKey::TokenSeed, &[value])?)))
    }

    fn stored(store: &MemoryStore) -> Option<Vec<u8>> {
        block_on(read(store, |tx| Ok(tx.state().get(StateKey::TokenSeed)?))).expect("readable")
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_nothing_else() {
        for (point, kept) in [(FaultPoint::BeforeWrite, 1), (FaultPoint::BeforeSync, 1), (FaultPoint::AfterSync, 2)] {
            let store = MemoryStore::new();
            put(&store, 1).expect("no faults yet");
            store.set_faults(Some(Box::new(move |at| if at == point { Fault::Crash } else { Fault::None })));
            assert_eq!(put(&store, 2), Err(StoreFault::Closed.into()));
            assert!(store.crashed());
            assert_eq!(put(&store, 3), Err(StoreFault::Closed.into()));
            store.set_faults(None);
            store.restart();
            assert_eq!(stored(&store), Some(vec![kept]), "{point:?}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_store_open() {
        let store = MemoryStore::new();
        let mut once = true;
        store.set_faults(Some(Box::new(move |at| {
            if at == FaultPoint::BeforeSync && core::mem::take(&mut once) {
                Fault::Fail(StoreFault::Full)
            } else {
                Fault::None
            }
        })));
        assert_eq!(put(&store, 1), Err(StoreFault::Full.into()));
        assert_eq!(stored(&store), None);
        assert_eq!(put(&store, 2), Ok(()));
        assert_eq!(stored(&store), Some(vec![2]));
    }
}
