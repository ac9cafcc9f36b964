//! The Python environment of the end-to-end tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::process::{self, Deadline};
use crate::workspace;

/// Packages of Debian without which `python3 -m venv` does not work.
const PYTHON_PACKAGE: &str = "python3-venv";

/// Makes `e2e/.venv` from `e2e/requirements.txt` unless it is there and current.
pub(super) fn provide(deadline: &Deadline) -> Result<()> {
    let folder = workspace::root()?.join("e2e");
    let requirements = folder.join("requirements.txt");
    if !requirements.is_file() {
        bail!("{} is missing", requirements.display());
    }
    let venv = Venv { folder: folder.join(".venv"), requirements };
    if venv.is_current() {
        return Ok(());
    }
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        debian::install(PYTHON_PACKAGE, deadline).context("python3 with its venv module is missing")?;
    }
    venv.make(deadline)
}

/// The interpreter of the environment.
pub(crate) fn python() -> Result<PathBuf> {
    Ok(workspace::root()?.join("e2e/.venv/bin/python"))
}

struct Venv {
    folder: PathBuf,
    requirements: PathBuf,
}

impl Venv {
    /// True if the interpreter runs and the same requirements were installed.
    fn is_current(&self) -> bool {
        let installed = fs::read(self.stamp()).ok();
        installed.is_some()
            && installed == fs::read(&self.requirements).ok()
            && succeeds(Command::new(self.python()).args(["-c", "pass"]))
    }

    fn make(&self, deadline: &Deadline) -> Result<()> {
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&self.folder), deadline)?;
        let mut pip = Command::new(self.python());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&self.requirements);
        process::run(&mut pip, deadline)?;
        fs::copy(&self.requirements, self.stamp()).context("cannot note what was installed")?;
        Ok(())
    }

    fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// A copy of the requirements that were installed, written last.
    fn stamp(&self) -> PathBuf {
        self.folder.join(Path::new("requirements.installed"))
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
