//! The archive of an account's history: sealed objects that never change. The server can read none of them.

use crate::id::ObjectId;

/// Stores an object. The same bytes again change nothing; other bytes under a known id are `version-conflict`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchivePut {
    /// Random, chosen by the client.
    pub id: ObjectId,
    /// Padded ciphertext; never empty.
    pub sealed: Vec<u8>,
}

/// Asks for an object; `not-found` if there is none with this id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArchiveGet {
    /// Which.
    pub id: ObjectId,
}

/// An object as it was stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveObject {
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// Asks which objects there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArchiveList {
    /// Ids above this one; from the first one if `None`.
    pub after: Option<ObjectId>,
    /// Most entries wanted; 0 for no other limit than that of a page.
    pub limit: u16,
}

/// What is known of an object without its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArchiveEntry {
    /// Which.
    pub id: ObjectId,
    /// Length of its sealed bytes.
    pub bytes: u32,
}

/// Objects by id, and what the whole archive takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchivePage {
    /// In ascending order of ids.
    pub entries: Vec<ArchiveEntry>,
    /// Whether there are further ones.
    pub more: bool,
    /// How many objects the account has.
    pub objects: u64,
    /// How many bytes they are.
    pub bytes: u64,
    /// How many bytes they may be.
    pub quota: u64,
}

/// Deletes objects; an id that is not there is as good as deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveDelete {
    /// Which.
    pub ids: Vec<ObjectId>,
}
