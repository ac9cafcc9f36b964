//! Archives of histories: sealed objects that never change, under a quota (DESIGN A4).

mod delete;
mod get;
mod list;
mod put;

pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use put::put;

#[cfg(test)]
mod tests;
