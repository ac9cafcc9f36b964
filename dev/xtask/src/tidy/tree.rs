//! The text of every file of the repository.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Path (relative, with `/`) to text of every file that git tracks or would track. Files that are no UTF-8 are absent
/// from the texts, but [`Tree::exists`] knows them.
pub(super) struct Tree {
    texts: BTreeMap<String, String>,
    others: Vec<String>,
}

impl Tree {
    /// Reads the repository that `root` is the work tree of.
    pub(super) fn of_repository(root: &Path) -> Result<Self> {
        let output = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .context("cannot start git")?;
        ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        let listing = String::from_utf8(output.stdout).context("a tracked path is no UTF-8")?;
        let mut tree = Self { texts: BTreeMap::new(), others: Vec::new() };
        for path in listing.split('\0').filter(|path| !path.is_empty()) {
            match fs::read(root.join(path)) {
                Ok(bytes) => tree.add(path, bytes),
                // Deleted in the work tree, not yet in the index.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            }
        }
        Ok(tree)
    }

    fn add(&mut self, path: &str, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => {
                self.texts.insert(path.to_owned(), text);
            }
            Err(_) => self.others.push(path.to_owned()),
        }
    }

    /// Every text file with its path, in order.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Every Rust file that was written by hand.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs") && !is_generated(path))
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// True if `path` is a file, or a folder with a file in it.
    pub(super) fn exists(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let is_it = |known: &String| known == path || known.starts_with(&folder);
        self.texts.contains_key(path) || self.texts.keys().any(is_it) || self.others.iter().any(is_it)
    }
}

/// True for committed output of a generator.
pub(super) fn is_generated(path: &str) -> bool {
    path.ends_with("_capnp.rs")
}

#[cfg(test)]
impl Tree {
    /// A tree that holds exactly these files.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { texts, others: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_files_and_their_folders() {
        let tree = Tree::of(&[("docs/adr/0001.md", "")]);
        assert!(tree.exists("docs/adr/0001.md") && tree.exists("docs/adr") && tree.exists("docs/adr/"));
        assert!(!tree.exists("docs/ad"));
    }

    #[test]
    fn generated_code_is_no_hand_written_rust() {
        let tree = Tree::of(&[("a_capnp.rs", ""), ("b.rs", ""), ("c.md", "")]);
        assert_eq!(tree.rust().map(|(path, _)| path).collect::<Vec<_>>(), ["b.rs"]);
    }

    #[test]
    fn reads_this_repository() {
        let tree = Tree::of_repository(&crate::workspace::root().unwrap()).unwrap();
        assert!(tree.text("dev/xtask/src/tidy/tree.rs").is_some());
    }
}
