//! What the targets check, and what their corpora are made of.
//!
//! A target of a decoder with keys around it takes its first byte as a choice: the rest is what arrives, or the plaintext of
//! something sealed properly, or one part of something genuine. [`TARGETS`] lists those that `make_corpus` writes seeds for.

pub mod archive;
pub mod backup;
mod cast;
pub mod client;
pub mod envelope;
pub mod group;
pub mod identity;
pub mod link;
mod sealing;
pub mod server;
pub mod state;
#[path = "../../crates/e2ee/src/testing"]
mod testing {
    pub(crate) mod draft;
    pub(crate) mod entropy;
}
pub mod vault;
#[path = "../../crates/e2ee/tests/it/world.rs"]
#[expect(dead_code, reason = "shared with the tests of groups, which use more of it")]
mod world;

/// A target whose seeds come from real calls.
pub struct Target {
    /// Name of the program and of the corpus.
    pub name: &'static str,
    /// What the target does with its input.
    pub check: fn(&[u8]),
    /// Genuine inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "account_state", check: state::account_state, seeds: state::account_state_seeds },
    Target { name: "archive", check: archive::objects, seeds: archive::objects_seeds },
    Target { name: "backup", check: backup::backup, seeds: backup::backup_seeds },
    Target { name: "channel_entry", check: envelope::channel_entry, seeds: envelope::channel_entry_seeds },
    Target { name: "credential", check: identity::credential, seeds: identity::credential_seeds },
    Target { name: "did_key", check: identity::did_key, seeds: identity::did_key_seeds },
    Target { name: "group_info", check: envelope::group_info, seeds: envelope::group_info_seeds },
    Target { name: "identity_part", check: identity::part, seeds: identity::part_seeds },
    Target { name: "inbox_entry", check: envelope::inbox_entry, seeds: envelope::inbox_entry_seeds },
    Target { name: "invitation", check: envelope::invitation, seeds: envelope::invitation_seeds },
    Target { name: "key_package", check: group::key_package, seeds: group::key_package_seeds },
    Target { name: "key_package_part", check: identity::key_package_part, seeds: identity::key_package_part_seeds },
    Target { name: "keyring", check: envelope::keyring, seeds: envelope::keyring_seeds },
    Target { name: "link_code", check: link::text, seeds: link::text_seeds },
    Target { name: "link_messages", check: link::messages, seeds: link::messages_seeds },
    Target { name: "mimi_content", check: client::content, seeds: client::content_seeds },
    Target { name: "mls_commit", check: group::commit, seeds: group::commit_seeds },
    Target { name: "mls_group_info", check: group::group_info, seeds: group::group_info_seeds },
    Target { name: "mls_message", check: group::message, seeds: group::message_seeds },
    Target { name: "mls_store", check: group::store, seeds: group::store_seeds },
    Target { name: "mls_welcome", check: group::welcome, seeds: group::welcome_seeds },
    Target { name: "names", check: identity::names, seeds: identity::names_seeds },
    Target { name: "opaque_registration", check: server::registration, seeds: server::registration_seeds },
    Target { name: "opaque_sign_in", check: server::sign_in, seeds: server::sign_in_seeds },
    Target { name: "profile", check: group::profile, seeds: group::profile_seeds },
    Target { name: "stored_rows", check: client::rows, seeds: client::rows_seeds },
    Target { name: "tokens", check: server::tokens, seeds: server::tokens_seeds },
    Target { name: "tree_chunks", check: envelope::tree_chunks, seeds: envelope::tree_chunks_seeds },
    Target { name: "vault", check: vault::records, seeds: vault::records_seeds },
];

/// An input that makes a choice by its first byte.
fn choice(number: u8, rest: &[u8]) -> Vec<u8> {
    [&[number], rest].concat()
}
