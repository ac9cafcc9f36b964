//! Rows that name both sides, and rows that lead to each other by values they share.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cell, Facts, Link, LinkKind, Side, Table};

/// Bytes at each end of a long cell that are compared with other cells.
const ENDS: usize = 64;
/// Shortest byte string or text that is not shared by chance.
const LEAST_BYTES: usize = 8;
/// Shortest stretch inside a cell that is not shared by chance.
const WINDOW: usize = 16;
/// Numbers from here on are ids, not counts.
const LEAST_NUMBER: u64 = 1 << 32;

/// For each row of each table, what it names.
pub(super) type Sides = Vec<Vec<BTreeSet<Side>>>;

pub(super) fn sides(facts: &Facts, tables: &[Table]) -> Sides {
    let of_cell = |cell: &Cell| match cell {
        Cell::Null | Cell::Number(_) => BTreeSet::new(),
        Cell::Text(text) => facts.in_text(text),
        Cell::Bytes(bytes) => facts.in_bytes(bytes),
    };
    let of_row = |row: &Vec<Cell>| row.iter().flat_map(of_cell).collect();
    tables.iter().map(|table| table.rows.iter().map(of_row).collect()).collect()
}

/// The side of a table by its rows; `None` for neither (or both, which is a link of its own).
pub(super) fn side_of_table(rows: &[BTreeSet<Side>]) -> Option<Side> {
    let all: BTreeSet<Side> = rows.iter().flatten().copied().collect();
    match (all.contains(&Side::Account), all.contains(&Side::Channel)) {
        (true, false) => Some(Side::Account),
        (false, true) => Some(Side::Channel),
        _ => None,
    }
}

pub(super) fn same_row(tables: &[Table], sides: &Sides) -> Vec<Link> {
    let mut found = Vec::new();
    for (table, rows) in tables.iter().zip(sides) {
        if let Some(row) = rows.iter().position(|sides| sides.len() > 1) {
            found
                .push(Link::new(LinkKind::SameRow, format!("{} row {row} names an account and a channel", table.name)));
        }
    }
    found
}

/// Joins rows by every value that is in both, and looks whether the account side leads to the channel side.
pub(super) fn shared_values(tables: &[Table], sides: &Sides) -> Vec<Link> {
    let places: Vec<(usize, usize)> = tables
        .iter()
        .enumerate()
        .flat_map(|(index, table)| (0..table.rows.len()).map(move |row| (index, row)))
        .collect();
    let mut values: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut groups = Groups::new(places.len());
    for (at, (table, row)) in places.iter().enumerate() {
        let cells = tables.get(*table).and_then(|table| table.rows.get(*row)).map_or(&[][..], Vec::as_slice);
        for value in cells.iter().flat_map(comparable) {
            match values.get(&value) {
                Some(before) => groups.join(*before, at),
                None => drop(values.insert(value, at)),
            }
        }
    }
    let mut account_side = BTreeMap::new();
    let mut channel_side = BTreeMap::new();
    for (at, (table, row)) in places.iter().enumerate() {
        let named = sides.get(*table).and_then(|rows| rows.get(*row));
        let group = groups.of(at);
        if named.is_some_and(|named| named.contains(&Side::Account)) {
            account_side.entry(group).or_insert((*table, *row));
        }
        if named.is_some_and(|named| named.contains(&Side::Channel)) {
            channel_side.entry(group).or_insert((*table, *row));
        }
    }
    let mut found = Vec::new();
    for (group, (table, row)) in account_side {
        let Some((other, other_row)) = channel_side.get(&group) else { continue };
        if (table, row) == (*other, *other_row) {
            continue;
        }
        let name = |index: usize| tables.get(index).map_or("?", |table| table.name.as_str());
        let place = format!("{} row {row} leads to {} row {other_row}", name(table), name(*other));
        found.push(Link::new(LinkKind::SharedValue, place));
    }
    found
}

/// What of a cell is compared with other cells, each kind under a mark of its own.
fn comparable(cell: &Cell) -> Vec<Vec<u8>> {
    match cell {
        Cell::Null => Vec::new(),
        Cell::Number(number) if *number < LEAST_NUMBER => Vec::new(),
        Cell::Number(number) => vec![marked(b'n', &number.to_le_bytes())],
        Cell::Text(text) => bytes_of(text.as_bytes()),
        Cell::Bytes(bytes) => bytes_of(bytes),
    }
}

fn bytes_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.len() < LEAST_BYTES || is_filler(bytes) {
        return Vec::new();
    }
    let mut values = vec![marked(b'w', bytes)];
    let last = bytes.len().saturating_sub(ENDS);
    let ends = if last <= ENDS {
        vec![bytes]
    } else {
        vec![bytes.get(..ENDS), bytes.get(last..)].into_iter().flatten().collect()
    };
    for end in ends {
        values.extend(end.windows(WINDOW).filter(|window| !is_filler(window)).map(|window| marked(b'p', window)));
    }
    values
}

fn marked(mark: u8, bytes: &[u8]) -> Vec<u8> {
    [&[mark], bytes].concat()
}

/// Padding, counts and the like: too few different bytes to be anybody's in particular.
fn is_filler(bytes: &[u8]) -> bool {
    bytes.iter().collect::<BTreeSet<_>>().len() < bytes.len().min(WINDOW) / 2
}

/// Rows that were joined, as a forest.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn of(&mut self, at: usize) -> usize {
        let mut root = at;
        while let Some(up) = self.0.get(root).copied().filter(|up| *up != root) {
            root = up;
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = root;
        }
        root
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        if let Some(slot) = self.0.get_mut(other) {
            *slot = one;
        }
    }
}
