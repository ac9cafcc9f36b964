//! Times outside of channels that are finer than a day: with the minutes of channel entries beside them, they say who was
//! about when something was written.

use super::{
    Cell, Facts, Link, LinkKind, Side, Table,
    rows::{Sides, side_of_table},
};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) fn fine_times(facts: &Facts, tables: &[Table], sides: &Sides) -> Vec<Link> {
    let mut found = Vec::new();
    for (table, rows) in tables.iter().zip(sides) {
        // A log says when by its nature; what it may name is looked at elsewhere.
        if table.key_columns == 0 || side_of_table(rows) == Some(Side::Channel) {
            continue;
        }
        for (number, row) in table.rows.iter().enumerate() {
            for (index, cell) in row.iter().enumerate() {
                if let Some(unit) = fine_time(facts, cell) {
                    let place = format!("{}.{} row {number} has {unit}", table.name, table.column(index));
                    found.push(Link::new(LinkKind::FineTime, place));
                }
            }
        }
    }
    found
}

/// The unit of the time that a cell has, if it is of this world and finer than a day.
fn fine_time(facts: &Facts, cell: &Cell) -> Option<&'static str> {
    match cell {
        Cell::Null | Cell::Text(_) => None,
        Cell::Number(number) => of_number(facts, *number),
        // Numbers of 8 bytes within bytes, whichever way round: milliseconds and seconds are too rare to come by chance.
        Cell::Bytes(bytes) => bytes.windows(8).find_map(|window| {
            let window: [u8; 8] = window.try_into().ok()?;
            let numbers = [u64::from_le_bytes(window), u64::from_be_bytes(window)];
            numbers.into_iter().find_map(|number| of_number(facts, number).filter(|_| number > DAY))
        }),
    }
}

fn of_number(facts: &Facts, number: u64) -> Option<&'static str> {
    let (from, until) = (facts.from.0.saturating_sub(HOUR), facts.until.0.saturating_add(HOUR));
    let units = [("milliseconds", 1), ("seconds", SECOND), ("minutes", MINUTE), ("hours", HOUR)];
    let within = |unit: u64| number.checked_mul(unit).filter(|time| (from..=until).contains(time));
    units.into_iter().find_map(|(name, unit)| {
        let time = within(unit)?;
        (time % DAY != 0).then_some(name)
    })
}
