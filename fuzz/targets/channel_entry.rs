//! Any bytes as an entry of a channel, and as what is sealed in one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::envelope::channel_entry(bytes));
