//! Backup files and exports: somebody who lost every device, and every way in which a file is of no use.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Trial, cast, done, fails, group, logged, same, sync_until, texts};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("whoever_lost_every_device_restores_from_a_backup", whoever_lost_every_device_restores_from_a_backup),
    ("a_useless_backup_is_refused_and_nothing_is_changed", a_useless_backup_is_refused_and_nothing_is_changed),
    ("an_export_is_plain_whole_and_harmless", an_export_is_plain_whole_and_harmless),
];

const PASSPHRASE: &str = "seven-Kestrel-herons-91\n";

/// A file of this name and content beside the person's password file.
fn file(person: &Person, name: &str, content: &[u8]) -> Result<String> {
    let path = beside(person, name)?;
    fs::write(&path, content)?;
    Ok(path)
}

fn beside(person: &Person, name: &str) -> Result<String> {
    let path = person.password_file().with_file_name(name);
    Ok(path.to_str().context("UTF-8")?.to_owned())
}

fn login(sandbox: &Sandbox, person: &Person) -> Result<()> {
    let (link, password) = (sandbox.link()?.to_owned(), person.password_file());
    let password = password.to_str().context("UTF-8")?;
    done(sandbox, person, &["login", person.name(), "--server", &link, "--password-file", password]).map(drop)
}

fn whoever_lost_every_device_restores_from_a_backup(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    done(sandbox, &alice, &["send", "picnic", "bread"])?;
    done(sandbox, &bob, &["sync"])?;
    done(sandbox, &bob, &["send", "picnic", "cheese"])?;
    let told = vec!["bread".to_owned(), "cheese".to_owned()];
    same("log", &texts(sandbox, &alice, "picnic")?, &told)?;
    let (backup, secret) = (beside(&alice, "alice.backup")?, file(&alice, "passphrase", PASSPHRASE.as_bytes())?);
    let by = ["--backup-passphrase-file", secret.as_str()];
    let made = done(sandbox, &alice, &["backup", "create", &backup, by[0], by[1]])?;
    same("conversations", &made.first().context("a backup")?.number("conversations")?, &1)?;
    fails(sandbox, &alice, &["backup", "create", &backup, by[0], by[1]], 1, "file-exists")?;
    done(sandbox, &alice, &["backup", "check", &backup, by[0], by[1]])?;
    ensure!(!fs::read(&backup)?.windows(6).any(|window| window == b"cheese"), "the backup is readable");
    // Her device is gone; the password and the file are left.
    let phone = sandbox.device(&alice, "phone")?;
    login(sandbox, &phone)?;
    let restored = done(sandbox, &phone, &["backup", "restore", &backup, by[0], by[1]])?;
    ensure!(restored.iter().any(|event| event.kind() == "restored"), "nothing was restored");
    same("before any sync", &logged(sandbox, &phone, "picnic")?, &told)?;
    let listed = done(sandbox, &phone, &["conversations"])?;
    same("state", &listed.first().context("one")?.text("state")?, &"needs-rejoin")?;
    let news = done(sandbox, &phone, &["sync"])?;
    ensure!(news.iter().all(|event| event.kind() != "message"), "old messages are shown as new ones");
    for _ in 0..super::MOST_SYNCS {
        let listed = done(sandbox, &phone, &["conversations"])?;
        if listed.first().context("one")?.text("state")? == "joined" {
            break;
        }
        done(sandbox, &phone, &["sync"])?;
    }
    done(sandbox, &bob, &["send", "picnic", "are you back?"])?;
    same("new messages", &sync_until(sandbox, &phone, "message")?.text("text")?, &"are you back?")?;
    done(sandbox, &phone, &["send", "picnic", "I am"])?;
    let all: Vec<String> = ["bread", "cheese", "are you back?", "I am"].map(str::to_owned).into();
    same("bob's log", &texts(sandbox, &bob, "picnic")?, &all)?;
    same("log", &texts(sandbox, &phone, "picnic")?, &all)?;
    // Restoring once more brings nothing, and takes nothing.
    done(sandbox, &phone, &["backup", "restore", &backup, by[0], by[1]])?;
    same("log", &texts(sandbox, &phone, "picnic")?, &all)?;
    Ok(())
}

fn a_useless_backup_is_refused_and_nothing_is_changed(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    done(sandbox, &alice, &["send", "picnic", "bread"])?;
    let backup = beside(&alice, "alice.backup")?;
    let secret = file(&alice, "passphrase", PASSPHRASE.as_bytes())?;
    let wrong = file(&alice, "wrong", b"not-the-Kestrel-herons\n")?;
    let weak = file(&alice, "weak", b"password12\n")?;
    fails(sandbox, &alice, &["backup", "create", &backup, "--backup-passphrase-file", &weak], 2, "weak-password")?;
    done(sandbox, &alice, &["backup", "create", &backup, "--backup-passphrase-file", &secret])?;
    let good = fs::read(&backup)?;
    let mut damaged = good.clone();
    *damaged.last_mut().context("not empty")? ^= 1;
    let mut later = good.clone();
    *later.get_mut(16).context("a version")? = 9;
    let cut = good.get(..good.len() / 2).context("a half")?.to_vec();
    let phone = sandbox.device(&alice, "phone")?;
    login(sandbox, &phone)?;
    let before = done(sandbox, &phone, &["conversations"])?;
    let by = |secret: &str| ["--backup-passphrase-file".to_owned(), secret.to_owned()];
    for (content, secret, exit, code) in [
        (&good, &wrong, 4, "backup-secret"),
        (&cut, &secret, 6, "backup-truncated"),
        (&damaged, &secret, 6, "backup-damaged"),
        (&later, &secret, 6, "later-version"),
        (&b"not a backup".to_vec(), &secret, 6, "not-a-backup"),
    ] {
        let bad = file(&phone, "bad.backup", content)?;
        let [flag, secret] = by(secret);
        for verb in ["check", "restore"] {
            fails(sandbox, &phone, &["backup", verb, &bad, &flag, &secret], exit, code)?;
        }
    }
    same("conversations", &done(sandbox, &phone, &["conversations"])?, &before)?;
    let [flag, secret] = by(&secret);
    fails(sandbox, &bob, &["backup", "restore", &backup, &flag, &secret], 1, "other-account")?;
    done(sandbox, &phone, &["backup", "restore", &backup, &flag, &secret])?;
    same("log", &logged(sandbox, &phone, "picnic")?, &vec!["bread".to_owned()])
}

fn an_export_is_plain_whole_and_harmless(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let title = "../../<script>alert(1)</script>";
    done(sandbox, &alice, &["group", "create", title])?;
    done(sandbox, &alice, &["send", title, "<b>\"bread\"</b>"])?;
    for (format, ending) in [("json", "json"), ("html", "html"), ("markdown", "md")] {
        let dir = beside(&alice, format)?;
        let events = done(sandbox, &alice, &["export", "--format", format, &dir])?;
        ensure!(events.iter().any(|event| event.kind() == "warning"), "nobody is told that it is plaintext");
        fails(sandbox, &alice, &["export", "--format", format, &dir], 1, "not-empty")?;
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(format!("{dir}/manifest.json"))?)?;
        let files = manifest.get("files").and_then(serde_json::Value::as_array).context("files")?;
        same("files", &files.len(), &2)?;
        let field = |file: &serde_json::Value, name: &str| {
            file.get(name).and_then(serde_json::Value::as_str).map(str::to_owned).context("a field of a file")
        };
        for file in files {
            let name = field(file, "path")?;
            ensure!(name.ends_with(ending) && !name.contains(".."), "{name}");
            let content = fs::read_to_string(format!("{dir}/{name}"))?;
            ensure!(format == "json" || !content.contains("<script>"), "{name} has a script");
            let hash = std::process::Command::new("sha256sum").arg(format!("{dir}/{name}")).output()?.stdout;
            ensure!(String::from_utf8(hash)?.starts_with(&field(file, "sha256")?), "the hash of {name} is another");
        }
    }
    Ok(())
}
