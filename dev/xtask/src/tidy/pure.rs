//! Pure crates have no unsafe code, clock, file, socket, thread, randomness of their own or runtime.
//!
//! Their tests may read files (vectors), so code behind `#[cfg(test)]` and in test folders is not looked at.

use std::collections::BTreeSet;

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;
use super::source::{Source, test_modules};
use super::tree::Tree;
use crate::workspace;

/// Folder and package of every pure crate.
pub(crate) const PURE: &[(&str, &str)] = &[
    ("crates/wire", "quicprochat-wire"),
    ("crates/identity", "quicprochat-identity"),
    ("crates/keytrans", "quicprochat-keytrans"),
    ("crates/e2ee", "quicprochat-e2ee"),
    ("crates/client-core", "quicprochat-client-core"),
    ("crates/server-core", "quicprochat-server-core"),
];

/// Paths that their code may not name, and what to use instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("Instant", "time is a `wire::Timestamp` argument"),
    ("SystemTime", "time is a `wire::Timestamp` argument"),
    ("std::fs", "hand bytes in and out"),
    ("std::net", "hand bytes in and out"),
    ("std::env", "hand settings in"),
    ("std::process", "pure code starts nothing"),
    ("std::thread", "pure code has no threads"),
    ("thread_local!", "pure code has no threads"),
    ("tokio::", "pure code has no runtime"),
    ("getrandom::", "randomness is `wire::Entropy`"),
    ("OsRng", "randomness is `wire::Entropy`"),
    ("thread_rng", "randomness is `wire::Entropy`"),
    ("println!", "emit a `tracing` event or an effect"),
    ("eprintln!", "emit a `tracing` event or an effect"),
];

/// Libraries they may not depend on. A dependency for one target only sets a feature of somebody else's, so it may stand.
const FORBIDDEN_LIBRARIES: &[&str] =
    &["tokio", "getrandom", "rand", "rusqlite", "quinn", "rustls", "rustix", "time", "chrono"];

const FORBIDS_UNSAFE: &str = "#![forbid(unsafe_code)]";

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = in_code(tree);
    findings.extend(in_manifests(&workspace::metadata()?));
    Ok(findings)
}

fn in_code(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, _) in PURE {
        let root = format!("{folder}/src/lib.rs");
        if !tree.text(&root).is_some_and(|text| Source::parse(text).code.contains(FORBIDS_UNSAFE)) {
            findings.push(Finding::file(&root, format!("lacks {FORBIDS_UNSAFE}")));
        }
        let prefix = format!("{folder}/src/");
        let tests = test_files(tree, &prefix);
        for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(&prefix)) {
            if !tests.iter().any(|test| path.starts_with(test.as_str())) {
                findings.extend(in_file(path, text));
            }
        }
    }
    findings
}

fn in_file(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::parse(text).without_tests();
    let mut findings = Vec::new();
    for (index, line) in source.code.lines().enumerate() {
        for (word, instead) in FORBIDDEN.iter().filter(|(word, _)| names(line, word)) {
            findings.push(Finding::line(path, index + 1, format!("names {word}: {instead}")));
        }
    }
    findings
}

/// True if `word` stands in `line` and is not a part of a longer name.
fn names(line: &str, word: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(is_name) && (word.ends_with([':', '!']) || !after.is_some_and(is_name))
    })
}

/// Starts of the paths that hold modules for tests only.
fn test_files(tree: &Tree, prefix: &str) -> BTreeSet<String> {
    let mut starts = BTreeSet::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.starts_with(prefix)) {
        let stem = path.trim_end_matches(".rs");
        let folder = stem.strip_suffix("/mod").or_else(|| stem.strip_suffix("/lib")).unwrap_or(stem);
        for module in test_modules(&Source::parse(text).code) {
            starts.insert(format!("{folder}/{module}.rs"));
            starts.insert(format!("{folder}/{module}/"));
        }
    }
    starts
}

fn in_manifests(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        if !PURE.iter().any(|(_, name)| *name == package.name.as_str()) {
            continue;
        }
        let linked =
            package.dependencies.iter().filter(|found| found.kind == DependencyKind::Normal && found.target.is_none());
        for dependency in linked.filter(|found| FORBIDDEN_LIBRARIES.contains(&found.name.as_str())) {
            findings.push(Finding::file(&package.name, format!("is pure and depends on {}", dependency.name)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        in_file("crates/wire/src/x.rs", text).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn clocks_files_and_runtimes_are_found() {
        assert_eq!(
            lines("let a = Instant::now();\nuse std::time::SystemTime;\nstd::fs::read(p);\ntokio::spawn(f);"),
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn comments_longer_names_and_tests_are_not() {
        assert!(lines("// std::fs\nstruct InstantView;\n#[cfg(test)]\nmod tests { use std::fs; }").is_empty());
    }

    #[test]
    fn files_of_test_modules_are_known() {
        let tree = Tree::of(&[
            ("crates/wire/src/a.rs", "#[cfg(test)]\nmod tests;"),
            ("crates/wire/src/lib.rs", "#[cfg(test)]\nmod vectors;"),
        ]);
        let found = test_files(&tree, "crates/wire/src/");
        assert!(
            found.contains("crates/wire/src/a/tests.rs") && found.contains("crates/wire/src/vectors.rs"),
            "{found:?}"
        );
    }

    #[test]
    fn a_pure_crate_must_forbid_unsafe_code() {
        let files: Vec<(String, &str)> =
            PURE.iter().map(|(folder, _)| (format!("{folder}/src/lib.rs"), FORBIDS_UNSAFE)).collect();
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert!(in_code(&Tree::of(&files)).is_empty());
        files[0].1 = "// #![forbid(unsafe_code)]";
        assert_eq!(in_code(&Tree::of(&files)).len(), 1);
    }
}
