//! A message of each kind, as every version wrote it (samples/README.md).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use proptest::{
    strategy::{BoxedStrategy, Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use quicprochat_wire::codec::{decode_request, decode_response, encode_request, encode_response};

use crate::strategies::{answers, requests};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples");
/// Longest sample, if one of many random values is as short.
const SHORT: usize = 1024;

/// The folders of messages of every version.
fn folders() -> Vec<PathBuf> {
    let versions = fs::read_dir(SAMPLES).expect("samples").map(|entry| entry.expect("a name").path());
    versions.map(|version| version.join("wire")).filter(|folder| folder.is_dir()).collect()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a name").path());
    entries
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(&path).expect("read")))
        .collect()
}

/// Whether this version wrote the samples: `0.1` of `0.1.0`.
fn is_ours(wire: &Path) -> bool {
    let version = wire.parent().and_then(Path::file_name).expect("a version").to_string_lossy().into_owned();
    env!("CARGO_PKG_VERSION").strip_prefix(&version).is_some_and(|rest| rest.starts_with('.'))
}

#[test]
fn frozen_messages_are_read_and_written_again() {
    if write_if_asked() {
        // What is replaced need not be what this version writes.
        return;
    }
    let folders = folders();
    assert!(!folders.is_empty(), "there are no samples in {SAMPLES}");
    for folder in folders {
        let mut kinds = BTreeSet::new();
        for (name, bytes) in files(&folder.join("requests")) {
            let request = decode_request(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            let again = encode_request(&request).expect("in limits");
            assert_eq!(decode_request(&again), Ok(request.clone()), "{name}");
            assert_eq!(format!("{}-{}", request.number(), request.name()), name);
            // A later version may have more fields, and so longer messages.
            assert!(again == bytes || !is_ours(&folder), "{name} is encoded differently");
            kinds.insert(request.number());
        }
        for (name, bytes) in files(&folder.join("answers")) {
            let answer = decode_response(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            let again = encode_response(&answer).expect("in limits");
            assert_eq!(decode_response(&again), Ok(answer), "{name}");
            assert!(again == bytes || !is_ours(&folder), "{name} is encoded differently");
        }
        assert!(kinds.len() >= 30, "{} has samples of {} methods", folder.display(), kinds.len());
    }
}

/// `cargo xtask samples make` names a folder; otherwise nothing is written.
fn write_if_asked() -> bool {
    let Some(folder) = std::env::var_os("QPC_SAMPLES_TO").map(PathBuf::from) else { return false };
    for part in ["requests", "answers"] {
        fs::create_dir_all(folder.join(part)).expect("made");
    }
    for strategy in requests() {
        let (request, bytes) = short(&strategy, |request| encode_request(request).expect("in limits"));
        let name = format!("{}-{}", request.number(), request.name());
        fs::write(folder.join("requests").join(name), bytes).expect("written");
    }
    for (index, strategy) in answers().iter().enumerate() {
        let (_, bytes) = short(strategy, |answer| encode_response(answer).expect("in limits"));
        fs::write(folder.join("answers").join(format!("{index:02}")), bytes).expect("written");
    }
    true
}

/// The first short value of a strategy, the same in every run; the shortest of many if there is none.
fn short<T: std::fmt::Debug>(strategy: &BoxedStrategy<T>, encode: impl Fn(&T) -> Vec<u8>) -> (T, Vec<u8>) {
    let mut runner = TestRunner::deterministic();
    let values = (0..100).map(|_| strategy.new_tree(&mut runner).expect("a value").current());
    let mut values = values.map(|value| {
        let bytes = encode(&value);
        (value, bytes)
    });
    let first = values.next().expect("a hundred");
    values.fold(first, |best, next| if best.1.len() > SHORT && next.1.len() < best.1.len() { next } else { best })
}
