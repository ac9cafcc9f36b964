//! Keys that are not what they were.

use anyhow::{Context, Result, ensure};

use super::{Trial, cast, done, fails, same};
use crate::sandbox::Sandbox;

pub(super) const TRIALS: &[Trial] = &[
    ("another_certificate_is_refused", another_certificate_is_refused),
    ("safety_numbers_agree_and_verify", safety_numbers_agree_and_verify),
    ("a_changed_key_blocks_until_it_is_accepted", a_changed_key_blocks_until_it_is_accepted),
];

fn another_certificate_is_refused(sandbox: &mut Sandbox) -> Result<()> {
    sandbox.start_server()?;
    let alice = sandbox.person("alice")?;
    let link = sandbox.link()?;
    let (address, fingerprint) = link.split_once("/#").context("a link has a fingerprint")?;
    let first = if fingerprint.starts_with('A') { 'B' } else { 'A' };
    let wrong = format!("{address}/#{first}{}", fingerprint.get(1..).context("a fingerprint has 43 letters")?);
    let password = alice.password_file();
    let password = password.to_str().context("UTF-8")?;
    let register = ["register", "alice", "--server", &wrong, "--password-file", password];
    fails(sandbox, &alice, &register, 5, "wrong-certificate").map(drop)
}

fn safety_numbers_agree_and_verify(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    let number = |events: Vec<crate::sandbox::Event>| -> Result<String> {
        Ok(events.first().context("a number")?.text("number")?.to_owned())
    };
    let ours = number(done(sandbox, &alice, &["safety-number", "bob"])?)?;
    let theirs = number(done(sandbox, &bob, &["safety-number", "alice"])?)?;
    same("numbers", &ours, &theirs)?;
    let other = if ours.starts_with('1') {
        ours.replacen('1', "2", 1)
    } else {
        format!("1{}", ours.get(1..).context("digits")?)
    };
    fails(sandbox, &alice, &["verify", "bob", "--number", &other], 5, "changed-key")?;
    done(sandbox, &alice, &["verify", "bob", "--number", &theirs])?;
    let shown = done(sandbox, &alice, &["safety-number", "bob"])?;
    ensure!(format!("{shown:?}").contains("\"verified\": Bool(true)"), "{shown:?}");
    Ok(())
}

/// bob deletes his account and registers again: to alice that is what a false directory would look like.
fn a_changed_key_blocks_until_it_is_accepted(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    done(sandbox, &alice, &["dm", "bob", "hello"])?;
    let password = bob.password_file();
    let password = password.to_str().context("UTF-8")?;
    done(sandbox, &bob, &["account", "delete", "--yes", "--password-file", password])?;
    let again = sandbox.device(&bob, "again")?;
    sandbox.register(&again)?;
    done(sandbox, &alice, &["group", "create", "picnic"])?;
    fails(sandbox, &alice, &["group", "invite", "picnic", "bob"], 5, "changed-key")?;
    fails(sandbox, &alice, &["dm", "bob", "is it you?"], 5, "changed-key")?;
    done(sandbox, &alice, &["verify", "bob", "--accept-changed-key"])?;
    done(sandbox, &alice, &["group", "invite", "picnic", "bob"]).map(drop)
}
