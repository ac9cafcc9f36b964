//! Channels: one ordered log of ciphertext for each conversation (DESIGN L1 to L13).
//!
//! Nobody is known here but by the access keys they hold. `enqueue` has the rules that make the log one that never forks;
//! `authorise` has those that say who may see how much of it.

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
pub(crate) use subscribe::subscribe;
pub(crate) use tree::chunks;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;
