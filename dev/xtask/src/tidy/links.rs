//! Links between documents lead to files that exist.

use anyhow::Result;

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (line, target) in targets(text) {
            if resolve(path, target).is_some_and(|file| !file.is_empty() && !tree.exists(&file)) {
                findings.push(Finding::line(path, line, format!("link to {target}, which is gone")));
            }
        }
    }
    Ok(findings)
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
}
