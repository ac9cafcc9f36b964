//! Any bytes as a backup file, or as what is in one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::backup::backup(bytes));
