//! Channels: one ordered log of ciphertext for each conversation (DESIGN L1 to L13).
//!
//! Nobody is known here but by the access keys they hold. `enqueue` has the rules that make the log one that never forks,
//! `restore` those by which a server that was put back gets again what it lost, and `authorise` those that say who may see how
//! much of it.

mod append;
mod attach;
mod authorise;
mod create;
mod delete;
mod enqueue;
mod expire;
mod group_info;
mod keyring;
mod page;
mod read;
mod restore;
mod subscribe;
mod tree;

pub(crate) use attach::attach;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use enqueue::enqueue;
pub(crate) use expire::expire;
pub(crate) use group_info::group_info;
pub(crate) use keyring::keyring;
pub(crate) use read::read;
pub(crate) use restore::restore;
pub(crate) use subscribe::subscribe;
pub(crate) use tree::chunks;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod restore_model_tests;
#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;
