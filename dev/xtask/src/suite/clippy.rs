//! Lints of every crate and target, warnings denied.

use super::Suite;
use crate::setup::Need;

pub(super) const SUITE: Suite = Suite {
    name: "clippy",
    budget_minutes: 25,
    needs: &[Need::Component("clippy")],
    run: |run| run.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
};
