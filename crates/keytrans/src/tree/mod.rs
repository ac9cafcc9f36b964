//! The shapes of the trees: pure arithmetic, without hashes of anybody's data.

pub mod implicit;
pub mod ladder;
pub mod log;
pub mod prefix;
