//! The exchange that gives both devices one key, and people a string by which they see that nobody is in between.
//!
//! Each side has an X-Wing key pair and a nonce. The joiner commits to its own before it sees the holder's and reveals them
//! afterwards; the string covers both keys and both nonces, so whoever stands in between draws once, blindly, on each side.
//! The session key takes a secret encapsulated to each key: what was compared is what decrypts.

use core::fmt;

use quicprochat_wire::{Entropy, LinkId, Reader, Writer, call::linking::LinkSide, entropy::random_array};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{LinkCode, LinkSession, LinkString, session::MessageHead};
use crate::{
    aead,
    envelope::{self, ChaCha20Poly1305, XWING_OUTPUT_BYTES, XWING_PUBLIC_BYTES, XWing},
    error::{E2eeError, Sealed},
    rng::EntropyRng,
};

const NONCE_BYTES: usize = 32;

/// What a side shows of itself, and what it keeps.
struct Own {
    seed: Zeroizing<[u8; 32]>,
    shown: Shown,
}

/// A public key and a nonce.
struct Shown(Vec<u8>);

impl Own {
    fn draw(entropy: &mut dyn Entropy) -> Result<Self, E2eeError> {
        let seed = Zeroizing::new(random_array(entropy));
        let nonce: [u8; NONCE_BYTES] = random_array(entropy);
        let public = envelope::public_key::<XWing>(seed.as_slice()).map_err(|_| E2eeError::BadPublicKey)?;
        Ok(Self { seed, shown: Shown([public, nonce.to_vec()].concat()) })
    }
}

impl Shown {
    const BYTES: usize = XWING_PUBLIC_BYTES + NONCE_BYTES;

    fn key(&self) -> &[u8] {
        self.0.get(..XWING_PUBLIC_BYTES).unwrap_or_default()
    }

    fn commitment(&self, id: &LinkId) -> [u8; 32] {
        Sha256::digest(Writer::labelled("qpc/1 link commitment").fixed(id).fixed(&self.0).finish()).into()
    }
}

/// What both sides have seen once everything is on the table.
struct Transcript {
    id: LinkId,
    hash: [u8; 32],
}

impl Transcript {
    fn new(id: LinkId, holder: &Shown, joiner: &Shown) -> Self {
        let writer = Writer::labelled("qpc/1 link transcript").fixed(id).fixed(joiner.commitment(&id));
        Self { id, hash: Sha256::digest(writer.fixed(&holder.0).fixed(&joiner.0).finish()).into() }
    }

    fn string(&self, code: &LinkCode) -> LinkString {
        LinkString::new(code.secret(), &self.hash)
    }

    /// `to_holder` and `to_joiner` are the secrets encapsulated to each, with the outputs that carried them.
    fn session(&self, code: &LinkCode, side: LinkSide, to_holder: &Shared, to_joiner: &Shared) -> LinkSession {
        let writer = Writer::new().fixed(code.secret()).fixed(&to_holder.secret).fixed(&to_joiner.secret);
        let input = writer.fixed(self.hash).fixed(&to_holder.output).fixed(&to_joiner.output).finish();
        let key = aead::derive_key(&Zeroizing::new(input), "qpc/1 link session");
        LinkSession::new(key, self.id, side, self.string(code))
    }
}

/// A secret encapsulated to a key.
struct Shared {
    output: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

impl Shared {
    fn to(key: &[u8], transcript: &Transcript, entropy: &mut dyn Entropy) -> Result<Self, E2eeError> {
        let mut rng = EntropyRng(entropy);
        let sent = envelope::sender_export::<ChaCha20Poly1305, XWing>(key, &info(transcript), &[], 32, &mut rng);
        let (output, secret) = sent.map_err(|_| E2eeError::BadPublicKey)?;
        Ok(Self { output, secret })
    }

    fn received(own: &Own, output: &[u8], transcript: &Transcript) -> Result<Self, E2eeError> {
        let info = info(transcript);
        let secret = envelope::receiver_export::<ChaCha20Poly1305, XWing>(&own.seed[..], output, &info, &[], 32);
        let secret = secret.map_err(|_| CANNOT_OPEN)?;
        Ok(Self { output: output.to_vec(), secret })
    }
}

const CANNOT_OPEN: E2eeError = E2eeError::CannotOpen { what: Sealed::LinkMessage };

fn info(transcript: &Transcript) -> Vec<u8> {
    Writer::labelled("qpc/1 link key").fixed(transcript.hash).finish()
}

fn head(code: &LinkCode, side: LinkSide, number: u16) -> MessageHead {
    MessageHead { id: code.id(), side, number }
}

/// The new device, which has committed itself.
pub struct Joiner {
    code: LinkCode,
    own: Own,
}

impl Joiner {
    /// Makes message 0 of the joiner: a commitment.
    pub fn start(code: LinkCode, entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Self), E2eeError> {
        let own = Own::draw(entropy)?;
        let commitment = own.shown.commitment(&code.id()).to_vec();
        let message = head(&code, LinkSide::Joiner, 0).seal(&code.key(), commitment, entropy)?;
        Ok((message, Self { code, own }))
    }

    /// Takes message 0 of the holder, and makes message 1 of the joiner: what it committed to.
    ///
    /// Errors:   [`E2eeError::CannotOpen`] - whoever answers does not know the code; [`E2eeError::Unsupported`];
    ///           [`E2eeError::Decode`]; [`E2eeError::BadPublicKey`].
    pub fn reveal(self, answer: &[u8], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Revealed), E2eeError> {
        let Self { code, own } = self;
        let opened = head(&code, LinkSide::Holder, 0).open(&code.key(), answer)?;
        let mut reader = Reader::new(&opened);
        let holder = Shown(reader.take(Shown::BYTES)?.to_vec());
        reader.finish()?;
        let transcript = Transcript::new(code.id(), &holder, &own.shown);
        let to_holder = Shared::to(holder.key(), &transcript, entropy)?;
        let content = Writer::new().fixed(&own.shown.0).fixed(&to_holder.output).finish();
        let message = head(&code, LinkSide::Joiner, 1).seal(&code.key(), content, entropy)?;
        Ok((message, Revealed { code, own, transcript, to_holder }))
    }
}

/// The new device, which can show the string.
pub struct Revealed {
    code: LinkCode,
    own: Own,
    transcript: Transcript,
    to_holder: Shared,
}

impl Revealed {
    /// Takes message 1 of the holder.
    ///
    /// Errors:   those of [`Joiner::reveal`].
    pub fn finish(self, answer: &[u8]) -> Result<LinkSession, E2eeError> {
        let Self { code, own, transcript, to_holder } = self;
        let output = head(&code, LinkSide::Holder, 1).open(&code.key(), answer)?;
        let to_joiner = Shared::received(&own, &output, &transcript)?;
        Ok(transcript.session(&code, LinkSide::Joiner, &to_holder, &to_joiner))
    }
}

/// The device of the account, which waits for a commitment.
pub struct Holder {
    code: LinkCode,
}

impl Holder {
    /// Begins with a fresh code.
    #[must_use]
    pub const fn start(code: LinkCode) -> Self {
        Self { code }
    }

    /// Takes message 0 of the joiner, and makes message 0 of the holder.
    ///
    /// Errors:   those of [`Joiner::reveal`].
    pub fn answer(self, message: &[u8], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Answered), E2eeError> {
        let Self { code } = self;
        let opened = head(&code, LinkSide::Joiner, 0).open(&code.key(), message)?;
        let mut reader = Reader::new(&opened);
        let commitment = reader.array()?;
        reader.finish()?;
        let own = Own::draw(entropy)?;
        let answer = head(&code, LinkSide::Holder, 0).seal(&code.key(), own.shown.0.clone(), entropy)?;
        Ok((answer, Answered { code, own, commitment }))
    }
}

/// The device of the account, which waits for what was committed to.
pub struct Answered {
    code: LinkCode,
    own: Own,
    commitment: [u8; 32],
}

impl Answered {
    /// Takes message 1 of the joiner, and makes message 1 of the holder.
    ///
    /// Errors:   those of [`Joiner::reveal`]; [`E2eeError::CannotOpen`] also for what does not fit the commitment.
    pub fn finish(self, message: &[u8], entropy: &mut dyn Entropy) -> Result<(Vec<u8>, LinkSession), E2eeError> {
        let Self { code, own, commitment } = self;
        let opened = head(&code, LinkSide::Joiner, 1).open(&code.key(), message)?;
        let mut reader = Reader::new(&opened);
        let joiner = Shown(reader.take(Shown::BYTES)?.to_vec());
        let output = reader.take(XWING_OUTPUT_BYTES)?;
        reader.finish()?;
        if !bool::from(joiner.commitment(&code.id()).ct_eq(&commitment)) {
            return Err(CANNOT_OPEN);
        }
        let transcript = Transcript::new(code.id(), &own.shown, &joiner);
        let to_holder = Shared::received(&own, output, &transcript)?;
        let to_joiner = Shared::to(joiner.key(), &transcript, entropy)?;
        let answer = head(&code, LinkSide::Holder, 1).seal(&code.key(), to_joiner.output.clone(), entropy)?;
        Ok((answer, transcript.session(&code, LinkSide::Holder, &to_holder, &to_joiner)))
    }
}

macro_rules! redacted {
    ($($name:ident)*) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )* };
}

redacted!(Joiner Revealed Holder Answered);
