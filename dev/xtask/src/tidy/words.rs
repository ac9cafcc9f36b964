//! No unfinished code, no paths of one machine, no registry hosts in tracked files.

use anyhow::Result;

use super::Finding;
use super::tree::Tree;

/// This file, whose table names the words.
const SELF: &str = "dev/xtask/src/tidy/words.rs";

/// Words that may stand nowhere, and why.
const WORDS: &[Word] = &[
    Word { text: "todo!", why: "unfinished code", starts: Start::Anywhere },
    Word { text: "unimplemented!", why: "unfinished code", starts: Start::Anywhere },
    Word { text: "FIXME", why: "mend it or open an issue", starts: Start::Anywhere },
    Word { text: "XXX:", why: "mend it or open an issue", starts: Start::Anywhere },
    Word { text: "/work/", why: "a path of one machine", starts: Start::OfPath },
    Word { text: "/root/", why: "a path of one machine", starts: Start::OfPath },
    Word { text: "/home/", why: "a path of one machine", starts: Start::OfPath },
    Word { text: "crates.io", why: "a registry host", starts: Start::Anywhere },
    Word { text: "pypi.org", why: "a registry host", starts: Start::Anywhere },
    Word { text: "files.pythonhosted.org", why: "a registry host", starts: Start::Anywhere },
    Word { text: "registry.npmjs.org", why: "a registry host", starts: Start::Anywhere },
    Word { text: "proxy.golang.org", why: "a registry host", starts: Start::Anywhere },
    Word { text: "deb.debian.org", why: "a registry host", starts: Start::Anywhere },
];

/// Files written by package managers, which name registries.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json"];

struct Word {
    text: &'static str,
    why: &'static str,
    starts: Start,
}

#[derive(Clone, Copy)]
enum Start {
    Anywhere,
    /// Only where an absolute path begins.
    OfPath,
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| *path != SELF && !is_lock_file(path)) {
        for (index, line) in text.lines().enumerate() {
            for word in WORDS.iter().filter(|word| word.stands_in(line)) {
                findings.push(Finding::line(path, index + 1, format!("`{}`: {}", word.text, word.why)));
            }
        }
    }
    Ok(findings)
}

impl Word {
    fn stands_in(&self, line: &str) -> bool {
        line.match_indices(self.text).any(|(at, _)| match self.starts {
            Start::Anywhere => true,
            Start::OfPath => {
                let before = line.get(..at).and_then(|head| head.chars().next_back());
                !before.is_some_and(|letter| letter.is_alphanumeric() || ".-_~/}*".contains(letter))
            }
        })
    }
}

fn is_lock_file(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| LOCK_FILES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("a.md", text)])).unwrap().into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn finds_unfinished_code_machine_paths_and_registries() {
        assert_eq!(lines("fine\n todo!()\n// FIXME\nin /root/x\nsee https://crates.io/x"), [2, 3, 4, 5]);
    }

    #[test]
    fn a_folder_inside_a_path_is_no_machine_path() {
        assert!(lines("frame/work/x ../root/y $DIR/home/z").is_empty());
    }

    #[test]
    fn lock_files_may_name_registries() {
        assert!(check(&Tree::of(&[("fuzz/Cargo.lock", "https://crates.io")])).unwrap().is_empty());
    }
}
