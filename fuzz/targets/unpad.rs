//! Padding: any bytes come back from their bucket, and any bytes may claim to be padded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quicprochat_wire::padding::{bucket, pad, unpad};

fuzz_target!(|bytes: &[u8]| {
    let mut padded = bytes.to_vec();
    pad(&mut padded);
    assert_eq!(padded.len(), bucket(bytes.len()));
    assert_eq!(unpad(&padded), Some(bytes));
    if let Some(content) = unpad(bytes) {
        assert!(content.len() < bytes.len());
        assert_eq!(bytes.get(content.len()), Some(&0x80));
    }
});
