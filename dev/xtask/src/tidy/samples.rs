//! The samples of every version are as they were written.

use anyhow::Result;

use super::Finding;
use super::tree::Tree;
use crate::samples::{self, FOLDER};
use crate::workspace;

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let root = workspace::root()?;
    let mut findings = Vec::new();
    for folder in samples::versions(&root)? {
        let name = folder.strip_prefix(&root)?.display().to_string();
        findings.extend(samples::whole(&folder)?.into_iter().map(|fault| Finding::file(&name, fault)));
    }
    if !tree.exists(&format!("{FOLDER}/README.md")) {
        findings.push(Finding::file(FOLDER, "nobody says how a release adds its samples"));
    }
    Ok(findings)
}
