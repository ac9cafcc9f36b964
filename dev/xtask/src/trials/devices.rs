//! Further devices, and revoking one.

use anyhow::{Context, Result, ensure};

use super::{Trial, accept, cast, done, fails, group, same, texts};
use crate::sandbox::{Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    ("a_second_device_is_in_what_it_is_invited_to", a_second_device_is_in_what_it_is_invited_to),
    ("a_new_device_lists_the_conversations_of_the_account", a_new_device_lists_the_conversations_of_the_account),
    ("a_revoked_device_is_cut_off", a_revoked_device_is_cut_off),
    ("devices_have_names_that_the_server_does_not_see", devices_have_names_that_the_server_does_not_see),
];

pub(super) fn login(sandbox: &Sandbox, person: &Person) -> Result<()> {
    let link = sandbox.link()?.to_owned();
    let password = person.password_file();
    let password = password.to_str().context("UTF-8")?;
    done(sandbox, person, &["login", person.name(), "--server", &link, "--password-file", password]).map(drop)
}

fn a_second_device_is_in_what_it_is_invited_to(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    let tablet = sandbox.device(&bob, "tablet")?;
    login(sandbox, &tablet)?;
    // bob's first device announces itself under the new record.
    done(sandbox, &bob, &["sync"])?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    done(sandbox, &alice, &["group", "invite", "picnic", "bob"])?;
    accept(sandbox, &bob)?;
    accept(sandbox, &tablet)?;
    done(sandbox, &alice, &["send", "picnic", "to both of you"])?;
    done(sandbox, &tablet, &["send", "picnic", "from the tablet"])?;
    let expected = vec!["to both of you".to_owned(), "from the tablet".to_owned()];
    for person in [&alice, &bob, &tablet] {
        same("log", &texts(sandbox, person, "picnic")?, &expected)?;
    }
    let members = done(sandbox, &alice, &["group", "members", "picnic"])?;
    let devices = members.iter().find(|event| event.text("name").is_ok_and(|name| name == "bob"));
    same("bob's devices", &devices.context("bob is a member")?.number("devices")?, &2)?;
    fails(sandbox, &alice, &["group", "invite", "picnic", "bob"], 1, "already-member")?;
    Ok(())
}

fn a_new_device_lists_the_conversations_of_the_account(sandbox: &mut Sandbox) -> Result<()> {
    /// A conversation is in the vault a minute after it was made, if somebody is there to put it.
    const WRITTEN_AFTER: &str = "62";
    let [alice] = cast(sandbox, ["alice"])?;
    let made = done(sandbox, &alice, &["group", "create", "picnic"])?;
    let id = made.first().context("a conversation")?.text("conversation")?.to_owned();
    done(sandbox, &alice, &["conversation", "pin", "picnic"])?;
    done(sandbox, &alice, &["listen", "--for", WRITTEN_AFTER])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    let listed = done(sandbox, &tablet, &["conversations"])?;
    same("conversations", &listed.len(), &1)?;
    let listed = listed.first().context("one")?;
    same("id", &listed.text("conversation")?, &id.as_str())?;
    same("state", &listed.text("state")?, &"needs-rejoin")?;
    same("title", &listed.text("title")?, &"picnic")?;
    ensure!(listed.flag("pinned")?, "the account pinned it");
    // It is not in it yet: it enters, and the message leaves.
    done(sandbox, &tablet, &["send", id.get(..8).context("an id")?, "hello"])?;
    same("alice's log", &texts(sandbox, &alice, "picnic")?, &vec!["hello".to_owned()])?;
    sandbox.stop_server()?;
    let dump = sandbox.dump()?;
    let vault = dump.lines().filter(|line| line.contains("vault_records"));
    ensure!(vault.clone().count() >= 20, "the list is not in the vault");
    ensure!(vault.into_iter().all(|line| !line.contains(&id)), "the vault names the channel");
    ensure!(!dump.contains("picnic"), "the server knows a title");
    Ok(())
}

fn a_revoked_device_is_cut_off(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    login(sandbox, &tablet)?;
    done(sandbox, &alice, &["sync"])?;
    group(sandbox, "picnic", &[&bob, &alice])?;
    accept(sandbox, &tablet)?;
    done(sandbox, &tablet, &["send", "picnic", "the last from the tablet"])?;
    let account = done(sandbox, &tablet, &["whoami"])?;
    let id = account.first().context("whoami says something")?.text("device")?.to_owned();
    let password = alice.password_file();
    let password = password.to_str().context("UTF-8")?;
    done(sandbox, &alice, &["devices", "revoke", &id, "--password-file", password])?;
    fails(sandbox, &tablet, &["devices"], 4, "device-revoked")?;
    done(sandbox, &bob, &["send", "picnic", "without the tablet"])?;
    let reply = sandbox.qpc(&tablet, &["send", "picnic", "am I still here?"])?;
    ensure!(reply.code != 0, "the revoked device could write");
    let before = super::logged(sandbox, &tablet, "picnic")?;
    same("what the tablet has", &before, &vec!["the last from the tablet".to_owned()])?;
    let expected = vec!["the last from the tablet".to_owned(), "without the tablet".to_owned()];
    same("alice's log", &texts(sandbox, &alice, "picnic")?, &expected)?;
    same("bob's log", &texts(sandbox, &bob, "picnic")?, &expected)?;
    same("devices left", &done(sandbox, &alice, &["devices"])?.len(), &1)
}

fn devices_have_names_that_the_server_does_not_see(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let devices = done(sandbox, &alice, &["devices"])?;
    let id = devices.first().context("one device")?.text("device")?.to_owned();
    done(sandbox, &alice, &["devices", "rename", id.get(..8).context("an id")?, "kitchen-laptop"])?;
    let devices = done(sandbox, &alice, &["devices", "list"])?;
    same("label", &devices.first().context("one device")?.text("label")?, &"kitchen-laptop")?;
    fails(sandbox, &alice, &["devices", "rename", "ffffffffffff", "x"], 1, "failed")?;
    sandbox.stop_server()?;
    ensure!(!sandbox.dump()?.contains("kitchen-laptop"), "the server knows the device's name");
    Ok(())
}
