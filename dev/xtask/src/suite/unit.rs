//! Unit, property, vector and integration tests of every crate.

use super::Suite;

pub(super) const SUITE: Suite =
    Suite { name: "unit", budget_minutes: 45, needs: &[], run: |run| run.cargo(&["test", "--workspace"]) };
