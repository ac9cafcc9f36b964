//! Where the log's data is kept: what a store must be able to do.
//!
//! Nothing that was appended can be changed or taken away through it, but the values of deleted labels, whose commitments stay.
//!
//! ```text
//!   prefix nodes   0, 1, 2, ...             PrefixNode, children before parents: the root of an entry's tree is the last node of its append
//!   log nodes      (first entry, level≥1)   hash, written when the balanced subtree is complete
//!   entries        0, 1, 2, ...             time, root of the prefix tree (hash, number of its node)
//!   versions       label, 0, 1, 2, ...      entry, number of the leaf; opening and value until they are erased
//!   head           one                      size, root, signature
//! ```

use crate::{
    DecodeError, Digest,
    codec::{Reader, Writer},
    head::TreeHead,
    prove::{Child, PrefixNode, StoreError},
    tree::log::Node,
    value::Opening,
};

/// The log's data.
///
/// All answers are of one state: that after the last [`Store::append`] that succeeded. What is not there is `None`, not an error.
pub trait Store {
    /// The newest signed head; `None` before the first entry.
    fn head(&self) -> Result<Option<SignedHead>, StoreError>;

    /// The node of this number.
    fn prefix_node(&self, id: u64) -> Result<Option<PrefixNode>, StoreError>;

    /// The hash of a balanced subtree of the log tree of at least two entries.
    fn log_node(&self, node: Node) -> Result<Option<Digest>, StoreError>;

    /// The entry at this position.
    fn entry(&self, position: u64) -> Result<Option<Entry>, StoreError>;

    /// The greatest version of a label of those that were inserted by this entry or before.
    fn greatest_version(&self, label: &[u8], entry: u64) -> Result<Option<u32>, StoreError>;

    /// What is kept of a version.
    fn version(&self, label: &[u8], version: u32) -> Result<Option<Version>, StoreError>;

    /// The entries at which the versions from `from` on were inserted, at most so many.
    fn entries_of(&self, label: &[u8], from: u32, limit: usize) -> Result<Vec<u64>, StoreError>;

    /// Keeps all of an append, or nothing.
    ///
    /// Errors:   also if [`Appended::position`] is not the number of entries, or [`Appended::first_node`] not that of nodes:
    ///           somebody else appended in between.
    fn append(&mut self, appended: &Appended) -> Result<(), StoreError>;

    /// Forgets opening and value of a version; whether there was something to forget.
    fn erase(&mut self, label: &[u8], version: u32) -> Result<bool, StoreError>;
}

/// A log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its time, in milliseconds since 1970.
    pub timestamp: u64,
    /// The root of its prefix tree.
    pub prefix_root: Child,
}

/// What is kept of a version of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The entry that inserted it.
    pub entry: u64,
    /// The number of its leaf among the nodes of the prefix trees.
    pub leaf: u64,
    /// What it says; `None` once it was erased.
    pub opened: Option<Opened>,
}

/// What a commitment commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What opens the commitment.
    pub opening: Opening,
    /// The value.
    pub value: Vec<u8>,
}

/// A version that an append inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inserted {
    /// The label.
    pub label: Vec<u8>,
    /// Its version.
    pub version: u32,
    /// What is kept of it.
    pub kept: Version,
}

/// All that one new entry adds to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The entry's position: the number of entries before.
    pub position: u64,
    /// The entry.
    pub entry: Entry,
    /// The number of the first of [`Self::nodes`]: the number of nodes before.
    pub first_node: u64,
    /// New nodes, numbered one after the other. None for an entry without new versions, but for the first entry.
    pub nodes: Vec<PrefixNode>,
    /// Balanced subtrees of the log tree that this entry completes, of at least two entries.
    pub log_nodes: Vec<(Node, Digest)>,
    /// New versions, in the order in which they were handed over.
    pub versions: Vec<Inserted>,
    /// The head that is the newest from now on.
    pub head: SignedHead,
}

/// A head with the root that it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Size and signature.
    pub tree_head: TreeHead,
    /// The log tree's root.
    pub root: Digest,
}

const HEAD: &str = "SignedHead";
const HEAD_FORMAT: u8 = 1;

impl SignedHead {
    /// Its bytes: the format's version, 1; the root; the `TreeHead` of the draft.
    ///
    /// Errors:   [`DecodeError::TooLong`] for a signature above 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut writer = Writer::new();
        self.tree_head.write(writer.u8(HEAD_FORMAT).put(&self.root.0))?;
        Ok(writer.finish())
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// Errors:   [`DecodeError`], also for formats of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Reader::whole(HEAD, bytes, |reader| match reader.u8()? {
            HEAD_FORMAT => Ok(Self { root: reader.digest()?, tree_head: TreeHead::read(reader)? }),
            other => Err(reader.unknown("format", other.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = TreeHead { tree_size: 9, signature: vec![1, 2, 3] };
        let signed = SignedHead { tree_head: head, root: Digest([4; 32]) };
        let bytes = signed.encode().unwrap();
        assert_eq!(SignedHead::decode(&bytes), Ok(signed));
        assert!((0..bytes.len()).all(|cut| SignedHead::decode(&bytes[..cut]).is_err()));
        let other = [&[2], &bytes[1..]].concat();
        assert_eq!(
            SignedHead::decode(&other),
            Err(DecodeError::Unknown { structure: HEAD, field: "format", found: 2 })
        );
    }
}
