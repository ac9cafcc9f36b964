//! Any bytes as the account's state, as the update in it, and as what is sealed in a record of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quicprochat_fuzz::state::account_state(bytes));
