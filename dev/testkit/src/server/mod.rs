//! The server of a world: the real services on a store in memory, with a disk that takes time and a process that dies.

mod disk;
mod host;

pub(crate) use host::{Answered, ConnId, Host, HostFaults, Said, Tag};
