//! Lints of every crate and target, warnings denied; and of the simulated world with its stand-ins and broken rules.

use super::Suite;
use crate::setup::Need;

pub(super) const SUITE: Suite = Suite {
    name: "clippy",
    budget_minutes: 25,
    needs: &[Need::Component("clippy")],
    run: |run| {
        run.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
        // What only the simulated world compiles.
        let simulated = ["-p", "quicprochat-testkit", "--all-targets", "--features", "simulation,mutants"];
        run.cargo(&[&["clippy"], &simulated[..], &["--", "-D", "warnings"]].concat())
    },
};
