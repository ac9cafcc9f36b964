//! Any bytes as an invitation.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::envelope::invitation(bytes));
