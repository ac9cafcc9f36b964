//! Any bytes as the content of a message.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::client::content(bytes));
