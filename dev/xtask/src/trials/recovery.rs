//! The recovery key: shown once, shown again, used and replaced.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Trial, done, fails, same};
use crate::sandbox::{Event, Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_recovery_key_is_shown_once_and_logs_a_new_device_in", a_recovery_key_is_shown_once_and_logs_a_new_device_in),
    ("a_forgotten_password_is_replaced_by_the_recovery_key", a_forgotten_password_is_replaced_by_the_recovery_key),
    ("a_wrong_or_mistyped_recovery_key_opens_nothing", a_wrong_or_mistyped_recovery_key_opens_nothing),
    ("a_replaced_recovery_key_opens_nothing", a_replaced_recovery_key_opens_nothing),
];

/// Registers somebody; returns the recovery key that was shown.
fn register(sandbox: &mut Sandbox, name: &str) -> Result<(Person, String)> {
    if sandbox.link().is_err() {
        sandbox.start_server()?;
    }
    let person = sandbox.person(name)?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&person, "", None)?);
    let events = done(sandbox, &person, &["register", name, "--server", &link, "--password-file", &password])?;
    Ok((person, shown(&events)?))
}

/// The one recovery key among what a command printed.
fn shown(events: &[Event]) -> Result<String> {
    let mut keys = events.iter().filter(|event| event.kind() == "recovery-key");
    let key = keys.next().context("no recovery key is shown")?.text("recovery_key")?.to_owned();
    ensure!(keys.next().is_none(), "it is shown more than once");
    Ok(key)
}

/// A file beside the person's password file, or that file.
fn file(person: &Person, name: &str, content: Option<&str>) -> Result<String> {
    let mut path = person.password_file();
    if let Some(content) = content {
        path.set_file_name(format!("{}-{name}", person.name()));
        fs::write(&path, content)?;
    }
    Ok(path.to_str().context("UTF-8")?.to_owned())
}

fn login<'a>(name: &'a str, link: &'a str, key: &'a str) -> [&'a str; 6] {
    ["login", name, "--server", link, "--recovery-key-file", key]
}

fn a_recovery_key_is_shown_once_and_logs_a_new_device_in(sandbox: &mut Sandbox) -> Result<()> {
    let (alice, key) = register(sandbox, "alice")?;
    let tablet = sandbox.device(&alice, "tablet")?;
    let link = sandbox.link()?.to_owned();
    // As people copy it: in lower case, with spaces.
    let copied = file(&tablet, "key", Some(&format!("  {} \n", key.to_lowercase().replace('-', " "))))?;
    let events = done(sandbox, &tablet, &login("alice", &link, &copied))?;
    ensure!(events.iter().all(|event| event.kind() != "recovery-key"), "a login shows the key");
    same("devices", &done(sandbox, &tablet, &["devices"])?.len(), &2)?;
    done(sandbox, &alice, &["whoami"])?;
    // Printing it again needs the password, on either device.
    let (password, wrong) = (file(&alice, "", None)?, file(&alice, "wrong", Some("not-the-Kestrel-83-lantern\n"))?);
    for device in [&alice, &tablet] {
        fails(sandbox, device, &["recovery", "show", "--password-file", &wrong], 4, "sign-in-failed")?;
        same("key", &shown(&done(sandbox, device, &["recovery", "show", "--password-file", &password])?)?, &key)?;
    }
    sandbox.stop_server()?;
    let (bare, dump, log) = (key.replace('-', ""), sandbox.dump()?, fs::read_to_string(sandbox.server_log())?);
    ensure!(!dump.contains(&key) && !dump.contains(&bare), "the server has the key");
    ensure!(!log.contains(&key) && !log.contains(&bare), "the server logs the key");
    Ok(())
}

fn a_forgotten_password_is_replaced_by_the_recovery_key(sandbox: &mut Sandbox) -> Result<()> {
    let (alice, key) = register(sandbox, "alice")?;
    let tablet = sandbox.device(&alice, "tablet")?;
    let (link, old) = (sandbox.link()?.to_owned(), file(&alice, "", None)?);
    let (key, new) = (file(&alice, "key", Some(&key))?, file(&alice, "new", Some("another-Kestrel-84-quarry\n"))?);
    let weak = file(&alice, "weak", Some("password12\n"))?;
    let passwd = |new| ["passwd", "--recovery-key-file", key.as_str(), "--new-password-file", new];
    fails(sandbox, &alice, &passwd(&weak), 2, "weak-password")?;
    done(sandbox, &alice, &passwd(&new))?;
    let login_by = |file| ["login", "alice", "--server", link.as_str(), "--password-file", file];
    fails(sandbox, &tablet, &login_by(&old), 4, "sign-in-failed")?;
    done(sandbox, &tablet, &login_by(&new))?;
    // The key is the same and still counts, also after a device was revoked.
    let id = done(sandbox, &tablet, &["whoami"])?.first().context("an account")?.text("device")?.to_owned();
    done(sandbox, &alice, &["devices", "revoke", &id, "--password-file", &new])?;
    let phone = sandbox.device(&alice, "phone")?;
    done(sandbox, &phone, &login("alice", &link, &key))?;
    Ok(())
}

fn a_wrong_or_mistyped_recovery_key_opens_nothing(sandbox: &mut Sandbox) -> Result<()> {
    let (alice, key) = register(sandbox, "alice")?;
    let (mallory, others) = register(sandbox, "mallory")?;
    let tablet = sandbox.device(&alice, "tablet")?;
    let link = sandbox.link()?.to_owned();
    let others = file(&mallory, "key", Some(&others))?;
    let wrong = fails(sandbox, &tablet, &login("alice", &link, &others), 4, "sign-in-failed")?;
    let unknown = fails(sandbox, &tablet, &login("nobody", &link, &others), 4, "sign-in-failed")?;
    same("what is said", &wrong.events, &unknown.events)?;
    let last = if key.ends_with('7') { "8" } else { "7" };
    let typo = format!("{}{last}", key.get(..key.len() - 1).context("ASCII")?);
    for bad in [typo.as_str(), key.get(..40).context("ASCII")?, "QPC2-0000", "correct horse battery staple"] {
        let bad = file(&tablet, "bad", Some(bad))?;
        fails(sandbox, &tablet, &login("alice", &link, &bad), 2, "recovery-key")?;
        fails(
            sandbox,
            &alice,
            &["passwd", "--recovery-key-file", &bad, "--new-password-file", &bad],
            2,
            "recovery-key",
        )?;
    }
    let key = file(&tablet, "key", Some(&key))?;
    let both = ["login", "alice", "--server", &link, "--password-file", &key, "--recovery-key-file", &key];
    same("both at once", &sandbox.qpc(&tablet, &both)?.code, &2)?;
    done(sandbox, &tablet, &login("alice", &link, &key))?;
    Ok(())
}

fn a_replaced_recovery_key_opens_nothing(sandbox: &mut Sandbox) -> Result<()> {
    let (alice, old) = register(sandbox, "alice")?;
    let tablet = sandbox.device(&alice, "tablet")?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&alice, "", None)?);
    let wrong = file(&alice, "wrong", Some("not-the-Kestrel-83-lantern\n"))?;
    fails(sandbox, &alice, &["recovery", "new", "--password-file", &wrong], 4, "sign-in-failed")?;
    let new = shown(&done(sandbox, &alice, &["recovery", "new", "--password-file", &password])?)?;
    ensure!(new != old, "the key is the old one");
    same("key", &shown(&done(sandbox, &alice, &["recovery", "show", "--password-file", &password])?)?, &new)?;
    let (old, new) = (file(&tablet, "old", Some(&old))?, file(&tablet, "key", Some(&new))?);
    fails(sandbox, &tablet, &login("alice", &link, &old), 4, "sign-in-failed")?;
    let passwd = ["passwd", "--recovery-key-file", &old, "--new-password-file", &password];
    fails(sandbox, &alice, &passwd, 4, "sign-in-failed")?;
    done(sandbox, &tablet, &login("alice", &link, &new))?;
    Ok(())
}
