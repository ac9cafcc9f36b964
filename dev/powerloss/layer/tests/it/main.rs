//! The layer on real programs: careless ones lose what they promised, a careful one never does.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must end")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quicprochat_powerloss::{Chance, Disk};

const CUTS: u64 = 30;
/// Steps before the power goes; a few more happen until it is gone.
const STEPS: usize = 3;

/// Where cargo puts the layer.
fn layer() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let layer = tests.parent().unwrap().join("libquicprochat_powerloss_layer.so");
    assert!(layer.is_file(), "cargo makes {} before this test", layer.display());
    layer
}

/// How often what a program had promised was gone after a cut, or it could not go on.
fn broken_promises(how: &str) -> usize {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().canonicalize().unwrap().join("disk");
    std::fs::create_dir(&root).unwrap();
    let mut disk = Disk::new(&root, &temp.path().join("journal")).unwrap();
    let mut broken = 0;
    let mut promised = 0;
    for cut in 0..CUTS {
        let found = lives_and_loses_power(how, &root, &mut disk, cut, &mut promised);
        if found.is_none_or(|found| found < promised) {
            broken += 1;
            // A power loss may have left no folder at all.
            if root.join("state").exists() {
                std::fs::remove_dir_all(root.join("state")).unwrap();
            }
            disk = Disk::new(&root, &temp.path().join("journal")).unwrap();
            promised = 0;
        }
    }
    broken
}

fn lives_and_loses_power(how: &str, root: &Path, disk: &mut Disk, seed: u64, promised: &mut u64) -> Option<u64> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_powerloss-probe"))
        .args([how.as_ref(), root.as_os_str()])
        .env("LD_PRELOAD", layer())
        .envs(disk.environment())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    for line in lines.by_ref().take(STEPS) {
        *promised = line.unwrap().parse().unwrap();
    }
    let held = disk.hold().unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    // What it still said before it died counts as well.
    for line in lines {
        *promised = line.unwrap().parse().unwrap();
    }
    disk.cut(held, &mut Chance::of_seed(seed)).unwrap();
    std::fs::read_to_string(root.join("state/number")).ok()?.parse().ok()
}

#[test]
fn a_program_that_does_it_right_never_loses_what_it_promised() {
    assert_eq!(broken_promises("right"), 0);
}

#[test]
fn a_program_that_promises_before_it_syncs_loses_what_it_promised() {
    assert!(broken_promises("promises-before-sync") > 0);
}

#[test]
fn a_program_that_renames_without_syncing_the_folder_loses_what_it_promised() {
    assert!(broken_promises("forgets-the-folder") > 0);
}

#[test]
fn a_program_that_writes_over_its_only_copy_loses_it() {
    assert!(broken_promises("writes-in-place") > 0);
}

#[test]
fn a_program_without_a_disk_is_not_touched() {
    let output = Command::new("sh").args(["-c", "echo hello"]).env("LD_PRELOAD", layer()).output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"hello\n"[..], &b""[..]));
}
