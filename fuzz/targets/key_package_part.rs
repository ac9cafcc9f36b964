//! Any bytes as a device's part of a record.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::identity::key_package_part(bytes));
