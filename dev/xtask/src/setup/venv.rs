//! The Python environment of the end-to-end tests.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::process::{self, Deadline};
use crate::workspace;

/// Packages of Debian without which `python3 -m venv` does not work.
const PYTHON_PACKAGE: &str = "python3-venv";

/// True where there is something to install.
pub(super) fn is_wanted() -> Result<bool> {
    Ok(requirements()?.is_file())
}

/// The interpreter of the environment.
pub(crate) fn python() -> Result<PathBuf> {
    Ok(folder()?.join("bin/python"))
}

/// Makes `e2e/.venv` from `e2e/requirements.txt` unless it is there and current.
pub(super) fn provide(deadline: &Deadline) -> Result<()> {
    if !is_wanted()? {
        bail!("{} is missing", requirements()?.display());
    }
    if is_current()? {
        return Ok(());
    }
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        debian::install(PYTHON_PACKAGE, deadline).context("python3 with its venv module is missing")?;
    }
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder()?), deadline)?;
    let mut pip = Command::new(python()?);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(requirements()?);
    process::run(&mut pip, deadline)?;
    fs::copy(requirements()?, stamp()?).context("cannot note what was installed")?;
    Ok(())
}

/// True if the interpreter runs and the same requirements were installed.
fn is_current() -> Result<bool> {
    let Ok(installed) = fs::read(stamp()?) else { return Ok(false) };
    Ok(installed == fs::read(requirements()?)? && succeeds(Command::new(python()?).args(["-c", "pass"])))
}

fn requirements() -> Result<PathBuf> {
    Ok(workspace::root()?.join("e2e/requirements.txt"))
}

fn folder() -> Result<PathBuf> {
    Ok(workspace::root()?.join("e2e/.venv"))
}

/// A copy of the requirements that were installed, written last.
fn stamp() -> Result<PathBuf> {
    Ok(folder()?.join("requirements.installed"))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
