//! Any bytes as what a server issues tokens with, and as what a client asks for them with.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::server::tokens(bytes));
