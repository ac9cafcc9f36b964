//! Any bytes as a KeyPackage.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::key_package(bytes));
