//! Groups: MLS (RFC 9420) as our protocol uses it. Only this module names the MLS library.

mod crypto;
mod provider;
mod storage;
mod store;

pub use provider::Provider;
pub use store::{MemoryMlsStore, MlsStore, StoreFault};
