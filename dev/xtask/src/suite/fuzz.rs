//! Every fuzz target for a few seconds on its committed corpus: enough to see that they build, run and find nothing quickly.

use std::fs;

use anyhow::Context;

use super::Suite;
use crate::process::cleanup::Scratch;
use crate::setup::Need;
use crate::workspace;

const TARGETS: &[&str] = &["chain", "decode_request", "decode_response", "frame", "link_text", "unpad"];
/// Seconds for each; longer runs are started by hand, as fuzz/README.md says.
const SECONDS: &str = "10";

pub(super) const SUITE: Suite = Suite {
    name: "fuzz",
    budget_minutes: 10,
    needs: &[Need::Program { name: "c++", package: "g++" }],
    run: |run| {
        // The folder has its own workspace and compiler flags, which cargo looks for from where it is started.
        let folder = run.root.join("fuzz");
        let artifacts = folder.join("artifacts");
        fs::create_dir_all(&artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;
        for target in TARGETS {
            let found = Scratch::new("qpc-fuzz-")?;
            let mut cargo = workspace::cargo()?;
            cargo.current_dir(&folder).args(["run", "--quiet", "--release", "--bin", target, "--"]);
            cargo.arg(format!("-max_total_time={SECONDS}")).args(["-rss_limit_mb=1024", "-verbosity=0"]);
            cargo.arg(format!("-artifact_prefix={}/", artifacts.display()));
            run.program(cargo.arg(found.path()).arg(format!("corpus/{target}")))?;
        }
        Ok(())
    },
};
