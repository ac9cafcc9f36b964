//! An account's first identity part; for the tests inside the crate and outside it.

use quicprochat_identity::{AccountName, IdentityDraft, InboxPublicKey};
use quicprochat_wire::{Digest, Timestamp};

/// The first part of an account, without devices.
pub(crate) fn first_draft(name: &str, inbox_key: InboxPublicKey) -> IdentityDraft {
    IdentityDraft {
        name: AccountName::parse(name).expect("a valid name"),
        serial: 1,
        time: Timestamp(1_700_000_000_000),
        inbox_key,
        devices: Vec::new(),
        removed: Vec::new(),
        vault_version: 1,
        vault_hash: Digest::new([6; 32]),
    }
}
