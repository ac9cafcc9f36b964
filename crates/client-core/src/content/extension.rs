//! Extension fields: what other software may add to a content.

use core::cmp::Ordering;
use std::collections::BTreeMap;

use super::{
    ContentError, MAX_EXTENSION_DEPTH, MAX_EXTENSIONS,
    cbor::{Decoder, Encoder, Key},
};

/// Longest text key.
const MAX_KEY_BYTES: usize = 255;
/// Largest magnitude of an integer key: what a double holds exactly.
const MAX_KEY_NUMBER: u64 = (1 << 53) - 1;
/// Key of the sender's URI.
const SENDER_URI: i64 = 1;
/// Key of the room's URI.
const ROOM_URI: i64 = 2;

/// The name of an extension: registered (positive) or private (negative, text).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExtensionKey {
    /// Of magnitude below 2^53.
    Number(i64),
    /// 1 to 255 bytes.
    Text(String),
}

impl ExtensionKey {
    fn write(&self, encoder: &mut Encoder) -> Result<(), ContentError> {
        match self {
            Self::Number(number) if number.unsigned_abs() > MAX_KEY_NUMBER => {
                Err(ContentError::BadValue { field: "extension key", found: number.unsigned_abs() })
            }
            Self::Number(number) => {
                match u64::try_from(*number) {
                    Ok(number) => encoder.unsigned(number),
                    Err(_) => encoder.negative(number.unsigned_abs().saturating_sub(1)),
                }
                Ok(())
            }
            Self::Text(text) => {
                check_text_key(text)?;
                encoder.text(text);
                Ok(())
            }
        }
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, ContentError> {
        let number = |magnitude: u64| match i64::try_from(magnitude) {
            Ok(number) if magnitude <= MAX_KEY_NUMBER => Ok(number),
            _ => Err(ContentError::BadValue { field: "extension key", found: magnitude }),
        };
        match decoder.key(MAX_KEY_BYTES)? {
            Key::Unsigned(value) => number(value).map(Self::Number),
            Key::Negative(value) => number(value.saturating_add(1)).map(|number| Self::Number(-number)),
            Key::Text(text) => {
                check_text_key(text)?;
                Ok(Self::Text(text.to_owned()))
            }
        }
    }

    /// Sorts as the encoded keys do: by type, then by magnitude or length, then by content.
    fn rank(&self) -> (u8, u64, &[u8]) {
        match self {
            Self::Number(number @ 0..) => (0, number.unsigned_abs(), &[]),
            Self::Number(number) => (1, number.unsigned_abs(), &[]),
            Self::Text(text) => (3, text.len() as u64, text.as_bytes()),
        }
    }
}

impl Ord for ExtensionKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for ExtensionKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const fn check_text_key(text: &str) -> Result<(), ContentError> {
    match text.len() {
        1..=MAX_KEY_BYTES => Ok(()),
        found => Err(ContentError::TooLong { field: "extension key", limit: MAX_KEY_BYTES, found }),
    }
}

/// The value of an extension, any CBOR in deterministic encoding, kept as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExtensionValue(Vec<u8>);

impl ExtensionValue {
    /// A text value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let mut encoder = Encoder::default();
        encoder.text(text);
        Self(encoder.finish())
    }

    /// An encoded value.
    ///
    /// Errors:   if the bytes are not exactly one value in deterministic encoding, nested at most three levels deep.
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, ContentError> {
        let mut decoder = Decoder::new(bytes);
        let value = Self::read(&mut decoder)?;
        decoder.finish()?;
        Ok(value)
    }

    /// The encoded value.
    #[must_use]
    pub fn as_cbor(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the value is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        Decoder::new(&self.0).text("extension", usize::MAX).ok()
    }

    fn read(decoder: &mut Decoder<'_>) -> Result<Self, ContentError> {
        decoder.any(MAX_EXTENSION_DEPTH - 1).map(|bytes| Self(bytes.to_vec()))
    }
}

/// All extensions of a content.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    values: BTreeMap<ExtensionKey, ExtensionValue>,
}

impl Extensions {
    /// Sets an extension; replaces the value it had.
    #[must_use]
    pub fn with(mut self, key: ExtensionKey, value: ExtensionValue) -> Self {
        self.values.insert(key, value);
        self
    }

    /// The value of an extension.
    #[must_use]
    pub fn value(&self, key: &ExtensionKey) -> Option<&ExtensionValue> {
        self.values.get(key)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The sender's URI as the content claims it.
    #[must_use]
    pub fn sender_uri(&self) -> Option<&str> {
        self.value(&ExtensionKey::Number(SENDER_URI))?.as_text()
    }

    /// The room's URI as the content claims it.
    #[must_use]
    pub fn room_uri(&self) -> Option<&str> {
        self.value(&ExtensionKey::Number(ROOM_URI))?.as_text()
    }

    pub(super) fn write(&self, encoder: &mut Encoder) -> Result<(), ContentError> {
        check_count(self.values.len())?;
        encoder.map(self.values.len());
        for (key, value) in &self.values {
            check_known(key, value)?;
            key.write(encoder)?;
            encoder.encoded(value.as_cbor());
        }
        Ok(())
    }

    pub(super) fn read(decoder: &mut Decoder<'_>) -> Result<Self, ContentError> {
        let count = decoder.map()?;
        check_count(usize::try_from(count).unwrap_or(usize::MAX))?;
        let mut values = BTreeMap::new();
        for _ in 0..count {
            let key = ExtensionKey::read(decoder)?;
            if values.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(ContentError::NotDeterministic);
            }
            let value = ExtensionValue::read(decoder)?;
            check_known(&key, &value)?;
            values.insert(key, value);
        }
        Ok(Self { values })
    }
}

const fn check_count(found: usize) -> Result<(), ContentError> {
    if found > MAX_EXTENSIONS {
        return Err(ContentError::TooLong { field: "extensions", limit: MAX_EXTENSIONS, found });
    }
    Ok(())
}

/// The two extensions that the draft defines are text.
fn check_known(key: &ExtensionKey, value: &ExtensionValue) -> Result<(), ContentError> {
    match key {
        ExtensionKey::Number(SENDER_URI | ROOM_URI) if value.as_text().is_none() => {
            Err(ContentError::WrongType { expected: "a text string" })
        }
        ExtensionKey::Number(_) | ExtensionKey::Text(_) => Ok(()),
    }
}
