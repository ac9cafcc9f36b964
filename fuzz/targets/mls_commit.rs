//! Any bytes as a commit that was decrypted and cannot be followed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::commit(bytes));
