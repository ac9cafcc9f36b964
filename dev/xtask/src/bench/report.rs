//! Tables, what they mean, and what they should show; printed for people and as Markdown.

use std::fmt::Write as _;

use serde::Deserialize;

/// What a program that measures prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    tables: Vec<Table>,
    targets: Vec<Target>,
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Something we want to be true.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    text: String,
    met: bool,
    /// What was found, or where it falls short.
    found: String,
}

impl Report {
    /// Both, one after the other.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.tables.extend(other.tables);
        self.targets.extend(other.targets);
        self.notes.extend(other.notes);
        self
    }

    /// For a terminal.
    pub(super) fn plain(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let widths: Vec<usize> = table.columns.iter().enumerate().map(|(index, _)| table.width(index)).collect();
            let line = |cells: &[String]| {
                let padded = cells.iter().zip(&widths).enumerate().map(|(index, (cell, &width))| {
                    if index == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                });
                padded.collect::<Vec<_>>().join("  ")
            };
            let rows: Vec<String> = table.rows.iter().map(|row| line(row)).collect();
            append(&mut out, format_args!("{}\n{}\n{}\n\n", table.title, line(&table.columns), rows.join("\n")));
        }
        out + &self.remarks("")
    }

    /// For docs/benchmarks.md.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
            let rule: String =
                table.columns.iter().enumerate().map(|(index, _)| if index == 0 { "|---" } else { "|---:" }).collect();
            let rows: Vec<String> = table.rows.iter().map(|row| line(row)).collect();
            append(
                &mut out,
                format_args!("**{}**\n\n{}\n{rule}|\n{}\n\n", table.title, line(&table.columns), rows.join("\n")),
            );
        }
        out + &self.remarks("- ")
    }

    fn remarks(&self, bullet: &str) -> String {
        let mut out = String::new();
        for target in &self.targets {
            let verdict = if target.met { "met" } else { "**falls short**" };
            append(&mut out, format_args!("{bullet}Target: {}: {verdict}; {}\n", target.text, target.found));
        }
        for note in &self.notes {
            append(&mut out, format_args!("{bullet}{note}\n"));
        }
        out
    }
}

impl Table {
    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.columns]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    }
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let text = r#"{
            "tables": [{"title": "Sizes", "columns": ["what", "bytes"], "rows": [["a", "1"], ["long", "1000"]]}],
            "targets": [{"text": "at most 10", "met": false, "found": "1000"}],
            "notes": ["on paper"]
        }"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn columns_are_aligned_for_people() {
        let expected =
            "Sizes\nwhat  bytes\na         1\nlong   1000\n\nTarget: at most 10: **falls short**; 1000\non paper\n";
        assert_eq!(report().plain(), expected);
    }

    #[test]
    fn markdown_holds_tables_and_says_what_falls_short() {
        let expected = "**Sizes**\n\n| what | bytes |\n|---|---:|\n| a | 1 |\n| long | 1000 |\n\n\
                        - Target: at most 10: **falls short**; 1000\n- on paper\n";
        assert_eq!(report().markdown(), expected);
    }
}
