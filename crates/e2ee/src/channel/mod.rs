//! Channels: what surrounds MLS messages on their way through the server's log (DESIGN L1 to L7).

mod keys;

pub use keys::ChannelKeys;
