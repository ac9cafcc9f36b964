//! docs/benchmarks.md: words by people, tables by this command.

use std::fs;

use anyhow::{Context, Result};

use crate::workspace;

const PATH: &str = "docs/benchmarks.md";

/// Replaces what stands between the marks of a benchmark.
pub(super) fn replace(name: &str, content: &str) -> Result<()> {
    let path = workspace::root()?.join(PATH);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {PATH}"))?;
    let text = replaced(&text, name, content)?;
    fs::write(&path, text).with_context(|| format!("cannot write {PATH}"))
}

fn replaced(text: &str, name: &str, content: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let parts = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("{PATH} lacks the marks of {name}"))?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "words\n<!-- begin mls -->\nold\n<!-- end mls -->\nmore\n<!-- begin bytes -->\n<!-- end bytes -->\n";
        let once = replaced(text, "mls", "new\n").unwrap();
        assert_eq!(once, text.replace("old\n", "\nnew\n\n"));
        assert_eq!(replaced(&once, "mls", "new").unwrap(), once, "the same again changes nothing");
    }

    #[test]
    fn a_document_without_marks_is_an_error() {
        assert!(replaced("words", "mls", "new").unwrap_err().to_string().contains("mls"));
    }
}
