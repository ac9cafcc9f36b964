//! What a benchmark found.

use serde_json::{Value, json};

/// Tables and notes on them.
#[derive(Default)]
pub(crate) struct Report {
    tables: Vec<Value>,
    targets: Vec<Value>,
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn table(&mut self, title: &str, columns: Vec<String>, rows: Vec<Vec<String>>) {
        self.tables.push(json!({ "title": title, "columns": columns, "rows": rows }));
    }

    /// What we want to be true, whether it is, and what was found.
    pub(crate) fn target(&mut self, text: &str, met: bool, found: impl Into<String>) {
        self.targets.push(json!({ "text": text, "met": met, "found": found.into() }));
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "tables": self.tables, "targets": self.targets, "notes": self.notes })
    }
}
