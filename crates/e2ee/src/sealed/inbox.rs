//! Inbox entries: sealed to an account, signed by the sender's device inside, so that only the recipient learns who wrote.
//!
//! ```text
//!   seal_inbox ──▶ bytes ──▶ inbox ──▶ open_inbox ──▶ UnverifiedInboxEntry ──verify──▶ InboxEntry
//! ```

use quicprochat_identity::{
    DeviceSecretKey, IdentityContent, InboxPublicKey, UnverifiedIdentity, VerifiedIdentity, verify_ed25519,
};
use quicprochat_wire::{
    AccountId, DecodeError, DeviceId, Entropy, MessageId, Reader, Writer,
    limits::{IDENTITY_ROW_BYTES, MAX_INBOX_BYTES},
    padding,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::InboxSecretKey;
use crate::{
    envelope::{self, ChaCha20Poly1305, XWING_OUTPUT_BYTES, XWing},
    error::{E2eeError, Sealed},
    rng::EntropyRng,
};

const VERSION: u8 = 1;

/// What an inbox entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum InboxKind {
    /// An invitation to a conversation: see [`super::Invitation`].
    Invitation,
}

impl InboxKind {
    const fn number(self) -> u8 {
        match self {
            Self::Invitation => 1,
        }
    }

    fn from_number(number: u8) -> Result<Self, E2eeError> {
        match number {
            1 => Ok(Self::Invitation),
            found => Err(E2eeError::Unsupported { what: "kind of inbox entry", found: found.into() }),
        }
    }
}

/// Who writes: an account's signed identity part and the device that signs.
#[derive(Debug)]
pub struct InboxSender<'a> {
    /// The sender's identity part.
    pub identity: &'a IdentityContent,
    /// The device.
    pub device: DeviceId,
    /// Its key.
    pub secret: &'a DeviceSecretKey,
}

/// Seals an entry to an account's inbox.
///
/// Errors:   [`E2eeError::BadPublicKey`], [`E2eeError::TooLarge`].
/// Source:   protocol.md section 8.
pub fn seal_inbox(
    recipient: &AccountId,
    inbox_key: &InboxPublicKey,
    id: &MessageId,
    kind: InboxKind,
    sender: &InboxSender<'_>,
    body: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let identity = sender.identity.signed_bytes();
    let signature = sender.secret.sign(&signed_text(recipient, id, kind, identity, body));
    let plaintext = Writer::new()
        .u8(VERSION)
        .u8(kind.number())
        .bytes(identity)
        .fixed(sender.device)
        .bytes(body)
        .fixed(signature)
        .finish();
    let mut plaintext = Zeroizing::new(plaintext);
    padding::pad(&mut plaintext);
    let mut rng = EntropyRng(entropy);
    let (output, ciphertext) = envelope::seal::<ChaCha20Poly1305, XWing>(
        inbox_key.as_bytes(),
        &info(recipient),
        id.as_bytes(),
        &plaintext,
        &mut rng,
    )
    .map_err(|_| E2eeError::BadPublicKey)?;
    let sealed = Writer::new().u8(VERSION).fixed(output).fixed(ciphertext).finish();
    if sealed.len() > MAX_INBOX_BYTES {
        return Err(E2eeError::TooLarge { what: Sealed::InboxEntry, limit: MAX_INBOX_BYTES, found: sealed.len() });
    }
    Ok(sealed)
}

/// Opens an entry with whichever of the account's keys fits, newest first.
///
/// Errors:   [`E2eeError::CannotOpen`] if none does.
pub fn open_inbox(
    account: &AccountId,
    secrets: &[InboxSecretKey],
    id: &MessageId,
    sealed: &[u8],
) -> Result<UnverifiedInboxEntry, E2eeError> {
    let what = Sealed::InboxEntry;
    if sealed.len() > MAX_INBOX_BYTES {
        return Err(E2eeError::TooLarge { what, limit: MAX_INBOX_BYTES, found: sealed.len() });
    }
    let mut reader = Reader::new(sealed);
    if reader.u8()? != VERSION {
        return Err(DecodeError::WrongLabel.into());
    }
    let output = reader.take(XWING_OUTPUT_BYTES)?;
    let info = info(account);
    let open = |secret: &InboxSecretKey| {
        envelope::open::<ChaCha20Poly1305, XWing>(secret.as_bytes(), output, &info, id.as_bytes(), reader.rest()).ok()
    };
    let opened = secrets.iter().find_map(open).map(Zeroizing::new).ok_or(E2eeError::CannotOpen { what })?;
    let plaintext = padding::unpad(&opened).ok_or(E2eeError::BadPadding { what })?;
    let mut reader = Reader::new(plaintext);
    if reader.u8()? != VERSION {
        return Err(DecodeError::WrongLabel.into());
    }
    let entry = UnverifiedInboxEntry {
        recipient: *account,
        id: *id,
        kind: InboxKind::from_number(reader.u8()?)?,
        identity: reader.bytes(IDENTITY_ROW_BYTES)?.to_vec(),
        device: DeviceId::new(reader.array()?),
        body: Zeroizing::new(reader.bytes(MAX_INBOX_BYTES)?.to_vec()),
        signature: reader.array()?,
    };
    reader.finish()?;
    Ok(entry)
}

/// An entry that opened; who wrote it is not checked yet.
pub struct UnverifiedInboxEntry {
    recipient: AccountId,
    id: MessageId,
    kind: InboxKind,
    identity: Vec<u8>,
    device: DeviceId,
    body: Zeroizing<Vec<u8>>,
    signature: [u8; 64],
}

impl UnverifiedInboxEntry {
    /// Checks the sender's identity part (both halves), that it names the device, and the device's signature.
    ///
    /// Errors:   [`E2eeError::Identity`].
    pub fn verify(self) -> Result<InboxEntry, E2eeError> {
        let sender = UnverifiedIdentity::parse(&self.identity)?.verify()?;
        let unknown = quicprochat_identity::IdentityError::UnknownDevice { device: self.device };
        let key = sender.device(&self.device).ok_or(unknown)?.key;
        let text = signed_text(&self.recipient, &self.id, self.kind, &self.identity, &self.body);
        verify_ed25519(key.as_bytes(), &text, &self.signature)?;
        Ok(InboxEntry { sender, device: self.device, kind: self.kind, body: self.body })
    }
}

impl core::fmt::Debug for UnverifiedInboxEntry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "UnverifiedInboxEntry({:?}, {:?})", self.id, self.kind)
    }
}

/// An entry of somebody's device.
///
/// Secrets:  the body holds a conversation's keys; zeroised on drop.
pub struct InboxEntry {
    /// The sender's identity part, both halves of whose signature verify. Whether it is the newest, and whether the account is
    /// the one known under this name, is for the caller.
    pub sender: VerifiedIdentity,
    /// The sender's device.
    pub device: DeviceId,
    /// What it is.
    pub kind: InboxKind,
    /// Body of its kind.
    pub body: Zeroizing<Vec<u8>>,
}

impl core::fmt::Debug for InboxEntry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "InboxEntry({:?}, {:?}, {:?})", self.kind, self.sender.account(), self.device)
    }
}

fn info(account: &AccountId) -> Vec<u8> {
    Writer::labelled("qpc/1 inbox").fixed(account).finish()
}

fn signed_text(recipient: &AccountId, id: &MessageId, kind: InboxKind, identity: &[u8], body: &[u8]) -> Vec<u8> {
    Writer::labelled("qpc/1 inbox entry")
        .fixed(recipient)
        .fixed(id)
        .u8(kind.number())
        .fixed(Sha256::digest(identity))
        .bytes(body)
        .finish()
}
