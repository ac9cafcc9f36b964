//! New nodes in a few rows instead of one row each, for a database: an append of one version writes some twenty nodes, and one segment.
//!
//! ```text
//!   row: number of its first node ─▶ node │ node │ ...     at most 64, in the order of their numbers, each as `PrefixNode::encode` has it
//!   node n: in the row with the greatest first number that is not above n, at the index n - first
//! ```

use crate::{
    DecodeError,
    prove::{Appended, PrefixNode},
};

/// Nodes in a segment at most: 5,184 bytes.
pub const MAX_NODES: usize = 64;

/// The segments of an append's new nodes, each with the number of its first node.
pub fn segments(appended: &Appended) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let firsts = (appended.first_node..).step_by(MAX_NODES);
    firsts.zip(appended.nodes.chunks(MAX_NODES)).map(|(first, nodes)| {
        let bytes = nodes.iter().flat_map(PrefixNode::encode).collect();
        (first, bytes)
    })
}

/// The node at an index of a segment; `None` after its end.
///
/// Errors:   [`DecodeError`].
pub fn node_at(segment: &[u8], index: usize) -> Result<Option<PrefixNode>, DecodeError> {
    for (at, node) in nodes(segment).enumerate() {
        // An error before it is one, too: without it nobody knows where the node begins.
        let node = node?;
        if at == index {
            return PrefixNode::decode(node).map(Some);
        }
    }
    Ok(None)
}

/// How many nodes a segment has: the number of the next node is as much above that of its first one.
///
/// Errors:   [`DecodeError`].
pub fn count(segment: &[u8]) -> Result<usize, DecodeError> {
    nodes(segment).try_fold(0, |count, node| node.map(|_| count + 1))
}

/// The bytes of its nodes. After an error nothing comes.
fn nodes(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    core::iter::from_fn(move || {
        let kind = *rest.first()?;
        let all = core::mem::take(&mut rest);
        let node = PrefixNode::length(kind).and_then(|needed| {
            let truncated = DecodeError::Truncated { structure: "segment", needed, left: all.len() };
            let (node, after) = all.split_at_checked(needed).ok_or(truncated)?;
            rest = after;
            Ok(node)
        });
        Some(node)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        config::DeploymentMode,
        prove::{
            Log, MemoryStore, Store,
            testing::{new, operator},
        },
    };

    #[test]
    fn every_node_is_found_in_its_segment() {
        let mut log = Log::open(MemoryStore::new(), operator(DeploymentMode::ContactMonitoring)).unwrap();
        let mut rows = BTreeMap::new();
        for batch in [1, 0, 100, 1, 33] {
            let position = log.size();
            let values = (0..batch).map(|at| new(&format!("{position} {at}"), "x")).collect();
            let appended = log.insert(0, values).unwrap();
            let segments: Vec<_> = segments(&appended).collect();
            assert_eq!(segments.len(), appended.nodes.len().div_ceil(MAX_NODES));
            rows.extend(segments);
        }
        let (nodes, bytes) = log.store().prefix_nodes();
        assert_eq!(rows.values().map(Vec::len).sum::<usize>(), bytes);
        for id in 0..nodes as u64 {
            let (first, segment) = rows.range(..=id).next_back().unwrap();
            let found = node_at(segment, (id - first) as usize).unwrap();
            assert_eq!(found, log.store().prefix_node(id).unwrap(), "{id}");
            assert!(found.is_some() && segment.len() <= 5184);
        }
        let (first, last) = rows.last_key_value().unwrap();
        assert_eq!(first + count(last).unwrap() as u64, nodes as u64);
        assert_eq!(node_at(last, count(last).unwrap()), Ok(None));
    }

    #[test]
    fn a_damaged_segment_is_refused() {
        let bytes = [PrefixNode::EMPTY.encode(), vec![0x10; 64]].concat();
        assert_eq!(node_at(&bytes, 0), Ok(Some(PrefixNode::EMPTY)));
        let truncated = DecodeError::Truncated { structure: "segment", needed: 65, left: 64 };
        assert_eq!((node_at(&bytes, 1), count(&bytes)), (Err(truncated.clone()), Err(truncated)));
        assert!(matches!(node_at(&[0x14, 0x20], 5), Err(DecodeError::Unknown { found: 0x20, .. })));
    }
}
