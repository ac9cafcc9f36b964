//! What `qpc` prints: text for people, or one JSON object a line.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::failure::Failure;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Text, or JSON.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints one thing: `object` with `--json` (it gets the field `event`), else `text`.
    ///
    /// Errors:   standard output is closed.
    pub(crate) fn show(self, event: &str, object: Value, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.json {
            return if text.is_empty() { Ok(()) } else { writeln!(out, "{}", printable(text)) };
        }
        let mut line = json!({ "event": event });
        if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), object) {
            line.extend(fields);
        }
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Something that needs attention but is no failure.
    pub(crate) fn warn(self, code: &str, text: &str) -> io::Result<()> {
        if self.json {
            return self.show("warning", json!({ "code": code, "text": text }), "");
        }
        writeln!(io::stderr().lock(), "warning: {}", printable(text))
    }

    /// Why the command failed.
    pub(crate) fn fail(self, failure: &Failure) -> io::Result<()> {
        if self.json {
            let object = json!({ "code": failure.code, "exit": failure.exit as u8, "text": failure.text });
            return self.show("error", object, "");
        }
        writeln!(io::stderr().lock(), "qpc: {}", printable(&failure.text))
    }
}

/// Text from others must not steer the terminal: control characters but newline and tab are shown as escapes, and so are the
/// characters that reorder text.
pub(crate) fn printable(text: &str) -> String {
    let reorders = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\n' && c != '\t') || reorders(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\tb\nc"), "a\tb\nc");
        assert_eq!(printable("\u{1b}[2J"), "\\u{1b}[2J");
        assert_eq!(printable("\u{202e}abc"), "\\u{202e}abc");
        assert_eq!(printable("grüße 🎉"), "grüße 🎉");
    }
}
