//! Where vectors are, and entropy that is handed out byte by byte.

use std::path::{Path, PathBuf};

use quicprochat_wire::Entropy;

/// A vector file, or `None` (said loudly) if it is not there. With `CI=true` a missing file fails the test.
pub(crate) fn vectors(file: &str) -> Option<serde_json::Value> {
    let beside_workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("QPC_VECTORS").map_or(beside_workspace, PathBuf::from);
    let path = folder.join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).expect("vectors are JSON")),
        Err(error) => {
            let ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!ci, "{}: {error}", path.display());
            eprintln!("SKIPPED: {}: {error}. Set QPC_VECTORS to the folder that has {file}.", path.display());
            None
        }
    }
}

/// A string field.
pub(crate) fn text<'a>(value: &'a serde_json::Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}"))
}

/// Hands out a script of bytes and fails when it runs dry.
pub(crate) struct Script(std::collections::VecDeque<u8>);

impl Script {
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        Self(parts.concat().into())
    }

    /// Everything was drawn, nothing is left.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entropy for Script {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.0.pop_front().expect("the script covers every draw");
        }
    }
}

/// Replayable randomness.
pub(crate) struct Seeded(pub(crate) u64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            // SplitMix64.
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            *byte = (mixed ^ (mixed >> 31)) as u8;
        }
    }
}
