//! Large values in pages, so that a commit rewrites only what it changed.
//!
//! A value of up to 8 KiB lies at its key. A larger one is cut into pages of 4 KiB at `key || u32 index (big-endian)`, and
//! its key holds their digests; a page is written only if its digest changed. A group's tree is rewritten by OpenMLS on
//! every commit; most of its bytes stay the same and in place.
//!
//! Shape:    at the key: `u8 1 || value`, or `u8 2 || u32 length || digest fixed(16) of each page`.

use quicprochat_wire::{Reader, Writer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::store::{MlsStore, StoreFault};

const INLINE: u8 = 1;
const PAGED: u8 = 2;
const MAX_INLINE_BYTES: usize = 8 * 1024;
const PAGE_BYTES: usize = 4 * 1024;
const DIGEST_BYTES: usize = 16;

type PageDigest = [u8; DIGEST_BYTES];

/// Writes `value`, of which the first byte is reserved for the version and set here.
pub(super) fn write(store: &dyn MlsStore, key: &[u8], value: &mut Zeroizing<Vec<u8>>) -> Result<(), StoreFault> {
    let before = page_digests(store.get(key)?.as_deref())?;
    let content = value.get(1..).unwrap_or_default();
    if content.len() <= MAX_INLINE_BYTES {
        delete_pages(store, key, 0, before.len())?;
        if let Some(version) = value.first_mut() {
            *version = INLINE;
        }
        return store.put(key, value);
    }
    let mut head = Writer::new().u8(PAGED).u32(u32::try_from(content.len()).map_err(|_| StoreFault::Unencodable)?);
    let mut count = 0;
    for (index, page) in content.chunks(PAGE_BYTES).enumerate() {
        let digest = digest(page);
        if before.get(index) != Some(&digest) {
            store.put(&page_key(key, index), page)?;
        }
        head = head.fixed(digest);
        count = index + 1;
    }
    delete_pages(store, key, count, before.len())?;
    store.put(key, &head.finish())
}

/// Reads what [`write`] wrote, without the version.
pub(super) fn read(store: &dyn MlsStore, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFault> {
    let Some(head) = store.get(key)?.map(Zeroizing::new) else { return Ok(None) };
    let mut reader = Reader::new(&head);
    match reader.u8().map_err(|_| StoreFault::Damaged)? {
        INLINE => Ok(Some(Zeroizing::new(reader.rest().to_vec()))),
        PAGED => {
            let len =
                usize::try_from(reader.u32().map_err(|_| StoreFault::Damaged)?).map_err(|_| StoreFault::Damaged)?;
            let pages = reader.rest().len() / DIGEST_BYTES;
            let mut value = Zeroizing::new(Vec::with_capacity(pages * PAGE_BYTES));
            for index in 0..pages {
                let page = Zeroizing::new(store.get(&page_key(key, index))?.ok_or(StoreFault::Damaged)?);
                value.extend_from_slice(&page);
            }
            if value.len() == len { Ok(Some(value)) } else { Err(StoreFault::Damaged) }
        }
        found => Err(StoreFault::UnknownVersion { found }),
    }
}

/// Deletes a value and its pages.
pub(super) fn delete(store: &dyn MlsStore, key: &[u8]) -> Result<(), StoreFault> {
    let pages = page_digests(store.get(key)?.as_deref())?.len();
    delete_pages(store, key, 0, pages)?;
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

fn delete_pages(store: &dyn MlsStore, key: &[u8], from: usize, to: usize) -> Result<(), StoreFault> {
    (from..to).try_for_each(|index| store.delete(&page_key(key, index)))
}

fn page_key(key: &[u8], index: usize) -> Vec<u8> {
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    [key, &index.to_be_bytes()].concat()
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

    use super::*;
    use crate::mls::MemoryMlsStore;

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

    fn value(len: usize) -> Zeroizing<Vec<u8>> {
        Zeroizing::new((0..=len).map(|index| u8::try_from(index % 251).expect("below 251")).collect())
    }

    #[test]
    fn values_of_every_size_round_trip_and_shrink_again() {
        let store = Counting::default();
        for len in [0, 1, 8192, 8193, 12_288, 100_000, 50_000, 8193, 5, 100_000] {
            write(&store, b"k", &mut value(len)).expect("written");
            let read = read(&store, b"k").expect("readable").expect("present");
            assert_eq!(read.as_slice(), &value(len)[1..], "{len} bytes");
            let expected = if len > MAX_INLINE_BYTES { 1 + len.div_ceil(PAGE_BYTES) } else { 1 };
            assert_eq!(store.inner.len(), expected, "{len} bytes leave no page behind");
        }
        delete(&store, b"k").expect("deleted");
        assert!(store.inner.is_empty());
    }

    #[test]
    fn a_small_change_writes_one_page_and_the_head() {
        let store = Counting::default();
        write(&store, b"k", &mut value(400_000)).expect("written");
        store.written.set(0);
        let mut changed = value(400_000);
        changed[200_000] ^= 1;
        write(&store, b"k", &mut changed).expect("written");
        assert!(store.written.get() < PAGE_BYTES + 2048, "{} bytes written", store.written.get());
        assert_eq!(read(&store, b"k").expect("readable").expect("present").as_slice(), &changed[1..]);
    }

    #[test]
    fn a_lost_page_and_a_later_version_are_noticed() {
        let store = Counting::default();
        write(&store, b"k", &mut value(20_000)).expect("written");
        store.delete(&page_key(b"k", 2)).expect("deleted");
        assert_eq!(read(&store, b"k").err(), Some(StoreFault::Damaged));
        store.put(b"k", &[9, 1]).expect("written");
        assert_eq!(read(&store, b"k").err(), Some(StoreFault::UnknownVersion { found: 9 }));
    }
}
