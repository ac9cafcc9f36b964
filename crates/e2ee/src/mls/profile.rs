//! What all members agree a conversation is: group context extension 0xF1C1.

use quicprochat_wire::{DecodeError, DeviceId, Reader, Writer};

/// Type of the group context extension, from the private range of RFC 9420.
pub const PROFILE_EXTENSION: u16 = 0xF1C1;
/// Largest title.
pub const MAX_TITLE_BYTES: usize = 1024;
/// Most removed devices a conversation remembers.
pub const MAX_REMOVED: usize = 4096;

const VERSION: u8 = 1;

/// What kind of conversation it is; never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ConversationKind {
    /// Any number of accounts.
    Group,
    /// Two accounts.
    Direct,
}

/// A conversation's profile.
///
/// Shape:    `u8 1 || kind u8 (0 group, 1 direct) || policy version u32 || title text || removed list of device (16)`.
/// Source:   protocol.md section 7.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// What it is.
    pub kind: ConversationKind,
    /// Which policy its members enforce.
    pub policy: u32,
    /// Its name; empty for direct conversations.
    pub title: String,
    /// Devices that were removed while their account stayed. None of them may come back.
    pub removed: Vec<DeviceId>,
}

impl Profile {
    /// A new group.
    #[must_use]
    pub fn group(title: &str) -> Self {
        Self { kind: ConversationKind::Group, policy: 1, title: title.to_owned(), removed: Vec::new() }
    }

    /// A new direct conversation.
    #[must_use]
    pub const fn direct() -> Self {
        Self { kind: ConversationKind::Direct, policy: 1, title: String::new(), removed: Vec::new() }
    }

    /// The extension's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            ConversationKind::Group => 0,
            ConversationKind::Direct => 1,
        };
        Writer::new()
            .u8(VERSION)
            .u8(kind)
            .u32(self.policy)
            .text(&self.title)
            .list(&self.removed, |writer, device| writer.fixed(device))
            .finish()
    }

    /// Takes the extension's content.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(DecodeError::WrongLabel);
        }
        let kind = match reader.u8()? {
            0 => ConversationKind::Group,
            1 => ConversationKind::Direct,
            found => return Err(DecodeError::BadValue { found: found.into() }),
        };
        let profile = Self {
            kind,
            policy: reader.u32()?,
            title: reader.text(MAX_TITLE_BYTES)?.to_owned(),
            removed: reader.list::<_, DecodeError>(MAX_REMOVED, |item| Ok(DeviceId::new(item.array()?)))?,
        };
        reader.finish()?;
        Ok(profile)
    }
}
