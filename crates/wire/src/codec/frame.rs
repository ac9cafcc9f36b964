//! Frames: a `u32` little-endian length, and that many bytes of a message.

use super::{Answer, CodecError, encode_request_into, encode_response_into};
use crate::{call::Request, limits::MAX_FRAME_BYTES};

/// Bytes of the length that begins a frame.
pub const PREFIX_BYTES: usize = 4;

/// Encodes a request as a frame.
pub fn encode_request(request: &Request) -> Result<Vec<u8>, CodecError> {
    let mut frame = vec![0; PREFIX_BYTES];
    encode_request_into(request, &mut frame)?;
    seal(frame)
}

/// Encodes an answer as a frame.
pub fn encode_response(answer: &Answer) -> Result<Vec<u8>, CodecError> {
    let mut frame = vec![0; PREFIX_BYTES];
    encode_response_into(answer, &mut frame)?;
    seal(frame)
}

/// Fills in the length.
fn seal(mut frame: Vec<u8>) -> Result<Vec<u8>, CodecError> {
    let found = frame.len().saturating_sub(PREFIX_BYTES);
    let too_long = CodecError::TooLong { field: "frame", limit: MAX_FRAME_BYTES, found };
    match u32::try_from(found) {
        Ok(length) if found <= MAX_FRAME_BYTES => {
            for (place, byte) in frame.iter_mut().zip(length.to_le_bytes()) {
                *place = byte;
            }
            Ok(frame)
        }
        _ => Err(too_long),
    }
}

/// A frame announces more bytes than are accepted. Nothing of it has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {found} bytes exceeds the limit of {limit}")]
pub struct FrameTooLarge {
    /// Largest length accepted.
    pub limit: usize,
    /// Length announced.
    pub found: usize,
}

/// Takes frames out of bytes that arrive in pieces of any size.
///
/// It buffers at most one frame and what came along with it, and allocates as bytes arrive, not by the length announced.
/// After an error it must not be used any more.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Where the next frame begins in `buffer`.
    start: usize,
    limit: usize,
}

impl FrameReader {
    /// Accepts frames of at most `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, limit }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, without its length; `None` until more bytes arrive.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameTooLarge> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(length) = announced(rest, self.limit)? else { return Ok(None) };
        let Some(message) = rest.get(PREFIX_BYTES..PREFIX_BYTES.saturating_add(length)) else { return Ok(None) };
        self.start = self.start.saturating_add(PREFIX_BYTES).saturating_add(length);
        Ok(Some(message))
    }

    /// The length announced by the frame that comes next, once it is known.
    pub fn announced(&self) -> Result<Option<usize>, FrameTooLarge> {
        announced(self.buffer.get(self.start..).unwrap_or_default(), self.limit)
    }

    /// Whether nothing is left of an unfinished frame: only then may the stream end.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.buffer.len() <= self.start
    }
}

/// The length announced by the frame that `bytes` begin with; `None` if they are too few to tell.
pub fn announced(bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameTooLarge> {
    let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let found = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
    if found > limit { Err(FrameTooLarge { limit, found }) } else { Ok(Some(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let stream: Vec<u8> = [&[3, 0, 0, 0, 1, 2, 3][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 9]].concat();
        for step in 1..=stream.len() {
            let mut reader = FrameReader::new(3);
            let mut frames = Vec::new();
            for piece in stream.chunks(step) {
                reader.push(piece);
                while let Some(frame) = reader.next_frame().expect("within the limit") {
                    frames.push(frame.to_vec());
                }
            }
            assert_eq!(frames, [vec![1, 2, 3], vec![], vec![9]], "pieces of {step}");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_frame_above_the_limit_is_refused_by_its_length_alone() {
        let mut reader = FrameReader::new(3);
        reader.push(&[4, 0, 0]);
        assert_eq!(reader.next_frame(), Ok(None));
        assert!(!reader.is_empty());
        reader.push(&[0]);
        assert_eq!(reader.next_frame(), Err(FrameTooLarge { limit: 3, found: 4 }));
    }
}
