//! What the tests of this crate share.

use std::path::PathBuf;

use quicprochat_wire::Entropy;
use sha2::{Digest as _, Sha256};

/// A generator that yields the same bytes for the same seed.
pub(crate) struct SeededEntropy {
    seed: u64,
    counter: u64,
}

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(self.counter.to_le_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
        }
    }
}

/// A file of the vectors, or `None` (with a loud line) where it is missing and `CI` is not set.
pub(crate) fn vectors(path: &str) -> Option<serde_json::Value> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let candidates = [std::env::var_os("QPC_VECTORS").map(PathBuf::from), Some(beside)];
    let found = candidates.into_iter().flatten().map(|folder| folder.join(path)).find(|file| file.exists());
    let Some(file) = found else {
        assert!(std::env::var_os("CI").is_none(), "{path} is missing; set QPC_VECTORS to the folder of vectors");
        println!("SKIPPED: {path} is missing; set QPC_VECTORS to the folder of vectors");
        return None;
    };
    let bytes = std::fs::read(&file).expect("a readable file");
    Some(serde_json::from_slice(&bytes).expect("valid JSON"))
}

/// A field in hexadecimal.
pub(crate) fn hex_field(value: &serde_json::Value, name: &str) -> Vec<u8> {
    hex::decode(value[name].as_str().unwrap_or_else(|| panic!("{name} is text"))).expect("hexadecimal")
}
