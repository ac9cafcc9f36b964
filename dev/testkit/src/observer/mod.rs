//! The observer: looks at everything a server has for whatever ties an account to a channel.
//!
//! ```text
//!   Facts ── values that name accounts, values that name channels, when it all happened
//!   Table ── a table of the database, the log, the connections: rows of cells in the order in which they are kept
//!   links(facts, tables) ──▶ what ties one side to the other, each kind by a search of its own:
//!      rows      both sides in one row, or in rows joined by values that they share
//!      times     a time on the account side that is finer than a day
//!      order     rows kept in the order in which they came
//!      counters  one sequence of numbers that both sides draw from
//! ```
//! It knows the truth (which values name whom) and no schema, so that a column that somebody adds is looked at too.

mod counters;
mod facts;
mod log;
mod order;
mod rows;
mod table;
mod times;

use core::fmt;

pub use facts::{Facts, Side};
pub use log::LogCapture;
pub use table::{Cell, Table};

/// Something that ties accounts to channels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// Which search found it.
    pub kind: LinkKind,
    /// Where, in words.
    pub place: String,
}

/// Kinds of links.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LinkKind {
    /// One row names an account and a channel.
    SameRow,
    /// Rows of both sides share a value, maybe over other rows.
    SharedValue,
    /// A time outside of channels that is finer than a day.
    FineTime,
    /// Rows are kept in the order in which they came.
    RowOrder,
    /// Both sides draw numbers from one sequence, or refer to each other by number.
    SharedNumber,
    /// A log line above debug level names somebody.
    LogNames,
}

impl Link {
    fn new(kind: LinkKind, place: String) -> Self {
        Self { kind, place }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.place)
    }
}

/// Everything in `tables` that ties an account to a channel.
#[must_use]
pub fn links(facts: &Facts, tables: &[Table]) -> Vec<Link> {
    let sides = rows::sides(facts, tables);
    let mut found = rows::same_row(tables, &sides);
    found.extend(rows::shared_values(tables, &sides));
    found.extend(times::fine_times(facts, tables, &sides));
    found.extend(order::kept_in_order_of_arrival(tables));
    found.extend(counters::shared_numbers(tables, &sides));
    found.extend(log::names(facts, tables));
    found.sort();
    found.dedup();
    found
}
