//! Where the workspace is and how its tools are called.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// Root of the workspace that this binary was built from.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest_dir.ancestors().nth(2).context("dev/xtask lies two folders below the workspace root")?;
    root.canonicalize().with_context(|| format!("the workspace this was built from is gone: {}", root.display()))
}

/// The cargo that runs us, so that nested builds use the same toolchain.
pub(crate) fn cargo() -> Result<Command> {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root()?);
    Ok(command)
}

/// Packages of the workspace with their own dependencies; nothing is resolved, so no network is needed.
pub(crate) fn metadata() -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root()?.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata --no-deps failed")
}

/// Folder that builds write to, as set by the environment or the configuration of cargo.
pub(crate) fn target_dir() -> Result<PathBuf> {
    Ok(metadata()?.target_directory.into_std_path_buf())
}
