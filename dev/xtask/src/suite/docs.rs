//! The documentation of every crate builds, and its links lead somewhere.

use super::Suite;

pub(super) const SUITE: Suite = Suite {
    name: "docs",
    budget_minutes: 20,
    needs: &[],
    run: |run| run.cargo_with(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]),
};
