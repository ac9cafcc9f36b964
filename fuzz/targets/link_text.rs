//! Any text as a server link: what parses prints as a text that parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quicprochat_wire::ServerLink;

fuzz_target!(|text: &str| {
    if let Ok(link) = text.parse::<ServerLink>() {
        assert_eq!(link.to_string().parse(), Ok(link));
    }
});
