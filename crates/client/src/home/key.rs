//! The key of the client's store: random, kept in a file that only its owner reads, or wrapped by a passphrase.
//!
//! Shape of the file: 64 hex digits and a newline; or, wrapped, one line
//! `qpc-wrapped-key 1 MEMORY_KIB ITERATIONS LANES SALT NONCE CIPHERTEXT` (hex), XChaCha20-Poly1305 under Argon2id of the passphrase,
//! with everything before NONCE as associated data.

use core::fmt;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use quicprochat_wire::{Entropy, entropy::random_array};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Home, HomeError, check_private, io_error, rename_new, sync_directory};

/// Begins a wrapped key file.
const WRAPPED: &str = "qpc-wrapped-key 1";
/// Argon2id: 64 MiB, 3 passes, 1 lane.
const STRETCH: (u32, u32, u32) = (64 * 1024, 3, 1);
/// The dearest parameters that a key file may ask for.
const STRETCH_MAX: (u32, u32, u32) = (1024 * 1024, 16, 16);

/// The 32-byte raw key of the SQLCipher store.
///
/// Secrets:  zeroised when dropped; never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

/// A passphrase for the key file.
///
/// Secrets:  zeroised when dropped; never printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(String);

impl Passphrase {
    /// Takes a passphrase over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl StoreKey {
    /// Reads the home's key, or makes one if the home has no store yet.
    ///
    /// With a passphrase a fresh key is wrapped; an existing plain key stays plain (see [`Self::save`]).
    ///
    /// Errors:   [`HomeError::KeyMissing`] if there is a store but no key: a new key would not open it.
    pub fn load_or_create(
        home: &Home,
        passphrase: Option<&Passphrase>,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, HomeError> {
        let path = home.key_path();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                check_private(&path, 0o600)?;
                Self::parse(&text, &path, passphrase)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if home.store_path().exists() {
                    return Err(HomeError::KeyMissing { path });
                }
                let key = Self(random_array(entropy));
                match key.write(home, passphrase, entropy, true) {
                    // Another process made the home a moment ago: its key counts.
                    Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                        Self::load_or_create(home, passphrase, entropy)
                    }
                    Err(error) => Err(error),
                    Ok(()) => Ok(key),
                }
            }
            Err(error) => Err(io_error(&path)(error)),
        }
    }

    /// Replaces the key file: wrapped by `passphrase`, or plain without one. The key itself stays.
    pub fn save(
        &self,
        home: &Home,
        passphrase: Option<&Passphrase>,
        entropy: &mut dyn Entropy,
    ) -> Result<(), HomeError> {
        self.write(home, passphrase, entropy, false)
    }

    /// The form SQLCipher takes as raw key: `x'HEX'`.
    #[must_use]
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(67));
        text.push_str("x'");
        push_hex(&mut text, &self.0);
        text.push('\'');
        text
    }

    fn parse(text: &str, path: &Path, passphrase: Option<&Passphrase>) -> Result<Self, HomeError> {
        let damaged = || HomeError::KeyDamaged { path: path.into() };
        let text = text.trim_end();
        if !text.starts_with(WRAPPED) {
            let mut key = Zeroizing::new([0; 32]);
            hex::decode_to_slice(text, key.as_mut()).map_err(|_| damaged())?;
            return Ok(Self(*key));
        }
        let passphrase = passphrase.ok_or_else(|| HomeError::PassphraseNeeded { path: path.into() })?;
        let fields: Vec<&str> = text.split(' ').collect();
        let [_, _, memory, iterations, lanes, salt, nonce, sealed] = fields.as_slice() else { return Err(damaged()) };
        let number = |field: &str| field.parse::<u32>().map_err(|_| damaged());
        let stretch = (number(memory)?, number(iterations)?, number(lanes)?);
        if stretch.0 > STRETCH_MAX.0 || stretch.1 > STRETCH_MAX.1 || stretch.2 > STRETCH_MAX.2 {
            return Err(damaged());
        }
        let bytes = |field: &str| hex::decode(field).map_err(|_| damaged());
        let nonce = <[u8; 24]>::try_from(bytes(nonce)?).map_err(|_| damaged())?;
        let wrapping = stretched(passphrase, &bytes(salt)?, stretch).ok_or_else(damaged)?;
        let header = text.get(..text.len() - sealed.len() - 1 - 48 - 1).ok_or_else(damaged)?;
        let opened = XChaCha20Poly1305::new((&*wrapping).into())
            .decrypt(XNonce::from_slice(&nonce), Payload { msg: &bytes(sealed)?, aad: header.as_bytes() })
            .map_err(|_| HomeError::PassphraseWrong { path: path.into() })?;
        let opened = Zeroizing::new(opened);
        Ok(Self(<[u8; 32]>::try_from(opened.as_slice()).map_err(|_| damaged())?))
    }

    fn encode(
        &self,
        passphrase: Option<&Passphrase>,
        path: &Path,
        entropy: &mut dyn Entropy,
    ) -> Result<Zeroizing<String>, HomeError> {
        let mut text = Zeroizing::new(String::with_capacity(256));
        let Some(passphrase) = passphrase else {
            push_hex(&mut text, &self.0);
            text.push('\n');
            return Ok(text);
        };
        let salt: [u8; 16] = random_array(entropy);
        let nonce: [u8; 24] = random_array(entropy);
        let damaged = || HomeError::KeyDamaged { path: path.into() };
        let wrapping = stretched(passphrase, &salt, STRETCH).ok_or_else(damaged)?;
        let (memory, iterations, lanes) = STRETCH;
        let header = format!("{WRAPPED} {memory} {iterations} {lanes} {}", hex::encode(salt));
        let sealed = XChaCha20Poly1305::new((&*wrapping).into())
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: &self.0, aad: header.as_bytes() })
            .map_err(|_| damaged())?;
        text.push_str(&format!("{header} {} {}\n", hex::encode(nonce), hex::encode(sealed)));
        Ok(text)
    }

    /// Writes beside, syncs, and moves into place; with `fresh`, refuses to replace an existing file.
    fn write(
        &self,
        home: &Home,
        passphrase: Option<&Passphrase>,
        entropy: &mut dyn Entropy,
        fresh: bool,
    ) -> Result<(), HomeError> {
        let path = home.key_path();
        let text = self.encode(passphrase, &path, entropy)?;
        let beside = path.with_extension(format!("new-{}", hex::encode(random_array::<4>(entropy))));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(io_error(&beside))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        // Of two processes that begin a home one wins.
        let placed = written.and_then(|()| if fresh { rename_new(&beside, &path) } else { fs::rename(&beside, &path) });
        if placed.is_err() {
            fs::remove_file(&beside).map_err(io_error(&beside))?;
        }
        placed.map_err(io_error(&path))?;
        sync_directory(home.path())
    }
}

fn stretched(
    passphrase: &Passphrase,
    salt: &[u8],
    (memory, passes, lanes): (u32, u32, u32),
) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(memory, passes, lanes, Some(32)).ok()?;
    let mut out = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.0.as_bytes(), salt, out.as_mut())
        .ok()?;
    Some(out)
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::OsEntropy;

    fn home() -> (tempfile::TempDir, Home) {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::open(temp.path().join("home")).unwrap();
        (temp, home)
    }

    #[test]
    fn makes_a_private_key_once() {
        let (_temp, home) = home();
        let first = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
        let again = StoreKey::load_or_create(&home, None, &mut OsEntropy).unwrap();
        assert_eq!(first.0, again.0);
        assert_eq!(fs::metadata(home.key_path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside the key");
        fs::set_permissions(home.key_path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(StoreKey::load_or_create(&home, None, &mut OsEntropy), Err(HomeError::Exposed { .. })));
    }

    #[test]
    fn never_makes_a_second_key_for_a_store() {
        let (_temp, home) = home();
        fs::write(home.store_path(), b"x").unwrap();
        assert!(matches!(StoreKey::load_or_create(&home, None, &mut OsEntropy), Err(HomeError::KeyMissing { .. })));
    }

    #[test]
    fn opens_a_wrapped_key_with_its_passphrase_only() {
        let (_temp, home) = home();
        let right = Passphrase::new("correct horse".into());
        let key = StoreKey::load_or_create(&home, Some(&right), &mut OsEntropy).unwrap();
        let load = |passphrase: Option<&Passphrase>| StoreKey::load_or_create(&home, passphrase, &mut OsEntropy);
        assert_eq!(load(Some(&right)).unwrap().0, key.0);
        assert!(matches!(load(None), Err(HomeError::PassphraseNeeded { .. })));
        assert!(matches!(load(Some(&Passphrase::new("x".into()))), Err(HomeError::PassphraseWrong { .. })));
        key.save(&home, None, &mut OsEntropy).unwrap();
        assert_eq!(load(None).unwrap().0, key.0);
    }

    #[test]
    fn says_that_a_damaged_file_is_damaged() {
        let (_temp, home) = home();
        for text in [
            "",
            "12",
            "qpc-wrapped-key 1",
            "qpc-wrapped-key 1 1 1 1 00 00 00",
            "qpc-wrapped-key 1 4294967295 9 9 0 0 0",
        ] {
            fs::write(home.key_path(), text).unwrap();
            fs::set_permissions(home.key_path(), fs::Permissions::from_mode(0o600)).unwrap();
            let passphrase = Passphrase::new("p".into());
            let result = StoreKey::load_or_create(&home, Some(&passphrase), &mut OsEntropy);
            assert!(matches!(result, Err(HomeError::KeyDamaged { .. })), "{text}: {result:?}");
        }
    }
}
