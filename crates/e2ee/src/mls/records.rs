//! The identity parts that come along with commits.

use quicprochat_identity::{ClassicalIdentity, LeafCredential, UnverifiedIdentity, verify_classical};
use quicprochat_wire::{AccountId, DeviceKey, Digest};

/// Answers whether a commit's entry carries the record that a new identity hash needs.
///
/// The answer decides whether a commit counts, so it must be a function of the log (DESIGN L9): records of this entry, never
/// those of a directory. Hashes that a leaf of the group has already need no record again; the rules see to that themselves.
pub trait RecordBook {
    /// Whether there is an identity part of this account with this hash, whose Ed25519 half verifies.
    fn holds(&self, account: &AccountId, identity_hash: &Digest) -> bool;

    /// Whether the identity part that the credential names is held and lists this certificate for this device and key. The
    /// certificate was checked with the part then, and need not be again.
    fn certifies(&self, credential: &LeafCredential, key: &DeviceKey) -> bool;
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

    fn find(&self, account: &AccountId, identity_hash: &Digest) -> Option<&ClassicalIdentity> {
        self.records.iter().find(|record| record.account() == *account && record.hash() == *identity_hash)
    }
}

impl RecordBook for EntryRecords {
    fn holds(&self, account: &AccountId, identity_hash: &Digest) -> bool {
        self.find(account, identity_hash).is_some()
    }

    fn certifies(&self, credential: &LeafCredential, key: &DeviceKey) -> bool {
        self.find(&credential.account, &credential.identity_hash).is_some_and(|record| {
            record.devices().iter().any(|entry| {
                (entry.device, entry.key, entry.certificate) == (credential.device, *key, credential.certificate)
            })
        })
    }
}

/// Vouches for every hash: for a commit of our own, whose records the caller is about to attach.
pub(super) struct Trusting;

impl RecordBook for Trusting {
    fn holds(&self, _: &AccountId, _: &Digest) -> bool {
        true
    }

    fn certifies(&self, _: &LeafCredential, _: &DeviceKey) -> bool {
        false
    }
}
