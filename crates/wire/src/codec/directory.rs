//! Account records.

use super::{
    error::CodecError,
    field::{bytes, id, known, limited, limited_text, structs, text, write_structs},
    vault,
};
use crate::{
    call::directory::{IdentityPart, KeyPackagePart, Lookup, PublishIdentity, PublishKeyPackage, Record, Subject},
    id::{AccountId, DeviceId},
    limits::{
        IDENTITY_ROW_BYTES, KEY_PACKAGE_ROW_BYTES, MAX_DEVICES, MAX_NAME_BYTES, MAX_VAULT_RECORDS, MAX_VAULT_WRAPS,
    },
    schema::qpc_capnp::{key_package_part, lookup, publish_identity, record},
};

pub(super) fn identity(part: &IdentityPart) -> Result<&[u8], CodecError> {
    limited("identity", &part.0, IDENTITY_ROW_BYTES)
}

pub(super) fn read_identity(value: capnp::Result<capnp::data::Reader<'_>>) -> Result<IdentityPart, CodecError> {
    bytes("identity", value, IDENTITY_ROW_BYTES).map(IdentityPart)
}

pub(super) fn write_key_package(
    part: &KeyPackagePart,
    mut out: key_package_part::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_device(part.device.as_bytes());
    out.set_bytes(limited("keyPackage", &part.bytes, KEY_PACKAGE_ROW_BYTES)?);
    Ok(())
}

pub(super) fn read_key_package(from: key_package_part::Reader<'_>) -> Result<KeyPackagePart, CodecError> {
    Ok(KeyPackagePart {
        device: id("device", from.get_device(), DeviceId::new)?,
        bytes: bytes("keyPackage", from.get_bytes(), KEY_PACKAGE_ROW_BYTES)?,
    })
}

pub(super) fn write_lookup(lookup: &Lookup, mut out: lookup::Builder<'_>) -> Result<(), CodecError> {
    match &lookup.subject {
        Subject::Name(name) => out.set_name(limited_text("name", name, MAX_NAME_BYTES)?),
        Subject::Account(account) => out.set_account(account.as_bytes()),
    }
    Ok(())
}

pub(super) fn read_lookup(from: lookup::Reader<'_>) -> Result<Lookup, CodecError> {
    let subject = match known("lookup", from.which())? {
        lookup::Which::Name(name) => Subject::Name(text("name", name, MAX_NAME_BYTES)?),
        lookup::Which::Account(account) => Subject::Account(id("account", account, AccountId::new)?),
    };
    Ok(Lookup { subject })
}

pub(super) fn write_record(record: &Record, mut out: record::Builder<'_>) -> Result<(), CodecError> {
    out.set_identity(identity(&record.identity)?);
    write_structs!(
        "keyPackages",
        &record.key_packages,
        MAX_DEVICES,
        out => init_key_packages,
        write_key_package
    );
    Ok(())
}

pub(super) fn read_record(from: record::Reader<'_>) -> Result<Record, CodecError> {
    Ok(Record {
        identity: read_identity(from.get_identity())?,
        key_packages: structs("keyPackages", from.get_key_packages(), MAX_DEVICES, read_key_package)?,
    })
}

pub(super) fn write_publish_identity(
    publish: &PublishIdentity,
    mut out: publish_identity::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_identity(identity(&publish.identity)?);
    let parts = &publish.key_packages;
    write_structs!("keyPackages", parts, MAX_DEVICES, out.reborrow() => init_key_packages, write_key_package);
    if let Some(wraps) = &publish.wraps {
        write_structs!("wraps", wraps, MAX_VAULT_WRAPS, out.reborrow() => init_wraps, vault::write_wrap);
    }
    write_structs!("records", &publish.records, MAX_VAULT_RECORDS, out => init_records, vault::write_record);
    Ok(())
}

pub(super) fn read_publish_identity(from: publish_identity::Reader<'_>) -> Result<PublishIdentity, CodecError> {
    Ok(PublishIdentity {
        identity: read_identity(from.get_identity())?,
        key_packages: structs("keyPackages", from.get_key_packages(), MAX_DEVICES, read_key_package)?,
        wraps: match from.has_wraps() {
            true => Some(structs("wraps", from.get_wraps(), MAX_VAULT_WRAPS, vault::read_wrap)?),
            false => None,
        },
        records: structs("records", from.get_records(), MAX_VAULT_RECORDS, vault::read_record)?,
    })
}

pub(super) fn write_publish_key_package(
    publish: &PublishKeyPackage,
    out: key_package_part::Builder<'_>,
) -> Result<(), CodecError> {
    write_key_package(&publish.part, out)
}

pub(super) fn read_publish_key_package(from: key_package_part::Reader<'_>) -> Result<PublishKeyPackage, CodecError> {
    Ok(PublishKeyPackage { part: read_key_package(from)? })
}
