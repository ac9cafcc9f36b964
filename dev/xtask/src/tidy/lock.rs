//! The lock file holds no second stack for one job, and nothing from outside the one registry.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;
use super::tree::Tree;

const LOCK: &str = "Cargo.lock";

/// Packages that may not be in it, and why.
const BANNED: &[(&str, &str)] = &[
    ("native-tls", "TLS is rustls"),
    ("openssl", "TLS is rustls; OpenSSL's C library is there for SQLCipher only"),
    ("mls-rs", "MLS is OpenMLS"),
    ("sqlx", "SQL is rusqlite"),
    ("diesel", "SQL is rusqlite"),
];

/// Packages of which there is one version: two would be two stacks, or two copies of one C library.
const ONE_VERSION: &[&str] =
    &["rustls", "quinn", "openmls", "rusqlite", "libsqlite3-sys", "aws-lc-rs", "capnp", "ml-kem", "ml-dsa"];

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let Some(text) = tree.text(LOCK) else { return Ok(vec![Finding::file(LOCK, "is missing")]) };
    let lock: Lock = toml::from_str(text).with_context(|| format!("{LOCK} is not as it should be"))?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &lock.package {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let banned = BANNED.iter().filter(|(name, _)| versions.contains_key(name));
    let twice = ONE_VERSION.iter().filter(|name| versions.get(**name).is_some_and(|found| found.len() > 1));
    let sources: BTreeSet<&str> = lock.package.iter().filter_map(|package| package.source.as_deref()).collect();
    let mut findings: Vec<Finding> =
        banned.map(|(name, why)| Finding::file(LOCK, format!("holds {name}: {why}"))).collect();
    findings.extend(twice.map(|name| Finding::file(LOCK, format!("holds more than one version of {name}"))));
    if sources.len() > 1 || sources.iter().any(|source| !source.starts_with("registry+")) {
        findings.push(Finding::file(LOCK, format!("packages come from more than the one registry: {sources:?}")));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(packages: &[(&str, &str, &str)]) -> usize {
        let row = |(name, version, source): &(&str, &str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
        };
        let lock: String = packages.iter().map(row).collect();
        check(&Tree::of(&[(LOCK, &lock)])).unwrap().len()
    }

    #[test]
    fn one_version_from_one_registry_is_fine() {
        assert_eq!(
            findings(&[
                ("rustls", "1.0.0", "registry+a"),
                ("hex", "1.0.0", "registry+a"),
                ("hex", "2.0.0", "registry+a")
            ]),
            0
        );
    }

    #[test]
    fn a_second_stack_a_second_version_and_a_second_source_are_found() {
        assert_eq!(findings(&[("native-tls", "1.0.0", "registry+a")]), 1);
        assert_eq!(findings(&[("rustls", "1.0.0", "registry+a"), ("rustls", "2.0.0", "registry+a")]), 1);
        assert_eq!(findings(&[("hex", "1.0.0", "registry+a"), ("x", "1.0.0", "registry+b")]), 1);
        assert_eq!(findings(&[("hex", "1.0.0", "git+https://example.org/hex")]), 1);
    }
}
