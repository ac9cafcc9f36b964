//! Homes that are older than what they have sent.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Trial, cast, done, group, logged};
use crate::sandbox::Sandbox;

pub(super) const TRIALS: &[Trial] =
    &[("a_home_that_is_put_back_sends_and_reads_on", a_home_that_is_put_back_sends_and_reads_on)];

fn a_home_that_is_put_back_sends_and_reads_on(sandbox: &mut Sandbox) -> Result<()> {
    let [alice, bob, carol] = cast(sandbox, ["alice", "bob", "carol"])?;
    group(sandbox, "picnic", &[&alice, &bob, &carol])?;
    done(sandbox, &bob, &["send", "picnic", "before"])?;
    let (home, copy) = (bob.home(), bob.home().with_extension("copy"));
    copy_folder(&home, &copy)?;
    done(sandbox, &bob, &["send", "picnic", "first since"])?;
    done(sandbox, &bob, &["send", "picnic", "second since"])?;
    fs::remove_dir_all(&home)?;
    copy_folder(&copy, &home)?;
    let said = done(sandbox, &bob, &["send", "picnic", "after"])?;
    let warned = said.iter().any(|event| event.kind() == "warning" && format!("{event:?}").contains("older"));
    ensure!(warned, "bob is not told that his home is older: {said:?}");
    done(sandbox, &alice, &["send", "picnic", "hello bob"])?;
    // Bob asks for what he cannot read, somebody sends it again, and he reads that.
    for _ in 0..3 {
        for person in [&alice, &bob, &carol] {
            done(sandbox, person, &["sync"])?;
        }
    }
    for person in [&alice, &bob, &carol] {
        let log = logged(sandbox, person, "picnic")?;
        for text in ["before", "first since", "second since", "after", "hello bob"] {
            let times = log.iter().filter(|shown| shown.contains(text)).count();
            ensure!(times == 1, "{} has {text:?} {times} times: {log:?}", person.name());
        }
    }
    Ok(())
}

pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
