//! Exports for programs.

use std::io::{self, Write};

use quicprochat_wire::AccountId;
use serde_json::{Value, json};

use super::Page;

/// One object: the conversation, and its log in `entries`.
pub(super) fn conversation(out: &mut dyn Write, page: &Page) -> io::Result<()> {
    write!(out, "{{\"conversation\":{},\"entries\":[", page.object)?;
    for (index, shown) in page.log.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}\n{}", shown.object)?;
    }
    writeln!(out, "\n]}}")
}

/// One object: the conversations with their files, and the contacts.
pub(super) fn index(
    out: &mut dyn Write,
    pages: &[(Page, String)],
    contacts: &[(String, AccountId, Value)],
) -> io::Result<()> {
    let pages: Vec<Value> =
        pages.iter().map(|(page, file)| json!({ "file": file, "conversation": page.object })).collect();
    let contacts: Vec<&Value> = contacts.iter().map(|(_, _, object)| object).collect();
    writeln!(out, "{:#}", json!({ "conversations": pages, "contacts": contacts }))
}
