//! The pure crates compile for the browser.

use super::Suite;
use crate::setup::Need;
use crate::tidy::PURE;

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) const SUITE: Suite = Suite {
    name: "wasm",
    budget_minutes: 10,
    needs: &[Need::Target(TARGET)],
    run: |run| {
        let packages = PURE.iter().flat_map(|(_, package)| ["--package", package]);
        run.cargo(&["check", "--target", TARGET].into_iter().chain(packages).collect::<Vec<_>>())
    },
};
