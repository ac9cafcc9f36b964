//! Account records: an identity part, and a KeyPackage part for each device (DESIGN A1).

mod lookup;
mod own_record;
mod publish_identity;
mod publish_key_package;
mod rows;

pub(crate) use lookup::lookup;
pub(crate) use own_record::own_record;
pub(crate) use publish_identity::publish_identity;
pub(crate) use publish_key_package::publish_key_package;
pub(crate) use rows::{device_row, identity_row, verify_identity};

#[cfg(test)]
mod tests;
