//! The programs that are measured, and those that measure.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Message;

use crate::process::{self, Deadline};
use crate::workspace;

/// One set of packages, so that nothing is built twice.
const BUILD: &[&str] = &[
    "build",
    "--release",
    "--package",
    "quicprochat-server",
    "--package",
    "quicprochat-bench",
    "--package",
    "quicprochat-e2ee",
    "--bins",
    "--bench",
    "mls",
];

/// Where the built programs are.
pub(super) struct Programs {
    /// `qpc-server`.
    pub(super) server: PathBuf,
    /// `quicprochat-bench`.
    pub(super) load: PathBuf,
    /// The bench of `crates/e2ee`.
    pub(super) mls: PathBuf,
}

impl Programs {
    /// Builds in release mode, or finds that everything is current.
    pub(super) fn build(deadline: &Deadline) -> Result<Self> {
        process::run(workspace::cargo()?.args(BUILD), deadline)?;
        // The bench has a hash in its name; cargo tells it when asked again.
        let output = workspace::cargo()?
            .args(BUILD)
            .args(["--quiet", "--message-format", "json"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot ask cargo where the programs are")?;
        let mut found = Vec::new();
        for message in Message::parse_stream(output.stdout.as_slice()) {
            if let Message::CompilerArtifact(artifact) = message.context("cargo's answer is no JSON")?
                && let Some(path) = artifact.executable
            {
                found.push((artifact.target.name, path.into_std_path_buf()));
            }
        }
        ensure!(output.status.success(), "cargo failed: {}", output.status);
        let program = |name: &str| {
            let named = found.iter().find(|(target, _)| target == name);
            named.map(|(_, path)| path.clone()).with_context(|| format!("the build made no {name}"))
        };
        Ok(Self { server: program("qpc-server")?, load: program("quicprochat-bench")?, mls: program("mls")? })
    }
}
