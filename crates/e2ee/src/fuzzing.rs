//! Decoders that no public function hands bytes to as they are. For the fuzz targets alone.

use crate::mls::{CutTree, Slot};

/// Whether bytes are the first piece of a ratchet tree of so many nodes whose other pieces are blank. What is one is cut out of
/// that tree again.
///
/// Panics:   if it is not.
#[must_use]
pub fn joins_tree(nodes: u32, piece: &[u8]) -> bool {
    let mut first = Some(piece.to_vec());
    let pieces = Slot::all(nodes).into_iter().map(|slot| (slot, first.take())).collect();
    let Ok(tree) = (CutTree { nodes, pieces }).join() else { return false };
    let again = CutTree::cut(&tree).ok().and_then(|cut| cut.pieces.into_iter().next());
    let blank = piece.iter().skip(5).all(|byte| *byte == 0);
    assert_eq!(again.and_then(|(_, piece)| piece).as_deref(), (!blank).then_some(piece));
    true
}

/// What a member reads of a commit that it decrypts and cannot follow: whether it is well-formed.
#[must_use]
pub fn reads_commit(sender_data: &[u8], content: &[u8]) -> bool {
    crate::mls::reads_commit(sender_data, content)
}
