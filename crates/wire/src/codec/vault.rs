//! The vault.

use super::{
    error::CodecError,
    field::{at_most, bytes, limited, structs, write_structs},
};
use crate::{
    call::vault::{VaultFetch, VaultRecord, VaultRecords, VaultStore, VaultVersion, VaultVersions, VaultWrap},
    limits::{MAX_VAULT_BYTES, MAX_VAULT_IDS, MAX_VAULT_RECORDS},
    schema::qpc_capnp::{
        vault_fetch, vault_record, vault_records, vault_store, vault_version, vault_versions, vault_wrap,
    },
};

pub(super) fn write_wrap(wrap: &VaultWrap, mut out: vault_wrap::Builder<'_>) -> Result<(), CodecError> {
    out.set_way(wrap.way);
    out.set_sealed(limited("wrap", &wrap.sealed, MAX_VAULT_BYTES)?);
    Ok(())
}

pub(super) fn read_wrap(from: vault_wrap::Reader<'_>) -> Result<VaultWrap, CodecError> {
    Ok(VaultWrap { way: from.get_way(), sealed: bytes("wrap", from.get_sealed(), MAX_VAULT_BYTES)? })
}

pub(super) fn write_record(record: &VaultRecord, mut out: vault_record::Builder<'_>) -> Result<(), CodecError> {
    out.set_id(record.id);
    out.set_version(record.version);
    out.set_sealed(limited("record", &record.sealed, MAX_VAULT_BYTES)?);
    Ok(())
}

pub(super) fn read_record(from: vault_record::Reader<'_>) -> Result<VaultRecord, CodecError> {
    Ok(VaultRecord {
        id: from.get_id(),
        version: from.get_version(),
        sealed: bytes("record", from.get_sealed(), MAX_VAULT_BYTES)?,
    })
}

pub(super) fn write_fetch(fetch: &VaultFetch, out: vault_fetch::Builder<'_>) -> Result<(), CodecError> {
    let mut ids = out.init_ids(at_most("ids", fetch.ids.len(), MAX_VAULT_RECORDS)?);
    for (index, id) in (0..).zip(&fetch.ids) {
        ids.set(index, *id);
    }
    Ok(())
}

pub(super) fn read_fetch(from: vault_fetch::Reader<'_>) -> Result<VaultFetch, CodecError> {
    let ids = from.get_ids()?;
    at_most("ids", usize::try_from(ids.len()).unwrap_or(usize::MAX), MAX_VAULT_RECORDS)?;
    Ok(VaultFetch { ids: ids.iter().collect() })
}

pub(super) fn write_records(records: &VaultRecords, out: vault_records::Builder<'_>) -> Result<(), CodecError> {
    write_structs!("records", &records.records, MAX_VAULT_RECORDS, out => init_records, write_record);
    Ok(())
}

pub(super) fn read_records(from: vault_records::Reader<'_>) -> Result<VaultRecords, CodecError> {
    Ok(VaultRecords { records: structs("records", from.get_records(), MAX_VAULT_RECORDS, read_record)? })
}

pub(super) fn write_store(store: &VaultStore, out: vault_store::Builder<'_>) -> Result<(), CodecError> {
    write_structs!("records", &store.records, MAX_VAULT_RECORDS, out => init_records, write_record);
    Ok(())
}

pub(super) fn read_store(from: vault_store::Reader<'_>) -> Result<VaultStore, CodecError> {
    Ok(VaultStore { records: structs("records", from.get_records(), MAX_VAULT_RECORDS, read_record)? })
}

pub(super) fn write_versions(versions: &VaultVersions, out: vault_versions::Builder<'_>) -> Result<(), CodecError> {
    write_structs!("versions", &versions.versions, MAX_VAULT_IDS, out => init_versions, write_version);
    Ok(())
}

pub(super) fn read_versions(from: vault_versions::Reader<'_>) -> Result<VaultVersions, CodecError> {
    Ok(VaultVersions { versions: structs("versions", from.get_versions(), MAX_VAULT_IDS, read_version)? })
}

fn write_version(version: &VaultVersion, mut out: vault_version::Builder<'_>) -> Result<(), CodecError> {
    out.set_id(version.id);
    out.set_version(version.version);
    Ok(())
}

fn read_version(from: vault_version::Reader<'_>) -> Result<VaultVersion, CodecError> {
    Ok(VaultVersion { id: from.get_id(), version: from.get_version() })
}
