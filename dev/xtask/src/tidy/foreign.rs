//! Unsafe code stands in the modules made for it only.

use anyhow::Result;

use super::Finding;
use super::source::{Source, identifiers};
use super::tree::Tree;

/// Files that may hold unsafe code.
const ALLOWED: &[&str] = &["dev/powerloss/layer/src/ffi.rs"];

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !ALLOWED.contains(path)) {
        let source = Source::parse(text);
        for word in identifiers(&source.code).filter(|word| word.name == "unsafe") {
            findings.push(Finding::line(path, word.line, format!("unsafe code belongs into {}", ALLOWED.join(" or "))));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_code_is_found_outside_its_module_and_words_about_it_are_not() {
        let text = "// unsafe\n#![forbid(unsafe_code)]\nconst A: &str = \"unsafe\";\nfn f() { unsafe { g() } }";
        let lines = |path| -> Vec<usize> {
            check(&Tree::of(&[(path, text)])).unwrap().into_iter().map(|finding| finding.line).collect()
        };
        assert_eq!(lines("crates/client/src/lib.rs"), [4]);
        assert!(lines(ALLOWED[0]).is_empty());
    }
}
