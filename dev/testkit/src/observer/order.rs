//! Tables whose rows are kept in the order in which they came: two such tables tell what came when, and so what belongs
//! together.

use super::{Cell, Link, LinkKind, Table};

pub(super) fn kept_in_order_of_arrival(tables: &[Table]) -> Vec<Link> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| table.key_columns > 0) {
        let keys: Vec<&[Cell]> =
            table.rows.iter().map(|row| row.get(..table.key_columns).unwrap_or_default()).collect();
        if !keys.is_sorted() {
            found.push(Link::new(LinkKind::RowOrder, format!("{} is not kept by its key", table.name)));
        }
    }
    found
}
