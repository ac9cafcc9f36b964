//! Handover records: how a remaining device gets the state key after a vault roll, without the password (DESIGN A5).

use quicprochat_wire::{AccountId, DecodeError, DeviceId, Entropy, Reader, Writer};
use zeroize::Zeroizing;

use super::StateKey;
use crate::{
    envelope::{self, ChaCha20Poly1305, XWING_OUTPUT_BYTES, XWing},
    error::{E2eeError, Sealed},
    mls::{self, Provider, Suite},
    rng::EntropyRng,
};

const VERSION: u8 = 1;

/// Id of the first handover record; the `i`-th device has `HANDOVER_RECORDS + i`.
pub const HANDOVER_RECORDS: u32 = 256;

/// Seals the new state key to the init key of the KeyPackage that a remaining device published last.
///
/// Shape:    `u8 1 || kem output (1120) || ciphertext`, plaintext `u8 1 || device (16) || state key (32)`.
/// Errors:   [`E2eeError::Unsupported`] for a KeyPackage of another suite than the hybrid one.
/// Source:   protocol.md section 10.
pub fn seal_handover(
    account: &AccountId,
    device: &DeviceId,
    key_package: &[u8],
    key: &StateKey,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let (suite, public) = mls::init_public(key_package)?;
    if suite != Suite::Hybrid {
        return Err(E2eeError::Unsupported { what: "suite of a handover", found: suite.number().into() });
    }
    let plaintext = Zeroizing::new(Writer::new().u8(VERSION).fixed(device).fixed(key.as_bytes()).finish());
    let mut rng = EntropyRng(entropy);
    let (output, ciphertext) =
        envelope::seal::<ChaCha20Poly1305, XWing>(&public, &info(account, device), &[], &plaintext, &mut rng)
            .map_err(|_| E2eeError::BadPublicKey)?;
    Ok(Writer::new().u8(VERSION).fixed(output).fixed(ciphertext).finish())
}

/// Opens a handover with the private part of one of this device's KeyPackages, which is in the store.
///
/// Errors:   [`crate::StateFault::NoKeyPackage`] if it is not; [`E2eeError::CannotOpen`] if the record is for another device.
pub fn open_handover(
    provider: &Provider<'_>,
    account: &AccountId,
    device: &DeviceId,
    key_package: &[u8],
    record: &[u8],
) -> Result<StateKey, E2eeError> {
    let refused = E2eeError::CannotOpen { what: Sealed::Handover };
    let secret = mls::init_secret(provider, key_package)?;
    let mut reader = Reader::new(record);
    if reader.u8()? != VERSION {
        return Err(DecodeError::WrongLabel.into());
    }
    let output = reader.take(XWING_OUTPUT_BYTES)?;
    let opened = envelope::open::<ChaCha20Poly1305, XWing>(&secret, output, &info(account, device), &[], reader.rest());
    let plaintext = Zeroizing::new(opened.map_err(|_| refused.clone())?);
    let mut reader = Reader::new(&plaintext);
    if reader.u8()? != VERSION {
        return Err(DecodeError::WrongLabel.into());
    }
    let named = DeviceId::new(reader.array()?);
    let key = StateKey::from_bytes(&Zeroizing::new(reader.array()?));
    reader.finish()?;
    if named == *device { Ok(key) } else { Err(refused) }
}

fn info(account: &AccountId, device: &DeviceId) -> Vec<u8> {
    Writer::labelled("qpc/1 handover").fixed(account).fixed(device).finish()
}
