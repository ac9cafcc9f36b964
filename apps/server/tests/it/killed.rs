//! `backup` and `restore` killed without warning between their steps.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::Instant,
};

use quicprochat_wire::{MessageId, call::channel::Enqueued};
use tokio::task::JoinSet;

use crate::{
    channel::TestChannel,
    process::{PATIENCE, Running, qpc_server, run},
};

const WRITERS: u8 = 12;
const MESSAGES: u8 = 100;
/// Parts of a file after which somebody is killed.
const PARTS: u64 = 6;

/// A data directory with about a megabyte of messages in it.
async fn filled(data: &Path) {
    Running::start(data, &[]).kill();
    let channel = Arc::new(TestChannel::new(1));
    channel.plant(data).await;
    let server = Running::start(data, &[]);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (channel, link) = (channel.clone(), channel.attach(&server.link).await);
        writers.spawn(async move {
            for number in 0..MESSAGES {
                let mut id = [writer; 16];
                id[1] = number;
                let answer = channel.enqueue(&link, MessageId::new(id)).await.expect("an answer");
                assert!(matches!(answer, Enqueued::Accepted { .. }), "{answer:?}");
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.expect("written");
    }
    server.kill();
}

/// Kills a command as soon as it is the moment; whether it had not ended by itself.
fn killed(mut child: Child, mut is_moment: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if is_moment() {
            child.kill().expect("killed");
            let status = child.wait().expect("gone");
            assert!(status.success() || status.code().is_none(), "{status}");
            return !status.success();
        }
        if let Some(status) = child.try_wait().expect("known") {
            assert!(status.success(), "{status}");
            return false;
        }
        assert!(Instant::now() < end, "the moment does not come");
        thread::yield_now();
    }
}

/// The file that a backup is being written to, and its length.
fn beside(folder: &Path) -> Option<(PathBuf, u64)> {
    let is_one = |path: &PathBuf| path.to_string_lossy().contains(".backup.new-");
    let path = fs::read_dir(folder).expect("there").map(|entry| entry.expect("a name").path()).find(is_one)?;
    // It may have been moved into place meanwhile.
    let length = fs::metadata(&path).ok()?.len();
    Some((path, length))
}

fn done(data: &Path, args: &[&str]) -> String {
    let outcome = run(qpc_server(data, args));
    assert_eq!(outcome.status.code(), Some(0), "{args:?}: {} {}", outcome.stdout, outcome.stderr);
    outcome.stdout
}

/// No server gets ready in a directory that part of a store is in.
fn starts_not(data: &Path) {
    let mut command = qpc_server(data, &["--listen", "127.0.0.1:0"]);
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("text");
    server.kill().expect("gone");
    assert_eq!(line, "", "it is ready");
    assert!(!server.wait().expect("gone").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_leaves_the_one_before_and_the_next_takes_away_what_it_left() {
    let temp = tempfile::tempdir().expect("a directory");
    let (data, folder) = (temp.path().join("data"), temp.path().join("backups"));
    fs::create_dir(&folder).expect("made");
    filled(&data).await;
    let file = folder.join("sam.backup");
    let name = file.to_str().expect("text");
    let mut command = qpc_server(&data, &["backup", name, "--replace"]);
    let start = |command: &mut std::process::Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts")
    };
    let mut interrupted = 0;
    let mut whole = 0;
    for part in 0..PARTS {
        let before = fs::read(&file).ok();
        let moment = whole * part / PARTS;
        let hit = killed(start(&mut command), || beside(&folder).is_some_and(|(_, length)| length >= moment));
        if hit && beside(&folder).is_some() {
            interrupted += 1;
            assert_eq!(fs::read(&file).ok(), before, "what was there is untouched");
        } else {
            done(&data, &["check", name, "--quick"]);
        }
        done(&data, &["backup", name, "--replace"]);
        assert_eq!(beside(&folder), None, "what was left is gone");
        done(&data, &["check", name, "--quick"]);
        whole = fs::metadata(&file).expect("there").len();
        assert!(whole > u64::from(WRITERS) * u64::from(MESSAGES) * 1024);
    }
    assert!(interrupted > 0, "nobody was killed while it wrote");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_anywhere_is_none_or_a_whole_one_and_begins_again() {
    let temp = tempfile::tempdir().expect("a directory");
    let (data, file) = (temp.path().join("data"), temp.path().join("sam.backup"));
    filled(&data).await;
    let name = file.to_str().expect("text");
    done(&data, &["backup", name]);
    let backup = fs::read(&file).expect("there");
    let mut interrupted = 0;
    // Nothing is made before the file says what it is.
    for part in 1..=PARTS {
        let target = temp.path().join(format!("restored-{part}"));
        let mut restore = qpc_server(&target, &["restore", "-"]);
        let restore = restore.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = restore.spawn().expect("starts");
        let mut input = child.stdin.take().expect("piped");
        let part = usize::try_from(part).expect("small");
        let parts = usize::try_from(PARTS).expect("small");
        input.write_all(&backup[..backup.len() * part / parts]).expect("taken");
        // All but what the pipe holds was read; after the last part it looks at what it has, and moves it into place.
        let hit = if part < parts {
            killed(child, || target.join("restoring").exists())
        } else {
            drop(input);
            killed(child, || target.join("store.key").exists() || target.join("store.db").exists())
        };
        interrupted += usize::from(hit);
        if target.join("restoring").exists() {
            starts_not(&target);
            done(&target, &["restore", name]);
        }
        assert_eq!(done(&target, &["check"]), "ok\n");
        assert!(!target.join("restoring").exists());
    }
    assert!(interrupted + 1 >= usize::try_from(PARTS).expect("small"), "{interrupted}");
    let server = Running::start(&temp.path().join("restored-1"), &["--recovery", "0s"]);
    let channel = TestChannel::new(1);
    let link = channel.attach(&server.link).await;
    assert_eq!(channel.log(&link).await.len(), usize::from(WRITERS) * usize::from(MESSAGES));
    server.kill();
}
