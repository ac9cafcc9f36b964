//! Exports: a file a conversation, an index, and a manifest of hashes, written last.
//!
//! Titles, names and texts come from other people. Nothing of them becomes the name of a file but letters, digits and hyphens,
//! and each format has one function that makes text harmless in it. No file refers to anything outside the directory.

mod html;
mod json;
mod markdown;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use quicprochat_client::{
    core::{
        store::{OwnAccount, StoreTx},
        views::{self, ConversationView},
    },
    entropy::now,
};
use quicprochat_wire::AccountId;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    exit::Exit,
    failure::Failure,
    render::{self, Line, Scene},
};

/// Most entries of a conversation.
const MOST: usize = 100_000_000;
/// Most letters of a title in the name of a file.
const NAME_CHARS: usize = 40;

/// What the files are for.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// Objects as `qpc --json log` prints them.
    Json,
    /// Pages without scripts.
    Html,
    /// CommonMark.
    Markdown,
}

/// What was written.
pub(crate) struct Done {
    /// Log entries.
    pub(crate) entries: usize,
    /// Files, without the manifest.
    pub(crate) files: usize,
}

/// One thing to show of a log.
pub(crate) struct Shown {
    /// As `--json` prints it, with its `event`.
    pub(crate) object: Value,
    /// As text, for what is no message.
    pub(crate) text: String,
    /// Whether somebody said it.
    pub(crate) message: bool,
}

impl Shown {
    fn field(&self, name: &str) -> &str {
        self.object.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Who said it.
    pub(crate) fn sender(&self) -> &str {
        self.field("sender")
    }

    /// When.
    pub(crate) fn sent_at(&self) -> &str {
        self.field("sent_at")
    }

    /// What.
    pub(crate) fn said(&self) -> &str {
        if self.field("kind") == "text" { self.field("text") } else { "(something this version cannot show)" }
    }
}

/// A conversation with its head and log.
pub(crate) struct Page {
    /// Name of its file, without directory and ending.
    pub(crate) stem: String,
    /// Its title.
    pub(crate) title: String,
    /// As `qpc --json conversations` prints it.
    pub(crate) object: Value,
    /// Names of its members.
    pub(crate) members: Vec<String>,
    /// Its log.
    pub(crate) log: Vec<Shown>,
}

/// An empty directory for an export.
pub(crate) struct Directory {
    path: PathBuf,
    files: Vec<Value>,
}

impl Directory {
    /// Makes it, or takes one that is empty.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Failure> {
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    let text =
                        format!("{} is not empty; an export is written to a directory of its own", path.display());
                    return Err(Failure::new("not-empty", Exit::Failed, text));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
            }
            Err(error) => return Err(at(path)(error)),
        }
        Ok(Self { path: path.to_owned(), files: Vec::new() })
    }

    /// Writes one file that only its owner reads, and notes its hash.
    pub(crate) fn file(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let path = self.path.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(at(&path))?;
        let mut out = Hashing { file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
        fill(&mut out).and_then(|()| out.flush()).and_then(|()| out.file.get_ref().sync_all()).map_err(at(&path))?;
        let hash = hex::encode(out.hash.finalize());
        self.files.push(json!({ "path": name, "bytes": out.bytes, "sha256": hash }));
        Ok(())
    }

    /// Makes a directory in it.
    fn folder(&self, name: &str) -> Result<(), Failure> {
        let path = self.path.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(at(&path))
    }
}

struct Hashing {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes the export. The manifest comes last: a directory without one is not whole.
pub(crate) fn write(
    tx: &dyn StoreTx,
    own: &OwnAccount,
    chosen: &[ConversationView],
    format: Format,
    mut directory: Directory,
) -> Result<Done, Failure> {
    let scene = Scene::of(tx)?;
    directory.folder("conversations")?;
    let (mut entries, mut pages) = (0, Vec::new());
    for view in chosen {
        let mut page = page(tx, &scene, view)?;
        entries += page.log.len();
        let file = format!("conversations/{}.{}", page.stem, format.ending());
        directory.file(&file, |out| match format {
            Format::Json => json::conversation(out, &page),
            Format::Html => html::conversation(out, &page),
            Format::Markdown => markdown::conversation(out, &page),
        })?;
        page.log.clear();
        pages.push((page, file));
    }
    let contacts = contacts(tx)?;
    let index = format!("index.{}", format.ending());
    directory.file(&index, |out| match format {
        Format::Json => json::index(out, &pages, &contacts),
        Format::Html => html::index(out, &own.name, &pages, &contacts),
        Format::Markdown => markdown::index(out, &own.name, &pages, &contacts),
    })?;
    let files = directory.files.len();
    let manifest = json!({
        "format": "quicprochat-export", "version": 1, "kind": format.ending(), "made": render::rfc3339(now()),
        "program": concat!("qpc ", env!("CARGO_PKG_VERSION")), "name": own.name, "host": own.host,
        "account": own.account.to_string(), "conversations": pages.len(), "entries": entries,
        "files": directory.files.clone(),
    });
    directory.file("manifest.json", |out| writeln!(out, "{manifest:#}"))?;
    File::open(&directory.path).and_then(|file| file.sync_all()).map_err(at(&directory.path))?;
    Ok(Done { entries, files })
}

impl Format {
    const fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Markdown => "md",
        }
    }
}

fn page(tx: &dyn StoreTx, scene: &Scene<'_>, view: &ConversationView) -> Result<Page, Failure> {
    let (object, members) = render::conversation(tx, view, views::unread(tx, view)?)?;
    let mut log = Vec::new();
    for entry in views::log(tx, view, 0, MOST)? {
        let Line::Show { event, mut object, text, message } = render::log_entry(scene, &entry)? else { continue };
        if let Some(fields) = object.as_object_mut() {
            fields.insert("event".to_owned(), event.into());
            fields.insert("time".to_owned(), render::rfc3339(entry.time).into());
        }
        log.push(Shown { object, text, message });
    }
    let id = view.main.channel.short();
    let stem = match plain_name(&view.title) {
        name if name.is_empty() => id.clone(),
        name => format!("{name}-{id}"),
    };
    let title = if view.title.is_empty() { id } else { view.title.clone() };
    Ok(Page { stem, title, object, members, log })
}

fn contacts(tx: &dyn StoreTx) -> Result<Vec<(String, AccountId, Value)>, Failure> {
    let mut contacts = Vec::new();
    for contact in tx.contacts().all_contacts()? {
        let name = render::name_of(tx, &contact.account)?;
        let object = json!({
            "name": contact.name, "host": contact.host, "account": contact.account.to_string(),
            "confirmed": contact.confirmed, "verified": contact.verified,
        });
        contacts.push((name, contact.account, object));
    }
    contacts.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    Ok(contacts)
}

/// Letters, digits and hyphens of a title, in lower case: harmless in the name of a file, on every system.
fn plain_name(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
        if name.len() >= NAME_CHARS {
            break;
        }
    }
    name.trim_end_matches('-').to_owned()
}

fn at(path: &Path) -> impl Fn(io::Error) -> Failure {
    let path = path.to_owned();
    move |error| Failure::failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
