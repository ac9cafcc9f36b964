//! The chunks: sealed one after another, each bound to its number, to being the last one or not, and to the header.

use core::fmt;

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use quicprochat_wire::{Entropy, call::auth::StretchParams};
use zeroize::Zeroizing;

use super::{BackupError, BackupHeader, BackupSecret, HEADER_BYTES, header::FileKey};

/// Content of a chunk; of the last one, with its padding.
pub const CHUNK_BYTES: usize = 65_536;
/// A chunk in the file.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + 16;
/// Where the content of the last chunk ends.
const END: u8 = 0x80;

struct Chunks {
    key: FileKey,
    header: [u8; HEADER_BYTES],
    /// Number of the next chunk.
    next: u64,
}

impl Chunks {
    /// The key is of one file, so a number never comes twice under it.
    fn nonce(number: u64, last: bool) -> [u8; 24] {
        let mut nonce = [0; 24];
        let (counter, rest) = nonce.split_at_mut(8);
        counter.copy_from_slice(&number.to_le_bytes());
        if let Some(byte) = rest.first_mut() {
            *byte = u8::from(last);
        }
        nonce
    }

    fn seal(&mut self, content: &[u8], last: bool) -> Vec<u8> {
        let nonce = Self::nonce(self.next, last);
        self.next = self.next.saturating_add(1);
        #[expect(clippy::expect_used, reason = "a chunk is far below the 256 GiB that the cipher takes")]
        XChaCha20Poly1305::new((&*self.key.0).into())
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: content, aad: &self.header })
            .expect("a chunk is sealed")
    }

    fn open(&self, sealed: &[u8], last: bool) -> Option<Zeroizing<Vec<u8>>> {
        XChaCha20Poly1305::new((&*self.key.0).into())
            .decrypt(XNonce::from_slice(&Self::nonce(self.next, last)), Payload { msg: sealed, aad: &self.header })
            .ok()
            .map(Zeroizing::new)
    }
}

/// Writes a file: content goes in in pieces of any size, sealed chunks come out.
///
/// Secrets:  the key and at most one chunk of content, zeroised on drop.
pub struct BackupSealer {
    chunks: Chunks,
    buffer: Zeroizing<Vec<u8>>,
}

impl BackupSealer {
    /// Begins a file under a secret. Slow: it stretches.
    ///
    /// Errors:   [`BackupError::Stretch`].
    pub fn new(secret: &BackupSecret, stretch: StretchParams, entropy: &mut dyn Entropy) -> Result<Self, BackupError> {
        let (header, key) = BackupHeader::generate(secret, stretch, entropy)?;
        let chunks = Chunks { key, header: header.to_bytes(), next: 0 };
        Ok(Self { chunks, buffer: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)) })
    }

    /// What comes before the first chunk.
    #[must_use]
    pub const fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.chunks.header
    }

    /// Takes content, and appends the chunks that are full to `out`.
    pub fn push(&mut self, mut content: &[u8], out: &mut Vec<u8>) {
        while !content.is_empty() {
            let room = CHUNK_BYTES.saturating_sub(self.buffer.len());
            let (now, later) = content.split_at(room.min(content.len()));
            self.buffer.extend_from_slice(now);
            content = later;
            if self.buffer.len() == CHUNK_BYTES {
                out.extend_from_slice(&self.chunks.seal(&self.buffer, false));
                self.buffer.clear();
            }
        }
    }

    /// Appends the last chunk: the rest, padded.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.buffer.push(END);
        self.buffer.resize(CHUNK_BYTES, 0);
        out.extend_from_slice(&self.chunks.seal(&self.buffer, true));
    }
}

/// Reads a file, chunk by chunk.
///
/// Secrets:  the key, zeroised on drop.
pub struct BackupOpener {
    chunks: Chunks,
    ended: bool,
}

impl BackupOpener {
    /// Begins with the header. Slow: it stretches.
    ///
    /// Errors:   [`BackupError::OtherSecret`], [`BackupError::WrongSecret`].
    pub fn new(header: &BackupHeader, secret: &BackupSecret) -> Result<Self, BackupError> {
        let key = header.unlock(secret)?;
        Ok(Self { chunks: Chunks { key, header: header.to_bytes(), next: 0 }, ended: false })
    }

    /// Begins again with the first chunk, without stretching again.
    #[must_use]
    pub fn rewound(&self) -> Self {
        let key = FileKey(self.chunks.key.0.clone());
        Self { chunks: Chunks { key, header: self.chunks.header, next: 0 }, ended: false }
    }

    /// Opens the next [`SEALED_CHUNK_BYTES`], or what is left of the file if it is less; `more` says whether anything follows
    /// them. The chunk that nothing follows is the last one, and its content comes without its padding.
    ///
    /// Errors:   [`BackupError::Truncated`], [`BackupError::Damaged`], [`BackupError::Trailing`]. Nothing of what was opened
    ///           before is to be used then.
    pub fn open(&mut self, sealed: &[u8], more: bool) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        let chunk = self.chunks.next;
        if self.ended {
            return Err(BackupError::Trailing { chunk: chunk.saturating_sub(1) });
        }
        if sealed.len() < SEALED_CHUNK_BYTES && !more {
            return Err(BackupError::Truncated { chunks: chunk });
        }
        let Some(mut content) = self.chunks.open(sealed, !more) else {
            // As what it is not, it may open: then it is whole, and what follows is missing or too much.
            return Err(match (self.chunks.open(sealed, more), more) {
                (None, _) => BackupError::Damaged { chunk },
                (Some(_), false) => BackupError::Truncated { chunks: chunk.saturating_add(1) },
                (Some(_), true) => BackupError::Trailing { chunk },
            });
        };
        self.chunks.next = chunk.saturating_add(1);
        if !more {
            self.ended = true;
            let end = content.iter().rposition(|byte| *byte != 0).filter(|end| content.get(*end) == Some(&END));
            content.truncate(end.ok_or(BackupError::Damaged { chunk })?);
        }
        Ok(content)
    }
}

impl fmt::Debug for BackupSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupSealer").field("next", &self.chunks.next).finish_non_exhaustive()
    }
}

impl fmt::Debug for BackupOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupOpener").field("next", &self.chunks.next).finish_non_exhaustive()
    }
}
