//! What all services share.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use quicprochat_wire::{AccountId, ChannelId, Entropy, Timestamp, entropy::random_array};
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use crate::{
    auth::OpaqueServer,
    config::{Limits, ServerConfig},
    limiter::{KeyedLimiter, Limiter},
    linking::LinkTable,
    recovery,
    store::Store,
    tokens::Issuer,
    wakers::Wakers,
};

pub(crate) struct Core {
    pub(crate) config: ServerConfig,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) opaque: OpaqueServer,
    pub(crate) issuer: Issuer,
    pub(crate) limits: SharedLimits,
    pub(crate) channel_wakers: Wakers<ChannelId>,
    pub(crate) account_wakers: Wakers<AccountId>,
    pub(crate) links: LinkTable,
    pub(crate) draining: AtomicBool,
    pub(crate) recovery: recovery::Clock,
    entropy: Mutex<Box<dyn Entropy>>,
}

/// Rates that connections share. Each is keyed by one thing alone: an account, a channel, or a name.
pub(crate) struct SharedLimits {
    pub(crate) by_account: KeyedLimiter<AccountId>,
    pub(crate) by_name: KeyedLimiter<String>,
    pub(crate) enqueues: KeyedLimiter<ChannelId>,
    pub(crate) registrations: Limiter,
}

impl SharedLimits {
    fn new(limits: &Limits) -> Self {
        Self {
            by_account: KeyedLimiter::new(limits.calls_by_account),
            by_name: KeyedLimiter::new(limits.sign_ins_by_name),
            enqueues: KeyedLimiter::new(limits.channel_enqueues),
            registrations: Limiter::new(limits.registrations),
        }
    }

    /// Forgets whoever has their full rate again.
    pub(crate) fn sweep(&self, now: Timestamp) {
        self.by_account.sweep(now);
        self.by_name.sweep(now);
        self.enqueues.sweep(now);
    }
}

impl Core {
    pub(crate) fn new(
        config: ServerConfig,
        store: Arc<dyn Store>,
        opaque: OpaqueServer,
        issuer: Issuer,
        recovery: recovery::Clock,
        entropy: Box<dyn Entropy>,
    ) -> Self {
        Self {
            limits: SharedLimits::new(&config.limits),
            config,
            store,
            opaque,
            issuer,
            channel_wakers: Wakers::default(),
            account_wakers: Wakers::default(),
            links: LinkTable::default(),
            draining: AtomicBool::new(false),
            recovery,
            entropy: Mutex::new(entropy),
        }
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        self.with_entropy(|entropy| random_array(entropy))
    }

    /// A generator of its own for one longer step, so that nobody waits for it.
    pub(crate) fn fork_entropy(&self) -> impl Entropy + use<> {
        Fork { seed: Zeroizing::new(self.random()), blocks: 0 }
    }

    fn with_entropy<T>(&self, step: impl FnOnce(&mut dyn Entropy) -> T) -> T {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        step(&mut **entropy)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// SHA-512 in counter mode over a fresh seed.
struct Fork {
    seed: Zeroizing<[u8; 64]>,
    blocks: u64,
}

impl Entropy for Fork {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(64) {
            let hash = Sha512::new().chain_update(b"qpc/1 entropy\0").chain_update(self.seed.as_slice());
            let block = Zeroizing::new(<[u8; 64]>::from(hash.chain_update(self.blocks.to_le_bytes()).finalize()));
            self.blocks = self.blocks.wrapping_add(1);
            for (byte, random) in chunk.iter_mut().zip(block.iter()) {
                *byte = *random;
            }
        }
    }
}
