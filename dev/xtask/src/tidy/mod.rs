//! `cargo xtask tidy`: checks of the tree that no compiler makes.
//!
//! One file per check, each with one readable table of its rules. A check gets the [`Tree`] (text of every file that git
//! tracks or would track) and returns findings; to add one, write its file and add a row to [`CHECKS`].

mod budgets;
mod features;
mod foreign;
mod fuzz;
mod layers;
mod ledger;
mod links;
mod lock;
mod methods;
mod names;
mod pure;
mod samples;
mod sizes;
mod source;
mod sql;
mod tree;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;

pub(crate) use pure::PURE;
use tree::Tree;

pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask tidy                  every check
  cargo xtask tidy --only layers    one of them";

/// Which checks are meant.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Make this check only; may be given several times
    #[arg(long, value_name = "CHECK", value_parser = clap::builder::PossibleValuesParser::new(CHECKS.iter().map(|check| check.name)))]
    only: Vec<String>,
}

/// What a check has against the tree: a file, a line where there is one, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    /// About a file as a whole.
    fn file(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, message: message.into() }
    }

    /// About a line, counted from 1.
    fn line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

struct Check {
    name: &'static str,
    what: &'static str,
    run: fn(&Tree) -> Result<Vec<Finding>>,
}

const CHECKS: &[Check] = &[
    Check { name: "sizes", what: "no file is too long", run: sizes::check },
    Check { name: "layers", what: "crates use lower layers only, as listed", run: layers::check },
    Check {
        name: "features",
        what: "stand-ins and broken rules are the simulated world's alone",
        run: features::check,
    },
    Check { name: "names", what: "a library is named in its own crate only", run: names::check },
    Check { name: "sql", what: "SQL stands in the two store folders only", run: sql::check },
    Check {
        name: "pure",
        what: "pure crates have no unsafe code, clock, file, socket, thread or runtime",
        run: pure::check,
    },
    Check { name: "foreign", what: "unsafe code stands in the modules made for it only", run: foreign::check },
    Check { name: "words", what: "no unfinished code, machine paths or registry hosts", run: words::check },
    Check { name: "ledger", what: "docs/checks.md names rules, code and tests that exist", run: ledger::check },
    Check { name: "methods", what: "docs/protocol.md lists every method of the wire", run: methods::check },
    Check { name: "links", what: "links between documents and paths in the map lead somewhere", run: links::check },
    Check { name: "lock", what: "one stack for one job, from one registry", run: lock::check },
    Check { name: "budgets", what: "CONTRIBUTING.md lists every suite with its budget", run: budgets::check },
    Check { name: "fuzz", what: "every fuzz target is built, described and has a corpus", run: fuzz::check },
    Check { name: "samples", what: "what earlier versions wrote is as they wrote it", run: samples::check },
];

/// Makes the checks meant by `arguments`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |check: &&Check| arguments.only.is_empty() || arguments.only.iter().any(|name| name == check.name);
    report(&Tree::of_repository(&crate::workspace::root()?)?, &CHECKS.iter().filter(wanted).collect::<Vec<_>>())
}

/// Makes every check.
pub(crate) fn check_all(root: &Path) -> Result<()> {
    report(&Tree::of_repository(root)?, &CHECKS.iter().collect::<Vec<_>>())
}

fn report(tree: &Tree, checks: &[&Check]) -> Result<()> {
    let mut failed = BTreeMap::new();
    for check in checks {
        let mut findings = (check.run)(tree)?;
        findings.sort();
        println!("      {:<8} {} ({})", check.name, check.what, verdict(findings.len()));
        for Finding { path, line, message } in &findings {
            let place = if *line == 0 { path.clone() } else { format!("{path}:{line}") };
            println!("        {place}: {message}");
        }
        if !findings.is_empty() {
            failed.insert(check.name, findings.len());
        }
    }
    ensure!(failed.is_empty(), "tidy has findings: {failed:?}");
    Ok(())
}

fn verdict(findings: usize) -> String {
    if findings == 0 { "ok".to_owned() } else { format!("{findings} findings") }
}
