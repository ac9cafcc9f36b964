//! Envelopes to accounts: HPKE with X-Wing, HKDF-SHA-256, ChaCha20-Poly1305 (DESIGN A3).

mod inbox;
mod invitation;
mod keys;
#[cfg(test)]
mod tests;

pub use inbox::{InboxEntry, InboxKind, InboxSender, UnverifiedInboxEntry, open_inbox, seal_inbox};
pub use invitation::Invitation;
pub use keys::InboxSecretKey;
