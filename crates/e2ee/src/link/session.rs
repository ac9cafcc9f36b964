//! Messages under the key that both devices share: in order, each once, each side its own.

use core::fmt;

use quicprochat_wire::{DecodeError, Entropy, LinkId, Reader, Writer, call::linking::LinkSide, limits::MAX_LINK_BYTES};
use zeroize::Zeroizing;

use super::{LinkContent, LinkString};
use crate::{
    aead,
    error::{E2eeError, Sealed},
};

const VERSION: u8 = 1;
/// Messages of each side before those of a session.
pub(super) const HANDSHAKE_MESSAGES: u16 = 2;

/// A key that only the two devices have, if the strings were found equal.
///
/// Secrets:  zeroised on drop.
pub struct LinkSession {
    key: Zeroizing<[u8; 32]>,
    id: LinkId,
    side: LinkSide,
    string: LinkString,
    sent: u16,
    received: u16,
}

impl LinkSession {
    pub(super) const fn new(key: Zeroizing<[u8; 32]>, id: LinkId, side: LinkSide, string: LinkString) -> Self {
        Self { key, id, side, string, sent: HANDSHAKE_MESSAGES, received: HANDSHAKE_MESSAGES }
    }

    /// What people compare before anything is sealed that matters.
    #[must_use]
    pub const fn string(&self) -> LinkString {
        self.string
    }

    /// The number of the next message of this side.
    #[must_use]
    pub const fn next_number(&self) -> u16 {
        self.sent
    }

    /// Seals the next message.
    pub fn seal(&mut self, content: &LinkContent, entropy: &mut dyn Entropy) -> Result<Vec<u8>, E2eeError> {
        let head = MessageHead { id: self.id, side: self.side, number: self.sent };
        let sealed = head.seal(&self.key, content.encode().to_vec(), entropy)?;
        self.sent = self.sent.saturating_add(1);
        Ok(sealed)
    }

    /// Opens the next message of the other side.
    ///
    /// Errors:   [`E2eeError::CannotOpen`] for any other message than that; the session goes on as before.
    pub fn open(&mut self, sealed: &[u8]) -> Result<LinkContent, E2eeError> {
        let head = MessageHead { id: self.id, side: self.side.other(), number: self.received };
        let content = LinkContent::parse(&head.open(&self.key, sealed)?)?;
        // Each side has its own to say.
        let fits = match content {
            LinkContent::Offer(_) | LinkContent::Package(_) => head.side == LinkSide::Joiner,
            LinkContent::Handover(_) | LinkContent::Done => head.side == LinkSide::Holder,
            LinkContent::Refused(_) => true,
        };
        if !fits {
            return Err(DecodeError::WrongLabel.into());
        }
        self.received = self.received.saturating_add(1);
        Ok(content)
    }
}

impl fmt::Debug for LinkSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSession").field("side", &self.side).field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// The place of a message, to which its ciphertext is bound.
#[derive(Clone, Copy)]
pub(super) struct MessageHead {
    pub(super) id: LinkId,
    pub(super) side: LinkSide,
    pub(super) number: u16,
}

impl MessageHead {
    fn text(self) -> Vec<u8> {
        let side = match self.side {
            LinkSide::Holder => 0,
            LinkSide::Joiner => 1,
        };
        Writer::labelled("qpc/1 link message").fixed(self.id).u8(side).u16(self.number).finish()
    }

    /// Shape:    `u8 1 || nonce (24) || ciphertext` of the padded plaintext.
    pub(super) fn seal(
        self,
        key: &[u8; 32],
        plaintext: Vec<u8>,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, E2eeError> {
        let limit = MAX_LINK_BYTES - 1;
        let sealed = aead::seal_padded(key, &self.text(), plaintext, Sealed::LinkMessage, limit, entropy)?;
        Ok(Writer::new().u8(VERSION).fixed(sealed).finish())
    }

    /// Errors:   [`E2eeError::Unsupported`] for another version; [`E2eeError::CannotOpen`].
    pub(super) fn open(self, key: &[u8; 32], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, E2eeError> {
        let mut reader = Reader::new(sealed);
        match reader.u8()? {
            VERSION => aead::open_padded(key, &self.text(), reader.rest(), Sealed::LinkMessage),
            found => Err(E2eeError::Unsupported { what: "version of linking", found: found.into() }),
        }
    }
}
