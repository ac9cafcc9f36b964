//! Reading samples with the programs as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::copy_private;
use super::facts::{Facts, Home};
use super::make::look;
use super::manifest::Manifest;
use crate::sandbox::{Binaries, Event, Person, Sandbox};
use crate::trials;

const DAY: u64 = 24 * 60 * 60;

/// Whether the samples of a folder are those that were written.
pub(crate) fn whole(folder: &Path) -> Result<Vec<String>> {
    Manifest::read(folder)?.faults(folder)
}

/// Checks that a folder is as it was written, and reads everything in it.
pub(super) fn all(binaries: &Binaries, folder: &Path) -> Result<()> {
    frozen(&mut Sandbox::new(binaries.clone())?, folder)
}

/// The same, in a sandbox that nothing else was done in.
pub(crate) fn frozen(sandbox: &mut Sandbox, folder: &Path) -> Result<()> {
    let faults = whole(folder)?;
    ensure!(faults.is_empty(), "{}: {}", folder.display(), faults.join("; "));
    let facts = Facts::read(folder)?;
    let mut opened = Opened { folder, facts };
    opened.homes(sandbox).context("homes")?;
    opened.server(sandbox).context("server")?;
    opened.together(sandbox).context("clients and server")?;
    Ok(())
}

struct Opened<'f> {
    folder: &'f Path,
    facts: Facts,
}

fn done(sandbox: &Sandbox, person: &Person, arguments: &[&str]) -> Result<Vec<Event>> {
    sandbox.qpc(person, arguments)?.expect_done()
}

impl Opened<'_> {
    fn file(&self, name: &str) -> Result<String> {
        Ok(self.folder.join(name).to_str().context("UTF-8")?.to_owned())
    }

    /// A copy of a home, with the person's password.
    fn person(&self, sandbox: &Sandbox, name: &str) -> Result<Person> {
        let home = self.facts.homes.get(name).with_context(|| format!("no home of {name}"))?;
        let person = sandbox.person(&home.name)?;
        let person = if name == home.name { person } else { sandbox.device(&person, name)? };
        fs::write(person.password_file(), format!("{}\n", home.password))?;
        if person.home().exists() {
            fs::remove_dir_all(person.home())?;
        }
        copy_private(&self.folder.join("homes").join(name), &person.home())?;
        Ok(person)
    }

    /// A secret in a file, beside the person's password.
    fn secret(person: &Person, name: &str, secret: &str) -> Result<String> {
        let path = person.password_file().with_file_name(name);
        fs::write(&path, format!("{secret}\n"))?;
        Ok(path.to_str().context("UTF-8")?.to_owned())
    }

    /// Without a server, whatever the date: what was written is read.
    fn homes(&self, sandbox: &Sandbox) -> Result<()> {
        for (name, expected) in &self.facts.homes {
            for clock in [None, Some("+3650d")] {
                let person = self.person(sandbox, name)?;
                let person = clock.map_or_else(|| person.clone(), |clock| person.with_clock(clock));
                let found = look(sandbox, &person).with_context(|| format!("{name}, clock {clock:?}"))?;
                ensure!(found == *expected, "{name}, clock {clock:?}: found {found:?}, expected {expected:?}");
            }
            let person = self.person(sandbox, name)?;
            let checks = sandbox.qpc(&person, &["doctor"])?.events;
            let store = checks
                .iter()
                .find(|event| event.kind() == "check" && event.text("name").is_ok_and(|name| name == "store"));
            let store = store.with_context(|| format!("{name}: doctor says nothing about the store: {checks:?}"))?;
            ensure!(store.flag("ok")?, "{name}: {store:?}");
        }
        let alice = self.person(sandbox, "alice")?;
        let exported = sandbox.folder("exports")?.join("json");
        done(sandbox, &alice, &["export", "--format", "json", exported.to_str().context("UTF-8")?])?;
        let secret = Self::secret(&alice, "passphrase", &self.facts.backup_passphrase)?;
        done(sandbox, &alice, &["backup", "check", &self.file("alice.backup")?, "--backup-passphrase-file", &secret])?;
        let bob = self.person(sandbox, "bob")?;
        let secret = Self::secret(&bob, "recovery-key", &self.facts.recovery_key)?;
        done(sandbox, &bob, &["backup", "check", &self.file("bob.backup")?, "--recovery-key-file", &secret])?;
        for format in ["json", "html", "markdown"] {
            let manifest = fs::read_to_string(self.folder.join("exports").join(format).join("manifest.json"))?;
            let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
            ensure!(manifest.get("files").is_some_and(|files| files.is_array()), "{format}: no files");
        }
        Ok(())
    }

    /// The data directory opens, is sound and can be backed up; its backup is whole and can be restored.
    fn server(&mut self, sandbox: &mut Sandbox) -> Result<()> {
        let backup = self.file("server.backup")?;
        let restored = sandbox.folder("restored")?.join("server");
        sandbox.server_lives_in(restored);
        sandbox.administer(&["restore", &backup])?;
        ensure!(sandbox.administer(&["check"])? == "ok\n", "the restored server is not sound");
        sandbox.administer(&["check", &backup])?;
        let data: PathBuf = sandbox.folder("frozen")?.join("server");
        copy_private(&self.folder.join("server"), &data)?;
        sandbox.server_lives_in(data.clone());
        ensure!(sandbox.administer(&["check"])? == "ok\n", "the server is not sound");
        sandbox.administer(&["backup", data.with_extension("backup").to_str().context("UTF-8")?])?;
        Ok(())
    }

    /// The server starts on its data, and clients go on with it: on the day of the samples, because entries and tokens expire.
    fn together(&self, sandbox: &mut Sandbox) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let age = now.saturating_sub(self.facts.made);
        let clock = (age > DAY).then(|| format!("-{age}"));
        sandbox.server_listens_on(&self.facts.listen);
        if let Some(clock) = &clock {
            sandbox.server_has_clock(clock)?;
        }
        let link = sandbox.start_server()?.to_owned();
        ensure!(link == self.facts.link, "the server is {link}, not {}", self.facts.link);
        let open = |name| {
            let person = self.person(sandbox, name)?;
            Ok::<_, anyhow::Error>(clock.as_ref().map_or_else(|| person.clone(), |clock| person.with_clock(clock)))
        };
        let [alice, bob, tablet] = [open("alice")?, open("bob")?, open("tablet")?];
        // What waited: in the channel, in the outbox, and in the inbox.
        done(sandbox, &tablet, &["sync"])?;
        ensure!(self.has(sandbox, &tablet, "lunch", "while the tablet was away")?, "the tablet reads nothing new");
        done(sandbox, &alice, &["sync"])?;
        done(sandbox, &bob, &["sync"])?;
        ensure!(self.has(sandbox, &bob, "lunch", "still in the queue")?, "what was in the outbox has not come");
        let request = done(sandbox, &alice, &["requests"])?;
        let request = request.first().context("the invitation")?.text("request")?.to_owned();
        let joined = done(sandbox, &alice, &["requests", "accept", &request])?;
        if !joined.iter().any(|event| event.kind() == "joined") {
            trials::sync_until(sandbox, &alice, "joined")?;
        }
        done(sandbox, &bob, &["send", "lunch", "hello from later"])?;
        done(sandbox, &tablet, &["sync"])?;
        ensure!(self.has(sandbox, &tablet, "lunch", "hello from later")?, "a message does not arrive");
        // A new device, with the password alone: the vault opens, and the backup comes back.
        let phone = sandbox.device(&alice, "phone")?;
        let phone = clock.as_ref().map_or_else(|| phone.clone(), |clock| phone.with_clock(clock));
        let password = phone.password_file();
        let password = password.to_str().context("UTF-8")?;
        done(sandbox, &phone, &["login", "alice", "--server", &link, "--password-file", password])?;
        let secret = Self::secret(&phone, "passphrase", &self.facts.backup_passphrase)?;
        done(
            sandbox,
            &phone,
            &["backup", "restore", &self.file("alice.backup")?, "--backup-passphrase-file", &secret],
        )?;
        ensure!(self.has(sandbox, &phone, "lunch", "bread")?, "the backup brought nothing");
        sandbox.stop_server()
    }

    fn has(&self, sandbox: &Sandbox, person: &Person, title: &str, text: &str) -> Result<bool> {
        let Home { conversations, .. } = look(sandbox, person)?;
        let found = conversations.get(title).with_context(|| format!("no {title} in {conversations:?}"))?;
        Ok(found.log.iter().any(|(kind, found)| kind == "message" && found == text))
    }
}
