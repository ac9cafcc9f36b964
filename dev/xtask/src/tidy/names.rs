//! A library is named in its own crate only.

use anyhow::Result;
use cargo_metadata::Metadata;

use super::Finding;
use super::source::{Source, identifiers};
use super::tree::Tree;
use crate::workspace;

/// Which libraries may be named where. Files are compared by the start of their path, crates by the name of the package.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { what: "the MLS library",           libraries: &["openmls", "openmls_traits", "openmls_rust_crypto", "openmls_basic_credential", "openmls_memory_storage", "mls_rs"],
           files: &["crates/e2ee/"],          crates: &["quicprochat-e2ee"] },
    Rule { what: "QUIC, TLS and HTTP/3",      libraries: &["quinn", "quinn_proto", "rustls", "rcgen", "x509_parser", "h3", "h3_quinn", "wtransport", "web_transport", "web_transport_quinn"],
           files: &["crates/transport/"],     crates: &["quicprochat-transport"] },
    Rule { what: "the serialisation library", libraries: &["capnp", "capnpc", "capnp_rpc"],
           files: &["crates/wire/", "dev/xtask/src/codegen.rs"], crates: &["quicprochat-wire", "xtask"] },
    Rule { what: "the SQL library",           libraries: &["rusqlite", "libsqlite3_sys", "sqlx", "postgres", "tokio_postgres"],
           files: &["crates/client/src/store", "apps/server/src/store"], crates: &["quicprochat-client", "quicprochat-server"] },
];

struct Rule {
    what: &'static str,
    libraries: &'static [&'static str],
    files: &'static [&'static str],
    crates: &'static [&'static str],
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = in_code(tree);
    findings.extend(in_manifests(&workspace::metadata()?));
    Ok(findings)
}

fn in_code(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let source = Source::parse(text);
        for word in identifiers(&source.code).filter(|word| is_library_path(word.before, word.after)) {
            for rule in RULES.iter().filter(|rule| rule.libraries.contains(&word.name)) {
                if !rule.files.iter().any(|start| path.starts_with(start)) {
                    let message =
                        format!("names {} ({}), which only {} may", word.name, rule.what, rule.files.join(", "));
                    findings.push(Finding::line(path, word.line, message));
                }
            }
        }
    }
    findings
}

/// True where an identifier stands as the name of a library: at the start of a path, or after `use` or `extern crate`.
fn is_library_path(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let is_start = !before.ends_with("::") || before.ends_with([' ', '(', '<']) || is_global(before);
    is_start && (after.starts_with("::") || before.ends_with("use") || before.ends_with("crate"))
}

/// `::name`, a path from the root of all crates.
fn is_global(before: &str) -> bool {
    let head = before.strip_suffix("::").unwrap_or(before);
    !head.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '>')
}

fn in_manifests(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            let library = dependency.name.replace('-', "_");
            for rule in RULES.iter().filter(|rule| rule.libraries.contains(&library.as_str())) {
                if !rule.crates.contains(&package.name.as_str()) {
                    let message =
                        format!("depends on {library} ({}), which only {} may", rule.what, rule.crates.join(", "));
                    findings.push(Finding::file(&package.name, message));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        in_code(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_library_in_its_own_crate_is_fine() {
        assert!(lines("crates/e2ee/src/mls/group.rs", "use openmls::prelude::MlsGroup;").is_empty());
        assert!(lines("apps/server/src/store/sqlite.rs", "fn f() -> rusqlite::Result<()> {}").is_empty());
    }

    #[test]
    fn a_library_elsewhere_is_found_with_its_line() {
        let text =
            "use a;\nuse openmls;\nfn f(x: openmls::Group) {}\nfn g(x: ::quinn::Endpoint) {}\nuse rusqlite::{Row};";
        assert_eq!(lines("crates/client-core/src/groups.rs", text), [2, 3, 4, 5]);
        assert_eq!(lines("apps/server/src/main.rs", "use rusqlite::Row;"), [1]);
    }

    #[test]
    fn words_in_comments_strings_and_own_modules_are_no_names() {
        let text = "// quinn::x\nconst A: &str = \"quinn::x\";\nuse crate::link::quinn::Link;\nlet quinn = 1;";
        assert!(lines("apps/cli/src/main.rs", text).is_empty());
    }

    #[test]
    fn the_manifests_of_this_workspace_are_read() {
        assert!(workspace::metadata().unwrap().workspace_packages().len() > 5);
    }
}
