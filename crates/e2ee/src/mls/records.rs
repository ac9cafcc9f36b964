//! The identity parts that come along with commits.

use quicprochat_identity::{ClassicalIdentity, UnverifiedIdentity, verify_classical};
use quicprochat_wire::{AccountId, Digest};

/// Answers whether a commit's entry carries the record that a new identity hash needs.
///
/// The answer decides whether a commit counts, so it must be a function of the log (DESIGN L9): records of this entry, never
/// those of a directory. Hashes that a leaf of the group has already need no record again; the rules see to that themselves.
pub trait RecordBook {
    /// Whether there is an identity part of this account with this hash, whose Ed25519 half verifies.
    fn holds(&self, account: &AccountId, identity_hash: &Digest) -> bool;
}

/// The records of one entry or invitation; those that do not parse or verify are left out.
#[derive(Clone, Default, Debug)]
pub struct EntryRecords {
    records: Vec<ClassicalIdentity>,
}

impl EntryRecords {
    /// Checks each record's Ed25519 half and certificates.
    #[must_use]
    pub fn check(records: &[Vec<u8>]) -> Self {
        let checked = |bytes: &Vec<u8>| verify_classical(&UnverifiedIdentity::parse(bytes).ok()?).ok();
        Self { records: records.iter().filter_map(checked).collect() }
    }

    /// The records that count.
    #[must_use]
    pub fn identities(&self) -> &[ClassicalIdentity] {
        &self.records
    }
}

impl RecordBook for EntryRecords {
    fn holds(&self, account: &AccountId, identity_hash: &Digest) -> bool {
        self.records.iter().any(|record| record.account() == *account && record.hash() == *identity_hash)
    }
}

/// Vouches for every hash: for a commit of our own, whose records the caller is about to attach.
pub(super) struct Trusting;

impl RecordBook for Trusting {
    fn holds(&self, _: &AccountId, _: &Digest) -> bool {
        true
    }
}
