//! No file is too long.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::Finding;
use super::tree::{Tree, is_generated};

/// Which files may have how many lines; the first row that fits counts.
const LIMITS: &[Limit] = &[
    Limit { applies: |path| path == "ARCHITECTURE.md", lines: 300 },
    Limit { applies: |path| is_program(path) && is_test(path), lines: 1200 },
    Limit { applies: is_program, lines: 800 },
];

/// Files that may be longer, each with a reason and the date of the decision.
const EXCEPTIONS: &str = "dev/xtask/src/tidy/exceptions.toml";

struct Limit {
    applies: fn(&str) -> bool,
    lines: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    file: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    path: String,
    lines: usize,
    reason: String,
    date: String,
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let exceptions = exceptions(tree)?;
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| !is_generated(path)) {
        let Some(limit) = LIMITS.iter().find(|limit| (limit.applies)(path)) else { continue };
        let allowed =
            exceptions.iter().find(|exception| exception.path == path).map_or(limit.lines, |found| found.lines);
        let lines = text.lines().count();
        if lines > allowed {
            findings.push(Finding::file(path, format!("{lines} lines, at most {allowed}: cut it by responsibility")));
        }
    }
    for exception in exceptions.iter().filter(|exception| !tree.exists(&exception.path)) {
        findings.push(Finding::file(EXCEPTIONS, format!("{} is gone: drop its row", exception.path)));
    }
    Ok(findings)
}

fn exceptions(tree: &Tree) -> Result<Vec<Exception>> {
    let Some(text) = tree.text(EXCEPTIONS) else { return Ok(Vec::new()) };
    let parsed: Exceptions = toml::from_str(text).with_context(|| format!("{EXCEPTIONS} is not as it should be"))?;
    for exception in &parsed.file {
        let is_complete = !exception.reason.trim().is_empty() && exception.date.len() == "2000-01-01".len();
        ensure!(is_complete, "{EXCEPTIONS}: {} lacks a reason or a date like 2000-01-01", exception.path);
    }
    Ok(parsed.file)
}

fn is_program(path: &str) -> bool {
    [".rs", ".py", ".sh"].iter().any(|ending| path.ends_with(ending))
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, usize)], exceptions: &str) -> Result<usize> {
        let texts: Vec<(&str, String)> = files.iter().map(|(path, lines)| (*path, "x\n".repeat(*lines))).collect();
        let mut all: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
        all.push((EXCEPTIONS, exceptions));
        Ok(check(&Tree::of(&all))?.len())
    }

    #[test]
    fn code_may_have_800_lines_and_tests_1200() {
        assert_eq!(findings(&[("a.rs", 800), ("tests/it/b.rs", 1200), ("a/tests.rs", 1200)], "").unwrap(), 0);
        assert_eq!(findings(&[("a.rs", 801), ("tests/it/b.rs", 1201), ("b.py", 801)], "").unwrap(), 3);
    }

    #[test]
    fn generated_code_and_documents_may_be_long() {
        assert_eq!(findings(&[("schema/a_capnp.rs", 9000), ("docs/protocol.md", 5000)], "").unwrap(), 0);
        assert_eq!(findings(&[("ARCHITECTURE.md", 301)], "").unwrap(), 1);
    }

    #[test]
    fn an_exception_needs_a_reason_a_date_and_a_file() {
        let row = |reason: &str| {
            format!("[[file]]\npath = \"a.rs\"\nlines = 900\nreason = \"{reason}\"\ndate = \"2026-01-31\"")
        };
        assert_eq!(findings(&[("a.rs", 900)], &row("a table")).unwrap(), 0);
        assert!(findings(&[("a.rs", 900)], &row("")).is_err());
        assert_eq!(findings(&[], &row("a table")).unwrap(), 1);
    }
}
