//! Any bytes as objects of an archive, and as what is in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::archive::objects(bytes));
