//! Binary ladders: which versions are looked up to show which is the greatest (draft section 5, appendix B).

use core::cmp::Ordering;

/// The versions that show that `greatest` is the greatest version there is, in the order of the look-ups.
///
/// Versions above 2^32-1 do not exist and are not looked up.
#[must_use]
pub fn base(greatest: u32) -> Vec<u32> {
    let greatest = u64::from(greatest);
    let mut versions: Vec<u64> = Vec::new();
    for exponent in 0..=32 {
        let version = (1 << exponent) - 1;
        versions.push(version);
        if version > greatest {
            break;
        }
    }
    let mut upper = versions.last().copied().unwrap_or(0);
    let mut lower = versions.len().checked_sub(2).and_then(|at| versions.get(at)).copied().unwrap_or(0);
    if upper <= greatest {
        // Only for 2^32-1 itself, above which nothing can be shown.
        (lower, upper) = (upper, upper + 1);
    }
    while lower + 1 < upper {
        let middle = u64::midpoint(lower, upper);
        versions.push(middle);
        if middle <= greatest { lower = middle } else { upper = middle }
    }
    versions.into_iter().filter_map(|version| u32::try_from(version).ok()).collect()
}

/// The versions that show that `target` is still there (monitoring binary ladder).
#[must_use]
pub fn monitoring(target: u32) -> Vec<u32> {
    base(target).into_iter().filter(|version| *version <= target).collect()
}

/// How the greatest version of an entry compares with the target, once this look-up came out so; `None`: go on.
#[must_use]
pub const fn ends(target: u32, version: u32, included: bool) -> Option<Ordering> {
    match (included, version > target) {
        (true, true) => Some(Ordering::Greater),
        (false, false) => Some(Ordering::Less),
        (true, false) | (false, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The look-ups as the draft's section 5 describes them, one after the other.
    fn described(greatest: u32) -> Vec<u32> {
        let exists = |version: u64| version <= u64::from(greatest);
        let mut looked_up = Vec::new();
        let mut look = |version: u64| {
            looked_up.push(version);
            exists(version)
        };
        let mut step = 1_u64;
        let mut known = None;
        while look(step - 1) {
            known = Some(step - 1);
            step *= 2;
        }
        let (mut lower, mut upper) = (known.unwrap(), step - 1);
        while upper - lower > 1 {
            let middle = (lower + upper) / 2;
            if look(middle) { lower = middle } else { upper = middle }
        }
        looked_up.into_iter().filter_map(|version| u32::try_from(version).ok()).collect()
    }

    #[test]
    fn the_examples_of_the_draft_are_met() {
        assert_eq!(base(6), [0, 1, 3, 7, 5, 6]);
        assert_eq!(base(2), [0, 1, 3, 2]);
        assert_eq!(base(0), [0, 1]);
        assert_eq!(monitoring(6), [0, 1, 3, 5, 6]);
    }

    #[test]
    fn every_ladder_is_the_one_that_is_described() {
        let edges = [u32::MAX, u32::MAX - 1, 1 << 31, (1 << 31) - 1, (1 << 31) + 1, u32::MAX / 3];
        for greatest in (0..2000).chain(edges) {
            assert_eq!(base(greatest), described(greatest), "{greatest}");
        }
    }

    #[test]
    fn a_search_ends_where_it_can_be_told() {
        assert_eq!(ends(2, 3, true), Some(Ordering::Greater));
        assert_eq!(ends(2, 2, false), Some(Ordering::Less));
        assert_eq!((ends(2, 2, true), ends(2, 3, false)), (None, None));
    }
}
