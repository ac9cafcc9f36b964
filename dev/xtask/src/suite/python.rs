//! A client in Python, made from docs/protocol.md and the schema alone, against real programs.

use std::process::Command;

use super::Suite;
use crate::sandbox::{Binaries, Profile};
use crate::setup::{Need, venv};

pub(super) const SUITE: Suite = Suite {
    name: "python",
    budget_minutes: 25,
    needs: &[Need::Venv],
    run: |run| {
        let binaries = Binaries::build(Profile::Dev, &run.deadline)?;
        let mut pytest = Command::new(venv::python()?);
        pytest
            .args(["-m", "pytest", "-p", "no:cacheprovider"])
            .current_dir(run.root.join("e2e"))
            .env("QPC_SERVER_BIN", &binaries.server)
            .env("QPC_BIN", &binaries.client)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        run.program(&mut pytest)
    },
};
