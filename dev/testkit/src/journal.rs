//! What happened in a world, line by line, and a hash over it: two runs of one seed are the same run or they are not.

use core::fmt;

use quicprochat_wire::Timestamp;
use sha2::{Digest as _, Sha256};

/// Lines that are kept; older ones count only in the hash.
const KEPT: usize = 100_000;

/// The event log of a world.
pub struct Journal {
    start: Timestamp,
    lines: std::collections::VecDeque<String>,
    count: u64,
    hash: Sha256,
}

impl Journal {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self { start, lines: std::collections::VecDeque::new(), count: 0, hash: Sha256::new() }
    }

    pub(crate) fn note(&mut self, at: Timestamp, what: fmt::Arguments<'_>) {
        let since = at.0.saturating_sub(self.start.0);
        let line = format!("{:>7}.{:03}  {what}", since / 1_000, since % 1_000);
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.count += 1;
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// Hash over every line so far.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// How many lines there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The last lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = self.count.saturating_sub(self.lines.len() as u64);
        if left_out > 0 {
            writeln!(f, "({left_out} lines before)")?;
        }
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}
