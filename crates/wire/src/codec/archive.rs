//! The archive.

use super::{
    error::CodecError,
    field::{at_most, bytes, id, limited, structs, write_structs},
};
use crate::{
    call::archive::{ArchiveDelete, ArchiveEntry, ArchiveGet, ArchiveList, ArchiveObject, ArchivePage, ArchivePut},
    id::ObjectId,
    limits::{MAX_ARCHIVE_BYTES, MAX_PAGE_ENTRIES},
    schema::qpc_capnp::{
        archive_delete, archive_entry, archive_get, archive_list, archive_object, archive_page, archive_put,
    },
};

pub(super) fn write_put(put: &ArchivePut, mut out: archive_put::Builder<'_>) -> Result<(), CodecError> {
    out.set_id(put.id.as_bytes());
    out.set_sealed(limited("sealed", &put.sealed, MAX_ARCHIVE_BYTES)?);
    Ok(())
}

pub(super) fn read_put(from: archive_put::Reader<'_>) -> Result<ArchivePut, CodecError> {
    Ok(ArchivePut {
        id: id("id", from.get_id(), ObjectId::new)?,
        sealed: bytes("sealed", from.get_sealed(), MAX_ARCHIVE_BYTES)?,
    })
}

pub(super) fn write_get(get: &ArchiveGet, mut out: archive_get::Builder<'_>) {
    out.set_id(get.id.as_bytes());
}

pub(super) fn read_get(from: archive_get::Reader<'_>) -> Result<ArchiveGet, CodecError> {
    Ok(ArchiveGet { id: id("id", from.get_id(), ObjectId::new)? })
}

pub(super) fn write_object(object: &ArchiveObject, mut out: archive_object::Builder<'_>) -> Result<(), CodecError> {
    out.set_sealed(limited("sealed", &object.sealed, MAX_ARCHIVE_BYTES)?);
    Ok(())
}

pub(super) fn read_object(from: archive_object::Reader<'_>) -> Result<ArchiveObject, CodecError> {
    Ok(ArchiveObject { sealed: bytes("sealed", from.get_sealed(), MAX_ARCHIVE_BYTES)? })
}

pub(super) fn write_list(list: &ArchiveList, mut out: archive_list::Builder<'_>) {
    if let Some(after) = &list.after {
        out.set_after(after.as_bytes());
    }
    out.set_limit(list.limit);
}

pub(super) fn read_list(from: archive_list::Reader<'_>) -> Result<ArchiveList, CodecError> {
    let after = from.has_after().then(|| id("after", from.get_after(), ObjectId::new)).transpose()?;
    Ok(ArchiveList { after, limit: from.get_limit() })
}

pub(super) fn write_page(page: &ArchivePage, mut out: archive_page::Builder<'_>) -> Result<(), CodecError> {
    out.set_more(page.more);
    out.set_objects(page.objects);
    out.set_bytes(page.bytes);
    out.set_quota(page.quota);
    write_structs!("entries", &page.entries, usize::from(MAX_PAGE_ENTRIES), out => init_entries, write_entry);
    Ok(())
}

pub(super) fn read_page(from: archive_page::Reader<'_>) -> Result<ArchivePage, CodecError> {
    Ok(ArchivePage {
        entries: structs("entries", from.get_entries(), usize::from(MAX_PAGE_ENTRIES), read_entry)?,
        more: from.get_more(),
        objects: from.get_objects(),
        bytes: from.get_bytes(),
        quota: from.get_quota(),
    })
}

fn write_entry(entry: &ArchiveEntry, mut out: archive_entry::Builder<'_>) -> Result<(), CodecError> {
    out.set_id(entry.id.as_bytes());
    out.set_bytes(entry.bytes);
    Ok(())
}

fn read_entry(from: archive_entry::Reader<'_>) -> Result<ArchiveEntry, CodecError> {
    Ok(ArchiveEntry { id: id("id", from.get_id(), ObjectId::new)?, bytes: from.get_bytes() })
}

pub(super) fn write_delete(delete: &ArchiveDelete, out: archive_delete::Builder<'_>) -> Result<(), CodecError> {
    let mut ids = out.init_ids(at_most("ids", delete.ids.len(), usize::from(MAX_PAGE_ENTRIES))?);
    for (index, id) in (0..).zip(&delete.ids) {
        ids.set(index, id.as_bytes());
    }
    Ok(())
}

pub(super) fn read_delete(from: archive_delete::Reader<'_>) -> Result<ArchiveDelete, CodecError> {
    let ids = from.get_ids()?;
    at_most("ids", usize::try_from(ids.len()).unwrap_or(usize::MAX), usize::from(MAX_PAGE_ENTRIES))?;
    let ids = ids.iter().map(|found| id("ids", found, ObjectId::new)).collect::<Result<_, _>>()?;
    Ok(ArchiveDelete { ids })
}
