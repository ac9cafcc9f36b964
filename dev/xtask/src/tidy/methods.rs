//! docs/protocol.md lists every method of the wire, by its number and name, and no other.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use super::{Finding, tree::Tree};

const DOCUMENT: &str = "docs/protocol.md";
const SOURCE: &str = "crates/wire/src/call/mod.rs";

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let text = |path| tree.text(path).with_context(|| format!("{path} is missing"));
    let (written, known) = (documented(text(DOCUMENT)?), defined(text(SOURCE)?));
    ensure!(known.len() > 20, "the methods are not found in {SOURCE}");
    let missing = known.iter().filter(|(number, (name, _))| written.get(number).map(|(name, _)| name) != Some(name));
    let missing = missing.map(|(number, (name, _))| {
        Finding::file(DOCUMENT, format!("section 2 has no row `| {number} | {name} |`, which {SOURCE} defines"))
    });
    let others = written.iter().filter(|(number, _)| !known.contains_key(number));
    let others = others.map(|(number, (name, line))| {
        Finding::line(DOCUMENT, *line, format!("{SOURCE} defines no method {number} ({name})"))
    });
    Ok(missing.chain(others).collect())
}

type Methods = BTreeMap<u32, (String, usize)>;

/// Rows of the table that begins with the heading `| # | Call`.
fn documented(text: &str) -> Methods {
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !is_heading(line));
    lines.next();
    let rows = lines.take_while(|(_, line)| line.starts_with('|'));
    rows.filter_map(|(at, line)| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        let number = cells.next()?.parse().ok()?;
        Some((number, (cells.next()?.to_owned(), at + 1)))
    })
    .collect()
}

fn is_heading(line: &str) -> bool {
    line.starts_with('|') && line.split('|').nth(2).is_some_and(|cell| cell.trim() == "Call")
}

/// Lines `Name = 1, "name": ...` of the macro.
fn defined(text: &str) -> Methods {
    let method = |(at, line): (usize, &str)| {
        let (_, rest) = line.trim().split_once(" = ")?;
        let (number, rest) = rest.split_once(", \"")?;
        let (name, _) = rest.split_once("\": ")?;
        Some((number.parse().ok()?, (name.to_owned(), at + 1)))
    };
    text.lines().enumerate().filter_map(method).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "text\n| # | Call | On |\n|---|---|---|\n| 1 | hello | any |\n| 2 | call | any |\n\n| 3 | other |\n";

    #[test]
    fn rows_and_definitions_are_found_by_number_and_name() {
        let names =
            |methods: Methods| methods.into_iter().map(|(number, (name, _))| (number, name)).collect::<Vec<_>>();
        let expected = vec![(1, "hello".to_owned()), (2, "call".to_owned())];
        assert_eq!(names(documented(TABLE)), expected);
        let source = "methods! {\n    Hello = 1, \"hello\": Hello => Hello(x), Any;\n    Call = 2, \"call\": Call => Done(Done), Any;\n}\nDone = 0: Done;\n";
        assert_eq!(names(defined(source)), expected);
        assert!(documented("no table").is_empty());
    }
}
