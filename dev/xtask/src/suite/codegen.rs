//! The committed Cap'n Proto code is what the schema says.

use super::Suite;
use crate::codegen;
use crate::setup::Need;

pub(super) const SUITE: Suite = Suite {
    name: "codegen",
    budget_minutes: 2,
    needs: &[Need::Program { name: "capnp", package: "capnproto" }, Need::Component("rustfmt")],
    run: |run| codegen::check(&run.root),
};
