//! Any bytes as a row of the client's store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::client::rows(bytes));
