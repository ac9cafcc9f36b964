//! Writing the samples of this version, with the real programs.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::facts::{Conversation, Facts, Home};
use super::manifest::Manifest;
use super::{LISTEN, copy_private};
use crate::process::{self, Deadline};
use crate::sandbox::{Binaries, Event, Person, Sandbox};
use crate::trials;
use crate::workspace;

const PASSPHRASE: &str = "seven-Kestrel-herons-91";
/// The name under which the samples are written until they are whole.
const UNFINISHED: &str = "unfinished";

/// What was written.
pub(super) struct Made {
    pub(super) files: usize,
    pub(super) bytes: u64,
}

/// Writes everything into `folder`, in place of what is there once it is whole.
pub(super) fn make(binaries: Binaries, folder: &Path) -> Result<Made> {
    let new = folder.with_file_name(UNFINISHED);
    if new.exists() {
        fs::remove_dir_all(&new)?;
    }
    let written = all(binaries, &new);
    if written.is_err() && new.exists() {
        fs::remove_dir_all(&new)?;
    }
    let manifest = written?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(&new, folder)?;
    Ok(Made { files: manifest.files.len(), bytes: manifest.bytes() })
}

fn all(binaries: Binaries, new: &Path) -> Result<Manifest> {
    DirBuilder::new().recursive(true).mode(0o755).create(new)?;
    let mut sandbox = Sandbox::new(binaries)?;
    sandbox.server_listens_on(LISTEN);
    write(&mut sandbox, new)?;
    wire(new)?;
    stores(new)?;
    let manifest = Manifest::of(&super::version(), new)?;
    let faults = manifest.faults(new)?;
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    manifest.write(new)?;
    Ok(manifest)
}

fn done(sandbox: &Sandbox, person: &Person, arguments: &[&str]) -> Result<Vec<Event>> {
    sandbox.qpc(person, arguments)?.expect_done()
}

/// People who use what there is, so that every kind of row is written.
fn write(sandbox: &mut Sandbox, folder: &Path) -> Result<()> {
    let link = sandbox.start_server()?.to_owned();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| sandbox.person(name));
    let [alice, bob, carol] = [alice?, bob?, carol?];
    for person in [&alice, &bob, &carol] {
        sandbox.register(person)?;
    }
    let tablet = sandbox.device(&alice, "tablet")?;
    let password = tablet.password_file();
    let password = password.to_str().context("UTF-8")?;
    done(sandbox, &tablet, &["login", "alice", "--server", &link, "--password-file", password])?;
    // Her first device announces itself under the new record.
    done(sandbox, &alice, &["sync"])?;
    trials::group(sandbox, "picnic", &[&bob, &alice])?;
    trials::accept(sandbox, &tablet)?;
    for (person, text) in [(&alice, "bread"), (&bob, "cheese, and a \u{1f9fa}")] {
        done(sandbox, person, &["sync"])?;
        done(sandbox, person, &["send", "picnic", text])?;
    }
    // Early: what comes then is in the data directory, and this stays small.
    sandbox.administer(&["backup", folder.join("server.backup").to_str().context("UTF-8")?])?;
    done(sandbox, &bob, &["group", "rename", "picnic", "lunch"])?;
    done(sandbox, &bob, &["dm", "alice", "only you"])?;
    // Bob is no stranger any more: nobody has to accept. One group she leaves, of the other he removes her.
    for title in ["away", "closed"] {
        done(sandbox, &bob, &["group", "create", title])?;
        done(sandbox, &bob, &["group", "invite", title, "alice"])?;
        done(sandbox, &bob, &["send", title, "welcome"])?;
        trials::sync_until(sandbox, &alice, "joined")?;
        done(sandbox, &alice, &["sync"])?;
    }
    done(sandbox, &alice, &["group", "leave", "away"])?;
    done(sandbox, &bob, &["sync"])?;
    done(sandbox, &bob, &["group", "remove", "closed", "alice"])?;
    done(sandbox, &alice, &["sync"])?;
    settings(sandbox, &alice)?;
    for person in [&alice, &tablet, &bob] {
        done(sandbox, person, &["sync"])?;
    }
    // What nobody has read yet, and an invitation that nobody has answered: carol is a stranger.
    done(sandbox, &bob, &["send", "lunch", "while the tablet was away"])?;
    done(sandbox, &carol, &["group", "create", "choir"])?;
    done(sandbox, &carol, &["group", "invite", "choir", "alice"])?;
    trials::sync_until(sandbox, &alice, "request")?;
    let recovery_key = backups(sandbox, &alice, &bob, folder)?;
    sandbox.stop_server()?;
    sandbox.qpc(&alice, &["send", "lunch", "still in the queue"])?.expect_unreachable()?;
    let made = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (listen, backup_passphrase) = (LISTEN.to_owned(), PASSPHRASE.to_owned());
    let mut facts = Facts { listen, link, made, backup_passphrase, recovery_key, homes: BTreeMap::new() };
    for (name, person) in [("alice", &alice), ("tablet", &tablet), ("bob", &bob)] {
        facts.homes.insert(name.to_owned(), look(sandbox, person)?);
        copy_private(&person.home(), &folder.join("homes").join(name))?;
    }
    copy_private(&sandbox.server_dir(), &folder.join("server"))?;
    fs::remove_file(folder.join("server/lock"))?;
    facts.write(folder)
}

/// Everything that is shared between the devices of an account.
fn settings(sandbox: &Sandbox, alice: &Person) -> Result<()> {
    let number = done(sandbox, alice, &["safety-number", "bob"])?;
    let number = number.first().context("a number")?.text("number")?.to_owned();
    done(sandbox, alice, &["verify", "bob", "--number", &number])?;
    done(sandbox, alice, &["read", "lunch"])?;
    done(sandbox, alice, &["draft", "lunch", "and don't forget"])?;
    done(sandbox, alice, &["conversation", "pin", "lunch"])?;
    done(sandbox, alice, &["conversation", "mute", "lunch"])?;
    done(sandbox, alice, &["conversation", "title", "away", "the old one"])?;
    done(sandbox, alice, &["conversation", "archive", "the old one"]).map(drop)
}

/// Backups and exports; bob's recovery key.
fn backups(sandbox: &Sandbox, alice: &Person, bob: &Person, folder: &Path) -> Result<String> {
    let path = |name: &str| Ok::<_, anyhow::Error>(folder.join(name).to_str().context("UTF-8")?.to_owned());
    let secret = alice.password_file().with_file_name("passphrase");
    fs::write(&secret, format!("{PASSPHRASE}\n"))?;
    let secret = secret.to_str().context("UTF-8")?;
    done(sandbox, alice, &["backup", "create", &path("alice.backup")?, "--backup-passphrase-file", secret])?;
    let password = bob.password_file();
    let password = password.to_str().context("UTF-8")?;
    let shown = done(sandbox, bob, &["recovery", "show", "--password-file", password])?;
    let key = shown.iter().find(|event| event.kind() == "recovery-key").context("a recovery key")?;
    let key = key.text("recovery_key")?.to_owned();
    let secret = bob.password_file().with_file_name("recovery-key");
    fs::write(&secret, format!("{key}\n"))?;
    let secret = secret.to_str().context("UTF-8")?;
    done(sandbox, bob, &["backup", "create", &path("bob.backup")?, "--recovery-key-file", secret])?;
    fs::create_dir(folder.join("exports"))?;
    for format in ["json", "html", "markdown"] {
        done(sandbox, alice, &["export", "--format", format, &path(&format!("exports/{format}"))?])?;
    }
    Ok(key)
}

/// A file for each kind of message; the test that reads them writes them as well.
fn wire(folder: &Path) -> Result<()> {
    let mut cargo = workspace::cargo()?;
    cargo.args(["test", "--quiet", "--package", "quicprochat-wire", "--test", "it", "--", "frozen"]);
    cargo.env("QPC_SAMPLES_TO", folder.join("wire"));
    process::run(&mut cargo, &Deadline::minutes("messages", 30))
}

/// The homes have rows of every kind; the test that opens them knows the tables.
fn stores(folder: &Path) -> Result<()> {
    let mut cargo = workspace::cargo()?;
    cargo.args(["test", "--quiet", "--package", "quicprochat-client", "--lib", "--", "store::frozen"]);
    cargo.env("QPC_SAMPLES_MADE", folder.canonicalize()?);
    process::run(&mut cargo, &Deadline::minutes("stores", 30))
}

/// What a home shows without a server.
pub(super) fn look(sandbox: &Sandbox, person: &Person) -> Result<Home> {
    let mut conversations = BTreeMap::new();
    for listed in done(sandbox, person, &["conversations"])? {
        let title = listed.text("title")?.to_owned();
        let id = listed.text("conversation")?.to_owned();
        let log = done(sandbox, person, &["log", &id])?;
        let log = log.iter().filter(|event| event.kind() != "warning");
        let log =
            log.map(|event| (event.kind().to_owned(), event.text("text").unwrap_or_default().to_owned())).collect();
        let text = |field| listed.text(field).unwrap_or_default().to_owned();
        let settings =
            (listed.flag("pinned")?, listed.flag("archived")?, listed.flag("muted")?, text("own_title"), text("draft"));
        let state = listed.text("state")?.to_owned();
        let found = Conversation { state, members: listed.names("members")?, log, settings };
        ensure!(conversations.insert(title.clone(), found).is_none(), "two conversations are called {title}");
    }
    Ok(Home { name: person.name().to_owned(), password: person.password(), conversations })
}
