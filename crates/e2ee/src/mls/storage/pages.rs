//! Large values in pages, so that a commit rewrites only what it changed.
//!
//! OpenMLS writes a group's whole tree on every commit; most of its bytes stay the same, but an inserted node moves all that
//! follow. So a value above 8 KiB is cut where its content says so (a rolling hash over the last 64 bytes), and each page
//! lies at `key || digest`: a page whose content has been seen is not written again, wherever it has moved to.
//!
//! Shape:    at the key: `u8 1 || value`, or `u8 2 || u32 length || digest fixed(16) of each page`, in order.

use std::collections::BTreeSet;

use quicprochat_wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::store::{MlsStore, StoreFault};

const INLINE: u8 = 1;
const PAGED: u8 = 2;
const MAX_INLINE_BYTES: usize = 8 * 1024;
const MIN_PAGE_BYTES: usize = 1024;
const MAX_PAGE_BYTES: usize = 8 * 1024;
/// Eleven bits: pages end after about 2 KiB beyond the least.
const CUT_MASK: u64 = 0x7ff << 53;
const DIGEST_BYTES: usize = 16;

type PageDigest = [u8; DIGEST_BYTES];

/// Writes `value`, of which the first byte is reserved for the version and set here.
pub(super) fn write(store: &dyn MlsStore, key: &[u8], value: &mut Zeroizing<Vec<u8>>) -> Result<(), StoreFault> {
    let before: BTreeSet<PageDigest> = page_digests(store.get(key)?.as_deref())?.into_iter().collect();
    let content = value.get(1..).unwrap_or_default();
    if content.len() <= MAX_INLINE_BYTES {
        before.iter().try_for_each(|page| store.delete(&page_key(key, page)))?;
        if let Some(version) = value.first_mut() {
            *version = INLINE;
        }
        return store.put(key, value);
    }
    let mut head = Writer::new().u8(PAGED).u32(u32::try_from(content.len()).map_err(|_| StoreFault::Unencodable)?);
    let mut after = BTreeSet::new();
    for page in pages(content) {
        let digest = digest(page);
        if after.insert(digest) && !before.contains(&digest) {
            store.put(&page_key(key, &digest), page)?;
        }
        head = head.fixed(digest);
    }
    before.difference(&after).try_for_each(|page| store.delete(&page_key(key, page)))?;
    store.put(key, &head.finish())
}

/// Reads what [`write`] wrote, without the version.
pub(super) fn read(store: &dyn MlsStore, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFault> {
    let Some(head) = store.get(key)?.map(Zeroizing::new) else { return Ok(None) };
    let mut reader = Reader::new(&head);
    if reader.u8().map_err(|_| StoreFault::Damaged)? == INLINE {
        return Ok(Some(Zeroizing::new(reader.rest().to_vec())));
    }
    let digests = page_digests(Some(&head))?;
    let len = usize::try_from(reader.u32().map_err(|_| StoreFault::Damaged)?).map_err(|_| StoreFault::Damaged)?;
    let mut value = Zeroizing::new(Vec::with_capacity(digests.len().saturating_mul(MAX_PAGE_BYTES).min(len)));
    for digest in digests {
        let page = Zeroizing::new(store.get(&page_key(key, &digest))?.ok_or(StoreFault::Damaged)?);
        value.extend_from_slice(&page);
    }
    if value.len() == len { Ok(Some(value)) } else { Err(StoreFault::Damaged) }
}

/// Deletes a value and its pages.
pub(super) fn delete(store: &dyn MlsStore, key: &[u8]) -> Result<(), StoreFault> {
    let pages: BTreeSet<PageDigest> = page_digests(store.get(key)?.as_deref())?.into_iter().collect();
    pages.iter().try_for_each(|page| store.delete(&page_key(key, page)))?;
    store.delete(key)
}

/// As [`delete`], of a value that may be damaged: pages that nothing names any more stay behind.
pub(super) fn sweep(store: &dyn MlsStore, key: &[u8]) -> Result<(), StoreFault> {
    let pages = page_digests(store.get(key)?.as_deref()).unwrap_or_default();
    pages.iter().try_for_each(|page| store.delete(&page_key(key, page)))?;
    store.delete(key)
}

fn page_digests(head: Option<&[u8]>) -> Result<Vec<PageDigest>, StoreFault> {
    let Some(head) = head else { return Ok(Vec::new()) };
    let mut reader = Reader::new(head);
    match reader.u8().map_err(|_| StoreFault::Damaged)? {
        INLINE => Ok(Vec::new()),
        PAGED => {
            reader.u32().map_err(|_| StoreFault::Damaged)?;
            let (digests, rest) = reader.rest().as_chunks::<DIGEST_BYTES>();
            if rest.is_empty() { Ok(digests.to_vec()) } else { Err(StoreFault::Damaged) }
        }
        found => Err(StoreFault::UnknownVersion { found }),
    }
}

/// The pages of a value: each ends where the rolling hash of what precedes has zeros in the mask.
fn pages(mut content: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let end = cut(content);
        let (page, rest) = content.split_at_checked(end)?;
        content = rest;
        (!page.is_empty()).then_some(page)
    })
}

fn cut(content: &[u8]) -> usize {
    let mut hash = 0_u64;
    for (index, byte) in content.iter().enumerate().take(MAX_PAGE_BYTES) {
        hash = (hash << 1).wrapping_add(scatter(*byte));
        if index + 1 >= MIN_PAGE_BYTES && hash & CUT_MASK == 0 {
            return index + 1;
        }
    }
    content.len().min(MAX_PAGE_BYTES)
}

/// A fixed pseudo-random number for each byte (the finaliser of SplitMix64).
const fn scatter(byte: u8) -> u64 {
    let mut x = (byte as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn page_key(key: &[u8], digest: &PageDigest) -> Vec<u8> {
    [key, digest].concat()
}

fn digest(page: &[u8]) -> PageDigest {
    let mut short = [0; DIGEST_BYTES];
    for (out, byte) in short.iter_mut().zip(Sha256::digest(page)) {
        *out = byte;
    }
    short
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use quicprochat_wire::Entropy as _;

    use super::*;
    use crate::{mls::MemoryMlsStore, testing::SeededEntropy};

    #[derive(Default)]
    struct Counting {
        inner: MemoryMlsStore,
        written: Cell<usize>,
    }

    impl MlsStore for Counting {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
            self.inner.get(key)
        }
        fn put(&self, key: &[u8], value: &[u8]) -> Result<(), StoreFault> {
            self.written.set(self.written.get() + value.len());
            self.inner.put(key, value)
        }
        fn delete(&self, key: &[u8]) -> Result<(), StoreFault> {
            self.inner.delete(key)
        }
    }

    /// Bytes as those of keys: no pattern.
    fn value(len: usize) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(vec![0; len + 1]);
        SeededEntropy::new(1).fill(&mut bytes);
        bytes
    }

    #[test]
    fn values_of_every_size_round_trip_and_shrink_again() {
        let store = Counting::default();
        for len in [0, 1, 8192, 8193, 12_288, 100_000, 50_000, 8193, 5, 100_000] {
            write(&store, b"k", &mut value(len)).expect("written");
            let read = read(&store, b"k").expect("readable").expect("present");
            assert_eq!(read.as_slice(), &value(len)[1..], "{len} bytes");
            let pages = if len > MAX_INLINE_BYTES { pages(&value(len)[1..]).count() } else { 0 };
            assert_eq!(store.inner.len(), 1 + pages, "{len} bytes leave no page behind");
        }
        delete(&store, b"k").expect("deleted");
        assert!(store.inner.is_empty());
    }

    #[test]
    fn pages_have_their_sizes_and_repeated_ones_are_stored_once() {
        let content = value(200_000);
        let sizes: Vec<_> = pages(&content).map(<[u8]>::len).collect();
        let (_, but_last) = sizes.split_last().expect("pages");
        assert!(but_last.iter().all(|size| (MIN_PAGE_BYTES..=MAX_PAGE_BYTES).contains(size)), "{sizes:?}");
        assert!((40..120).contains(&sizes.len()), "{}", sizes.len());
        let store = Counting::default();
        write(&store, b"k", &mut Zeroizing::new(vec![7; 80_001])).expect("written");
        assert!(store.inner.len() <= 3);
        assert_eq!(read(&store, b"k").expect("readable").expect("present").as_slice(), &[7; 80_000]);
        delete(&store, b"k").expect("deleted");
        assert!(store.inner.is_empty());
    }

    #[test]
    fn a_small_change_writes_little_even_where_it_moves_the_rest() {
        let store = Counting::default();
        write(&store, b"k", &mut value(400_000)).expect("written");
        let mut changed = value(400_000);
        for change in 0..3 {
            match change {
                0 => changed[200_000] ^= 1,
                1 => changed.splice(1000..1000, [1, 2, 3]).for_each(drop),
                _ => changed.drain(5000..5100).for_each(drop),
            }
            store.written.set(0);
            write(&store, b"k", &mut changed).expect("written");
            assert!(store.written.get() < 40_000, "{} bytes written for change {change}", store.written.get());
            assert_eq!(read(&store, b"k").expect("readable").expect("present").as_slice(), &changed[1..]);
        }
    }

    #[test]
    fn a_lost_page_and_a_later_version_are_noticed() {
        let store = Counting::default();
        let content = value(20_000);
        write(&store, b"k", &mut value(20_000)).expect("written");
        let page = digest(pages(&content[1..]).nth(2).expect("a third page"));
        store.delete(&page_key(b"k", &page)).expect("deleted");
        assert_eq!(read(&store, b"k").err(), Some(StoreFault::Damaged));
        store.put(b"k", &[9, 1]).expect("written");
        assert_eq!(read(&store, b"k").err(), Some(StoreFault::UnknownVersion { found: 9 }));
    }
}
