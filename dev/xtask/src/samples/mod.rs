//! Frozen samples: what this version wrote, for every later version to read (samples/README.md).
//!
//! ```text
//!   samples/0.1/manifest.json   SHA-256 and length of every other file
//!               facts.json      what is in them, for the checks
//!               server/         a data directory       server.backup   a backup of it
//!               homes/NAME/     homes of clients       NAME.backup     backups of them
//!               exports/FORMAT/ exports                wire/           a file for each kind of message
//! ```

mod check;
mod facts;
mod make;
pub(crate) mod manifest;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::process::Deadline;
use crate::sandbox::{Binaries, Profile};
use crate::workspace;

pub(crate) use check::{frozen, whole};

/// Examples for `--help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask samples check            read every sample with the programs as they are
  cargo xtask samples make             write those of this version, before its release
  cargo xtask samples make --replace   write them anew: only while the version is not released";

/// Where the samples of all versions are.
pub(crate) const FOLDER: &str = "samples";
/// Where the sample server listens: an address of this machine that hardly anybody uses.
const LISTEN: &str = "127.77.0.1:44330";

/// What to do with samples.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Write the samples of this version
    Make {
        /// Replace those that are there: only while the version is not released
        #[arg(long)]
        replace: bool,
    },
    /// Read the samples of every version with the programs as they are
    Check,
}

/// Makes or checks samples.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binaries = Binaries::build(Profile::Dev, &Deadline::minutes("build", 60))?;
    let root = workspace::root()?;
    match arguments.action {
        Action::Make { replace } => {
            let folder = root.join(FOLDER).join(version());
            ensure!(
                replace || !folder.exists(),
                "{} is there; samples of a release are never changed",
                folder.display()
            );
            let made = make::make(binaries.clone(), &folder)?;
            println!("wrote {} files, {} bytes to {}", made.files, made.bytes, folder.display());
        }
        Action::Check => {}
    }
    for folder in versions(&root)? {
        check::all(&binaries, &folder)?;
        println!("read everything in {}", folder.display());
    }
    Ok(())
}

/// `0.1` of `0.1.0`: patches write nothing new.
fn version() -> String {
    let mut parts = env!("CARGO_PKG_VERSION").split('.');
    [parts.next(), parts.next()].into_iter().flatten().collect::<Vec<_>>().join(".")
}

/// The folders of all versions, in order.
pub(crate) fn versions(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    let all = root.join(FOLDER);
    for entry in fs::read_dir(&all).with_context(|| format!("cannot read {}", all.display()))? {
        let path = entry?.path();
        if path.join(manifest::NAME).is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    ensure!(!folders.is_empty(), "there are no samples in {}", all.display());
    Ok(folders)
}

/// Copies a folder so that the programs take it: nobody else may read what is in it.
fn copy_private(from: &Path, to: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_private(&entry.path(), &target)?;
        } else {
            let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&target)?;
            io::copy(&mut File::open(entry.path())?, &mut out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_no_patch() {
        assert_eq!(version().split('.').count(), 2);
    }
}
