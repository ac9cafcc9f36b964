//! Single fields: lengths, texts, ids, lists.

use core::time::Duration;

use capnp::{NotInSchema, data, data_list, struct_list, text, traits::OwnedStruct};

use super::error::CodecError;

/// Checks a length against the most it may be; also the form in which Cap'n Proto counts.
pub(super) fn at_most(field: &'static str, found: usize, limit: usize) -> Result<u32, CodecError> {
    match u32::try_from(found) {
        Ok(count) if found <= limit => Ok(count),
        _ => Err(CodecError::TooLong { field, limit, found }),
    }
}

/// Checks a length against the one it must be.
pub(super) const fn exactly(field: &'static str, found: usize, expected: usize) -> Result<(), CodecError> {
    if found == expected { Ok(()) } else { Err(CodecError::BadLength { field, expected, found }) }
}

/// Data to write, at most `limit` bytes.
pub(super) fn limited<'a>(field: &'static str, value: &'a [u8], limit: usize) -> Result<&'a [u8], CodecError> {
    at_most(field, value.len(), limit).map(|_| value)
}

/// Text to write, at most `limit` bytes.
pub(super) fn limited_text<'a>(field: &'static str, value: &'a str, limit: usize) -> Result<&'a str, CodecError> {
    at_most(field, value.len(), limit).map(|_| value)
}

/// Data to write, of exactly `len` bytes.
pub(super) fn sized<'a>(field: &'static str, value: &'a [u8], len: usize) -> Result<&'a [u8], CodecError> {
    exactly(field, value.len(), len).map(|()| value)
}

/// A duration as the schema has it.
pub(super) fn millis(value: Duration) -> u64 {
    u64::try_from(value.as_millis()).unwrap_or(u64::MAX)
}

/// Data of at most `limit` bytes.
pub(super) fn bytes(
    field: &'static str,
    value: capnp::Result<data::Reader<'_>>,
    limit: usize,
) -> Result<Vec<u8>, CodecError> {
    Ok(limited(field, value?, limit)?.to_vec())
}

/// Data of exactly `len` bytes.
pub(super) fn exact_bytes(
    field: &'static str,
    value: capnp::Result<data::Reader<'_>>,
    len: usize,
) -> Result<Vec<u8>, CodecError> {
    Ok(sized(field, value?, len)?.to_vec())
}

/// An id of `N` bytes, as `new` makes it.
pub(super) fn id<T, const N: usize>(
    field: &'static str,
    value: capnp::Result<data::Reader<'_>>,
    new: fn([u8; N]) -> T,
) -> Result<T, CodecError> {
    let value = value?;
    match <[u8; N]>::try_from(value) {
        Ok(bytes) => Ok(new(bytes)),
        Err(_) => Err(CodecError::BadLength { field, expected: N, found: value.len() }),
    }
}

/// Text of at most `limit` bytes.
pub(super) fn text(
    field: &'static str,
    value: capnp::Result<text::Reader<'_>>,
    limit: usize,
) -> Result<String, CodecError> {
    let value = limited(field, value?.as_bytes(), limit)?;
    core::str::from_utf8(value).map(str::to_owned).map_err(|_| CodecError::NotUtf8 { field })
}

/// A value of an enumeration.
pub(super) fn known<T>(field: &'static str, value: Result<T, NotInSchema>) -> Result<T, CodecError> {
    value.map_err(|NotInSchema(found)| CodecError::UnknownValue { field, found })
}

/// A list of at most `limit` structs, each read by `read`.
pub(super) fn structs<'a, O: OwnedStruct, T>(
    field: &'static str,
    list: capnp::Result<struct_list::Reader<'a, O>>,
    limit: usize,
    read: impl Fn(O::Reader<'a>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let list = list?;
    at_most(field, usize::try_from(list.len()).unwrap_or(usize::MAX), limit)?;
    list.iter().map(read).collect()
}

/// A list of exactly `count` items of exactly `len` bytes each.
pub(super) fn exact_list(
    field: &'static str,
    list: capnp::Result<data_list::Reader<'_>>,
    count: usize,
    len: usize,
) -> Result<Vec<Vec<u8>>, CodecError> {
    let list = list?;
    exactly(field, usize::try_from(list.len()).unwrap_or(usize::MAX), count)?;
    list.iter().map(|item| exact_bytes(field, item, len)).collect()
}

/// Writes a list of structs: checks the count, makes the list, writes each item.
macro_rules! write_structs {
    ($field:literal, $items:expr, $limit:expr, $out:expr => $init:ident, $write:path) => {{
        let items = $items;
        let mut list = $out.$init($crate::codec::field::at_most($field, items.len(), $limit)?);
        for (index, item) in (0..).zip(items) {
            $write(item, list.reborrow().get(index))?;
        }
    }};
}

/// Writes a list of exactly so many items of exactly so many bytes.
macro_rules! write_exact_list {
    ($field:literal, $items:expr, $count:expr, $len:expr, $out:expr => $init:ident) => {{
        let items = $items;
        $crate::codec::field::exactly($field, items.len(), $count)?;
        let mut list = $out.$init($crate::codec::field::at_most($field, items.len(), $count)?);
        for (index, item) in (0..).zip(items) {
            list.set(index, $crate::codec::field::sized($field, item, $len)?);
        }
    }};
}

pub(super) use {write_exact_list, write_structs};
