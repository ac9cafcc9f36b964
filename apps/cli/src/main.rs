//!

fn main() {}
