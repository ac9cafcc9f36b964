//! Any bytes as a value of the group store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::store(bytes));
