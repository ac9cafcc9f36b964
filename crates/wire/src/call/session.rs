//! The first call of every connection.

use super::ConnectionKind;
use crate::{
    id::Challenge,
    time::{Duration, Timestamp},
};

/// Says which protocol and which kind of connection; must come first, exactly once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// [`crate::limits::PROTOCOL_VERSION`].
    pub version: u16,
    /// What the connection is for.
    pub kind: ConnectionKind,
}

/// What a client needs to know of this server before anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HelloReply {
    /// The protocol version the server will speak.
    pub version: u16,
    /// To be signed by `authenticate` and `channel-attach`; fresh for each connection.
    pub challenge: Challenge,
    /// The server's clock, so that a client can say that its own is off.
    pub time: Timestamp,
    /// How names end here: `alice@host`.
    pub host: String,
    /// Who may register.
    pub registration: Registration,
    /// This server's limits; never above [`crate::limits`].
    pub limits: ServerLimits,
}

/// Who may register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever has an unused invite code.
    Invite,
    /// Nobody.
    Closed,
}

/// Sizes in bytes, counts in entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Largest frame.
    pub frame_bytes: u32,
    /// Largest sealed application message.
    pub message_bytes: u32,
    /// Largest sealed commit.
    pub commit_bytes: u32,
    /// Largest sealed GroupInfo.
    pub group_info_bytes: u32,
    /// Largest keyring.
    pub keyring_bytes: u32,
    /// Largest sealed inbox entry.
    pub inbox_bytes: u32,
    /// How long entries are kept.
    pub retention: Duration,
}
