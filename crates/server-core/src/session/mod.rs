//! The first call of every connection.

mod hello;

pub(crate) use hello::hello;
