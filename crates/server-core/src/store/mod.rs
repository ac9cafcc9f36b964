//! What the services need of a database: transactions, and one narrow trait for each noun.
//!
//! Compare-and-set, idempotency, token spending and quota are written once, in the services, and run as *jobs* inside the
//! backend's transaction. A backend only moves rows. It keeps rows under their natural keys (no insertion-order row ids, no
//! time stamps of its own), because the order of rows in one table compared with that of another would tie accounts to
//! channels (DESIGN 7.4).
//!
//! Every backend passes [`conformance`].

mod account;
mod archive;
mod channel;
pub mod conformance;
mod directory;
mod fault;
mod inbox;
mod invite;
mod job;
pub mod memory;
mod state;
mod time;
mod token;
mod vault;

pub use account::{AccountRow, AccountStore, PasswordRow, WayRow};
pub use archive::{ArchiveRow, ArchiveStore};
pub use channel::{
    ChannelRow, ChannelStore, ChunkRow, EntryRow, GroupInfoRow, KeyRow, KeyringRow, LogPoint, PageLimit,
};
pub use directory::{DeviceRow, DirectoryStore};
pub use fault::StoreFault;
pub use inbox::{InboxEntryRow, InboxRow, InboxStore};
pub use invite::{InviteRow, InviteStore};
pub use job::{Job, Refusal, Verdict, read, write};
pub use state::{StateKey, StateStore};
pub use time::{Day, Minute};
pub use token::TokenStore;
pub use vault::{VaultRow, VaultStore};

use futures::future::BoxFuture;

/// A database of one server.
///
/// A dropped future does not take its job back: what was submitted may still be done.
pub trait Store: Send + Sync + 'static {
    /// Runs a job on the single writer and resolves once everything it did is on disk.
    ///
    /// Jobs run one after the other; each sees what those before it did, also in the same synced transaction (group
    /// commit: many jobs share one). A job that returns [`Verdict::Undo`] leaves no trace, and those beside it stand. The
    /// future resolves after the sync whatever the verdict, because an answer may rest on what an earlier job of the same
    /// transaction wrote.
    ///
    /// Errors:   the transaction is not on disk as far as the backend knows; nobody may be told that it is.
    fn submit(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>>;

    /// Runs a job on a snapshot of what is durable. It only reads; a write fails with [`StoreFault::ReadOnly`]. The
    /// verdict is ignored.
    fn query(&self, job: Job) -> BoxFuture<'static, Result<(), StoreFault>>;
}

/// An open transaction: one narrow store for each noun.
pub trait StoreTx {
    /// Names and passwords.
    fn accounts(&mut self) -> &mut dyn AccountStore;
    /// Account records: identity parts, devices, KeyPackage parts.
    fn directory(&mut self) -> &mut dyn DirectoryStore;
    /// Invite codes.
    fn invites(&mut self) -> &mut dyn InviteStore;
    /// Vault wraps and records.
    fn vaults(&mut self) -> &mut dyn VaultStore;
    /// Archives of histories.
    fn archives(&mut self) -> &mut dyn ArchiveStore;
    /// Tokens issued and spent.
    fn tokens(&mut self) -> &mut dyn TokenStore;
    /// Inboxes.
    fn inboxes(&mut self) -> &mut dyn InboxStore;
    /// Channels.
    fn channels(&mut self) -> &mut dyn ChannelStore;
    /// What the server itself must remember.
    fn state(&mut self) -> &mut dyn StateStore;
}
