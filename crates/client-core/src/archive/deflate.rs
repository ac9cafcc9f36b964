//! Compression, with a bound on what comes out.

use miniz_oxide::{
    deflate::compress_to_vec,
    inflate::{TINFLStatus, decompress_to_vec_with_limit},
};
use quicprochat_wire::DecodeError;

/// Between speed and size.
const LEVEL: u8 = 7;

/// Raw deflate (RFC 1951).
pub(super) fn deflated(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, LEVEL)
}

/// What was deflated, at most `limit` bytes.
pub(super) fn inflated(bytes: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    decompress_to_vec_with_limit(bytes, limit).map_err(|error| {
        if error.status == TINFLStatus::HasMoreOutput {
            DecodeError::TooLong { limit, found: limit.saturating_add(1) }
        } else {
            DecodeError::WrongLabel
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_comes_back_up_to_the_limit_and_no_further() {
        let content = vec![7; 100_000];
        let bytes = deflated(&content);
        assert!(bytes.len() < 1_000, "{}", bytes.len());
        assert_eq!(inflated(&bytes, 100_000), Ok(content));
        assert_eq!(inflated(&bytes, 99_999), Err(DecodeError::TooLong { limit: 99_999, found: 100_000 }));
        assert!(inflated(&bytes[..bytes.len() / 2], 100_000).is_err());
        assert!(inflated(&[0xFF; 40], 100_000).is_err());
    }
}
