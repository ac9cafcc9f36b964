//! Scenarios of the simulated world: many with stand-ins for public-key cryptography, some with the real hybrid suite.

use super::Suite;

pub(super) const SUITE: Suite = Suite {
    name: "sim",
    budget_minutes: 45,
    needs: &[],
    run: |run| {
        run.cargo(&["xtask", "sim", "--scenarios", "10000", "--json"])?;
        run.cargo(&["xtask", "sim", "--real", "--scenarios", "300", "--json"])
    },
};
