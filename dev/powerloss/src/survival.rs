//! What of the unsynced steps is left after a cut.
//!
//! For each file one of three, by chance: nothing; the steps up to some moment with the last write torn anywhere; or any
//! of the sectors of any of the steps, in whatever order a disk may write them. Folders lose everything since some moment, since file systems
//! keep the order of names within a folder.

use crate::Chance;
use crate::node::{Change, Content, Node, SECTOR};

/// What a cut took, for reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// Steps on files (writes, changes of length) that were not synced.
    pub unsynced: usize,
    /// Of those, steps of which nothing or not everything is left.
    pub forgotten: usize,
    /// Writes of which a part is left.
    pub torn: usize,
    /// Names that were made, changed or removed without a sync of their folder.
    pub unsynced_names: usize,
    /// Of those, how many are as before.
    pub forgotten_names: usize,
}

impl Loss {
    /// Counts another one's losses in.
    pub const fn add(&mut self, other: Self) {
        self.unsynced += other.unsynced;
        self.forgotten += other.forgotten;
        self.torn += other.torn;
        self.unsynced_names += other.unsynced_names;
        self.forgotten_names += other.forgotten_names;
    }
}

/// What is left of a node.
pub(crate) fn survivor(node: &Node, chance: &mut Chance, loss: &mut Loss) -> Content {
    let steps: Vec<&Change> = node.pending.iter().map(|(_, change)| change).collect();
    let mut left = node.durable.clone();
    match node.durable {
        Content::Folder(_) => {
            let kept = if chance.coin() { 0 } else { chance.up_to(steps.len()) };
            steps.iter().take(kept).for_each(|step| left.apply(step));
            loss.unsynced_names += steps.len();
            loss.forgotten_names += steps.len() - kept;
        }
        Content::File(_) => {
            loss.unsynced += steps.len();
            match chance.up_to(2) {
                0 => loss.forgotten += steps.len(),
                1 => up_to_a_moment(&mut left, &steps, chance, loss),
                _ => any_sectors(&mut left, &steps, chance, loss),
            }
        }
    }
    left
}

fn up_to_a_moment(left: &mut Content, steps: &[&Change], chance: &mut Chance, loss: &mut Loss) {
    let whole = chance.up_to(steps.len());
    steps.iter().take(whole).for_each(|step| left.apply(step));
    loss.forgotten += steps.len() - whole;
    if let Some(Change::Write { offset, data }) = steps.get(whole)
        && let Some(begin) = data.get(..chance.up_to(data.len().saturating_sub(1))).filter(|begin| !begin.is_empty())
    {
        left.apply(&Change::Write { offset: *offset, data: begin.to_vec() });
        loss.torn += 1;
    }
}

fn any_sectors(left: &mut Content, steps: &[&Change], chance: &mut Chance, loss: &mut Loss) {
    for step in steps {
        match step {
            Change::Write { offset, data } => {
                let (mut kept, mut all) = (0, 0);
                for (begin, part) in sectors(*offset, data) {
                    all += 1;
                    if chance.coin() {
                        kept += 1;
                        left.apply(&Change::Write { offset: begin, data: part.to_vec() });
                    }
                }
                loss.forgotten += usize::from(kept < all);
                loss.torn += usize::from(0 < kept && kept < all);
            }
            Change::Resize(_) | Change::Names(_) => {
                if chance.coin() {
                    left.apply(step);
                } else {
                    loss.forgotten += 1;
                }
            }
        }
    }
}

/// A write cut where sectors of the disk end.
fn sectors(offset: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let head = (SECTOR - offset % SECTOR).min(data.len());
    let (first, rest) = data.split_at(head);
    let others = rest.chunks(SECTOR).enumerate().map(move |(index, part)| (offset + head + index * SECTOR, part));
    std::iter::once((offset, first)).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(synced: &[u8], writes: &[(usize, &[u8])]) -> Node {
        let mut node = Node::found(0o600, Content::File(synced.to_vec()));
        for (place, (offset, data)) in writes.iter().enumerate() {
            node.change(place as u64, Change::Write { offset: *offset, data: data.to_vec() });
        }
        node
    }

    fn survivors(node: &Node) -> Vec<Vec<u8>> {
        (0..400)
            .map(|seed| match survivor(node, &mut Chance::of_seed(seed), &mut Loss::default()) {
                Content::File(bytes) => bytes,
                Content::Folder(_) => panic!("a file stays a file"),
            })
            .collect()
    }

    #[test]
    fn what_was_synced_is_always_left() {
        assert!(survivors(&file(b"synced", &[])).iter().all(|left| left == b"synced"));
        assert!(survivors(&file(b"synced", &[(6, b"more")])).iter().all(|left| left.starts_with(b"synced")));
    }

    #[test]
    fn an_unsynced_write_may_be_left_whole_torn_or_not_at_all() {
        let left = survivors(&file(b"", &[(0, b"0123456789")]));
        for length in [0, 1, 5, 9, 10] {
            assert!(left.iter().any(|bytes| bytes.len() == length), "{length}");
        }
        assert!(left.iter().all(|bytes| b"0123456789".starts_with(bytes)));
    }

    #[test]
    fn a_later_write_may_be_left_without_an_earlier_one() {
        let left = survivors(&file(&[0; 2 * SECTOR], &[(0, &[1; SECTOR]), (SECTOR, &[2; SECTOR])]));
        assert!(left.iter().any(|bytes| bytes[0] == 0 && bytes[SECTOR] == 2));
        assert!(left.iter().any(|bytes| bytes[0] == 1 && bytes[SECTOR] == 0));
    }

    #[test]
    fn writes_are_cut_at_sectors_of_the_disk() {
        let data = [7; 1000];
        let found: Vec<(usize, usize)> = sectors(500, &data).map(|(begin, part)| (begin, part.len())).collect();
        assert_eq!(found, [(500, 12), (512, 512), (1024, 476)]);
        assert_eq!(sectors(512, &data[..3]).count(), 1);
    }
}
