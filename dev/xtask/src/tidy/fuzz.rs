//! Every fuzz target is built, described, and has inputs to begin with.

use anyhow::Result;

use super::Finding;
use super::tree::Tree;

const MANIFEST: &str = "fuzz/Cargo.toml";
const DOCUMENT: &str = "fuzz/README.md";

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let text = |path| tree.text(path).unwrap_or_default();
    let (manifest, document) = (text(MANIFEST), text(DOCUMENT));
    let mut findings = Vec::new();
    for (path, _) in tree.rust() {
        let Some(target) = path.strip_prefix("fuzz/targets/").and_then(|file| file.strip_suffix(".rs")) else {
            continue;
        };
        if !manifest.contains(&format!("path = \"targets/{target}.rs\"")) {
            findings.push(Finding::file(MANIFEST, format!("has no program for {path}")));
        }
        if !document.contains(&format!("\n| `{target}` |")) {
            findings.push(Finding::file(DOCUMENT, format!("lacks the row `| {target} | ... |`")));
        }
        if !tree.exists(&format!("fuzz/corpus/{target}")) {
            findings.push(Finding::file(path, "has no corpus".to_owned()));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_needs_a_program_a_row_and_a_corpus() {
        let target = ("fuzz/targets/frame.rs", "");
        let manifest = (MANIFEST, "path = \"targets/frame.rs\"");
        let row = (DOCUMENT, "|---|\n| `frame` | frames | no panic |");
        let seed = ("fuzz/corpus/frame/seed", "");
        assert!(check(&Tree::of(&[target, manifest, row, seed])).unwrap().is_empty());
        for missing in 0..3 {
            let mut files = vec![manifest, row, seed];
            files.remove(missing);
            files.push(target);
            assert_eq!(check(&Tree::of(&files)).unwrap().len(), 1, "{missing}");
        }
    }
}
