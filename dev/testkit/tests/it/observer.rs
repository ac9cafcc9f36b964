//! What a server has, and whether any of it ties an account to a channel (DESIGN section 7, rule 4).

use std::sync::OnceLock;

use quicprochat_client_core::{
    Command, Outcome, SuiteChoice,
    content::{MimiContent, Salt},
    store::InvitationState,
};
use quicprochat_server_core::Connection;
use quicprochat_testkit::{
    DeviceIx, Fate, Faults, Runner, START, Setup, World, engines,
    observer::{self, Cell, Facts, Link, LinkKind, LogCapture, Table},
};
use quicprochat_wire::{ChannelId, Duration};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Everything the server has after some days of use, and the truth about it.
struct Evidence {
    facts: Facts,
    tables: Vec<Table>,
}

/// More than fill eight leaves: a larger tree is kept in chunks.
const PEOPLE: usize = 10;

/// Ten people, three groups, one of all of them, direct messages, somebody removed, histories at the server, three days.
fn evidence() -> &'static Evidence {
    static EVIDENCE: OnceLock<Evidence> = OnceLock::new();
    EVIDENCE.get_or_init(|| {
        let log = LogCapture::new();
        let (facts, mut tables) = tracing::subscriber::with_default(log.clone(), live);
        tables.push(log.table());
        Evidence { facts, tables }
    })
}

struct Life {
    world: World,
    facts: Facts,
    connections: Vec<Vec<Vec<u8>>>,
    said: u8,
}

impl Life {
    fn ask(&mut self, who: usize, command: Command) -> Outcome {
        let command = self.world.give(DeviceIx(who), command, Runner::Resident);
        self.world.run_until(SECOND * 120, |world| *world.fate(command) != Fate::Open);
        self.look();
        match self.world.fate(command) {
            Fate::Done(Ok(outcome)) => outcome.clone(),
            other => panic!("{other:?}\n{}", self.world.journal()),
        }
    }

    /// Notes what there is at this moment: keys roll, connections come and go.
    fn look(&mut self) {
        self.world.run_for(SECOND * 5);
        self.facts.observe(&self.world);
        self.connections.extend(self.world.server_connections().map(Connection::identifiers));
    }

    fn group(&mut self, maker: usize, title: &str, names: &[&str]) -> ChannelId {
        let create = Command::CreateGroup { title: title.to_owned(), suite: SuiteChoice::Hybrid };
        let Outcome::Created { channel } = self.ask(maker, create) else { panic!("no group") };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.ask(maker, Command::Invite { channel, names });
        self.accept();
        channel
    }

    fn accept(&mut self) {
        self.world.run_for(SECOND * 10);
        for who in 0..PEOPLE {
            let open = self.world.read(DeviceIx(who), |tx| tx.inbox().invitations()).expect("in memory");
            for request in open.into_iter().filter(|open| open.state == InvitationState::Request) {
                self.ask(who, Command::AcceptRequest { invitation: request.id });
            }
        }
    }

    fn content(&mut self) -> Vec<u8> {
        self.said += 1;
        MimiContent::text("hello", "", Salt::new([self.said; 16])).encode().expect("encodes")
    }
}

fn live() -> (Facts, Vec<Table>) {
    let world = World::new(&Setup::quiet(1, PEOPLE), engines());
    let mut life = Life { world, facts: Facts::new(START, START), connections: Vec::new(), said: 0 };
    for who in 0..PEOPLE {
        life.world.give(DeviceIx(who), Command::Listen, Runner::Resident);
    }
    life.look();
    let plans = life.group(0, "plans", &["bob", "carol", "dave"]);
    let music = life.group(3, "music", &["erin", "alice"]);
    for (who, channel) in [(0, plans), (1, plans), (2, plans), (3, music), (4, music), (0, music), (1, plans)] {
        let content = life.content();
        life.ask(who, Command::Send { channel, content });
    }
    let content = life.content();
    life.ask(4, Command::Dm { name: "bob".to_owned(), content, suite: SuiteChoice::Hybrid });
    life.accept();
    life.ask(0, Command::Remove { channel: plans, name: "carol".to_owned() });
    let crowd = life.group(1, "crowd", &["alice", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"]);
    for who in [0, 5, 9] {
        let content = life.content();
        life.ask(who, Command::Send { channel: crowd, content });
    }
    for who in [0, 3] {
        life.ask(who, Command::SetHistory { channel: None, on: true });
        life.ask(who, Command::SyncHistory);
    }
    for (day, who, channel) in [(0, 0, plans), (1, 1, plans), (2, 3, music)] {
        for who in 0..PEOPLE {
            life.ask(who, Command::StopListening);
        }
        life.world.run_for(HOUR * (20 + day));
        for who in 0..PEOPLE {
            life.world.give(DeviceIx(who), Command::Listen, Runner::Resident);
            life.world.run_for(HOUR / 10);
        }
        life.look();
        let content = life.content();
        life.ask(who, Command::Send { channel, content });
    }
    // A full disk is what these services log.
    life.world.set_faults(Faults { server_full: 1_000, ..Faults::none() });
    let content = life.content();
    life.world.give(DeviceIx(0), Command::Send { channel: plans, content }, Runner::Resident);
    life.look();
    life.world.set_faults(Faults::none());
    let mut tables: Vec<Table> = life.world.server_store().dump().into_iter().map(Table::from).collect();
    tables.push(Table::of_connections(life.connections));
    (life.facts, tables)
}

fn links(tables: &[Table]) -> Vec<Link> {
    observer::links(&evidence().facts, tables)
}

/// The evidence with something planted in it.
fn planted(plant: impl FnOnce(&mut Vec<Table>)) -> Vec<Link> {
    let mut tables = evidence().tables.clone();
    plant(&mut tables);
    links(&tables)
}

fn table<'a>(tables: &'a mut [Table], name: &str) -> &'a mut Table {
    tables.iter_mut().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
}

/// Adds a column with a cell for each row.
fn add_column(tables: &mut [Table], name: &str, cell: impl Fn(u64) -> Cell) {
    let table = table(tables, name);
    table.columns.push("planted".to_owned());
    for (row, number) in table.rows.iter_mut().zip(0..) {
        row.push(cell(number));
    }
}

/// A value that only the first row has.
fn first_row(cell: Cell) -> impl Fn(u64) -> Cell {
    move |row| if row == 0 { cell.clone() } else { Cell::Null }
}

fn kinds(links: &[Link]) -> Vec<LinkKind> {
    let mut kinds: Vec<_> = links.iter().map(|link| link.kind).collect();
    kinds.dedup();
    kinds
}

fn id(tables: &mut [Table], name: &str) -> Cell {
    table(tables, name).rows.first().and_then(|row| row.first()).expect("a row with a key").clone()
}

fn hex(cell: &Cell) -> String {
    let Cell::Bytes(bytes) = cell else { panic!("no id") };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn nothing_the_server_has_ties_an_account_to_a_channel() {
    let Evidence { tables, .. } = evidence();
    for (name, least) in [
        ("accounts", PEOPLE),
        ("channels", 4),
        ("entries", 12),
        ("tree_chunks", 2),
        ("archives", 2),
        ("archive_objects", 4),
        ("spent", 6),
        ("connections", 20),
        ("log", 1),
    ] {
        let rows = tables.iter().find(|table| table.name == name).map_or(0, |table| table.rows.len());
        assert!(rows >= least, "{rows} rows of {name} are too few to learn from");
    }
    let found: Vec<String> = links(tables).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_account_and_a_channel_in_one_row_are_found() {
    let by_id = planted(|tables| {
        let channel = id(tables, "channels");
        add_column(tables, "accounts", first_row(channel));
    });
    assert!(kinds(&by_id).contains(&LinkKind::SameRow), "{by_id:?}");
    let as_text = planted(|tables| {
        let channel = hex(&id(tables, "channels"));
        add_column(tables, "devices", first_row(Cell::Text(format!("last wrote to {channel}"))));
    });
    assert!(kinds(&as_text).contains(&LinkKind::SameRow), "{as_text:?}");
    let by_name = planted(|tables| add_column(tables, "entries", first_row(Cell::Text("by alice".to_owned()))));
    assert!(kinds(&by_name).contains(&LinkKind::SameRow), "{by_name:?}");
    let history = planted(|tables| {
        let channel = id(tables, "channels");
        add_column(tables, "archive_objects", first_row(channel));
    });
    assert!(kinds(&history).contains(&LinkKind::SameRow), "{history:?}");
    let piece = planted(|tables| {
        let account = id(tables, "accounts");
        add_column(tables, "tree_chunks", first_row(account));
    });
    assert!(kinds(&piece).contains(&LinkKind::SameRow), "{piece:?}");
    let connection = planted(|tables| {
        let both = vec![id(tables, "accounts"), id(tables, "channels")];
        table(tables, "connections").rows.push(both);
    });
    assert!(kinds(&connection).contains(&LinkKind::SameRow), "{connection:?}");
}

#[test]
fn a_value_that_both_sides_share_is_found_also_over_a_third_table() {
    let request = Cell::Bytes(b"request-7f3a-19c4".to_vec());
    let direct = planted(|tables| {
        add_column(tables, "accounts", first_row(request.clone()));
        add_column(tables, "entries", first_row(request.clone()));
    });
    assert_eq!(kinds(&direct), [LinkKind::SharedValue], "{direct:?}");
    let hidden = planted(|tables| {
        let inside = |before: &str| Cell::Bytes([before.as_bytes(), b"request-7f3a-19c4", b"..."].concat());
        add_column(tables, "inbox_entries", first_row(inside("a")));
        add_column(tables, "group_infos", first_row(inside("bcd")));
    });
    assert_eq!(kinds(&hidden), [LinkKind::SharedValue], "{hidden:?}");
    let bridged = planted(|tables| {
        let token = table(tables, "spent").rows[0][1].clone();
        add_column(tables, "issued", first_row(token.clone()));
        add_column(tables, "channels", first_row(token));
    });
    assert_eq!(kinds(&bridged), [LinkKind::SharedValue], "{bridged:?}");
    let number = planted(|tables| {
        add_column(tables, "accounts", first_row(Cell::Number(0x7F3A_19C4_0001)));
        add_column(tables, "channels", first_row(Cell::Number(0x7F3A_19C4_0001)));
    });
    assert_eq!(kinds(&number), [LinkKind::SharedValue], "{number:?}");
}

#[test]
fn a_time_finer_than_a_day_beside_an_account_is_found() {
    let moment = START.0 + 4_000_000;
    let cells = [
        ("accounts", Cell::Number(moment)),
        ("inbox_entries", Cell::Number(moment / 1_000)),
        ("spent", Cell::Number(moment / 60_000)),
        ("devices", Cell::Bytes([&[1, 2, 3][..], &moment.to_le_bytes()].concat())),
    ];
    for (table, cell) in cells {
        let found = planted(|tables| add_column(tables, table, first_row(cell)));
        assert_eq!(kinds(&found), [LinkKind::FineTime], "{table}: {found:?}");
    }
    let day = planted(|tables| add_column(tables, "accounts", first_row(Cell::Number(moment / 86_400_000))));
    assert!(day.is_empty(), "a day is no link: {day:?}");
}

#[test]
fn rows_in_order_of_arrival_are_found() {
    for name in ["accounts", "channels", "spent", "inbox_entries"] {
        let found = planted(|tables| table(tables, name).rows.reverse());
        assert_eq!(kinds(&found), [LinkKind::RowOrder], "{name}: {found:?}");
    }
}

#[test]
fn numbers_from_one_sequence_and_references_by_number_are_found() {
    let sequence = planted(|tables| {
        add_column(tables, "accounts", |row| Cell::Number(row * 2));
        add_column(tables, "keys", |row| Cell::Number(row * 2 + 1));
    });
    assert_eq!(kinds(&sequence), [LinkKind::SharedNumber], "{sequence:?}");
    let reference = planted(|tables| {
        add_column(tables, "accounts", |row| Cell::Number(700 + row * 3));
        add_column(tables, "entries", |row| Cell::Number(700 + row * 3));
    });
    assert_eq!(kinds(&reference), [LinkKind::SharedNumber], "{reference:?}");
}

#[test]
fn a_log_line_that_names_somebody_is_found() {
    let line = |level: &str, text: String| vec![Cell::Text(level.to_owned()), Cell::Text(text)];
    let named = planted(|tables| table(tables, "log").rows.push(line("INFO", "alice signed in".to_owned())));
    assert_eq!(kinds(&named), [LinkKind::LogNames], "{named:?}");
    let short = planted(|tables| {
        let channel = hex(&id(tables, "channels"));
        table(tables, "log").rows.push(line("WARN", format!("chan:{} is full", &channel[..8])));
    });
    assert_eq!(kinds(&short), [LinkKind::LogNames], "{short:?}");
    let both = planted(|tables| {
        let channel = hex(&id(tables, "channels"));
        table(tables, "log").rows.push(line("DEBUG", format!("alice writes to {channel}")));
    });
    assert!(kinds(&both).contains(&LinkKind::SameRow), "{both:?}");
}
