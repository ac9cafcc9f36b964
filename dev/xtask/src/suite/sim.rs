//! Scenarios of the simulated world: many with stand-ins for public-key cryptography, some with the real hybrid suite, and as many
//! with each broken rule as it takes to notice.

use super::Suite;

pub(super) const SUITE: Suite = Suite {
    name: "sim",
    budget_minutes: 45,
    needs: &[],
    run: |run| {
        run.cargo(&["xtask", "sim", "--scenarios", "10000", "--json"])?;
        run.cargo(&["xtask", "sim", "--mutants", "--scenarios", "600", "--json"])?;
        run.cargo(&["xtask", "sim", "--real", "--scenarios", "300", "--json"])
    },
};
