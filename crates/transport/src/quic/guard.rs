//! How many connections there are, in all and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts connections and refuses those beyond the limits.
#[derive(Debug)]
pub(super) struct Guard {
    counts: Mutex<Counts>,
    most: usize,
    most_per_address: usize,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    guard: Arc<Guard>,
    address: IpAddr,
}

impl Guard {
    pub(super) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { counts: Mutex::default(), most, most_per_address })
    }

    /// Whether it is time to make clients prove their address before anything is spent on them.
    pub(super) fn is_busy(&self) -> bool {
        self.counts().all >= self.most / 2
    }

    /// Counts a connection, unless there are too many.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let address = network(address);
        let mut counts = self.counts();
        let from_there = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= self.most || from_there >= self.most_per_address {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, from_there + 1);
        Some(Admission { guard: Arc::clone(self), address })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Numbers are whole at every step, also after a panic elsewhere.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.guard.counts();
        counts.all = counts.all.saturating_sub(1);
        match counts.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.by_address.remove(&self.address)),
        }
    }
}

/// What one subscriber has to himself: an IPv4 address, or a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn counts_in_all_and_by_network() {
        let guard = Guard::new(4, 2);
        let first = guard.admit(address("2001:db8::1")).expect("room");
        let _second = guard.admit(address("2001:db8::2")).expect("room");
        assert!(guard.admit(address("2001:db8::3")).is_none(), "the /64 is full");
        assert!(guard.is_busy());
        let _third = guard.admit(address("192.0.2.1")).expect("room");
        let _fourth = guard.admit(address("::ffff:192.0.2.1")).expect("room for the same address once more");
        assert!(guard.admit(address("198.51.100.1")).is_none(), "all are taken");
        drop(first);
        assert!(guard.admit(address("192.0.2.1")).is_none(), "the address is full");
        assert!(guard.admit(address("2001:db8::4")).is_some(), "one has gone");
        assert_eq!(guard.counts().by_address.len(), 2);
    }
}
