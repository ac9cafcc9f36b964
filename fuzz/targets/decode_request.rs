//! Any bytes as a request: no panic, and what decodes can be sent again and is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quicprochat_wire::codec::{decode_request, encode_request, refusal};

fuzz_target!(|bytes: &[u8]| {
    match decode_request(bytes) {
        Ok(request) => {
            let again = encode_request(&request).expect("what decodes keeps the limits");
            assert_eq!(decode_request(&again), Ok(request));
        }
        Err(error) => drop(refusal(&error)),
    }
});
