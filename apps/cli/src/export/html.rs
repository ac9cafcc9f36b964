//! Exports for a browser: no script, no link to the outside, and a policy that would forbid both.

use std::io::{self, Write};

use quicprochat_wire::AccountId;
use serde_json::Value;

use super::{Page, Shown};
use crate::output::printable;

const STYLE: &str = "body{font:16px/1.4 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}\
.m{margin:.6em 0}.t{color:#666;font-size:.8em}.s{font-weight:bold}.x{white-space:pre-wrap;overflow-wrap:anywhere}\
.n{color:#666;margin:.6em 0}";

/// A page of the log.
pub(super) fn conversation(out: &mut dyn Write, page: &Page) -> io::Result<()> {
    begin(out, &page.title)?;
    writeln!(out, "<p class=\"n\">{}</p>", escape(&page.members.join(", ")))?;
    for shown in &page.log {
        entry(out, shown)?;
    }
    end(out)
}

fn entry(out: &mut dyn Write, shown: &Shown) -> io::Result<()> {
    if !shown.message {
        return writeln!(out, "<div class=\"n\">{}</div>", escape(&shown.text));
    }
    writeln!(
        out,
        "<div class=\"m\"><span class=\"s\">{}</span> <span class=\"t\">{}</span><div class=\"x\">{}</div></div>",
        escape(shown.sender()),
        escape(shown.sent_at()),
        escape(shown.said())
    )
}

/// The list of conversations and contacts.
pub(super) fn index(
    out: &mut dyn Write,
    name: &str,
    pages: &[(Page, String)],
    contacts: &[(String, AccountId, Value)],
) -> io::Result<()> {
    begin(out, &format!("Conversations of {name}"))?;
    writeln!(out, "<ul>")?;
    for (page, file) in pages {
        writeln!(out, "<li><a href=\"{}\">{}</a></li>", escape(file), escape(&page.title))?;
    }
    writeln!(out, "</ul>\n<h2>Contacts</h2>\n<ul>")?;
    for (name, account, _) in contacts {
        writeln!(out, "<li>{} <span class=\"t\">{account}</span></li>", escape(name))?;
    }
    writeln!(out, "</ul>")?;
    end(out)
}

fn begin(out: &mut dyn Write, title: &str) -> io::Result<()> {
    let title = escape(title);
    writeln!(
        out,
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>"
    )
}

fn end(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "</body></html>")
}

/// Text that is nothing but text, between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '`' => escaped.push_str("&#96;"),
            c => escaped.push(c),
        }
    }
    escaped
}
