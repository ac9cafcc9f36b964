//! Stores that are locked, damaged or opened with the wrong key, and disks that are full.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};

use super::{Trial, cast, done, fails, group};
use crate::sandbox::Sandbox;

pub(super) const TRIALS: &[Trial] = &[
    ("a_damaged_client_store_says_so", a_damaged_client_store_says_so),
    ("a_missing_key_makes_no_new_one", a_missing_key_makes_no_new_one),
    ("an_exposed_home_is_refused", an_exposed_home_is_refused),
    ("doctor_finds_a_healthy_home", doctor_finds_a_healthy_home),
];

fn a_damaged_client_store_says_so(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob] = cast(sandbox, ["alice", "bob"])?;
    group(sandbox, "picnic", &[&alice, &bob])?;
    let store = alice.home().join("store.db");
    let mut bytes = fs::read(&store)?;
    let middle = bytes.len() / 2;
    for byte in bytes.iter_mut().take(64) {
        *byte ^= 0x55;
    }
    for byte in bytes.iter_mut().skip(middle).take(64) {
        *byte ^= 0x55;
    }
    fs::write(&store, &bytes)?;
    fails(sandbox, &alice, &["conversations"], 1, "store-damaged")?;
    ensure!(fs::read(&store)? == bytes, "the damaged store was written to");
    Ok(())
}

fn a_missing_key_makes_no_new_one(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let key = alice.home().join("store.key");
    let text = fs::read(&key)?;
    fs::remove_file(&key)?;
    fails(sandbox, &alice, &["whoami"], 1, "store-damaged")?;
    ensure!(!key.exists(), "a new key was made");
    let wrong = "00".repeat(32) + "\n";
    fs::write(&key, wrong)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    fails(sandbox, &alice, &["whoami"], 1, "store-damaged")?;
    fs::write(&key, text)?;
    done(sandbox, &alice, &["whoami"]).map(drop)
}

fn an_exposed_home_is_refused(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    fs::set_permissions(alice.home(), fs::Permissions::from_mode(0o755))?;
    fails(sandbox, &alice, &["whoami"], 1, "failed")?;
    fs::set_permissions(alice.home(), fs::Permissions::from_mode(0o700))?;
    done(sandbox, &alice, &["whoami"]).map(drop)
}

fn doctor_finds_a_healthy_home(sandbox: &mut Sandbox) -> Result<()> {
    let [alice] = cast(sandbox, ["alice"])?;
    let findings = done(sandbox, &alice, &["doctor"])?;
    ensure!(findings.len() >= 8, "{findings:?}");
    sandbox.stop_server()?;
    let reply = sandbox.qpc(&alice, &["doctor"])?;
    ensure!(reply.code == 1, "doctor did not mind that the server is away");
    Ok(())
}
