//! A row of `journal` as bytes: the messages of one transaction.
//!
//! ```text
//!   block = version (1 byte) message*
//!   message = at (8) hash (32) id (16) minute (4) bytes (8) after-position (8) after-hash (32) length (4) sealed
//! ```
//!
//! Numbers are big-endian. `at` and `bytes` are those columns of `entries`; the kind is always message, and there is no access key.

use quicprochat_server_core::store::{EntryRow, Minute, StoreFault};
use quicprochat_wire::{
    ChainHash, MessageId,
    call::channel::{ChainPoint, EntryKind},
};

use super::table::Held;
use crate::store::{
    channel_cache::{ChannelNum, position_of},
    tx::signed,
};

/// The version that this program writes, and the only one it reads.
const VERSION: u8 = 1;
/// Longest sealed content of a message that goes through the journal.
pub(super) const MAX_SEALED_BYTES: usize = 16 * 1024;
/// Bytes of a message besides its content.
pub(super) const HEAD_BYTES: usize = 8 + 32 + 16 + 4 + 8 + 8 + 32 + 4;

const DAMAGED: StoreFault = StoreFault::Damaged { what: "block of the journal" };

/// Adds a message to a block, which may be empty.
///
/// Errors:   [`StoreFault::Full`] for a number or a length that no column takes.
pub(super) fn encode(block: &mut Vec<u8>, at: i64, held: &Held) -> Result<(), StoreFault> {
    let Held { entry, bytes, .. } = held;
    let length = u32::try_from(entry.sealed.len()).map_err(|_| StoreFault::Full)?;
    let (bytes, after) = (signed(*bytes)?, signed(entry.after_commit.position)?);
    if block.is_empty() {
        block.push(VERSION);
    }
    block.reserve(HEAD_BYTES.saturating_add(entry.sealed.len()));
    block.extend_from_slice(&at.to_be_bytes());
    block.extend_from_slice(entry.at.hash.as_bytes());
    block.extend_from_slice(entry.id.as_bytes());
    block.extend_from_slice(&entry.time.0.to_be_bytes());
    block.extend_from_slice(&bytes.to_be_bytes());
    block.extend_from_slice(&after.to_be_bytes());
    block.extend_from_slice(entry.after_commit.hash.as_bytes());
    block.extend_from_slice(&length.to_be_bytes());
    block.extend_from_slice(&entry.sealed);
    Ok(())
}

/// The messages of the row `seq`, each under its key.
///
/// Errors:   [`StoreFault::Damaged`] for anything that [`encode`] does not write.
pub(super) fn decode(seq: i64, block: &[u8]) -> Result<Vec<(i64, Held)>, StoreFault> {
    let (version, mut rest) = block.split_first().ok_or(DAMAGED)?;
    if *version != VERSION || rest.is_empty() {
        return Err(DAMAGED);
    }
    let mut messages = Vec::with_capacity(rest.len() / (HEAD_BYTES + MAX_SEALED_BYTES) + 1);
    while !rest.is_empty() {
        messages.push(message(seq, &mut rest)?);
    }
    Ok(messages)
}

fn message(seq: i64, rest: &mut &[u8]) -> Result<(i64, Held), StoreFault> {
    let at = i64::from_be_bytes(*take(rest)?);
    let position = position_of(at);
    if ChannelNum::of_key(at).and_then(|num| num.at(position)) != Some(at) || position == 0 {
        return Err(DAMAGED);
    }
    let hash = ChainHash::new(*take(rest)?);
    let id = MessageId::new(*take(rest)?);
    let time = Minute(u32::from_be_bytes(*take(rest)?));
    let bytes = number(rest)?;
    let after_commit = ChainPoint { position: number(rest)?, hash: ChainHash::new(*take(rest)?) };
    let length = usize::try_from(u32::from_be_bytes(*take(rest)?)).map_err(|_| DAMAGED)?;
    if length > MAX_SEALED_BYTES {
        return Err(DAMAGED);
    }
    let (sealed, after) = rest.split_at_checked(length).ok_or(DAMAGED)?;
    *rest = after;
    let entry = EntryRow {
        at: ChainPoint { position, hash },
        id,
        kind: EntryKind::Message,
        after_commit,
        sealed: sealed.to_vec(),
        next_access: None,
        time,
    };
    Ok((at, Held { seq, bytes, entry }))
}

fn number(rest: &mut &[u8]) -> Result<u64, StoreFault> {
    u64::try_from(i64::from_be_bytes(*take(rest)?)).map_err(|_| DAMAGED)
}

fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Result<&'b [u8; N], StoreFault> {
    let (taken, after) = rest.split_first_chunk().ok_or(DAMAGED)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<(i64, Held)> {
        let message = |num: i64, position: u8, length: usize| {
            let entry = EntryRow {
                at: ChainPoint { position: position.into(), hash: ChainHash::new([position; 32]) },
                id: MessageId::new([position + 1; 16]),
                kind: EntryKind::Message,
                after_commit: ChainPoint { position: 3, hash: ChainHash::new([position + 2; 32]) },
                sealed: vec![position; length],
                next_access: None,
                time: Minute(77),
            };
            ((num << 32) | i64::from(position), Held { seq: 5, bytes: 1234, entry })
        };
        vec![message(1, 9, 0), message(0x7fff_ffff, 4, 100), message(2, 200, MAX_SEALED_BYTES)]
    }

    fn block() -> Vec<u8> {
        let mut block = Vec::new();
        for (at, held) in messages() {
            encode(&mut block, at, &held).expect("fits");
        }
        block
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        assert_eq!(decode(5, &block()), Ok(messages()));
    }

    #[test]
    fn a_block_cut_anywhere_but_between_messages_is_damaged() {
        let block = block();
        let ends = [1 + HEAD_BYTES, 1 + 2 * HEAD_BYTES + 100, block.len()];
        for length in 0..block.len() {
            assert_eq!(decode(5, &block[..length]).is_ok(), ends.contains(&length), "{length}");
        }
    }

    #[test]
    fn what_is_never_written_is_damaged() {
        let changed = |offset: usize, bytes: &[u8]| {
            let mut block = block();
            block[offset..offset + bytes.len()].copy_from_slice(bytes);
            decode(5, &block)
        };
        assert_eq!(changed(0, &[2]), Err(DAMAGED), "another version");
        assert_eq!(changed(1, &[0x80]), Err(DAMAGED), "a negative key");
        assert_eq!(changed(1, &[0; 4]), Err(DAMAGED), "no channel");
        assert_eq!(changed(5, &[0; 4]), Err(DAMAGED), "no position");
        assert_eq!(changed(HEAD_BYTES - 3, &[0xff; 4]), Err(DAMAGED), "a length beyond the block");
        let longest = block().len() - MAX_SEALED_BYTES - 4;
        let mut long = block();
        long[longest..longest + 4].copy_from_slice(&u32::try_from(MAX_SEALED_BYTES + 1).expect("small").to_be_bytes());
        long.push(0);
        assert_eq!(decode(5, &long), Err(DAMAGED), "content longer than any that is written");
    }

    #[test]
    fn no_flipped_byte_makes_reading_panic() {
        let block = block();
        for offset in 0..600.min(block.len()) {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = block.clone();
                damaged[offset] ^= flip;
                // Ciphertext may be anything; everything else is checked or kept as it is.
                if let Ok(read) = decode(5, &damaged) {
                    assert_eq!(read.len(), 3);
                }
            }
        }
    }
}
