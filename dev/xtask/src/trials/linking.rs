//! Linking a device: two homes, a code from one to the other, and a password that only one of them is given.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Trial, cast, done, fails, group, same, texts};
use crate::process::running::Running;
use crate::sandbox::{Event, Person, Sandbox};

pub(super) const TRIALS: &[Trial] = &[
    (
        "a_linked_device_reads_and_writes_and_never_has_the_password",
        a_linked_device_reads_and_writes_and_never_has_the_password,
    ),
    ("a_wrong_number_hands_nothing_over", a_wrong_number_hands_nothing_over),
    ("an_account_set_so_takes_devices_by_a_link_only", an_account_set_so_takes_devices_by_a_link_only),
    ("a_code_is_good_for_one_device_and_for_a_while", a_code_is_good_for_one_device_and_for_a_while),
];

const PATIENCE: Duration = Duration::from_secs(60);

/// A client at work, of which each event is awaited.
struct Side {
    running: Running,
}

impl Side {
    fn start(sandbox: &Sandbox, person: &Person, arguments: &[&str]) -> Result<Self> {
        Ok(Self { running: sandbox.talk_to_qpc(person, arguments)? })
    }

    /// The next event of this kind.
    fn next(&self, kind: &str) -> Result<Event> {
        while let Some(line) = self.running.next_line(PATIENCE)? {
            let event = Event::parse(&line)?;
            if event.kind() == kind {
                return Ok(event);
            }
            ensure!(event.kind() != "error", "an error where `{kind}` was due: {line}");
        }
        bail!("it ended before `{kind}`")
    }

    /// Its error, and its exit code.
    fn fails(self, exit: i32, code: &str) -> Result<()> {
        let mut found = None;
        while let Some(line) = self.running.next_line(PATIENCE)? {
            let event = Event::parse(&line)?;
            if event.kind() == "error" {
                found = Some(event.text("code")?.to_owned());
            }
        }
        same("code", &found.as_deref(), &Some(code))?;
        same("exit", &self.running.wait(PATIENCE)?.code(), &Some(exit))
    }

    fn done(self) -> Result<()> {
        same("exit", &self.running.wait(PATIENCE)?.code(), &Some(0))
    }
}

/// Shows a code; the password comes from a file of the person who has one.
fn show(sandbox: &Sandbox, person: &Person) -> Result<(Side, String)> {
    let password = person.password_file();
    let password = password.to_str().context("UTF-8")?;
    let holder = Side::start(sandbox, person, &["device", "link", "--no-qr", "--password-file", password])?;
    let code = holder.next("link-code")?.text("code")?.to_owned();
    Ok((holder, code))
}

/// Takes the code on another device. Both show the same number.
fn meet(sandbox: &Sandbox, holder: &Side, code: &str, device: &Person) -> Result<(Side, String)> {
    let mut joiner = Side::start(sandbox, device, &["device", "join"])?;
    joiner.running.say(code)?;
    let number = holder.next("link-string")?.text("string")?.to_owned();
    same("number", &joiner.next("link-string")?.text("string")?, &number.as_str())?;
    Ok((joiner, number))
}

/// Links a device, from the code to the end; returns the code.
pub(super) fn link(sandbox: &Sandbox, person: &Person, device: &Person) -> Result<String> {
    let (mut holder, code) = show(sandbox, person)?;
    let (mut joiner, number) = meet(sandbox, &holder, &code, device)?;
    holder.running.say(&number)?;
    joiner.running.say(&number)?;
    let linked = holder.next("linked")?.text("device")?.to_owned();
    same("device", &joiner.next("account")?.text("device")?, &linked.as_str())?;
    holder.done()?;
    joiner.done()?;
    Ok(code)
}

/// The new device is given no password: not in its home, nor as an argument, nor on its input.
fn without_password(device: &Person) -> Result<()> {
    std::fs::remove_file(device.password_file()).context("the new device has no use for a password")
}

fn a_linked_device_reads_and_writes_and_never_has_the_password(sandbox: &mut Sandbox) -> Result<()> {
    /// A conversation is in the vault a minute after it was made, if somebody is there to put it.
    const WRITTEN_AFTER: &str = "62";
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    done(sandbox, &bob, &["send", "picnic", "before there was a tablet"])?;
    done(sandbox, &alice, &["listen", "--for", WRITTEN_AFTER])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    without_password(&tablet)?;
    link(sandbox, &alice, &tablet)?;
    same("devices", &done(sandbox, &alice, &["devices"])?.len(), &2)?;
    // It enters the conversation by what the vault lists, under the key that was handed over.
    done(sandbox, &tablet, &["sync"])?;
    done(sandbox, &bob, &["send", "picnic", "hello, tablet"])?;
    let found = texts(sandbox, &tablet, "picnic")?;
    ensure!(found.iter().any(|text| text == "hello, tablet"), "the tablet reads {found:?}");
    done(sandbox, &tablet, &["send", "picnic", "from the tablet"])?;
    for person in [&alice, &bob] {
        let found = texts(sandbox, person, "picnic")?;
        ensure!(found.iter().any(|text| text == "from the tablet"), "{} reads {found:?}", person.name());
    }
    // And is revoked as any other.
    let id = done(sandbox, &tablet, &["whoami"])?.first().context("one")?.text("device")?.to_owned();
    let password = alice.password_file();
    done(sandbox, &alice, &["devices", "revoke", &id, "--password-file", password.to_str().context("UTF-8")?])?;
    fails(sandbox, &tablet, &["devices"], 4, "device-revoked").map(drop)
}

fn a_wrong_number_hands_nothing_over(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let tablet = sandbox.device(&alice, "tablet")?;
    without_password(&tablet)?;
    for wrong_on_the_old in [true, false] {
        let (mut holder, code) = show(sandbox, &alice)?;
        let (mut joiner, number) = meet(sandbox, &holder, &code, &tablet)?;
        let other = format!("{:06}", (number.parse::<u32>().context("digits")? + 1) % 1_000_000);
        let (for_old, for_new) = if wrong_on_the_old { (&other, &number) } else { (&number, &other) };
        holder.running.say(for_old)?;
        joiner.running.say(for_new)?;
        holder.fails(5, "link-string")?;
        joiner.fails(5, "link-string")?;
    }
    same("devices", &done(sandbox, &alice, &["devices"])?.len(), &1)?;
    fails(sandbox, &tablet, &["whoami"], 1, "not-registered").map(drop)
}

fn a_code_is_good_for_one_device_and_for_a_while(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let (tablet, phone) = (sandbox.device(&alice, "tablet")?, sandbox.device(&alice, "phone")?);
    let used = link(sandbox, &alice, &tablet)?;
    fails(sandbox, &phone, &["device", "join", &used], 1, "link-used")?;
    let mistyped = used.replacen("QPD1", "QPC1", 1);
    fails(sandbox, &phone, &["device", "join", &mistyped], 2, "link-code")?;
    // Nobody came.
    sandbox.stop_server()?;
    sandbox.server_takes(&["--set", "limits.link_validity=2s"]);
    sandbox.start_server()?;
    fails(sandbox, &phone, &["device", "join", &used], 1, "link-expired")?;
    let (holder, code) = show(sandbox, &alice)?;
    holder.fails(1, "link-expired")?;
    fails(sandbox, &phone, &["device", "join", &code], 1, "link-expired")?;
    same("devices", &done(sandbox, &alice, &["devices"])?.len(), &2)
}

fn an_account_set_so_takes_devices_by_a_link_only(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let (tablet, phone) = (sandbox.device(&alice, "tablet")?, sandbox.device(&alice, "phone")?);
    let server = sandbox.link()?.to_owned();
    let password = alice.password_file();
    let password = password.to_str().context("UTF-8")?;
    let login = ["login", alice.name(), "--server", &server, "--password-file", password];
    done(sandbox, &alice, &["account", "require-link", "on", "--password-file", password])?;
    let reply = fails(sandbox, &tablet, &login, 4, "link-required")?;
    let error = reply.events.iter().find(|event| event.kind() == "error").context("an error")?;
    for way in ["qpc device link", "recovery key"] {
        ensure!(error.text("text")?.contains(way), "it should name `{way}`: {}", error.text("text")?);
    }
    link(sandbox, &alice, &tablet)?;
    // The recovery key is the other way, and any device switches it off.
    let key = done(sandbox, &alice, &["recovery", "show", "--password-file", password])?;
    let key = key.first().context("a key")?.text("recovery_key")?.to_owned();
    let file = sandbox.folder("keys")?.join("key");
    std::fs::write(&file, key)?;
    let by_key = ["login", alice.name(), "--server", &server, "--recovery-key-file", file.to_str().context("UTF-8")?];
    done(sandbox, &phone, &by_key)?;
    done(sandbox, &tablet, &["account", "require-link", "off", "--password-file", password])?;
    let desktop = sandbox.device(&alice, "desktop")?;
    done(sandbox, &desktop, &login)?;
    same("devices", &done(sandbox, &alice, &["devices"])?.len(), &4)
}
