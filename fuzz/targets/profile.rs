//! Any bytes as a group's profile.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::profile(bytes));
