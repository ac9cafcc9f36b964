//! What the server logs.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{Cell, Facts, Link, LinkKind, Table};

/// Name of the table that [`LogCapture::table`] makes.
const TABLE: &str = "log";

/// Keeps every event and span, at every level, with all fields. Install it with `tracing::subscriber::with_default`.
#[derive(Clone, Default)]
pub struct LogCapture {
    lines: Arc<Mutex<Vec<(Level, String)>>>,
}

impl LogCapture {
    /// Nothing captured yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was captured: a row each line, with its level and its text.
    #[must_use]
    pub fn table(&self) -> Table {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |(level, text): &(Level, String)| vec![Cell::Text(level.to_string()), Cell::Text(text.clone())];
        Table {
            name: TABLE.to_owned(),
            columns: vec!["level".to_owned(), "text".to_owned()],
            key_columns: 0,
            rows: lines.iter().map(row).collect(),
        }
    }

    fn keep(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut Text)) {
        let mut text = Text(format!("{}: {}", metadata.target(), metadata.name()));
        fields(&mut text);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((*metadata.level(), text.0));
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for LogCapture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("quicprochat_server")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.keep(attributes.metadata(), |text| attributes.record(text));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.keep(event.metadata(), |text| event.record(text));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Log lines above debug level that name an account or a channel.
pub(super) fn names(facts: &Facts, tables: &[Table]) -> Vec<Link> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| table.name == TABLE) {
        for row in &table.rows {
            let [Cell::Text(level), Cell::Text(text)] = row.as_slice() else { continue };
            if !matches!(level.as_str(), "DEBUG" | "TRACE") && !facts.in_text(text).is_empty() {
                found.push(Link::new(LinkKind::LogNames, format!("{level} {text}")));
            }
        }
    }
    found
}
