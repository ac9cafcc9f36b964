//! Any text as an account's name, a name with its host, and a safety number.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::identity::names(bytes));
