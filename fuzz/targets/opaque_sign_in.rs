//! Any bytes as the OPAQUE messages of a sign-in, at the server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::server::sign_in(bytes));
