//! Any bytes as a ratchet tree that is cut into chunks, and as a piece of one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::envelope::tree_chunks(bytes));
