//! docs/checks.md names every rule of the protocol with code and tests that exist.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Finding;
use super::source::{Source, identifiers};
use super::tree::Tree;

const LEDGER: &str = "docs/checks.md";

/// This file, whose tests cite rules that do not exist.
const SELF: &str = "dev/xtask/src/tidy/ledger.rs";

/// Trials with real processes. They are tests by standing in their file's list, not by an attribute.
const TRIALS: &str = "dev/xtask/src/trials/";

/// The rules of the protocol, by letter and highest number. Each needs a row, done or not.
const RULES: &[(char, u32)] = &[('C', 4), ('L', 13), ('M', 4), ('A', 6)];

/// What a row may say about its rule.
const STATUSES: &[Status] = &[
    Status { word: "done", has_test: true },
    Status { word: "partial", has_test: true },
    Status { word: "open", has_test: false },
];

struct Status {
    word: &'static str,
    has_test: bool,
}

/// A row `| rule | where | test | status |`.
struct Row<'a> {
    line: usize,
    rule: &'a str,
    place: &'a str,
    test: &'a str,
    status: &'a str,
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let Some(ledger) = tree.text(LEDGER) else { return Ok(vec![Finding::file(LEDGER, "is missing")]) };
    let rows: Vec<Row<'_>> = rows(ledger).collect();
    let known: BTreeSet<&str> = rows.iter().map(|row| row.rule).collect();
    let mut findings: Vec<Finding> = rows.iter().flat_map(|row| check_row(tree, row)).collect();
    let wanted = RULES.iter().flat_map(|&(letter, last)| (1..=last).map(move |number| format!("{letter}{number}")));
    findings.extend(
        wanted
            .filter(|rule| !known.contains(rule.as_str()))
            .map(|rule| Finding::file(LEDGER, format!("lacks a row for {rule}"))),
    );
    findings.extend(citations(tree, &known));
    Ok(findings)
}

fn check_row(tree: &Tree, row: &Row<'_>) -> Vec<Finding> {
    let Some(status) = STATUSES.iter().find(|status| status.word == row.status) else {
        let words: Vec<&str> = STATUSES.iter().map(|status| status.word).collect();
        return vec![Finding::line(
            LEDGER,
            row.line,
            format!("{}: the status is one of {}", row.rule, words.join(", ")),
        )];
    };
    let must_be_there = |cell: &str| status.has_test || !is_empty(cell);
    let mut problems = Vec::new();
    if must_be_there(row.place) {
        problems.extend(place_problem(tree, row.place));
    }
    if must_be_there(row.test) {
        problems.extend(test_problem(tree, row.test));
    }
    problems.into_iter().map(|problem| Finding::line(LEDGER, row.line, format!("{}: {problem}", row.rule))).collect()
}

/// What is wrong with `path` or `path::symbol`.
fn place_problem(tree: &Tree, place: &str) -> Option<String> {
    let (path, symbol) = split(place);
    if is_empty(path) || !tree.exists(path) {
        return Some(format!("`{path}` is gone"));
    }
    let symbol = symbol?;
    let code = Source::parse(tree.text(path).unwrap_or_default()).code;
    let stands = identifiers(&code).any(|word| word.name == symbol);
    (!stands).then(|| format!("`{path}` has no `{symbol}`"))
}

/// What is wrong with `path::test_name`.
fn test_problem(tree: &Tree, test: &str) -> Option<String> {
    let (path, name) = split(test);
    let Some(name) = name else { return Some(format!("`{test}` names no test; write path::test_name")) };
    let Some(text) = tree.text(path) else { return Some(format!("`{path}` is gone")) };
    let is_there = if path.ends_with(".py") {
        text.contains(&format!("def {name}("))
    } else if path.starts_with(TRIALS) {
        runs_trial(text, name)
    } else {
        has_test(text, name)
    };
    (!is_there).then(|| format!("`{path}` has no test `{name}`, or it is ignored"))
}

/// True if `fn name` stands in the code under an attribute that makes it a test, and none that ignores it.
fn has_test(text: &str, name: &str) -> bool {
    let code = Source::parse(text).code;
    let lines: Vec<&str> = code.lines().collect();
    let declares =
        |line: &str| identifiers(line).any(|word| word.name == name && word.before.trim_end().ends_with("fn"));
    lines.iter().enumerate().filter(|(_, line)| declares(line)).any(|(index, line)| {
        let above = lines.iter().take(index).rev().map(|line| line.trim()).take_while(|line| line.starts_with("#["));
        let attributes: Vec<&str> = above.chain(line.split_once("fn ").map(|(head, _)| head)).collect();
        attributes.iter().any(|attribute| attribute.contains("test"))
            && !attributes.iter().any(|one| one.contains("ignore"))
    })
}

/// True if `fn name` is named in the file's list of trials too, so that it runs.
fn runs_trial(text: &str, name: &str) -> bool {
    let code = Source::parse(text).code;
    let (list, rest) = code.split_once("const TRIALS").and_then(|(_, tail)| tail.split_once("];")).unwrap_or_default();
    identifiers(list).any(|word| word.name == name)
        && identifiers(rest).any(|word| word.name == name && word.before.trim_end().ends_with("fn"))
}

/// Citations like `Checks: L3, A1` in comments whose rule has no row.
fn citations(tree: &Tree, known: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| *path != SELF) {
        for (index, line) in Source::parse(text).comments.lines().enumerate() {
            let Some((_, list)) = line.split_once("Checks: ") else { continue };
            let ids = list.split([',', ';', '.', ' ']).map(str::trim).filter(|id| !id.is_empty());
            for id in ids.take_while(|id| is_rule(id)).filter(|id| !known.contains(id)) {
                findings.push(Finding::line(path, index + 1, format!("cites {id}, which has no row in {LEDGER}")));
            }
        }
    }
    findings
}

/// Capital letters, perhaps a hyphen, then digits: `L3`, `KT-12`.
fn is_rule(word: &str) -> bool {
    let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let head = letters.strip_suffix('-').unwrap_or(letters);
    letters.len() < word.len() && !head.is_empty() && head.chars().all(|letter| letter.is_ascii_uppercase())
}

fn rows(ledger: &str) -> impl Iterator<Item = Row<'_>> {
    ledger.lines().enumerate().filter_map(|(index, line)| {
        let mut cells = line.trim().strip_prefix('|')?.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (rule, place, test, status) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        is_rule(rule).then_some(Row { line: index + 1, rule, place, test, status })
    })
}

fn split(cell: &str) -> (&str, Option<&str>) {
    cell.split_once("::").map_or((cell, None), |(path, name)| (path, Some(name.rsplit("::").next().unwrap_or(name))))
}

fn is_empty(cell: &str) -> bool {
    cell.is_empty() || cell == "-"
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "/// Seals. Checks: L1, Z9\npub fn seal() {}\n#[test]\nfn seals_what_it_opens() {}\n#[test]\n#[ignore]\nfn is_skipped() {}\nfn is_no_test() {}";

    fn problems(row: &str) -> Vec<String> {
        let mut ledger: String = RULES
            .iter()
            .flat_map(|&(letter, last)| (1..=last).map(move |number| format!("| {letter}{number} | - | - | open |\n")))
            .collect();
        ledger.push_str("| Z9 | - | - | open |\n");
        ledger.push_str(row);
        let found = check(&Tree::of(&[(LEDGER, &ledger), ("crates/e2ee/src/a.rs", CODE)])).unwrap();
        found.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_row_with_code_and_test_that_exist_is_fine() {
        let row = "| L1 | `crates/e2ee/src/a.rs::seal` | `crates/e2ee/src/a.rs::seals_what_it_opens` | done |";
        assert!(problems(row).is_empty());
    }

    #[test]
    fn a_row_whose_code_is_gone_is_found() {
        let test = "crates/e2ee/src/a.rs::seals_what_it_opens";
        assert_eq!(problems(&format!("| L1 | crates/e2ee/src/b.rs | {test} | done |")).len(), 1);
        assert_eq!(problems(&format!("| L1 | crates/e2ee/src/a.rs::open | {test} | partial |")).len(), 1);
    }

    #[test]
    fn a_row_whose_test_is_gone_ignored_or_no_test_is_found() {
        for test in ["is_gone", "is_skipped", "is_no_test"] {
            let row = format!("| L1 | crates/e2ee/src/a.rs | crates/e2ee/src/a.rs::{test} | done |");
            assert_eq!(problems(&row).len(), 1, "{test}");
        }
    }

    #[test]
    fn a_trial_counts_if_its_file_lists_it() {
        let code = "const TRIALS: &[Trial] = &[(\"runs\", runs)];\nfn runs() {}\nfn is_left_out() {}";
        let tree = Tree::of(&[("dev/xtask/src/trials/a.rs", code)]);
        assert_eq!(test_problem(&tree, "dev/xtask/src/trials/a.rs::runs"), None);
        assert!(test_problem(&tree, "dev/xtask/src/trials/a.rs::is_left_out").is_some());
        assert!(test_problem(&tree, "dev/xtask/src/trials/a.rs::is_gone").is_some());
    }

    #[test]
    fn done_needs_a_test_and_other_words_are_no_status() {
        assert_eq!(problems("| L1 | crates/e2ee/src/a.rs | - | done |").len(), 1);
        assert_eq!(problems("| L1 | - | - | nearly |").len(), 1);
    }

    #[test]
    fn a_citation_without_a_row_is_found() {
        let tree = Tree::of(&[("crates/e2ee/src/a.rs", CODE)]);
        let found = citations(&tree, &BTreeSet::from(["L1"]));
        assert_eq!(found, [Finding::line("crates/e2ee/src/a.rs", 1, "cites Z9, which has no row in docs/checks.md")]);
    }

    #[test]
    fn every_rule_of_the_protocol_needs_a_row() {
        let found = check(&Tree::of(&[(LEDGER, "| C1 | - | - | open |")])).unwrap();
        assert_eq!(found.len(), 4 + 13 + 4 + 6 - 1);
    }
}
