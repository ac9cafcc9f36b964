//! The vector file is the one that the generator writes: `cargo run -p quicprochat-keytrans --example vectors`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on must end")]

#[path = "../../examples/vectors/cases.rs"]
mod cases;

const FILE: &str = include_str!("../../vectors/keytrans.json");

#[test]
fn the_vector_file_is_what_the_log_says_and_the_verifier_makes_of_it() {
    let (found, expected) = (cases::file(), FILE);
    for (at, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", at + 1);
    }
    assert_eq!(found.len(), expected.len());
}
