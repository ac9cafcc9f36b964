//! Numbers that both sides draw from one sequence, or by which one refers to the other.

use std::collections::BTreeSet;

use super::{
    Cell, Link, LinkKind, Side, Table,
    rows::{Sides, side_of_table},
};

/// Fewer numbers than this come together by chance.
const LEAST: usize = 4;

/// A column of numbers, each of them once.
struct Column<'a> {
    table: &'a Table,
    index: usize,
    numbers: BTreeSet<u64>,
}

pub(super) fn shared_numbers(tables: &[Table], sides: &Sides) -> Vec<Link> {
    let (mut account_side, mut channel_side) = (Vec::new(), Vec::new());
    for (table, rows) in tables.iter().zip(sides) {
        match side_of_table(rows) {
            Some(Side::Account) => account_side.extend(columns(table)),
            Some(Side::Channel) => channel_side.extend(columns(table)),
            None => {}
        }
    }
    let mut found = Vec::new();
    for one in &account_side {
        for other in &channel_side {
            if let Some(how) = tie(&one.numbers, &other.numbers) {
                let name = |column: &Column<'_>| format!("{}.{}", column.table.name, column.table.column(column.index));
                found.push(Link::new(LinkKind::SharedNumber, format!("{} and {} {how}", name(one), name(other))));
            }
        }
    }
    found
}

/// The columns of a table that have a different number in every row.
fn columns(table: &Table) -> impl Iterator<Item = Column<'_>> {
    (0..table.columns.len()).filter_map(move |index| {
        let cells = table.rows.iter().filter_map(|row| match row.get(index) {
            Some(Cell::Number(number)) => Some(*number),
            _ => None,
        });
        let count = cells.clone().count();
        let numbers: BTreeSet<u64> = cells.collect();
        (count == table.rows.len() && numbers.len() == count && count >= LEAST).then_some(Column {
            table,
            index,
            numbers,
        })
    })
}

fn tie(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> Option<&'static str> {
    let both = one.intersection(other).count();
    if both * 2 > one.len().min(other.len()) && both >= LEAST {
        return Some("have the same numbers");
    }
    let all: BTreeSet<u64> = one.union(other).copied().collect();
    if both == 0 && has_gaps(one) && has_gaps(other) && !has_gaps(&all) {
        return Some("are drawn from one sequence");
    }
    None
}

/// Whether more than a tenth of the range is missing.
fn has_gaps(numbers: &BTreeSet<u64>) -> bool {
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return false };
    let range = last - first + 1;
    let count = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    range > count + count / 10
}
