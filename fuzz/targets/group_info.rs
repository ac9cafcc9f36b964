//! Any bytes as a channel's GroupInfo, and as what is sealed in one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::envelope::group_info(bytes));
