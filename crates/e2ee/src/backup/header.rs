//! The first bytes of a backup file.

use core::fmt;

use hkdf::Hkdf;
use quicprochat_identity::password::{check_stretch, stretching};
use quicprochat_wire::{Entropy, Reader, Writer, call::auth::StretchParams, entropy::random_array};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::BackupError;
use crate::vault::RecoveryKey;

/// What every backup file begins with.
const MAGIC: &[u8; 16] = b"qpc backup file\n";
/// The version that this program writes, and the one it reads.
const VERSION: u8 = 1;
const SALT_BYTES: usize = 32;
const CHECK_BYTES: usize = 32;
/// Everything before the check.
const OPEN_BYTES: usize = MAGIC.len() + 1 + 1 + 12 + SALT_BYTES;
/// Length of a header.
pub const HEADER_BYTES: usize = OPEN_BYTES + CHECK_BYTES;

/// What protects a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretKind {
    /// A passphrase that was chosen for the file.
    Passphrase,
    /// The recovery key of an account.
    RecoveryKey,
}

impl SecretKind {
    const fn number(self) -> u8 {
        match self {
            Self::Passphrase => 1,
            Self::RecoveryKey => 2,
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "a passphrase",
            Self::RecoveryKey => "a recovery key",
        })
    }
}

/// A passphrase, or a recovery key in its place.
///
/// Secrets:  zeroised on drop; never printed.
#[derive(Clone)]
pub struct BackupSecret {
    kind: SecretKind,
    text: Zeroizing<String>,
}

impl BackupSecret {
    /// A passphrase.
    #[must_use]
    pub fn passphrase(text: Zeroizing<String>) -> Self {
        Self { kind: SecretKind::Passphrase, text }
    }

    /// A recovery key.
    #[must_use]
    pub fn recovery_key(key: &RecoveryKey) -> Self {
        Self { kind: SecretKind::RecoveryKey, text: key.secret() }
    }

    /// Which it is.
    #[must_use]
    pub const fn kind(&self) -> SecretKind {
        self.kind
    }
}

impl fmt::Debug for BackupSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupSecret").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A header whose form is right; whether it is the one that was written shows when a secret opens it.
///
/// Shape:    `"qpc backup file\n" || version u8 || secret u8 (1 passphrase, 2 recovery key) || memory KiB u32 || passes u32 ||
///           lanes u32 || salt fixed(32) || check fixed(32)`.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupHeader {
    kind: SecretKind,
    stretch: StretchParams,
    salt: [u8; SALT_BYTES],
    check: [u8; CHECK_BYTES],
}

/// The key of a file's chunks.
///
/// Secrets:  zeroised on drop.
pub(super) struct FileKey(pub(super) Zeroizing<[u8; 32]>);

impl BackupHeader {
    /// Reads the first bytes of a file; more may follow.
    ///
    /// Errors:   [`BackupError::NotABackup`], [`BackupError::LaterVersion`], [`BackupError::Truncated`],
    ///           [`BackupError::Stretch`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(BackupError::NotABackup)?;
        let mut reader = Reader::new(rest);
        let truncated = |_| BackupError::Truncated { chunks: 0 };
        match reader.u8().map_err(truncated)? {
            0 => return Err(BackupError::NotABackup),
            VERSION => {}
            found => return Err(BackupError::LaterVersion { found, known: VERSION }),
        }
        let kind = match reader.u8().map_err(truncated)? {
            1 => SecretKind::Passphrase,
            2 => SecretKind::RecoveryKey,
            _ => return Err(BackupError::NotABackup),
        };
        let mut number = || reader.u32().map_err(truncated);
        let stretch = StretchParams { memory_kib: number()?, iterations: number()?, parallelism: number()? };
        let (salt, check) = (reader.array().map_err(truncated)?, reader.array().map_err(truncated)?);
        let StretchParams { memory_kib, iterations, parallelism } = stretch;
        check_stretch(&stretch).map_err(|_| BackupError::Stretch { memory_kib, iterations, parallelism })?;
        Ok(Self { kind, stretch, salt, check })
    }

    /// What protects the file.
    #[must_use]
    pub const fn secret_kind(&self) -> SecretKind {
        self.kind
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let (open, check) = bytes.split_at_mut(OPEN_BYTES);
        open.copy_from_slice(&self.open_part());
        check.copy_from_slice(&self.check);
        bytes
    }

    /// A fresh header for a secret, and the key that goes with it. Slow: it stretches.
    pub(super) fn generate(
        secret: &BackupSecret,
        stretch: StretchParams,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, FileKey), BackupError> {
        let mut header = Self { kind: secret.kind, stretch, salt: random_array(entropy), check: [0; CHECK_BYTES] };
        let (key, check) = header.derive(secret)?;
        header.check = check;
        Ok((header, key))
    }

    /// The key, if the secret is the right one. Slow: it stretches.
    pub(super) fn unlock(&self, secret: &BackupSecret) -> Result<FileKey, BackupError> {
        if secret.kind != self.kind {
            return Err(BackupError::OtherSecret { wanted: self.kind });
        }
        let (key, check) = self.derive(secret)?;
        if bool::from(check.ct_eq(&self.check)) { Ok(key) } else { Err(BackupError::WrongSecret) }
    }

    /// The check commits to the key: no other key fits the same header.
    fn derive(&self, secret: &BackupSecret) -> Result<(FileKey, [u8; CHECK_BYTES]), BackupError> {
        let StretchParams { memory_kib, iterations, parallelism } = self.stretch;
        let refused = BackupError::Stretch { memory_kib, iterations, parallelism };
        let mut stretched = Zeroizing::new([0; 32]);
        stretching(&self.stretch)
            .ok()
            .and_then(|argon2| argon2.hash_password_into(secret.text.as_bytes(), &self.salt, stretched.as_mut()).ok())
            .ok_or(refused)?;
        let open = self.open_part();
        let expand = |label: &str| {
            let mut out = Zeroizing::new([0; 32]);
            #[expect(clippy::expect_used, reason = "32 bytes are far below the 8,160 that HKDF-SHA-256 yields")]
            Hkdf::<Sha256>::new(None, stretched.as_slice())
                .expand_multi_info(&[label.as_bytes(), &[0], &open], out.as_mut_slice())
                .expect("32 bytes expand");
            out
        };
        let check = expand("qpc/1 backup check");
        Ok((FileKey(expand("qpc/1 backup key")), *check))
    }

    fn open_part(&self) -> Vec<u8> {
        Writer::new()
            .fixed(MAGIC)
            .u8(VERSION)
            .u8(self.kind.number())
            .u32(self.stretch.memory_kib)
            .u32(self.stretch.iterations)
            .u32(self.stretch.parallelism)
            .fixed(self.salt)
            .finish()
    }
}

impl fmt::Debug for BackupHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupHeader").field("kind", &self.kind).field("stretch", &self.stretch).finish_non_exhaustive()
    }
}
