//! Keys of the document: one letter for what it is, then whose it is, in base64url without padding.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use quicprochat_wire::{AccountId, ChannelId};

/// What stands under a key of the document. Others are of later versions and are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// `t`: a title in place of the conversation's own, UTF-8.
    Title(ChannelId),
    /// `m`: no notifications until then, u64 milliseconds.
    MutedUntil(ChannelId),
    /// `a`: put away; without content.
    Archived(ChannelId),
    /// `p`: kept on top; without content.
    Pinned(ChannelId),
    /// `o`: its place, u32.
    Order(ChannelId),
    /// `d`: what was begun to be written, UTF-8.
    Draft(ChannelId),
    /// `c`: the key that a device pinned: name text, host text, SHA-256 of the composite key fixed(32).
    Contact(AccountId),
    /// `r`: u8 1 contact, 2 blocked.
    Relation(AccountId),
    /// `v`: SHA-256 of the composite key whose safety number was compared, fixed(32).
    Verified(AccountId),
}

impl Key {
    /// As it stands in the document.
    #[must_use]
    pub fn text(self) -> String {
        let (letter, id): (char, [u8; 32]) = match self {
            Self::Title(of) => ('t', *of.as_bytes()),
            Self::MutedUntil(of) => ('m', *of.as_bytes()),
            Self::Archived(of) => ('a', *of.as_bytes()),
            Self::Pinned(of) => ('p', *of.as_bytes()),
            Self::Order(of) => ('o', *of.as_bytes()),
            Self::Draft(of) => ('d', *of.as_bytes()),
            Self::Contact(of) => ('c', *of.as_bytes()),
            Self::Relation(of) => ('r', *of.as_bytes()),
            Self::Verified(of) => ('v', *of.as_bytes()),
        };
        let mut text = String::from(letter);
        URL_SAFE_NO_PAD.encode_string(id, &mut text);
        text
    }

    /// Reads it; `None` for one that this version does not know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (letter, id) = text.split_at_checked(1)?;
        let id: [u8; 32] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
        let (channel, account) = (ChannelId::new(id), AccountId::new(id));
        Some(match letter {
            "t" => Self::Title(channel),
            "m" => Self::MutedUntil(channel),
            "a" => Self::Archived(channel),
            "p" => Self::Pinned(channel),
            "o" => Self::Order(channel),
            "d" => Self::Draft(channel),
            "c" => Self::Contact(account),
            "r" => Self::Relation(account),
            "v" => Self::Verified(account),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_unknown_ones_are_none() {
        let (channel, account) = (ChannelId::new([1; 32]), AccountId::new([2; 32]));
        let keys = [
            Key::Title(channel),
            Key::MutedUntil(channel),
            Key::Archived(channel),
            Key::Pinned(channel),
            Key::Order(channel),
            Key::Draft(channel),
            Key::Contact(account),
            Key::Relation(account),
            Key::Verified(account),
        ];
        for key in keys {
            assert_eq!(Key::parse(&key.text()), Some(key));
            assert_eq!(key.text().len(), 44);
        }
        assert_eq!(Key::Title(channel).text(), "tAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE");
        for text in ["", "t", "é", "tAQ", "zAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }
}
