//! Registration, sign-in, password, deletion, invite codes.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Trial, cast, done, fails, group, same, sync_until};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_name_is_taken_once", a_name_is_taken_once),
    ("wrong_password_and_unknown_name_look_alike", wrong_password_and_unknown_name_look_alike),
    ("a_weak_password_is_refused", a_weak_password_is_refused),
    ("a_changed_password_replaces_the_old_one", a_changed_password_replaces_the_old_one),
    ("a_home_has_one_account", a_home_has_one_account),
    ("an_invite_code_works_once", an_invite_code_works_once),
    ("closed_registration_takes_nobody", closed_registration_takes_nobody),
    ("a_deleted_account_is_gone", a_deleted_account_is_gone),
    ("a_device_stays_signed_in_over_a_restart", a_device_stays_signed_in_over_a_restart),
];

fn login<'a>(name: &'a str, link: &'a str, password: &'a str) -> [&'a str; 6] {
    ["login", name, "--server", link, "--password-file", password]
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn file(person: &Person) -> Result<String> {
    Ok(person.password_file().to_str().context("the scratch folder's path is UTF-8")?.to_owned())
}

fn a_name_is_taken_once(sandbox: &mut Sandbox) -> Result<()> {
    let [_alice] = cast(sandbox, ["alice"])?;
    let mallory = sandbox.person("mallory")?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&mallory)?);
    let register = |name| ["register", name, "--server", link.as_str(), "--password-file", password.as_str()];
    fails(sandbox, &mallory, &register("alice"), 1, "name-taken")?;
    fails(sandbox, &mallory, &register("Not A Name"), 2, "usage")?;
    done(sandbox, &mallory, &register("mallory"))?;
    Ok(())
}

fn wrong_password_and_unknown_name_look_alike(sandbox: &mut Sandbox) -> Result<()> {
    let [_alice] = cast(sandbox, ["alice"])?;
    let mallory = sandbox.person("mallory")?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&mallory)?);
    let wrong = fails(sandbox, &mallory, &login("alice", &link, &password), 4, "sign-in-failed")?;
    let unknown = fails(sandbox, &mallory, &login("nobody", &link, &password), 4, "sign-in-failed")?;
    same("what is said", &wrong.events, &unknown.events)
}

fn a_weak_password_is_refused(sandbox: &mut Sandbox) -> Result<()> {
    sandbox.start_server()?;
    let alice = sandbox.person("alice")?;
    fs::write(alice.password_file(), "password12\n")?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&alice)?);
    let register = ["register", "alice", "--server", &link, "--password-file", &password];
    fails(sandbox, &alice, &register, 2, "weak-password")?;
    Ok(())
}

fn a_changed_password_replaces_the_old_one(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let second = sandbox.device(&alice, "tablet")?;
    let (link, old) = (sandbox.link()?.to_owned(), file(&alice)?);
    let new = second.password_file().with_file_name("new");
    fs::write(&new, "another-Kestrel-84-quarry\n")?;
    let new = new.to_str().context("UTF-8")?;
    fails(sandbox, &alice, &["passwd", "--password-file", new, "--new-password-file", new], 4, "sign-in-failed")?;
    done(sandbox, &alice, &["passwd", "--password-file", &old, "--new-password-file", new])?;
    fails(sandbox, &second, &login("alice", &link, &old), 4, "sign-in-failed")?;
    done(sandbox, &second, &login("alice", &link, new))?;
    Ok(())
}

fn a_home_has_one_account(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&alice)?);
    fails(sandbox, &alice, &login("alice", &link, &password), 1, "already-registered")?;
    let nobody = sandbox.person("nobody")?;
    fails(sandbox, &nobody, &["sync"], 1, "not-registered")?;
    fails(sandbox, &nobody, &["send", "x", "y"], 1, "not-registered")?;
    Ok(())
}

fn an_invite_code_works_once(sandbox: &mut Sandbox) -> Result<()> {
    sandbox.server_takes(&["--registration", "invite"]);
    sandbox.start_server()?;
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| sandbox.person(name));
    let (alice, bob, carol) = (alice?, bob?, carol?);
    let link = sandbox.link()?.to_owned();
    let register = |person: &Person, invite: Option<&str>| -> Result<Vec<String>> {
        let mut words = vec!["register", person.name(), "--server", &link, "--password-file"];
        let password = file(person)?;
        words.push(&password);
        words.extend(invite.iter().flat_map(|code| ["--invite", code]));
        Ok(words.into_iter().map(str::to_owned).collect())
    };
    fails(sandbox, &alice, &strs(&register(&alice, None)?), 1, "invite-invalid")?;
    let printed = sandbox.administer(&["invite", "create"])?;
    let code = printed.split_whitespace().next().context("qpc-server invite create printed nothing")?.to_owned();
    done(sandbox, &alice, &strs(&register(&alice, Some(&code))?))?;
    fails(sandbox, &bob, &strs(&register(&bob, Some(&code))?), 1, "invite-invalid")?;
    let mine = done(sandbox, &alice, &["invite", "create"])?;
    let code = mine.first().context("no invite")?.text("code")?.to_owned();
    done(sandbox, &carol, &strs(&register(&carol, Some(&code))?))?;
    let listed = done(sandbox, &alice, &["invite", "list"])?;
    ensure!(listed.iter().any(|event| event.text("code").is_ok_and(|found| found == code)), "{listed:?}");
    Ok(())
}

fn closed_registration_takes_nobody(sandbox: &mut Sandbox) -> Result<()> {
    sandbox.server_takes(&["--registration", "closed"]);
    sandbox.start_server()?;
    let alice = sandbox.person("alice")?;
    let (link, password) = (sandbox.link()?.to_owned(), file(&alice)?);
    let register = ["register", "alice", "--server", &link, "--password-file", &password];
    fails(sandbox, &alice, &register, 1, "registration-closed")?;
    Ok(())
}

fn a_deleted_account_is_gone(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let password = file(&bob)?;
    fails(sandbox, &bob, &["account", "delete", "--password-file", &password], 2, "usage")?;
    let wrong = file(&alice)?;
    fails(sandbox, &bob, &["account", "delete", "--yes", "--password-file", &wrong], 4, "sign-in-failed")?;
    done(sandbox, &bob, &["account", "delete", "--yes", "--password-file", &password])?;
    ensure!(!bob.home().join("store.db").exists(), "bob's store is still there");
    sync_until(sandbox, &alice, "membership")?;
    let members = done(sandbox, &alice, &["group", "members", "picnic"])?;
    same("members", &members.len(), &1)?;
    fails(sandbox, &alice, &["dm", "bob", "still there?"], 1, "unknown-name")?;
    sandbox.stop_server()?;
    let dump = sandbox.dump()?;
    ensure!(dump.contains("alice") && !dump.contains("bob"), "the server still knows bob");
    Ok(())
}

fn a_device_stays_signed_in_over_a_restart(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    sandbox.stop_server()?;
    sandbox.start_server()?;
    done(sandbox, &alice, &["devices"])?;
    done(sandbox, &alice, &["sync"])?;
    Ok(())
}
