//! Any bytes as a Welcome, and as the ratchet tree that goes with one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::welcome(bytes));
