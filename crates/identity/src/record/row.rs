//! Rows of fixed size, as the directory stores and sends them.

use quicprochat_wire::{Reader, Writer};

use crate::error::IdentityError;

const LENGTH_BYTES: usize = 4;

/// Puts `bytes` into a row: a `u32` length, the content, zero bytes up to `row_len`.
///
/// Errors:   [`IdentityError::RowFull`].
pub fn to_row(bytes: &[u8], row_len: usize) -> Result<Vec<u8>, IdentityError> {
    let limit = row_len.saturating_sub(LENGTH_BYTES);
    if bytes.len() > limit {
        return Err(IdentityError::RowFull { limit, found: bytes.len() });
    }
    let mut row = Writer::new().bytes(bytes).finish();
    row.resize(row_len, 0);
    Ok(row)
}

/// The content of a row.
///
/// Errors:   [`IdentityError::RowInvalid`] for another size, a length beyond the row, or anything but zeros behind the content.
pub fn from_row(row: &[u8], row_len: usize) -> Result<&[u8], IdentityError> {
    let mut reader = Reader::new(row);
    let content = reader.bytes(row_len.saturating_sub(LENGTH_BYTES)).map_err(|_| IdentityError::RowInvalid)?;
    if row.len() == row_len && reader.rest().iter().all(|byte| *byte == 0) {
        Ok(content)
    } else {
        Err(IdentityError::RowInvalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_one_form() {
        for len in [0, 1, 27, 28] {
            let content = vec![7; len];
            let row = to_row(&content, 32).expect("fits");
            assert_eq!(row.len(), 32);
            assert_eq!(from_row(&row, 32), Ok(content.as_slice()));
            assert_eq!(from_row(&row, 33), Err(IdentityError::RowInvalid));
            assert_eq!(from_row(&row[..31], 32), Err(IdentityError::RowInvalid));
        }
        assert_eq!(to_row(&[7; 29], 32), Err(IdentityError::RowFull { limit: 28, found: 29 }));
        let mut dirty = to_row(&[7; 8], 32).expect("fits");
        dirty[31] = 1;
        assert_eq!(from_row(&dirty, 32), Err(IdentityError::RowInvalid));
        let mut long = to_row(&[7; 8], 32).expect("fits");
        long[0] = 29;
        assert_eq!(from_row(&long, 32), Err(IdentityError::RowInvalid));
    }
}
