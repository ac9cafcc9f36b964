//! Components and targets of the Rust toolchain, by rustup where there is one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{self, Deadline};
use crate::workspace;

/// Adds a component if cargo does not know its command.
pub(super) fn provide_component(component: &str, deadline: &Deadline) -> Result<()> {
    let command = if component == "rustfmt" { "fmt" } else { component };
    let is_there = || -> Result<bool> {
        let output = workspace::cargo()?.args([command, "--version"]).output().context("cannot start cargo")?;
        Ok(output.status.success())
    };
    if is_there()? {
        return Ok(());
    }
    rustup(&["component", "add", component], deadline)?;
    ensure!(is_there()?, "the component {component} was added, but `cargo {command}` does not run");
    Ok(())
}

/// Adds a target if its standard library is not in the sysroot.
pub(super) fn provide_target(target: &str, deadline: &Deadline) -> Result<()> {
    let is_there = || -> Result<bool> { Ok(sysroot()?.join("lib/rustlib").join(target).join("lib").is_dir()) };
    if is_there()? {
        return Ok(());
    }
    rustup(&["target", "add", target], deadline)?;
    ensure!(is_there()?, "the target {target} was added, but its standard library is not in the sysroot");
    Ok(())
}

fn sysroot() -> Result<PathBuf> {
    let output = Command::new("rustc")
        .current_dir(workspace::root()?)
        .args(["--print", "sysroot"])
        .output()
        .context("cannot start rustc")?;
    ensure!(output.status.success(), "`rustc --print sysroot` failed");
    Ok(PathBuf::from(String::from_utf8(output.stdout).context("the sysroot is no UTF-8")?.trim_end()))
}

fn rustup(arguments: &[&str], deadline: &Deadline) -> Result<()> {
    let shown = format!("rustup {}", arguments.join(" "));
    let mut command = Command::new("rustup");
    command.current_dir(workspace::root()?).args(arguments);
    if let Err(error) = process::run(&mut command, deadline) {
        bail!("run: {shown} (tried: {error:#})");
    }
    Ok(())
}
