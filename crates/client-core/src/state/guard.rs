//! What an update of the document may look like, checked before the CRDT library sees it.
//!
//! The library's own decoder takes counts at their word and knows many more types than the document has. An update that
//! passes here is of the schema of protocol.md, section 13, needs nothing that it does not hold itself, and is as large in
//! memory as its bytes allow.
//!
//! ```text
//!   update v1 = clients, per client: blocks, client, clock 0, block ... ; deleted ranges
//!   block     = 0 garbage(len) │ origin? parent? key? then 1 deleted(len) │ 8 values(count, 116 bytes ...)
//! ```

use std::collections::BTreeMap;

use super::StateError;

/// Name of the document's one root type.
pub(super) const ROOT: &str = "s";
/// Longest key: a letter and 32 bytes in base64url.
const MAX_KEY_BYTES: usize = 64;
/// Most clients: a device makes one for itself, and another one each time its store went back in time.
const MAX_CLIENTS: u64 = 1024;
/// Highest client id that other implementations can count to.
const MAX_CLIENT: u64 = (1 << 53) - 1;
/// Most operations of one client.
const MAX_CLOCK: u64 = 1 << 30;

const HAS_ORIGIN: u8 = 0x80;
const HAS_PARENT_SUB: u8 = 0x20;
const GARBAGE: u8 = 0;
const DELETED: u8 = 1;
const VALUES: u8 = 8;
/// Type of a value: bytes.
const BYTES: u8 = 116;

/// Checks a whole document, as an update in the library's format v1.
///
/// Errors:   [`StateError::NotOfSchema`].
pub(super) fn check(update: &[u8]) -> Result<(), StateError> {
    let mut reader = Lib0 { bytes: update, at: 0 };
    match read(&mut reader) {
        Some(()) if reader.at == update.len() => Ok(()),
        Some(()) | None => Err(StateError::NotOfSchema { at: reader.at }),
    }
}

fn read(reader: &mut Lib0<'_>) -> Option<()> {
    let mut clocks = BTreeMap::new();
    let mut origins = Vec::new();
    for _ in 0..reader.at_most(MAX_CLIENTS)? {
        // A block has two bytes at least.
        let blocks = reader.at_most(reader.left() / 2)?;
        let client = reader.at_most(MAX_CLIENT)?;
        reader.at_most(0)?;
        let mut clock = 0;
        for _ in 0..blocks {
            clock += block(reader, client, clock, &mut origins)?;
            if clock > MAX_CLOCK {
                return None;
            }
        }
        if clocks.insert(client, clock).is_some() {
            return None;
        }
    }
    let is_here = |(client, clock): &(u64, u64)| clocks.get(client).is_some_and(|end| clock < end);
    if !origins.iter().all(is_here) {
        return None;
    }
    for _ in 0..reader.at_most(clocks.len() as u64)? {
        let end = *clocks.get(&reader.number()?)?;
        let mut from = 0;
        for _ in 0..reader.at_most(reader.left() / 2)? {
            let start = reader.number()?;
            let length = reader.number()?;
            if start < from || length == 0 || start.checked_add(length)? > end {
                return None;
            }
            from = start + length;
        }
    }
    Some(())
}

/// Reads a block; returns how many operations it is.
fn block(reader: &mut Lib0<'_>, client: u64, clock: u64, origins: &mut Vec<(u64, u64)>) -> Option<u64> {
    let info = reader.byte()?;
    if info == GARBAGE {
        return reader.length();
    }
    if info & HAS_ORIGIN != 0 {
        let origin = (reader.number()?, reader.number()?);
        // What comes before is older, where one client wrote both.
        if origin.0 == client && origin.1 >= clock {
            return None;
        }
        origins.push(origin);
    } else {
        let is_named = reader.byte()? == 1 && info & HAS_PARENT_SUB != 0;
        if !is_named || reader.text()? != ROOT || reader.text()?.len() > MAX_KEY_BYTES {
            return None;
        }
    }
    match info & !(HAS_ORIGIN | HAS_PARENT_SUB) {
        DELETED => reader.length(),
        VALUES => {
            let count = reader.at_most(reader.left() / 2)?;
            for _ in 0..count {
                if reader.byte()? != BYTES {
                    return None;
                }
                reader.buffer()?;
            }
            (count > 0).then_some(count)
        }
        _ => None,
    }
}

/// Reads lib0's encoding: numbers of seven bits a byte, the lowest first.
struct Lib0<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lib0<'a> {
    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn at_most(&mut self, limit: u64) -> Option<u64> {
        self.number().filter(|number| *number <= limit)
    }

    fn length(&mut self) -> Option<u64> {
        self.at_most(MAX_CLOCK).filter(|length| *length > 0)
    }

    fn buffer(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.at_most(self.left())?).ok()?;
        let end = self.at.checked_add(length)?;
        let buffer = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(buffer)
    }

    fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.buffer()?).ok()
    }
}
