//! Every row as it stands, without the types that say what it means: for whoever looks what the server could tell.

use quicprochat_wire::call::{
    auth::StretchParams,
    channel::{ChainPoint, EntryKind},
    vault::VaultWrap,
};

use super::{table::Table, tables::Tables};
use crate::store::{Day, Minute};

/// What stands in one column of one row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A count, position, size or time in whatever unit the column has.
    Number(u64),
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// A table with its rows in the order in which the backend keeps them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DumpTable {
    /// Its name.
    pub name: &'static str,
    /// Names of its columns; those of the key come first.
    pub columns: Vec<&'static str>,
    /// How many columns the key has.
    pub key_columns: usize,
    /// A cell for each column.
    pub rows: Vec<Vec<Cell>>,
}

impl Tables {
    pub(super) fn dump(&self) -> Vec<DumpTable> {
        vec![
            table("accounts", 1, "account name record stretch version created", &self.accounts, |account, row| {
                let StretchParams { memory_kib, iterations, parallelism } = row.password.stretch;
                let stretch = format!("{memory_kib}/{iterations}/{parallelism}");
                let password = &row.password;
                vec![
                    bytes(account),
                    row.name.clone().into(),
                    bytes(&password.record),
                    stretch.into(),
                    number(password.version),
                    row.created.into(),
                ]
            }),
            table("ways", 2, "account way record stretch", &self.ways, |(account, way), row| {
                let StretchParams { memory_kib, iterations, parallelism } = row.stretch;
                let stretch = format!("{memory_kib}/{iterations}/{parallelism}");
                vec![bytes(account), number(u32::from(*way)), bytes(&row.record), stretch.into()]
            }),
            table("names", 1, "name account", &self.names, |name, account| vec![name.clone().into(), bytes(account)]),
            table("identities", 1, "account part", &self.identities, |account, row| vec![bytes(account), bytes(row)]),
            table("devices", 2, "account device key key_package", &self.devices, |(account, device), row| {
                vec![bytes(account), bytes(device), bytes(row.key), bytes(&row.key_package)]
            }),
            table("invites", 1, "code maker expires used", &self.invites, |code, row| {
                let maker = row.maker.map_or(Cell::Null, bytes);
                vec![code.clone().into(), maker, row.expires.into(), number(u32::from(row.used))]
            }),
            table("wraps", 1, "account wraps", &self.wraps, |account, wraps| {
                let sealed: Vec<u8> = wraps.iter().flat_map(|VaultWrap { sealed, .. }| sealed.clone()).collect();
                vec![bytes(account), bytes(sealed)]
            }),
            table("records", 2, "account id version sealed", &self.records, |(account, id), record| {
                vec![bytes(account), number(*id), Cell::Number(record.version), bytes(&record.sealed)]
            }),
            table("archives", 1, "account objects bytes", &self.archives, |account, row| {
                vec![bytes(account), Cell::Number(row.objects), Cell::Number(row.bytes)]
            }),
            table("archive_objects", 2, "account id sealed", &self.archive_objects, |(account, id), sealed| {
                vec![bytes(account), bytes(id), bytes(sealed)]
            }),
            table("issued", 2, "account day count", &self.issued, |(account, day), count| {
                vec![bytes(account), (*day).into(), number(*count)]
            }),
            table("spent", 2, "epoch nonce", &self.spent, |(epoch, nonce), ()| vec![number(*epoch), bytes(nonce)]),
            table("inboxes", 1, "account last entries bytes", &self.inboxes, |account, row| {
                vec![bytes(account), Cell::Number(row.last), Cell::Number(row.entries), Cell::Number(row.bytes)]
            }),
            table("inbox_entries", 2, "account seq id sealed day", &self.inbox_entries, |(account, seq), row| {
                vec![bytes(account), Cell::Number(*seq), bytes(row.id), bytes(&row.sealed), row.day.into()]
            }),
            self.dump_channels(),
            self.dump_entries(),
            table("dropped", 1, "channel first", &self.dropped, |channel, first| {
                vec![bytes(channel), Cell::Number(*first)]
            }),
            table("entry_ids", 2, "channel id position hash", &self.entry_ids, |(channel, id), at| {
                with_point(vec![bytes(channel), bytes(id)], at)
            }),
            table("keys", 2, "channel access since until", &self.keys, |(channel, access), row| {
                vec![bytes(channel), bytes(access), Cell::Number(row.since), row.until.map_or(Cell::Null, Cell::Number)]
            }),
            table("group_infos", 2, "channel position hash sealed", &self.group_infos, |(channel, _), row| {
                let mut cells = with_point(vec![bytes(channel)], &row.at);
                cells.push(bytes(&row.sealed));
                cells
            }),
            table("tree_chunks", 2, "channel id sealed until", &self.chunks, |(channel, id), row| {
                let until = row.until.map_or(Cell::Null, Cell::Number);
                vec![bytes(channel), bytes(id), bytes(&row.sealed), until]
            }),
            table("keyrings", 1, "channel position hash keyring", &self.keyrings, |channel, row| {
                let mut cells = with_point(vec![bytes(channel)], &row.at);
                cells.push(bytes(&row.keyring));
                cells
            }),
            table("state", 1, "name value", &self.state, |key, value| {
                vec![Cell::Text(key.name().to_owned()), bytes(value)]
            }),
        ]
    }

    fn dump_channels(&self) -> DumpTable {
        let columns = "channel access access_since commit_position commit_hash last_position last_hash first oldest \
                       bytes group_infos group_info_bytes created_with";
        table("channels", 1, columns, &self.channels, |channel, row| {
            let mut cells = vec![bytes(channel), bytes(row.access), Cell::Number(row.access_since)];
            cells = with_point(with_point(cells, &row.last_commit), &row.last);
            cells.extend([
                Cell::Number(row.first),
                row.oldest.map_or(Cell::Null, Cell::from),
                Cell::Number(row.bytes),
                number(row.group_infos),
                Cell::Number(row.group_info_bytes),
                bytes(row.created_with),
            ]);
            cells
        })
    }

    fn dump_entries(&self) -> DumpTable {
        let columns = "channel position hash id kind commit_position commit_hash sealed next_access time";
        table("entries", 2, columns, &self.entries, |(channel, _), row| {
            let mut cells = with_point(vec![bytes(channel)], &row.at);
            cells.extend([bytes(row.id), number(u32::from(row.kind == EntryKind::Commit))]);
            cells = with_point(cells, &row.after_commit);
            cells.extend([bytes(&row.sealed), row.next_access.map_or(Cell::Null, bytes), row.time.into()]);
            cells
        })
    }
}

fn table<K: Ord + Clone, V: Clone>(
    name: &'static str,
    key_columns: usize,
    columns: &'static str,
    table: &Table<K, V>,
    row: impl Fn(&K, &V) -> Vec<Cell>,
) -> DumpTable {
    let columns = columns.split_whitespace().collect();
    DumpTable { name, columns, key_columns, rows: table.iter().map(|(key, value)| row(key, value)).collect() }
}

fn bytes(value: impl AsRef<[u8]>) -> Cell {
    Cell::Bytes(value.as_ref().to_vec())
}

fn number(value: impl Into<u64>) -> Cell {
    Cell::Number(value.into())
}

fn with_point(mut cells: Vec<Cell>, at: &ChainPoint) -> Vec<Cell> {
    cells.extend([Cell::Number(at.position), bytes(at.hash)]);
    cells
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Day> for Cell {
    fn from(day: Day) -> Self {
        Self::Number(day.0.into())
    }
}

impl From<Minute> for Cell {
    fn from(minute: Minute) -> Self {
        Self::Number(minute.0.into())
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use crate::store::{StateKey, memory::MemoryStore, write};

    use super::*;

    #[test]
    fn a_dump_has_every_durable_row_with_a_cell_for_each_column() {
        let store = MemoryStore::new();
        let put = |value: u8| block_on(write(&store, move |tx| Ok(tx.state().put(StateKey::TokenSeed, &[value])?)));
        put(7).expect("no faults");
        let copy = store.snapshot();
        put(8).expect("no faults");
        let state = |store: &MemoryStore| store.dump().into_iter().find(|table| table.name == "state");
        let row = |value: u8| vec![vec![Cell::Text("token-seed".to_owned()), Cell::Bytes(vec![value])]];
        assert_eq!(state(&store).expect("there").rows, row(8));
        assert_eq!(state(&copy).expect("there").rows, row(7), "a copy stays what it was");
        let fits = |table: &DumpTable| table.rows.iter().all(|row| row.len() == table.columns.len());
        assert!(store.dump().iter().all(fits));
    }
}
