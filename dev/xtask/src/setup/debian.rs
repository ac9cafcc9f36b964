//! Programs from Debian packages.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{self, Deadline};

/// Installs `package` if `program` is nowhere on the path.
pub(super) fn provide(program: &str, package: &str, deadline: &Deadline) -> Result<()> {
    if is_on_path(program) {
        return Ok(());
    }
    install(package, deadline).with_context(|| format!("the program `{program}` is missing"))?;
    ensure!(is_on_path(program), "package {package} is installed, but brought no program `{program}`");
    Ok(())
}

/// Installs a package, which takes root.
pub(super) fn install(package: &str, deadline: &Deadline) -> Result<()> {
    if !rustix::process::geteuid().is_root() || !is_on_path("apt-get") {
        bail!("as root, run: apt-get install --yes {package}");
    }
    let update = || process::run(apt_get().args(["update", "--quiet"]), deadline);
    let install = || process::run(apt_get().args(["install", "--yes", "--no-install-recommends", package]), deadline);
    // The list of packages may be absent or old; one that is new enough is not fetched again.
    install().or_else(|_| update().and_then(|()| install()))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(file: &Path) -> bool {
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_needs_nothing() {
        provide("sh", "no-such-package", &Deadline::minutes("probe", 1)).unwrap();
    }

    #[test]
    fn knows_what_is_not_on_the_path() {
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
