//! Linking a device: a place where a device of an account and a new one exchange a few sealed messages.

use core::time::Duration;

use crate::id::LinkId;

/// Who wrote a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LinkSide {
    /// The device that opened the link.
    Holder,
    /// The new device: whoever knows the link's id.
    Joiner,
}

impl LinkSide {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Holder => Self::Joiner,
            Self::Joiner => Self::Holder,
        }
    }
}

/// Opens a link; an earlier one of the same device is taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkOpen {
    /// Derived from the code that the device shows (protocol.md section 14).
    pub link: LinkId,
}

/// Leaves a message for the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkPut {
    /// Where.
    pub link: LinkId,
    /// Whose message it is.
    pub side: LinkSide,
    /// 0 for the side's first. The same bytes again are answered as before, other bytes with `link-used`.
    pub number: u16,
    /// Sealed by the code, or by what came of it.
    pub sealed: Vec<u8>,
}

/// Reads what a side has left, and goes on with what it leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkSubscribe {
    /// Where.
    pub link: LinkId,
    /// Whose messages.
    pub side: LinkSide,
    /// Messages with this number and above.
    pub from: u16,
}

/// How a link stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkState {
    /// How long it lasts.
    pub left: Duration,
}

/// Messages in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkPage {
    /// Without gaps.
    pub messages: Vec<Vec<u8>>,
}
