//! Control messages: what clients tell each other without showing it.

use quicprochat_wire::{Reader, Writer};

use super::{ContentError, Disposition, MimiContent, Part, PartBody, Salt};

/// Media type of control messages.
const CONTENT_TYPE: &str = "application/vnd.quicprochat.control";
const VERSION: u8 = 1;
const LEAVE: u8 = 1;

/// A control message.
///
/// Shape:    `u8 1 || u8 kind`.
/// Source:   protocol.md, section 9.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// The sender's device leaves: another member is to commit its removal (L10).
    Leave,
}

impl Control {
    const fn kind(self) -> u8 {
        match self {
            Self::Leave => LEAVE,
        }
    }
}

impl MimiContent {
    /// A control message.
    #[must_use]
    pub fn control(control: Control, salt: Salt) -> Self {
        let body = Writer::new().u8(VERSION).u8(control.kind()).finish();
        Self::new(salt, Part::single(Disposition::UNSPECIFIED, "", CONTENT_TYPE, body))
    }

    /// The control message this content is, or `None` if it is something else.
    ///
    /// Errors:   [`ContentError::UnknownControl`] for one that this client does not know; it is to be ignored, not shown.
    pub fn as_control(&self) -> Result<Option<Control>, ContentError> {
        match &self.body.body {
            PartBody::Single { content_type, content } if content_type == CONTENT_TYPE => {
                let mut reader = Reader::new(content);
                match (reader.u8(), reader.u8(), reader.finish()) {
                    (Ok(VERSION), Ok(LEAVE), Ok(())) => Ok(Some(Control::Leave)),
                    _ => Err(ContentError::UnknownControl),
                }
            }
            PartBody::Null | PartBody::Single { .. } | PartBody::External(_) | PartBody::Multi { .. } => Ok(None),
        }
    }
}
