//! The implicit binary search tree over log entries (draft section 4.1, appendix A).
//!
//! ```text
//!                7                 14 entries: entry 7 is the root, 7 · 11 · 13 the frontier.
//!         3             11         All entries left of a node are older than it, all right of it newer.
//!      1     5       9      13     A node's level is the number of one bits at the end of its number.
//!     0 2   4 6    8  10  12
//! ```

/// The root over `size` entries; `None` without any.
#[must_use]
pub fn root(size: u64) -> Option<u64> {
    size.checked_ilog2().map(|exponent| (1 << exponent) - 1)
}

/// The left child of an entry, unless it is a leaf. It exists in every log that has the entry.
#[must_use]
pub const fn left(entry: u64) -> Option<u64> {
    match entry.trailing_ones() {
        0 => None,
        level => Some(entry ^ (1 << (level - 1))),
    }
}

/// The right child of an entry in a log of `size` entries.
#[must_use]
pub const fn right(entry: u64, size: u64) -> Option<u64> {
    let level = entry.trailing_ones();
    // With all bits set there is nothing to the right; nor is there of the newest entry.
    if level == 0 || level >= u64::BITS - 1 || entry + 1 >= size {
        return None;
    }
    let mut child = entry ^ (3 << (level - 1));
    while child >= size {
        // A leaf that is not in the log has its parent in it, so the way down ends before.
        child = match left(child) {
            Some(child) => child,
            None => return None,
        };
    }
    Some(child)
}

/// The entries from the root to the newest one, from left to right.
pub fn frontier(size: u64) -> impl Iterator<Item = u64> {
    core::iter::successors(root(size), move |entry| right(*entry, size))
}

/// The ancestors of an entry in a log of `size` entries, the root first. Nothing for an entry that is not in the log.
pub fn path(entry: u64, size: u64) -> impl Iterator<Item = u64> {
    let next = move |at: &u64| if entry < *at { left(*at) } else { right(*at, size) };
    core::iter::successors(root(size).filter(|_| entry < size), next).take_while(move |at| *at != entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as its definition has it: the root, then the same to its left and to its right.
    fn defined(first: u64, size: u64, above: &[u64], paths: &mut Vec<Vec<u64>>) {
        if size == 0 {
            return;
        }
        let mut power = 1;
        while power * 2 <= size {
            power *= 2;
        }
        let root = first + power - 1;
        let below: Vec<u64> = above.iter().copied().chain([root]).collect();
        paths[usize::try_from(root).unwrap()] = above.to_vec();
        defined(first, power - 1, &below, paths);
        defined(root + 1, size - power, &below, paths);
    }

    #[test]
    fn every_path_is_that_of_the_definition() {
        for size in 0..300 {
            let mut paths = vec![Vec::new(); usize::try_from(size).unwrap()];
            defined(0, size, &[], &mut paths);
            for (entry, expected) in (0..).zip(&paths) {
                assert_eq!(&path(entry, size).collect::<Vec<_>>(), expected, "{entry} of {size}");
            }
            let last = size.checked_sub(1);
            let expected = last.map(|last| path(last, size).chain([last]).collect::<Vec<_>>()).unwrap_or_default();
            assert_eq!(frontier(size).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn an_entry_that_is_not_there_has_no_path() {
        assert_eq!(path(5, 5).count(), 0);
        assert_eq!((root(0), right(0, 0), left(0)), (None, None, None));
    }

    #[test]
    fn the_largest_numbers_overflow_nothing() {
        for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
            assert!(frontier(size).count() <= 64);
            assert!(path(size - 1, size).count() <= 64);
        }
    }
}
