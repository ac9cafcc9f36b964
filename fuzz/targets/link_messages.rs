//! Any bytes as messages of a device that links another, or is linked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::link::messages(bytes));
