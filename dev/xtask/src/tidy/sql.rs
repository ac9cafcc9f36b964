//! SQL stands in the two store folders only.

use anyhow::Result;

use super::Finding;
use super::source::Source;
use super::tree::Tree;

/// Where SQL may stand, compared by the start of the path.
const STORES: &[&str] = &["crates/client/src/store", "apps/server/src/store"];

/// This file, whose table holds statements.
const SELF: &str = "dev/xtask/src/tidy/sql.rs";

/// How a statement begins in a string.
const STATEMENTS: &[&str] = &[
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE INDEX ",
    "ALTER TABLE ",
    "DROP TABLE ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| may_not_hold_sql(path)) {
        for (index, line) in Source::parse(text).strings.lines().enumerate() {
            if let Some(statement) = STATEMENTS.iter().find(|statement| line.contains(**statement)) {
                let message = format!("SQL (`{}`) belongs into {}", statement.trim_end(), STORES.join(" or "));
                findings.push(Finding::line(path, index + 1, message));
            }
        }
    }
    Ok(findings)
}

fn may_not_hold_sql(path: &str) -> bool {
    path != SELF && !STORES.iter().any(|store| path.starts_with(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: &str = "// SELECT here is prose\nlet q = \"SELECT a FROM b\";";

    #[test]
    fn a_statement_outside_the_stores_is_found() {
        let found = check(&Tree::of(&[("apps/server/src/auth.rs", STATEMENT)])).unwrap();
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_statement_in_a_store_is_fine() {
        assert!(check(&Tree::of(&[("crates/client/src/store/outbox.rs", STATEMENT)])).unwrap().is_empty());
    }
}
