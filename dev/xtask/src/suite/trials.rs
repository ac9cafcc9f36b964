//! Real processes, and everything that can go wrong with them.

use super::Suite;

pub(super) const SUITE: Suite =
    Suite { name: "trials", budget_minutes: 20, needs: &[], run: |run| run.cargo(&["xtask", "trials"]) };
