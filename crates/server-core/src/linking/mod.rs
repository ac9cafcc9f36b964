//! Linking devices: for each link, a place where a device of an account and a new one exchange a few sealed messages.
//!
//! Links are kept in memory alone: they last for minutes, and one that a restart loses is made again with another code.

mod open;
mod put;
mod subscribe;
mod table;

pub(crate) use open::open;
pub(crate) use put::put;
pub(crate) use subscribe::subscribe;
pub(crate) use table::LinkTable;

#[cfg(test)]
mod tests;
