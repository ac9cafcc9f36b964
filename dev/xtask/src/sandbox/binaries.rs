//! The programs under test.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::process::{self, Deadline};
use crate::workspace;

/// How the programs are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Quick to build, slow to run
    Dev,
    /// As it is shipped
    Release,
}

/// Where the built programs are.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    /// `qpc-server`
    pub(crate) server: PathBuf,
    /// `qpc`
    pub(crate) client: PathBuf,
}

/// The layer under which programs lose power, as cargo names it.
const LAYER: &str = "libquicprochat_powerloss_layer.so";

impl Binaries {
    /// Builds both programs, or finds that they are current.
    pub(crate) fn build(profile: Profile, deadline: &Deadline) -> Result<Self> {
        // In a dev build the same set of packages as `cargo test --workspace` takes, so that nothing is built twice.
        let (arguments, folder): (&[&str], _) = match profile {
            Profile::Dev => (&["build", "--workspace", "--bins"], "debug"),
            Profile::Release => {
                (&["build", "--release", "--package", "quicprochat-server", "--package", "quicprochat-cli"], "release")
            }
        };
        process::run(workspace::cargo()?.args(arguments), deadline)?;
        let folder = workspace::target_dir()?.join(folder);
        let found = Self { server: folder.join("qpc-server"), client: folder.join("qpc") };
        for binary in [&found.server, &found.client] {
            ensure!(binary.is_file(), "the build made no {}", binary.display());
        }
        Ok(found)
    }

    /// Builds the layer to preload under programs that lose power.
    pub(crate) fn build_layer(deadline: &Deadline) -> Result<PathBuf> {
        process::run(
            workspace::cargo()?.args(["build", "--package", "quicprochat-powerloss-layer", "--lib"]),
            deadline,
        )?;
        let layer = workspace::target_dir()?.join("debug").join(LAYER);
        ensure!(layer.is_file(), "the build made no {}", layer.display());
        Ok(layer)
    }
}
