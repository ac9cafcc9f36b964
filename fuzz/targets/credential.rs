//! Any bytes as a leaf's key and credential.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::identity::credential(bytes));
