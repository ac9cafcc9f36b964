//! The demonstration, with programs built in the dev profile.

use super::Suite;

pub(super) const SUITE: Suite = Suite {
    name: "demo",
    budget_minutes: 20,
    needs: &[],
    run: |run| run.cargo(&["xtask", "demo", "--profile", "dev"]),
};
