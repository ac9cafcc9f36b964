//! Items out of a stream of bytes.

use quicprochat_wire::DecodeError;
use zeroize::{Zeroize as _, Zeroizing};

use super::{ContentError, Item, MAX_ITEM_BYTES};

/// Kind and length.
const HEAD_BYTES: usize = 5;

/// Takes pieces of any size and gives items; holds no more than one item and one piece.
#[derive(Default)]
pub struct ItemReader {
    buffer: Zeroizing<Vec<u8>>,
    /// How much of the buffer has been given out.
    done: usize,
}

impl ItemReader {
    /// At the beginning.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece. All items that are whole are to be taken before the next one comes.
    pub fn push(&mut self, piece: &[u8]) {
        if self.done > 0 {
            let rest = self.buffer.len().saturating_sub(self.done);
            self.buffer.copy_within(self.done.., 0);
            if let Some(used) = self.buffer.get_mut(rest..) {
                used.zeroize();
            }
            self.buffer.truncate(rest);
            self.done = 0;
        }
        self.buffer.extend_from_slice(piece);
    }

    /// The next item, if it is whole.
    ///
    /// Errors:   [`ContentError::Damaged`], also for an item above [`MAX_ITEM_BYTES`].
    pub fn next_item(&mut self) -> Result<Option<Item>, ContentError> {
        let rest = self.buffer.get(self.done..).unwrap_or_default();
        let Some((&[kind, a, b, c, d], rest)) = rest.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if len > MAX_ITEM_BYTES {
            return Err(DecodeError::TooLong { limit: MAX_ITEM_BYTES, found: len }.into());
        }
        let Some(content) = rest.get(..len) else { return Ok(None) };
        let item = Item::decode(kind, content)?;
        self.done = self.done.saturating_add(HEAD_BYTES).saturating_add(len);
        Ok(Some(item))
    }

    /// Ends reading; nothing may be left.
    ///
    /// Errors:   [`ContentError::Incomplete`].
    pub fn finish(self) -> Result<(), ContentError> {
        if self.done == self.buffer.len() { Ok(()) } else { Err(ContentError::Incomplete) }
    }
}

impl core::fmt::Debug for ItemReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ItemReader").finish_non_exhaustive()
    }
}
