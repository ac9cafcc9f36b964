//! Writes the vector file of key transparency (docs/key-transparency-vectors.md), the same bytes each time.
//!
//! `cargo run -p quicprochat-keytrans --example vectors > crates/keytrans/vectors/keytrans.json`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program that must end if its log is wrong, and whose output is the file"
)]

mod cases;

fn main() {
    print!("{}", cases::file());
}
