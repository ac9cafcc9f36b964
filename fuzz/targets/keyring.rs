//! Any bytes as a keyring, and as what is sealed in its items.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::envelope::keyring(bytes));
