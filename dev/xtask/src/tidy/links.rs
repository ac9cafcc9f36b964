//! Links between documents, and paths in the map, lead to files that exist.

use anyhow::Result;

use super::Finding;
use super::tree::Tree;

/// Documents whose paths in backticks must exist too.
const MAPS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// How a path in backticks begins.
const FOLDERS: &[&str] = &["crates/", "apps/", "dev/", "docs/", "fuzz/", "ops/", "vectors/"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (line, target) in targets(text) {
            if resolve(path, target).is_some_and(|file| !file.is_empty() && !tree.exists(&file)) {
                findings.push(Finding::line(path, line, format!("link to {target}, which is gone")));
            }
        }
    }
    for (path, text) in tree.texts().filter(|(path, _)| MAPS.contains(path)) {
        for (line, room) in rooms(text).filter(|(_, room)| !tree.exists(room)) {
            findings.push(Finding::line(path, line, format!("names {room}, which is gone")));
        }
    }
    Ok(findings)
}

/// Every path in backticks with its line.
fn rooms(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let quoted = line.split('`').skip(1).step_by(2);
        let paths = quoted
            .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)) && !word.contains([' ', '<', '*']));
        paths.map(move |path| (index + 1, path))
    })
}

/// Every `](target)` with its line.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        line.match_indices("](").filter_map(move |(at, mark)| {
            let rest = line.get(at + mark.len()..)?;
            rest.split_once(')').map(|(target, _)| (index + 1, target))
        })
    })
}

/// The path a relative link means, from the root of the repository; nothing for other links.
fn resolve(document: &str, target: &str) -> Option<String> {
    let target = target.split(['#', ' ']).next()?;
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_is_found_and_others_are_not() {
        let text = "[a](adr/1.md) [b](../README.md#x) [c](https://example.org) [d](#e)\n[f](gone.md)";
        let tree = Tree::of(&[("README.md", ""), ("docs/x.md", text), ("docs/adr/1.md", "")]);
        assert_eq!(check(&tree).unwrap(), [Finding::line("docs/x.md", 2, "link to gone.md, which is gone")]);
    }

    #[test]
    fn a_path_in_backticks_must_exist_in_a_map_and_may_be_anything_elsewhere() {
        let text = "`crates/wire/src` and `crates/gone` and `crates/<name>`";
        let tree = Tree::of(&[("ARCHITECTURE.md", text), ("docs/x.md", text), ("crates/wire/src/lib.rs", "")]);
        assert_eq!(check(&tree).unwrap(), [Finding::line("ARCHITECTURE.md", 1, "names crates/gone, which is gone")]);
    }
}
