//! Rows of cells, wherever they come from.

pub use quicprochat_server_core::store::memory::Cell;
use quicprochat_server_core::store::memory::DumpTable;

/// A table in the order in which its rows are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Names of its columns; those of the key come first.
    pub columns: Vec<String>,
    /// How many columns the key has; 0 for something without a key (a log).
    pub key_columns: usize,
    /// A cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl From<DumpTable> for Table {
    fn from(table: DumpTable) -> Self {
        Self {
            name: table.name.to_owned(),
            columns: table.columns.into_iter().map(str::to_owned).collect(),
            key_columns: table.key_columns,
            rows: table.rows,
        }
    }
}

impl Table {
    /// What is known of connections: a row each, with a cell for each value.
    #[must_use]
    pub fn of_connections(connections: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Self {
        let rows = connections.into_iter().map(|values| values.into_iter().map(Cell::Bytes).collect()).collect();
        Self { name: "connections".to_owned(), columns: Vec::new(), key_columns: 0, rows }
    }

    pub(super) fn column(&self, index: usize) -> &str {
        self.columns.get(index).map_or("?", String::as_str)
    }
}
