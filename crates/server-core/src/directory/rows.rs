//! Between signed parts as they travel and rows of fixed size as they are stored.

use quicprochat_identity::{
    IdentityContent, IdentityError, UnverifiedIdentity, UnverifiedKeyPackagePart, VerifiedIdentity, from_row, to_row,
};
use quicprochat_wire::{
    AccountId, ErrorCode,
    call::directory::{IdentityPart, KeyPackagePart, Record},
    limits::{IDENTITY_ROW_BYTES, KEY_PACKAGE_ROW_BYTES},
};

use crate::store::{DeviceRow, Refusal, StoreFault, StoreTx};

/// Checks an identity part: both halves of the signature, every certificate, every rule of the record.
///
/// Errors:   `bad-signature`, `record-invalid`.
pub(crate) fn verify_identity(part: &IdentityPart) -> Result<VerifiedIdentity, ErrorCode> {
    UnverifiedIdentity::parse(&part.0).and_then(UnverifiedIdentity::verify).map_err(|error| code(&error))
}

/// The row of an identity part.
pub(crate) fn identity_row(identity: &IdentityContent) -> Result<Vec<u8>, ErrorCode> {
    to_row(identity.signed_bytes(), IDENTITY_ROW_BYTES).map_err(|error| code(&error))
}

/// Checks a KeyPackage part against the identity part that names its device, and makes the device's row.
///
/// Errors:   `bad-signature`, `record-invalid`.
pub(crate) fn device_row(identity: &IdentityContent, part: &KeyPackagePart) -> Result<DeviceRow, ErrorCode> {
    let verified = UnverifiedKeyPackagePart::parse(&part.bytes).and_then(|part| part.verify(identity));
    let verified = verified.map_err(|error| code(&error))?;
    let entry = identity.device(&part.device).filter(|_| verified.device() == part.device);
    let entry = entry.ok_or(ErrorCode::RecordInvalid)?;
    let key_package = to_row(&part.bytes, KEY_PACKAGE_ROW_BYTES).map_err(|error| code(&error))?;
    Ok(DeviceRow { device: part.device, key: entry.key, key_package })
}

/// The identity part that is stored for an account. It was verified before it was stored.
pub(super) fn stored_identity(tx: &mut dyn StoreTx, account: &AccountId) -> Result<UnverifiedIdentity, Refusal> {
    let row = tx.directory().identity(account)?.ok_or(ErrorCode::NotFound)?;
    let damaged = StoreFault::Damaged { what: "identity part" };
    let bytes = from_row(&row, IDENTITY_ROW_BYTES).map_err(|_| damaged)?;
    Ok(UnverifiedIdentity::parse(bytes).map_err(|_| damaged)?)
}

/// An account's record as it travels.
pub(super) fn record(tx: &mut dyn StoreTx, account: &AccountId) -> Result<Record, Refusal> {
    let row = tx.directory().identity(account)?.ok_or(ErrorCode::NotFound)?;
    let bytes = from_row(&row, IDENTITY_ROW_BYTES).map_err(|_| StoreFault::Damaged { what: "identity part" })?;
    let identity = IdentityPart(bytes.to_vec());
    let part = |row: DeviceRow| {
        let bytes = from_row(&row.key_package, KEY_PACKAGE_ROW_BYTES);
        let bytes = bytes.map_err(|_| StoreFault::Damaged { what: "KeyPackage part" })?.to_vec();
        Ok(KeyPackagePart { device: row.device, bytes })
    };
    let key_packages = tx.directory().devices(account)?.into_iter().map(part).collect::<Result<_, StoreFault>>()?;
    Ok(Record { identity, key_packages })
}

/// What the caller is told of a part that is not accepted.
fn code(error: &IdentityError) -> ErrorCode {
    if error.is_bad_signature() { ErrorCode::BadSignature } else { ErrorCode::RecordInvalid }
}
