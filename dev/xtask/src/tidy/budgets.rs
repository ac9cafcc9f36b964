//! CONTRIBUTING.md lists every suite with its budget.

use anyhow::Result;

use super::Finding;
use super::tree::Tree;
use crate::suite::SUITES;

const DOCUMENT: &str = "CONTRIBUTING.md";

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let text = tree.text(DOCUMENT).unwrap_or_default();
    let rows = SUITES.iter().map(|suite| (suite.name, suite.budget_minutes));
    Ok(rows
        .filter(|&(name, minutes)| !lists(text, name, minutes))
        .map(|(name, minutes)| Finding::file(DOCUMENT, format!("lacks the row `| {name} | {minutes} | ... |`")))
        .collect())
}

/// True if a table has a row that begins with this name and number.
fn lists(text: &str, name: &str, minutes: u64) -> bool {
    text.lines().any(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`')).skip(1);
        cells.next() == Some(name) && cells.next().and_then(|cell| cell.parse().ok()) == Some(minutes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_only_with_the_right_number() {
        let text = "| suite | minutes |\n|---|---|\n| `fmt` | 2 | formatting |";
        assert!(lists(text, "fmt", 2));
        assert!(!lists(text, "fmt", 3) && !lists(text, "unit", 2));
    }

    #[test]
    fn a_missing_document_lacks_every_row() {
        assert_eq!(check(&Tree::of(&[])).unwrap().len(), SUITES.len());
    }
}
