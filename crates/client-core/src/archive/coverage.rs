//! Which positions of which channels are in hand: sets of ranges.

use std::collections::{BTreeMap, btree_map::Entry};

use quicprochat_wire::{ChannelId, DecodeError, Reader, Writer};

/// Most channels and most ranges of a channel in one encoding.
const MAX_CHANNELS: usize = 65_536;
const MAX_RANGES: usize = 65_536;

/// Positions of one channel: disjoint ranges with a hole between any two, ascending, both ends included.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds the positions `from` to `to`; those that are there stay.
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        // Those that touch it begin at most one above its end, and end at least one below its beginning.
        let first = self.0.partition_point(|(_, end)| end.saturating_add(1) < from);
        let past = self.0.partition_point(|(start, _)| *start <= to.saturating_add(1));
        let touched = self.0.get(first..past).unwrap_or_default();
        let from = touched.first().map_or(from, |(start, _)| from.min(*start));
        let to = touched.last().map_or(to, |(_, end)| to.max(*end));
        self.0.splice(first..past.max(first), [(from, to)]);
    }

    /// What is in here and not in `other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut others = other.0.iter().peekable();
        for &(from, to) in &self.0 {
            let mut from = Some(from);
            while let Some(start) = from.filter(|start| *start <= to) {
                match others.peek() {
                    Some((_, end)) if *end < start => {
                        others.next();
                    }
                    Some((begin, end)) if *begin <= to => {
                        if *begin > start {
                            left.push((start, *begin - 1));
                        }
                        from = end.checked_add(1);
                    }
                    _ => {
                        left.push((start, to));
                        from = None;
                    }
                }
            }
        }
        Self(left)
    }

    pub(crate) fn contains(&self, position: u64) -> bool {
        let at = self.0.partition_point(|(_, end)| *end < position);
        self.0.get(at).is_some_and(|(start, _)| *start <= position)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    pub(super) fn write(&self, writer: Writer) -> Writer {
        writer.list(&self.0, |writer, (from, to)| writer.u64(*from).u64(*to))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ranges = reader.list::<_, DecodeError>(MAX_RANGES, |item| Ok((item.u64()?, item.u64()?)))?;
        let mut below = None;
        for (from, to) in &ranges {
            if from > to || below.is_some_and(|below: u64| *from <= below.saturating_add(1)) {
                return Err(DecodeError::BadValue { found: *from });
            }
            below = Some(*to);
        }
        Ok(Self(ranges))
    }
}

/// Positions of many channels. No channel stands in it without a position.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<ChannelId, Ranges>);

impl Coverage {
    pub(crate) fn add(&mut self, channel: ChannelId, from: u64, to: u64) {
        if from <= to {
            self.0.entry(channel).or_default().add(from, to);
        }
    }

    /// Adds everything of another one.
    pub(crate) fn extend(&mut self, other: &Self) {
        for (channel, ranges) in &other.0 {
            match self.0.entry(*channel) {
                Entry::Vacant(place) => {
                    place.insert(ranges.clone());
                }
                Entry::Occupied(mut place) => ranges.iter().for_each(|(from, to)| place.get_mut().add(from, to)),
            }
        }
    }

    /// What is in here and not in `other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let none = Ranges::default();
        let left =
            self.0.iter().map(|(channel, ranges)| (*channel, ranges.minus(other.0.get(channel).unwrap_or(&none))));
        Self(left.filter(|(_, ranges)| !ranges.is_empty()).collect())
    }

    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.minus(other).is_empty()
    }

    pub(crate) fn of(&self, channel: &ChannelId) -> Ranges {
        self.0.get(channel).cloned().unwrap_or_default()
    }

    pub(crate) fn contains(&self, channel: &ChannelId, position: u64) -> bool {
        self.0.get(channel).is_some_and(|ranges| ranges.contains(position))
    }

    /// What is not above the limit of its channel; nothing of a channel without one.
    pub(crate) fn up_to(&self, limit: impl Fn(&ChannelId) -> Option<u64>) -> Self {
        let mut left = Self::default();
        for (channel, ranges) in &self.0 {
            let Some(limit) = limit(channel) else { continue };
            ranges.iter().for_each(|(from, to)| left.add(*channel, from, to.min(limit)));
        }
        left
    }

    /// How many positions there are.
    pub(crate) fn count(&self) -> u64 {
        let ranges = self.0.values().flat_map(Ranges::iter);
        ranges.fold(0, |count, (from, to)| count.saturating_add((to - from).saturating_add(1)))
    }

    /// Leaves out what `keep` does not want.
    pub(crate) fn retain(&mut self, keep: impl Fn(&ChannelId) -> bool) {
        self.0.retain(|channel, _| keep(channel));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By channel id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ChannelId, &Ranges)> {
        self.0.iter()
    }

    pub(super) fn write(&self, writer: Writer) -> Writer {
        let all: Vec<_> = self.0.iter().collect();
        writer.list(&all, |writer, (channel, ranges)| ranges.write(writer.fixed(channel)))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let all = reader
            .list::<_, DecodeError>(MAX_CHANNELS, |item| Ok((ChannelId::new(item.array()?), Ranges::read(item)?)))?;
        let ascending = all.windows(2).all(|pair| matches!(pair, [(one, _), (two, _)] if one < two));
        if !ascending || all.iter().any(|(_, ranges)| ranges.is_empty()) {
            return Err(DecodeError::WrongLabel);
        }
        Ok(Self(all.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    type Naive = BTreeSet<(u8, u64)>;

    fn built(spans: &[(u8, u64, u64)]) -> (Coverage, Naive) {
        let (mut coverage, mut naive) = (Coverage::default(), Naive::new());
        for (channel, from, to) in spans {
            coverage.add(ChannelId::new([*channel; 32]), *from, *to);
            naive.extend((*from..=*to).map(|position| (*channel, position)));
        }
        (coverage, naive)
    }

    fn positions(coverage: &Coverage) -> Naive {
        let all = coverage.iter().flat_map(|(channel, ranges)| {
            ranges.iter().flat_map(move |(from, to)| (from..=to).map(move |at| (channel.as_bytes()[0], at)))
        });
        all.collect()
    }

    fn spans() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
        vec((0u8..3, 0u64..40, 0u64..12).prop_map(|(channel, from, length)| (channel, from, from + length)), 0..12)
    }

    fn read(bytes: &[u8]) -> Result<Coverage, DecodeError> {
        let mut reader = Reader::new(bytes);
        let coverage = Coverage::read(&mut reader)?;
        reader.finish()?;
        Ok(coverage)
    }

    proptest! {
        #[test]
        fn coverage_is_a_set_of_positions(one in spans(), other in spans()) {
            let ((one, naive_one), (other, naive_other)) = (built(&one), built(&other));
            prop_assert_eq!(positions(&one), naive_one.clone());
            let minus = one.minus(&other);
            prop_assert_eq!(positions(&minus), naive_one.difference(&naive_other).copied().collect::<Naive>());
            prop_assert_eq!(one.is_within(&other), naive_one.is_subset(&naive_other));
            let mut both = one.clone();
            both.extend(&other);
            prop_assert_eq!(positions(&both), naive_one.union(&naive_other).copied().collect::<Naive>());
            prop_assert_eq!(one.count(), naive_one.len() as u64);
            let below = one.up_to(|channel| (*channel != ChannelId::new([2; 32])).then_some(20));
            let naive_below = naive_one.iter().filter(|(channel, at)| *channel != 2 && *at <= 20).copied().collect::<Naive>();
            prop_assert_eq!(positions(&below), naive_below);
            for position in 0..60 {
                let channel = ChannelId::new([1; 32]);
                prop_assert_eq!(one.contains(&channel, position), naive_one.contains(&(1, position)));
                prop_assert_eq!(one.of(&channel).contains(position), naive_one.contains(&(1, position)));
            }
            prop_assert_eq!(read(&one.write(Writer::new()).finish()), Ok(one));
        }

        #[test]
        fn one_set_has_one_form(one in spans(), seed in any::<u64>()) {
            let mut turned = one.clone();
            if !turned.is_empty() {
                let at = usize::try_from(seed % turned.len() as u64).expect("small");
                turned.rotate_left(at);
            }
            prop_assert_eq!(built(&one).0, built(&turned).0);
        }

        #[test]
        fn bytes_from_outside_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(coverage) = read(&bytes) {
                prop_assert_eq!(coverage.write(Writer::new()).finish(), bytes);
            }
        }
    }

    fn ranges(spans: &[(u64, u64)]) -> Ranges {
        let mut ranges = Ranges::default();
        spans.iter().for_each(|(from, to)| ranges.add(*from, *to));
        ranges
    }

    #[test]
    fn the_highest_position_is_no_trap() {
        let both = ranges(&[(u64::MAX, u64::MAX), (0, 3), (u64::MAX - 1, u64::MAX - 1)]);
        assert_eq!(both.iter().collect::<Vec<_>>(), [(0, 3), (u64::MAX - 1, u64::MAX)]);
        let all = ranges(&[(0, u64::MAX)]);
        assert_eq!(all.minus(&both), ranges(&[(4, u64::MAX - 2)]));
        assert!(both.minus(&all).is_empty());
        let mut whole = both;
        whole.add(0, u64::MAX);
        assert_eq!(whole, all);
        let mut coverage = Coverage::default();
        coverage.add(ChannelId::new([1; 32]), 0, u64::MAX);
        assert_eq!(coverage.count(), u64::MAX, "as many as can be counted");
    }
}
