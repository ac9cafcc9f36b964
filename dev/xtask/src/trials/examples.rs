//! The examples of docs/cli.md, as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Trial;
use crate::process::capture::capture;
use crate::sandbox::Sandbox;
use crate::workspace;

pub(super) const TRIALS: &[Trial] = &[("the_examples_of_the_manual_work", the_examples_of_the_manual_work)];

const MANUAL: &str = "docs/cli.md";
const PATIENCE: Duration = Duration::from_secs(90);

/// A command of an example, and what it is said to print.
#[derive(Debug, PartialEq)]
struct Step {
    who: String,
    command: String,
    shown: Vec<String>,
}

fn the_examples_of_the_manual_work(sandbox: &mut Sandbox) -> Result<()> {
    let manual = fs::read_to_string(workspace::root()?.join(MANUAL)).context(MANUAL)?;
    let steps = steps(&manual);
    ensure!(steps.len() >= 20, "{MANUAL} has only {} examples: the format was not recognised", steps.len());
    sandbox.start_server()?;
    for step in &steps {
        let home = sandbox.folder(&step.who)?;
        let printed = run(sandbox, &home, &step.command)?;
        for line in &step.shown {
            let found = printed.lines().any(|printed| fits(line, printed));
            ensure!(found, "{}$ {}\nshould print: {line}\nprinted: {printed}", step.who, step.command);
        }
    }
    Ok(())
}

fn run(sandbox: &Sandbox, home: &Path, command: &str) -> Result<String> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).env_clear().current_dir(home);
    shell.env("PATH", format!("{}:/usr/bin:/bin", sandbox.programs()?.display()));
    shell.env("HOME", home).env("QPC_HOME", home.join("qpc")).env("LINK", sandbox.link()?);
    let output = capture(&mut shell, PATIENCE)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = format!("{}{}", text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{command} ended with {}: {printed}", output.status);
    Ok(printed)
}

/// The commands in the `console` blocks: `NAME$ COMMAND`, followed by lines that it prints.
fn steps(manual: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in manual.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match line.split_once("$ ") {
                Some((who, command)) if who.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                    steps.push(Step { who: who.to_owned(), command: command.to_owned(), shown: Vec::new() });
                }
                _ => steps.iter_mut().last().into_iter().for_each(|step| step.shown.push(line.to_owned())),
            }
        }
    }
    steps
}

/// Whether a printed line is the one shown, `...` standing for anything.
fn fits(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split("...");
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let mut open = false;
    for part in parts {
        open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    open || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands_and_what_they_print() {
        let manual =
            "text\n```console\nalice$ qpc sync\nhello ...\nbob$ echo x$ y\n```\nbob$ no\n```json\nbob$ no\n```\n";
        let found = steps(manual);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].who.as_str(), found[0].command.as_str()), ("alice", "qpc sync"));
        assert_eq!(found[0].shown, ["hello ..."]);
        assert_eq!(found[1].command, "echo x$ y");
    }

    #[test]
    fn dots_stand_for_anything() {
        assert!(fits("a ... c", "a b c") && fits("...c", "abc") && fits("a...", "a") && fits("abc", "abc"));
        assert!(!fits("a ... c", "a b") && !fits("abc", "abcd") && !fits("a...", "ba") && !fits("b...d", "abcd"));
    }
}
