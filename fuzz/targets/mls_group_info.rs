//! Any bytes as a GroupInfo, and as the ratchet tree beside it, to a device that enters from outside.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::group_info(bytes));
