//! Vaults: wraps of a root key and encrypted records with compare-and-set (DESIGN A4).

mod fetch;
mod records;
mod store;
mod subscribe;

pub(crate) use fetch::fetch;
pub(crate) use records::{check_wraps, new_version, put_records};
pub(crate) use store::store;
pub(crate) use subscribe::subscribe;

#[cfg(test)]
mod tests;
