//! Names and public keys of those who sign notes.

use core::fmt;

use ml_dsa::{EncodedVerifyingKey, MlDsa44};

use super::text::{bad, base64, parse_base64};
use crate::{
    Digest, KeyTransError,
    error::{NotePart, NoteProblem},
};

/// Bytes of a key name at most: what the ML-DSA-44 message can hold.
const MAX_NAME_BYTES: usize = 255;

/// The name of a key: `example.org/keytrans`, say.
///
/// Shape:    1 to 255 bytes of UTF-8 without white space, `+`, and control characters below U+0020.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks a name.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn new(name: &str) -> Result<Self, KeyTransError> {
        let part = NotePart::KeyName;
        if name.is_empty() {
            return Err(bad(part, NoteProblem::Empty));
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(bad(part, NoteProblem::TooLong { limit: MAX_NAME_BYTES, found: name.len() }));
        }
        if name.chars().any(|each| each.is_whitespace() || each < ' ' || each == '+') {
            return Err(bad(part, NoteProblem::Character));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

/// The short identifier of a key: not a fingerprint, for others can make keys that have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    /// The front of SHA-256 of name, newline, algorithm and public key.
    fn compute(name: &KeyName, algorithm: Algorithm, public: &[u8]) -> Self {
        let [a, b, c, d, ..] = Digest::of(&[name.as_str().as_bytes(), b"\n", &[algorithm.byte()], public]).0;
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// What a key signs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519 over the text of the note (0x01).
    Ed25519,
    /// Ed25519 over the time and the text of a checkpoint, `cosignature/v1` (0x04).
    Ed25519Cosignature,
    /// ML-DSA-44 over the time, the signer's name, origin, size and root of a checkpoint, `subtree/v1` (0x06).
    MlDsa44Cosignature,
}

impl Algorithm {
    /// The byte that stands for it in keys and key ids.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ed25519Cosignature => 0x04,
            Self::MlDsa44Cosignature => 0x06,
        }
    }

    /// The algorithm of a byte, if it is known here.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Ed25519Cosignature),
            0x06 => Some(Self::MlDsa44Cosignature),
            _ => None,
        }
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_bytes(self) -> usize {
        match self {
            Self::Ed25519 | Self::Ed25519Cosignature => 32,
            Self::MlDsa44Cosignature => 1312,
        }
    }

    /// Bytes of a signature, with its time but without the key id before it.
    #[must_use]
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 64,
            Self::Ed25519Cosignature => 8 + 64,
            Self::MlDsa44Cosignature => 8 + 2420,
        }
    }

    /// Whether it has a time, as a witness's signature must.
    #[must_use]
    pub const fn is_cosignature(self) -> bool {
        !matches!(self, Self::Ed25519)
    }

    /// Whether a signature holds for the extension lines of a checkpoint too: ML-DSA-44 leaves them out.
    #[must_use]
    pub const fn covers_extensions(self) -> bool {
        !matches!(self, Self::MlDsa44Cosignature)
    }
}

/// A public key with the name of its owner.
///
/// Shape:    as text `<name>+<key id, 8 hex digits>+<base64 of algorithm byte and key>`
/// Source:   signed-note, "Verifier keys".
#[derive(Clone)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    pub(super) public: Public,
}

/// The key itself, ready to verify with.
#[derive(Clone)]
pub(super) enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    Ed25519Cosignature(ed25519_dalek::VerifyingKey),
    MlDsa44Cosignature(Box<ml_dsa::VerifyingKey<MlDsa44>>),
}

impl VerifierKey {
    /// A key of its bytes.
    ///
    /// Errors:   [`KeyTransError::Note`] for a wrong length or a key that nobody can own.
    pub fn new(name: KeyName, algorithm: Algorithm, public: &[u8]) -> Result<Self, KeyTransError> {
        let part = NotePart::VerifierKey;
        let length = NoteProblem::Length { expected: algorithm.public_bytes(), found: public.len() };
        let material = match algorithm {
            Algorithm::Ed25519 => Public::Ed25519(ed25519(public, length)?),
            Algorithm::Ed25519Cosignature => Public::Ed25519Cosignature(ed25519(public, length)?),
            Algorithm::MlDsa44Cosignature => {
                let encoded = EncodedVerifyingKey::<MlDsa44>::try_from(public).map_err(|_| bad(part, length))?;
                Public::MlDsa44Cosignature(Box::new(ml_dsa::VerifyingKey::decode(&encoded)))
            }
        };
        let id = KeyId::compute(&name, algorithm, public);
        Ok(Self { name, id, public: material })
    }

    /// Reads the text form; the key id in it must be that of the key.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub fn parse(text: &str) -> Result<Self, KeyTransError> {
        let part = NotePart::VerifierKey;
        // Base64 has plus signs too: only the first two separate.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad(part, NoteProblem::Form));
        };
        let name = KeyName::new(name)?;
        let material = parse_base64(part, material)?;
        let (byte, public) = material.split_first().ok_or(bad(part, NoteProblem::Empty))?;
        let algorithm = Algorithm::from_byte(*byte).ok_or(bad(part, NoteProblem::Algorithm { found: *byte }))?;
        let key = Self::new(name, algorithm, public)?;
        if key.id.to_string() == id { Ok(key) } else { Err(bad(part, NoteProblem::KeyId { computed: key.id })) }
    }

    /// Whose key it is.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its identifier.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What it signs, and how.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Ed25519(_) => Algorithm::Ed25519,
            Public::Ed25519Cosignature(_) => Algorithm::Ed25519Cosignature,
            Public::MlDsa44Cosignature(_) => Algorithm::MlDsa44Cosignature,
        }
    }

    /// The bytes of the key, without the algorithm.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        match &self.public {
            Public::Ed25519(key) | Public::Ed25519Cosignature(key) => key.to_bytes().to_vec(),
            Public::MlDsa44Cosignature(key) => key.encode().to_vec(),
        }
    }

    /// That all keys can be told apart by name and id, and that no key material stands twice.
    ///
    /// Errors:   [`KeyTransError::Note`].
    pub(super) fn check_distinct<'a>(keys: impl Iterator<Item = &'a Self>) -> Result<(), KeyTransError> {
        let (mut ids, mut materials) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for key in keys {
            if !ids.insert((&key.name, key.id)) || !materials.insert(key.public_key()) {
                return Err(bad(NotePart::VerifierKey, NoteProblem::Twice));
            }
        }
        Ok(())
    }
}

fn ed25519(public: &[u8], length: NoteProblem) -> Result<ed25519_dalek::VerifyingKey, KeyTransError> {
    let part = NotePart::VerifierKey;
    let bytes = public.try_into().map_err(|_| bad(part, length))?;
    // Under a key of small order, signatures of anybody verify.
    let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
    key.ok_or(bad(part, NoteProblem::InvalidKey))
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.algorithm().byte()], self.public_key().as_slice()].concat();
        write!(out, "{}+{}+{}", self.name, self.id, base64(&material))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "VerifierKey({}+{}, {:?})", self.name, self.id, self.algorithm())
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.algorithm() == other.algorithm() && self.public_key() == other.public_key()
    }
}

impl Eq for VerifierKey {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::test_support::{EXAMPLE_KEY, all_keys};

    #[test]
    fn the_example_key_of_the_specification_is_read_and_written() {
        let key = VerifierKey::parse(EXAMPLE_KEY).unwrap();
        assert_eq!((key.name().as_str(), key.algorithm()), ("example.com/foo", Algorithm::Ed25519));
        assert_eq!((key.id().to_string().as_str(), key.to_string().as_str()), ("530d903a", EXAMPLE_KEY));
    }

    #[test]
    fn every_kind_of_key_survives_its_text_form() {
        for secret in all_keys("example.com/log") {
            let key = secret.verifier();
            let text = key.to_string();
            assert_eq!(VerifierKey::parse(&text).as_ref(), Ok(key));
            assert_eq!(key.public_key().len(), key.algorithm().public_bytes());
            assert_eq!(Algorithm::from_byte(key.algorithm().byte()), Some(key.algorithm()));
        }
    }

    #[test]
    fn a_key_of_another_name_or_id_or_algorithm_is_refused() {
        let id = EXAMPLE_KEY.replace("530d903a", "530d903b");
        let name = EXAMPLE_KEY.replace("foo", "fop");
        let upper = EXAMPLE_KEY.replace("530d903a", "530D903A");
        for text in [id, name, upper] {
            let found = VerifierKey::parse(&text);
            assert!(
                matches!(
                    found,
                    Err(KeyTransError::Note { part: NotePart::VerifierKey, problem: NoteProblem::KeyId { .. } })
                ),
                "{text}: {found:?}"
            );
        }
        let other = format!("example.com/foo+530d903a+{}", base64(&[&[2], [7; 32].as_slice()].concat()));
        assert_eq!(VerifierKey::parse(&other), Err(bad(NotePart::VerifierKey, NoteProblem::Algorithm { found: 2 })));
        for cut in 0..EXAMPLE_KEY.len() {
            assert!(VerifierKey::parse(&EXAMPLE_KEY[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let found = VerifierKey::new(KeyName::new("mallory").unwrap(), Algorithm::Ed25519Cosignature, &identity);
        assert_eq!(found, Err(bad(NotePart::VerifierKey, NoteProblem::InvalidKey)));
    }

    #[test]
    fn a_name_has_no_white_space_and_no_plus() {
        for name in ["", "a b", "a+b", "a\tb", "a\nb", "a\u{a0}b", "a\u{2003}b", "a\u{1}b", &"n".repeat(256)] {
            assert!(KeyName::new(name).is_err(), "{name:?}");
        }
        for name in ["w", "example.com/w1", "oid/1.2.3", "größe.example", &"n".repeat(255)] {
            assert_eq!(KeyName::new(name).unwrap().as_str(), name);
        }
    }
}
