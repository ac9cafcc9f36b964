//! The code that one device shows and the other takes.

use core::fmt;

use quicprochat_wire::{DecodeError, Entropy, Fingerprint, LinkId, Reader, ServerLink, Writer, entropy::random_array};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{aead, base32};

/// What every code of this version begins with.
const PREFIX: &str = "QPD1";
const SECRET_BYTES: usize = 20;
const CHECK_LETTERS: usize = 4;
const GROUP: usize = 4;
/// Secret, fingerprint and port, and a host name of one letter at least.
const LEAST_BYTES: usize = SECRET_BYTES + 32 + 2 + 1;
/// Longest host name of a link.
const MAX_HOST_BYTES: usize = 253;
const MAX_LETTERS: usize = PREFIX.len() + (LEAST_BYTES - 1 + MAX_HOST_BYTES) * 8 / 5 + 1 + CHECK_LETTERS;

/// Where to meet, and a secret of 160 bits that nobody else knows.
///
/// Shape:    `QPD1`, then the payload `secret (20) || fingerprint (32) || port u16 || host` and four letters of a checksum in
///           Crockford's Base32, in groups of four.
/// Secrets:  whoever has it while it counts can take the new device's place until the strings are compared. Zeroised on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkCode {
    server: ServerLink,
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// Why a text is no code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkCodeProblem {
    /// A character that is in no code.
    #[error("{found:?} is in no code")]
    Letter {
        /// Which.
        found: char,
    },
    /// It does not begin as codes do.
    #[error("a code begins with QPD1")]
    Prefix,
    /// It is of another version than this program knows.
    #[error("it is a code of another version; a newer program may know it")]
    Version,
    /// It is too short or too long.
    #[error("it is incomplete, or has letters too many")]
    Length,
    /// The checksum is of another code: something is mistyped.
    #[error("its checksum does not fit: at least one letter is mistyped")]
    Checksum,
    /// It names no server.
    #[error("it names no valid server")]
    Server,
}

impl LinkCode {
    /// Draws a fresh code for a server.
    pub fn generate(server: ServerLink, entropy: &mut dyn Entropy) -> Self {
        Self { server, secret: Zeroizing::new(random_array(entropy)) }
    }

    /// Reads a code as people write it: any case, with spaces and hyphens anywhere, O for 0, I and L for 1.
    ///
    /// Errors:   [`LinkCodeProblem`].
    pub fn parse(text: &str) -> Result<Self, LinkCodeProblem> {
        let mut letters = Zeroizing::new(Vec::with_capacity(text.len().min(MAX_LETTERS + 1)));
        let mut values = Zeroizing::new(Vec::with_capacity(text.len().min(MAX_LETTERS + 1)));
        for found in text.chars().filter(|typed| !base32::is_separator(*typed)) {
            let (letter, value) = base32::letter(found).ok_or(LinkCodeProblem::Letter { found })?;
            letters.push(letter);
            values.push(value);
            if letters.len() > MAX_LETTERS {
                return Err(LinkCodeProblem::Length);
            }
        }
        let Some(rest) = letters.strip_prefix(PREFIX.as_bytes()) else {
            let family = PREFIX.as_bytes().split_last().map(|(_, family)| family).unwrap_or_default();
            let version = letters.len() >= PREFIX.len() && letters.starts_with(family);
            return Err(if version { LinkCodeProblem::Version } else { LinkCodeProblem::Prefix });
        };
        let payload = rest.len().checked_sub(CHECK_LETTERS).ok_or(LinkCodeProblem::Length)?;
        let values = values.iter().copied().skip(PREFIX.len()).take(payload).collect::<Vec<_>>();
        let values = Zeroizing::new(values);
        let bytes = base32::bytes(values.iter().copied()).ok_or(LinkCodeProblem::Checksum)?;
        // Letters that add no byte have no place in a code.
        if bytes.len() < LEAST_BYTES || base32::letters(&bytes).count() != payload {
            return Err(LinkCodeProblem::Length);
        }
        if !checksum(&bytes).eq(rest.iter().copied().skip(payload)) {
            return Err(LinkCodeProblem::Checksum);
        }
        Self::from_payload(&bytes).ok_or(LinkCodeProblem::Server)
    }

    /// The code as it is printed: groups of four letters with hyphens.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let letters = self.to_letters();
        let mut text = Zeroizing::new(String::with_capacity(letters.len() * 5 / 4 + 1));
        for (index, letter) in letters.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }

    /// The code for a QR code, whose alphanumeric mode it fits: the letters of [`Self::to_text`] without hyphens.
    #[must_use]
    pub fn to_letters(&self) -> Zeroizing<String> {
        let payload = self.payload();
        let mut text = Zeroizing::new(PREFIX.to_owned());
        text.extend(base32::letters(&payload).chain(checksum(&payload)).map(char::from));
        text
    }

    /// The server at which the devices meet.
    #[must_use]
    pub const fn server(&self) -> &ServerLink {
        &self.server
    }

    /// Where they meet there. It tells nothing of the secret.
    #[must_use]
    pub fn id(&self) -> LinkId {
        let derived = aead::derive_key(self.secret.as_slice(), "qpc/1 link id");
        let mut id = [0; LinkId::LEN];
        id.iter_mut().zip(derived.iter()).for_each(|(byte, derived)| *byte = *derived);
        LinkId::new(id)
    }

    pub(super) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The key of the first messages.
    pub(super) fn key(&self) -> Zeroizing<[u8; 32]> {
        aead::derive_key(self.secret.as_slice(), "qpc/1 link code")
    }

    fn payload(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().fixed(self.secret.as_slice()).fixed(self.server.fingerprint());
        Zeroizing::new(writer.u16(self.server.port()).fixed(self.server.host()).finish())
    }

    fn from_payload(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let fields = |reader: &mut Reader<'_>| {
            let secret = Zeroizing::new(reader.array()?);
            Ok::<_, DecodeError>((secret, Fingerprint::new(reader.array()?), reader.u16()?))
        };
        let (secret, fingerprint, port) = fields(&mut reader).ok()?;
        let host = core::str::from_utf8(reader.rest()).ok()?;
        let server = ServerLink::new(host, port, fingerprint).ok()?;
        // One code has one text: a host in capitals is none that was printed.
        (server.host() == host).then_some(Self { server, secret })
    }
}

fn checksum(payload: &[u8]) -> impl Iterator<Item = u8> + use<> {
    let label = Writer::labelled("qpc/1 link code").finish();
    let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::new().chain_update(label).chain_update(payload).finalize()));
    base32::letters(&digest[..]).take(CHECK_LETTERS).collect::<Vec<_>>().into_iter()
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkCode({:?}, ..)", self.server)
    }
}
