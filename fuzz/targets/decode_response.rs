//! Any bytes as an answer: no panic, and what decodes can be sent again and is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quicprochat_wire::codec::{decode_response, encode_response};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = decode_response(bytes) {
        let again = encode_response(&answer).expect("what decodes keeps the limits");
        assert_eq!(decode_response(&again), Ok(answer));
    }
});
