//! The message container.

use quicprochat_wire::Timestamp;

use super::{
    ContentError, Disposition, Extensions, MAX_CONTENT_BYTES, MAX_PARTS, MAX_TOPIC_BYTES, MimiId, Part, Salt,
    cbor::{Decoder, Encoder},
    part::narrow,
};

/// Media type of plain text.
const PLAIN_TEXT: &str = "text/plain;charset=utf-8";
/// Fields of the container.
const FIELDS: u64 = 7;

/// When a message is to be deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiration {
    /// So many seconds after it was read.
    AfterReading {
        /// How many.
        seconds: u32,
    },
    /// At this second since 1970.
    At {
        /// Which.
        seconds: u32,
    },
}

impl Expiration {
    /// The moment of expiry for a message read at `read`.
    #[must_use]
    pub fn moment(self, read: Timestamp) -> Timestamp {
        match self {
            Self::AfterReading { seconds } => read.after(quicprochat_wire::Duration::from_secs(u64::from(seconds))),
            Self::At { seconds } => Timestamp(u64::from(seconds) * 1000),
        }
    }

    fn write(self, encoder: &mut Encoder) {
        let (relative, seconds) = match self {
            Self::AfterReading { seconds } => (true, seconds),
            Self::At { seconds } => (false, seconds),
        };
        encoder.array(2);
        encoder.bool(relative);
        encoder.unsigned(u64::from(seconds));
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, ContentError> {
        match decoder.array()? {
            2 => {}
            found => return Err(ContentError::BadValue { field: "count of an expiration's fields", found }),
        }
        let relative = decoder.bool()?;
        let seconds = narrow(decoder.unsigned("expiration", u64::from(u32::MAX))?);
        Ok(if relative { Self::AfterReading { seconds } } else { Self::At { seconds } })
    }
}

/// What an application message of a conversation holds.
///
/// Source:   draft-ietf-mimi-content-08, section 4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MimiContent {
    /// Random for each message.
    pub salt: Salt,
    /// The message this one edits or deletes.
    pub replaces: Option<MimiId>,
    /// Topic; empty for none.
    pub topic: Vec<u8>,
    /// When to delete it.
    pub expires: Option<Expiration>,
    /// The message this one replies or reacts to.
    pub in_reply_to: Option<MimiId>,
    /// What else the sender's software says.
    pub extensions: Extensions,
    /// The body.
    pub body: Part,
}

impl MimiContent {
    /// A content with this body and nothing else.
    #[must_use]
    pub fn new(salt: Salt, body: Part) -> Self {
        Self {
            salt,
            replaces: None,
            topic: Vec::new(),
            expires: None,
            in_reply_to: None,
            extensions: Extensions::default(),
            body,
        }
    }

    /// Plain text. `language` is a language tag or empty.
    #[must_use]
    pub fn text(body: &str, language: &str, salt: Salt) -> Self {
        Self::new(salt, Part::single(Disposition::RENDER, language, PLAIN_TEXT, body))
    }

    /// The text to show, if there is any.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        self.body.as_text()
    }

    /// The one encoding.
    ///
    /// Errors:   if a field or the whole exceeds its limit; what is encoded here, [`Self::decode`] takes.
    pub fn encode(&self) -> Result<Vec<u8>, ContentError> {
        let mut encoder = Encoder::default();
        encoder.array(FIELDS as usize);
        encoder.bytes(self.salt.as_bytes());
        write_id(&mut encoder, self.replaces);
        if self.topic.len() > MAX_TOPIC_BYTES {
            return Err(ContentError::TooLong { field: "topic", limit: MAX_TOPIC_BYTES, found: self.topic.len() });
        }
        encoder.bytes(&self.topic);
        match self.expires {
            None => encoder.null(),
            Some(expires) => expires.write(&mut encoder),
        }
        write_id(&mut encoder, self.in_reply_to);
        self.extensions.write(&mut encoder)?;
        let mut budget = MAX_PARTS;
        self.body.write(&mut encoder, 1, &mut budget)?;
        let encoded = encoder.finish();
        check_size(encoded.len())?;
        Ok(encoded)
    }

    /// Reads exactly one content.
    ///
    /// Errors:   for everything that [`Self::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        check_size(bytes.len())?;
        let mut decoder = Decoder::new(bytes);
        match decoder.array()? {
            FIELDS => {}
            found => return Err(ContentError::BadValue { field: "count of a content's fields", found }),
        }
        let mut budget = MAX_PARTS;
        let content = Self {
            salt: Salt::new(fixed(&mut decoder, "salt")?),
            replaces: read_id(&mut decoder)?,
            topic: decoder.bytes("topic", MAX_TOPIC_BYTES)?.to_vec(),
            expires: if decoder.null() { None } else { Some(Expiration::read(&mut decoder)?) },
            in_reply_to: read_id(&mut decoder)?,
            extensions: Extensions::read(&mut decoder)?,
            body: Part::read(&mut decoder, 1, &mut budget)?,
        };
        decoder.finish()?;
        Ok(content)
    }
}

fn write_id(encoder: &mut Encoder, id: Option<MimiId>) {
    match id {
        None => encoder.null(),
        Some(id) => encoder.bytes(id.as_bytes()),
    }
}

fn read_id(decoder: &mut Decoder<'_>) -> Result<Option<MimiId>, ContentError> {
    if decoder.null() { Ok(None) } else { fixed(decoder, "message id").map(|id| Some(MimiId::new(id))) }
}

fn fixed<const N: usize>(decoder: &mut Decoder<'_>, field: &'static str) -> Result<[u8; N], ContentError> {
    let bytes = decoder.bytes(field, N)?;
    bytes.try_into().map_err(|_| ContentError::BadValue { field, found: bytes.len() as u64 })
}

const fn check_size(found: usize) -> Result<(), ContentError> {
    if found > MAX_CONTENT_BYTES {
        return Err(ContentError::TooLong { field: "content", limit: MAX_CONTENT_BYTES, found });
    }
    Ok(())
}
