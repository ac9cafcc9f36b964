//! Any bytes as the identity part of a record.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::identity::part(bytes));
