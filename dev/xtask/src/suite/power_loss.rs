//! A few cuts of the power under real programs, and a few on disks that lie, which must be noticed.

use super::Suite;

pub(super) const SUITE: Suite = Suite {
    name: "power-loss",
    budget_minutes: 30,
    needs: &[],
    run: |run| {
        run.cargo(&["xtask", "power-loss", "--cuts", "8", "--minutes", "12"])?;
        run.cargo(&["xtask", "power-loss", "--cuts", "5", "--minutes", "8", "--lying"])
    },
};
