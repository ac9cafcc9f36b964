//! Exports for people with an editor.

use std::io::{self, Write};

use quicprochat_wire::AccountId;
use serde_json::Value;

use super::Page;
use crate::output::printable;

/// The log: what somebody said is quoted.
pub(super) fn conversation(out: &mut dyn Write, page: &Page) -> io::Result<()> {
    writeln!(out, "# {}\n\n{}\n", line(&page.title), line(&page.members.join(", ")))?;
    for shown in &page.log {
        if !shown.message {
            writeln!(out, "*{}*\n", line(&shown.text))?;
            continue;
        }
        writeln!(out, "**{}**, {}\n", line(shown.sender()), line(shown.sent_at()))?;
        for said in shown.said().split('\n') {
            // The backslash at the end keeps the line's end.
            writeln!(out, "> {}\\", line(said))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The list of conversations and contacts.
pub(super) fn index(
    out: &mut dyn Write,
    name: &str,
    pages: &[(Page, String)],
    contacts: &[(String, AccountId, Value)],
) -> io::Result<()> {
    writeln!(out, "# Conversations of {}\n", line(name))?;
    for (page, file) in pages {
        writeln!(out, "- [{}]({file})", line(&page.title))?;
    }
    writeln!(out, "\n## Contacts\n")?;
    for (name, account, _) in contacts {
        writeln!(out, "- {} `{account}`", line(name))?;
    }
    Ok(())
}

/// Text that is nothing but text, and stays on its line: every sign that could mean something has a backslash, leading white
/// space, which could begin a block of code, is made visible.
pub(super) fn line(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '\n' | '\t' => escaped.push(' '),
            ' ' if escaped.is_empty() => escaped.push('\u{a0}'),
            c if c.is_ascii_punctuation() => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
