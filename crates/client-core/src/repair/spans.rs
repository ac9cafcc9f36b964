//! Sets of positions, as spans in order that do not touch each other.

use std::collections::BTreeSet;

use crate::{
    content::Span,
    store::{List, Positions},
};

/// A set of positions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Spans(Vec<Span>);

impl Spans {
    /// All positions of the spans, in whatever order they come; empty ones are left out.
    pub(crate) fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut spans: Vec<Span> = spans.into_iter().filter(|span| span.from <= span.to).collect();
        spans.sort_unstable();
        let mut merged: Vec<Span> = Vec::new();
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.from <= last.to.saturating_add(1) => last.to = last.to.max(span.to),
                _ => merged.push(span),
            }
        }
        Self(merged)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Span> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        self.0.iter().any(|span| (span.from..=span.to).contains(&position))
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|span| span.from)
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last().map(|span| span.to)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What one of them has.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self::of(self.iter().chain(other.iter()))
    }

    /// What both have.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let both = self
            .iter()
            .flat_map(|one| other.iter().map(move |two| Span { from: one.from.max(two.from), to: one.to.min(two.to) }));
        Self::of(both)
    }

    /// What `other` does not have.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for span in self.iter() {
            let mut from = Some(span.from);
            for gone in other.iter() {
                let Some(at) = from.filter(|at| gone.from <= span.to && gone.to >= *at) else { continue };
                if gone.from > at {
                    left.push(Span { from: at, to: gone.from.saturating_sub(1) });
                }
                from = gone.to.checked_add(1).filter(|next| *next <= span.to);
            }
            if let Some(from) = from {
                left.push(Span { from, to: span.to });
            }
        }
        Self::of(left)
    }

    /// As at most so many spans, to be stored: what others say may cut a set into as many as it has positions. Those that are
    /// apart the least are joined, so that all positions of the set are in it, and maybe some between them.
    pub(crate) fn stored(&self, most: usize) -> List<Positions> {
        let surplus = self.0.len().saturating_sub(most);
        let mut holes: Vec<(u64, u64)> = self
            .iter()
            .zip(self.iter().skip(1))
            .map(|(one, next)| (next.from.saturating_sub(one.to), next.from))
            .collect();
        holes.sort_unstable();
        let closed: BTreeSet<u64> = holes.into_iter().take(surplus).map(|(_, end)| end).collect();
        let mut stored: Vec<Positions> = Vec::new();
        for span in self.iter() {
            match stored.last_mut() {
                Some(last) if closed.contains(&span.from) => last.to = span.to,
                _ => stored.push(Positions { from: span.from, to: span.to }),
            }
        }
        stored.into()
    }

    /// The last `most` spans.
    pub(crate) fn newest(&self, most: usize) -> Vec<Span> {
        self.0.iter().skip(self.0.len().saturating_sub(most)).copied().collect()
    }
}

impl From<&[Positions]> for Spans {
    fn from(stored: &[Positions]) -> Self {
        Self::of(stored.iter().map(|positions| Span { from: positions.from, to: positions.to }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Vec<Span>> {
        prop::collection::vec((0_u64..60, 0_u64..12).prop_map(|(from, more)| Span { from, to: from + more }), 0..8)
    }

    fn naive(spans: &[Span]) -> BTreeSet<u64> {
        spans.iter().flat_map(|span| span.from..=span.to).collect()
    }

    fn set(spans: &Spans) -> BTreeSet<u64> {
        let list: Vec<Span> = spans.iter().collect();
        let apart = list.windows(2).all(|two| matches!(two, [one, other] if one.to + 1 < other.from));
        assert!(apart && list.iter().all(|span| span.from <= span.to), "{list:?}");
        naive(&list)
    }

    proptest! {
        #[test]
        fn spans_are_sets_of_positions(one in some(), other in some(), at in 0_u64..80) {
            let (a, b) = (Spans::of(one.clone()), Spans::of(other.clone()));
            let (left, right) = (naive(&one), naive(&other));
            prop_assert_eq!(set(&a), left.clone());
            prop_assert_eq!(set(&a.and(&b)), left.intersection(&right).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(set(&a.without(&b)), left.difference(&right).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(a.contains(at), left.contains(&at));
            prop_assert_eq!((a.first(), a.last()), (left.first().copied(), left.last().copied()));
            prop_assert_eq!(set(&a.or(&b)), left.union(&right).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(a.is_empty(), left.is_empty());
            let all: Vec<Span> = one.into_iter().chain(other).collect();
            prop_assert_eq!(set(&Spans::of(all)), left.union(&right).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(Spans::from(&a.stored(8)[..]), a);
        }

        #[test]
        fn a_set_is_stored_as_few_spans_which_have_all_of_it(one in some(), most in 1_usize..8) {
            let all = Spans::of(one);
            let stored = Spans::from(&all.stored(most)[..]);
            prop_assert_eq!(stored.iter().count(), all.iter().count().min(most));
            prop_assert_eq!(all.without(&stored), Spans::default());
            prop_assert_eq!((stored.first(), stored.last()), (all.first(), all.last()));
            // What is in it besides lies in the narrowest holes.
            let holes = |spans: &Spans| -> Vec<u64> {
                let all: Vec<Span> = spans.iter().collect();
                let mut holes: Vec<u64> = all.windows(2).map(|two| two[1].from - two[0].to).collect();
                holes.sort_unstable();
                holes
            };
            let (before, after) = (holes(&all), holes(&stored));
            prop_assert_eq!(&before[before.len() - after.len()..], &after[..]);
        }
    }

    #[test]
    fn the_ends_of_all_positions_are_no_trap() {
        let all = Spans::of([Span { from: 0, to: u64::MAX }]);
        let end = Spans::of([Span { from: u64::MAX, to: u64::MAX }]);
        assert_eq!(all.without(&end), Spans::of([Span { from: 0, to: u64::MAX - 1 }]));
        assert_eq!(all.without(&all), Spans::default());
        assert_eq!(Spans::of([Span { from: u64::MAX, to: u64::MAX }, Span { from: 0, to: u64::MAX - 1 }]), all);
        assert_eq!(all.newest(4), [Span { from: 0, to: u64::MAX }]);
    }
}
