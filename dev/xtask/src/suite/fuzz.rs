//! Every fuzz target for a few seconds on its committed corpus: enough to see that they build, run and find nothing quickly.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Suite;
use crate::process::cleanup::Scratch;
use crate::setup::Need;
use crate::workspace;

/// Seconds for each; longer runs are started by hand, as fuzz/README.md says.
const SECONDS: &str = "6";
/// Of the whole process, and of one allocation.
const LIMITS: [&str; 2] = ["-rss_limit_mb=1024", "-malloc_limit_mb=64"];

pub(super) const SUITE: Suite = Suite {
    name: "fuzz",
    budget_minutes: 20,
    needs: &[Need::Program { name: "c++", package: "g++" }],
    run: |run| {
        // The folder has its own workspace and compiler flags, which cargo looks for from where it is started.
        let folder = run.root.join("fuzz");
        let artifacts = folder.join("artifacts");
        fs::create_dir_all(&artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;
        for target in targets(&folder)? {
            let found = Scratch::new("qpc-fuzz-")?;
            let mut cargo = workspace::cargo()?;
            cargo.current_dir(&folder).args(["run", "--quiet", "--release", "--bin", &target, "--"]);
            cargo.arg(format!("-max_total_time={SECONDS}")).args(LIMITS).arg("-verbosity=0");
            cargo.arg(format!("-artifact_prefix={}/", artifacts.display()));
            run.program(cargo.arg(found.path()).arg(format!("corpus/{target}")))?;
        }
        Ok(())
    },
};

/// The targets by name, in order: every file of `targets/`.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.join("targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if let (Some(name), Some("rs")) =
            (path.file_stem().and_then(OsStr::to_str), path.extension().and_then(OsStr::to_str))
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}
