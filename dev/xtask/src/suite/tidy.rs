//! The checks of the tree.

use super::Suite;

pub(super) const SUITE: Suite =
    Suite { name: "tidy", budget_minutes: 2, needs: &[], run: |run| crate::tidy::check_all(&run.root) };
