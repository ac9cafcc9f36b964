//! Formatting of every crate.

use super::Suite;
use crate::setup::Need;

pub(super) const SUITE: Suite = Suite {
    name: "fmt",
    budget_minutes: 2,
    needs: &[Need::Component("rustfmt")],
    run: |run| run.cargo(&["fmt", "--all", "--check"]),
};
