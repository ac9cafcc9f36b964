//! Any bytes as the OPAQUE messages of a registration, at the server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::server::registration(bytes));
