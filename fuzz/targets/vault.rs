//! Any bytes as wraps, records and handovers of the vault, and as what is sealed in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::vault::records(bytes));
