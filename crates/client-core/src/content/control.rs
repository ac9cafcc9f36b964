//! Control messages: what clients tell each other without showing it.

use quicprochat_wire::{AccountId, DecodeError, DeviceId, MessageId, Reader, Timestamp, Writer};

use super::{ContentError, Disposition, MAX_CONTENT_BYTES, MimiContent, Part, PartBody, Salt};

/// Media type of control messages.
const CONTENT_TYPE: &str = "application/vnd.quicprochat.control";
const VERSION: u8 = 1;
const LEAVE: u8 = 1;
const GAP_REQUEST: u8 = 2;
const RELAYED: u8 = 3;

/// Most spans of one control message.
pub const MAX_SPANS: usize = 64;
/// Most entries of one relayed batch.
pub const MAX_RELAYED: usize = 1024;
/// Most bytes of the entries of one relayed batch, as they are encoded: the rest of a content is left for spans and framing.
pub const MAX_RELAYED_BYTES: usize = MAX_CONTENT_BYTES - 4096;

/// Positions of a channel, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span {
    /// First position.
    pub from: u64,
    /// Last position.
    pub to: u64,
}

/// An entry that a member sends again to another who cannot read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayedEntry {
    /// Its position.
    pub position: u64,
    /// Its id.
    pub id: MessageId,
    /// Who wrote it, as the relaying member says.
    pub sender: AccountId,
    /// On which device.
    pub device: DeviceId,
    /// When the server took it.
    pub time: Timestamp,
    /// MIMI content.
    pub content: Vec<u8>,
}

/// What a member sends again.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Relay {
    /// The positions that it speaks for: what is not among the entries said nothing to people.
    pub spans: Vec<Span>,
    /// The entries, in order.
    pub entries: Vec<RelayedEntry>,
}

/// A control message.
///
/// Shape:    `u8 1 || u8 kind || body`.
/// Source:   protocol.md, section 9.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Control {
    /// The sender's device leaves: another member is to commit its removal (L10).
    Leave,
    /// The sender's device cannot read these positions and asks for them (M2).
    GapRequest(Vec<Span>),
    /// Entries of positions that somebody asked for (M2).
    Relayed(Relay),
}

impl RelayedEntry {
    /// Bytes of the entry in a batch.
    #[must_use]
    pub fn size(&self) -> usize {
        Self::overhead() + self.content.len()
    }

    /// Bytes of an entry beside its content.
    #[must_use]
    pub const fn overhead() -> usize {
        8 + 16 + 32 + 16 + 8 + 4
    }

    fn write(&self, writer: Writer) -> Writer {
        let writer = writer.u64(self.position).fixed(self.id).fixed(self.sender).fixed(self.device);
        writer.u64(self.time.0).bytes(&self.content)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            position: reader.u64()?,
            id: MessageId::new(reader.array()?),
            sender: AccountId::new(reader.array()?),
            device: DeviceId::new(reader.array()?),
            time: Timestamp(reader.u64()?),
            content: reader.bytes(MAX_CONTENT_BYTES)?.to_vec(),
        })
    }
}

impl Control {
    fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().u8(VERSION);
        match self {
            Self::Leave => writer.u8(LEAVE),
            Self::GapRequest(spans) => write_spans(writer.u8(GAP_REQUEST), spans),
            Self::Relayed(relay) => {
                let writer = write_spans(writer.u8(RELAYED), &relay.spans);
                writer.list(&relay.entries, |writer, entry| entry.write(writer))
            }
        }
        .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(DecodeError::BadValue { found: version.into() });
        }
        let control = match reader.u8()? {
            LEAVE => Self::Leave,
            GAP_REQUEST => Self::GapRequest(read_spans(&mut reader)?),
            RELAYED => {
                let spans = read_spans(&mut reader)?;
                let entries = reader.list(MAX_RELAYED, RelayedEntry::read)?;
                check_order(&spans, &entries)?;
                Self::Relayed(Relay { spans, entries })
            }
            found => return Err(DecodeError::BadValue { found: found.into() }),
        };
        reader.finish()?;
        Ok(control)
    }
}

fn write_spans(writer: Writer, spans: &[Span]) -> Writer {
    writer.list(spans, |writer, span| writer.u64(span.from).u64(span.to))
}

/// Spans in order, none touching the one before.
fn read_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, DecodeError> {
    let spans =
        reader.list(MAX_SPANS, |reader| Ok::<_, DecodeError>(Span { from: reader.u64()?, to: reader.u64()? }))?;
    let mut end = 0;
    for span in &spans {
        if span.from <= end || span.to < span.from {
            return Err(DecodeError::BadValue { found: span.from });
        }
        end = span.to;
    }
    Ok(spans)
}

/// Entries in order, each at a position that is spoken for.
fn check_order(spans: &[Span], entries: &[RelayedEntry]) -> Result<(), DecodeError> {
    let mut last = 0;
    for entry in entries {
        let position = entry.position;
        if position <= last || !spans.iter().any(|span| (span.from..=span.to).contains(&position)) {
            return Err(DecodeError::BadValue { found: position });
        }
        last = position;
    }
    Ok(())
}

impl MimiContent {
    /// A control message.
    #[must_use]
    pub fn control(control: &Control, salt: Salt) -> Self {
        Self::new(salt, Part::single(Disposition::UNSPECIFIED, "", CONTENT_TYPE, control.encode()))
    }

    /// The control message this content is, or `None` if it is something else.
    ///
    /// Errors:   [`ContentError::UnknownControl`] for one that this client does not know; it is to be ignored, not shown.
    pub fn as_control(&self) -> Result<Option<Control>, ContentError> {
        match &self.body.body {
            PartBody::Single { content_type, content } if content_type == CONTENT_TYPE => {
                Control::decode(content).map(Some).map_err(|_| ContentError::UnknownControl)
            }
            PartBody::Null | PartBody::Single { .. } | PartBody::External(_) | PartBody::Multi { .. } => Ok(None),
        }
    }
}
