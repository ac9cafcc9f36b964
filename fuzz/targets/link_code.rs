//! Any text as a code that links a device.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::link::text(bytes));
