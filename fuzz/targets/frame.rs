//! A stream of frames, cut where the first byte says: the same frames come out as from the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quicprochat_wire::codec::frame::{FrameReader, FrameTooLarge};

const LIMIT: usize = 300;

fuzz_target!(|bytes: &[u8]| {
    let Some((step, stream)) = bytes.split_first() else { return };
    let cut = frames(stream.chunks(usize::from(*step).max(1)));
    let whole = frames(std::iter::once(stream));
    assert_eq!(cut, whole);
    assert!(whole.0.iter().all(|frame| frame.len() <= LIMIT));
});

/// All frames up to the end or the first that is too large; whether nothing is left over.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<bool, FrameTooLarge>) {
    let mut reader = FrameReader::new(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    let is_empty = reader.is_empty();
    (frames, Ok(is_empty))
}
