//! Any bytes as the MLS message of an entry, as a member of the group receives it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::group::message(bytes));
