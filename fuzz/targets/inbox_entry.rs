//! Any bytes as an inbox entry, and as what is sealed in one.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::envelope::inbox_entry(bytes));
