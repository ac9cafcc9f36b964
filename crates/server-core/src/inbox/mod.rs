//! Inboxes: a log for each account, written by anybody with a token, read by its devices (DESIGN A3).

mod deliver;
mod page;
mod read;
mod subscribe;

pub(crate) use deliver::deliver;
pub(crate) use read::read;
pub(crate) use subscribe::subscribe;

#[cfg(test)]
mod tests;
