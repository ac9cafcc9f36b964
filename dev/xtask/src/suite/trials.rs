//! Real processes, and everything that can go wrong with them.

use super::Suite;
use crate::setup::Need;

pub(super) const SUITE: Suite = Suite {
    name: "trials",
    budget_minutes: 20,
    needs: &[Need::Program { name: "faketime", package: "faketime" }],
    run: |run| run.cargo(&["xtask", "trials"]),
};
