//! Any text as a did:key.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::identity::did_key(bytes));
