//! Backups of a real server, while it works.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use quicprochat_wire::{MessageId, call::channel::Enqueued};
use rustix::process::Signal;
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    channel::TestChannel,
    process::{Outcome, Running, qpc_server, run},
};

const WRITERS: u64 = 6;

fn id(number: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    MessageId::new(bytes)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn says(outcome: &Outcome, exit: i32, code: &str) {
    assert_eq!(outcome.status.code(), Some(exit), "{} {}", outcome.stdout, outcome.stderr);
    let said: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one JSON object");
    assert_eq!((said["event"].as_str(), said["code"].as_str()), (Some("error"), Some(code)), "{said}");
}

/// A data directory with channels in it.
async fn planted(data: &Path, channels: &[Arc<TestChannel>]) {
    Running::start(data, &[]).kill();
    for channel in channels {
        channel.plant(data).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_backup_began_is_in_it_while_many_write() {
    let temp = tempfile::tempdir().expect("a directory");
    let (data, restored) = (temp.path().join("data"), temp.path().join("restored"));
    let channels: Vec<Arc<TestChannel>> = (1..=3).map(|number| Arc::new(TestChannel::new(number))).collect();
    planted(&data, &channels).await;
    let server = Running::start(&data, &[]);
    let acknowledged: Arc<Mutex<HashSet<(usize, MessageId)>>> = Arc::default();
    let enough = Arc::new(Notify::new());
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let which = usize::try_from(writer).expect("small") % channels.len();
        let (channel, acknowledged, enough) = (channels[which].clone(), acknowledged.clone(), enough.clone());
        let link = channel.attach(&server.link).await;
        writers.spawn(async move {
            for number in 0.. {
                let id = id(writer << 32 | number);
                match channel.enqueue(&link, id).await {
                    Ok(Enqueued::Accepted { .. }) => {
                        let mut acknowledged = acknowledged.lock().expect("sound");
                        acknowledged.insert((which, id));
                        if acknowledged.len().is_multiple_of(200) {
                            enough.notify_one();
                        }
                    }
                    Ok(other) => panic!("there are no commits: {other:?}"),
                    Err(_) => return,
                }
            }
        });
    }
    let mut before = Vec::new();
    let mut running = Vec::new();
    // Two at once, to names of their own.
    for name in ["first.backup", "second.backup"] {
        enough.notified().await;
        before.push(acknowledged.lock().expect("sound").clone());
        let file = temp.path().join(name);
        let mut command = qpc_server(&data, &["backup", path(&file), "--json"]);
        running.push((file, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")));
    }
    let mut files = Vec::new();
    for (file, backup) in running {
        let output = tokio::task::spawn_blocking(move || backup.wait_with_output()).await.expect("joined");
        let output = output.expect("ended");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!((said["event"].as_str(), said["channels"].as_u64()), (Some("backup"), Some(3)), "{said}");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        files.push(file);
    }
    let link = server.link.clone();
    server.kill();
    while writers.join_next().await.is_some() {}
    for (number, (file, before)) in files.iter().zip(before).enumerate() {
        let restored = restored.join(number.to_string());
        assert_eq!(run(qpc_server(&data, &["check", path(file)])).status.code(), Some(0));
        let outcome = run(qpc_server(&restored, &["restore", path(file)]));
        assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
        let outcome = run(qpc_server(&restored, &["check"]));
        assert_eq!((outcome.status.code(), outcome.stdout.as_str()), (Some(0), "ok\n"), "{}", outcome.stderr);
        let server = Running::start(&restored, &["--recovery", "0s"]);
        assert_eq!(server.link.fingerprint(), link.fingerprint(), "clients accept it");
        assert!(before.len() >= 200 * (number + 1));
        for (which, channel) in channels.iter().enumerate() {
            let link = channel.attach(&server.link).await;
            let log = channel.log(&link).await;
            let found: HashSet<MessageId> = log.iter().map(|entry| entry.id).collect();
            assert_eq!(found.len(), log.len(), "nothing stands twice");
            let missing = before.iter().filter(|(of, id)| *of == which && !found.contains(id)).count();
            assert_eq!(missing, 0, "of {} in the log", log.len());
            let written = channel.enqueue(&link, id(u64::MAX)).await.expect("an answer");
            assert!(matches!(written, Enqueued::Accepted { .. }), "{written:?}");
        }
        server.kill();
    }
    // The one that was killed under load is sound as well.
    assert_eq!(run(qpc_server(&data, &["check"])).stdout, "ok\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_places_and_disks_are_named_by_their_exit_codes() {
    let temp = tempfile::tempdir().expect("a directory");
    let data = temp.path().join("data");
    let file = temp.path().join("sam.backup");
    let channels = [Arc::new(TestChannel::new(1))];
    let none = run(qpc_server(&data, &["backup", path(&file)]));
    assert_eq!(none.status.code(), Some(1), "there is no store yet");
    planted(&data, &channels).await;
    let server = Running::start(&data, &[]);
    let link = channels[0].attach(&server.link).await;
    for number in 0..40 {
        channels[0].enqueue(&link, id(number)).await.expect("accepted");
    }

    let outcome = run(qpc_server(&data, &["backup", path(&file)]));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("pretend to be this server"), "{}", outcome.stdout);
    says(&run(qpc_server(&data, &["backup", path(&file), "--json"])), 1, "file-exists");
    assert_eq!(run(qpc_server(&data, &["backup", path(&file), "--replace"])).status.code(), Some(0));
    let named = run(qpc_server(&data, &["backup", path(temp.path()), "--json"]));
    let said: serde_json::Value = serde_json::from_str(&named.stdout).expect("JSON");
    assert!(said["file"].as_str().expect("a name").ends_with("Z.backup"), "{said}");

    let nothing = temp.path().join("nothing");
    for command in [&["check", "--json"][..], &["backup", path(&nothing), "--json"], &["invite", "create", "--json"]] {
        says(&run(qpc_server(&nothing, command)), 1, "failed");
    }
    says(&run(qpc_server(&data, &["check", "--json", "--set", "nonsense=1"])), 2, "usage");
    says(&run(qpc_server(&data, &["restore", path(&file), "--json"])), 1, "not-empty");
    let good = fs::read(&file).expect("there");
    let bad = temp.path().join("bad.backup");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let mut later = good.clone();
    later[16] = 9;
    let empty = temp.path().join("empty");
    for (content, code) in [
        (&good[..good.len() - 1], "backup-truncated"),
        (&flipped, "backup-damaged"),
        (&later, "later-version"),
        (b"a letter to sam, who keeps a server", "not-a-backup"),
    ] {
        fs::write(&bad, content).expect("written");
        says(&run(qpc_server(&empty, &["check", path(&bad), "--json"])), 6, code);
        says(&run(qpc_server(&empty, &["restore", path(&bad), "--json"])), 6, code);
        assert!(!empty.join("store.db").exists() && !empty.join("restoring").exists());
    }
    let text = run(qpc_server(&empty, &["restore", path(&bad)]));
    assert_eq!((text.status.code(), text.stdout.as_str()), (Some(6), ""));
    assert!(text.stderr.contains("no backup"), "{}", text.stderr);

    // A disk that is full: as a device, and as a file that may not grow (the signal for that is passed over).
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there");
    let outcome = run(piped(qpc_server(&data, &["backup", "-"]), full.into()));
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr);
    let small = temp.path().join("small");
    fs::create_dir(&small).expect("made");
    let target = small.join("sam.backup");
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_qpc-server")]);
    limited.args(["--data-dir", path(&data), "backup", path(&target), "--json"]);
    says(&run(limited), 1, "failed");
    assert_eq!(fs::read_dir(&small).expect("there").count(), 0, "nothing is left behind");

    // Through standard streams.
    let streamed = temp.path().join("streamed.backup");
    let outcome = run(piped(qpc_server(&data, &["backup", "-"]), fs::File::create(&streamed).expect("made").into()));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    let elsewhere = temp.path().join("elsewhere");
    let mut restore = qpc_server(&elsewhere, &["restore", "-", "--json"]);
    restore.stdin(fs::File::open(&streamed).expect("there"));
    let outcome = run(restore);
    assert_eq!(outcome.status.code(), Some(0), "{} {}", outcome.stdout, outcome.stderr);

    channels[0].enqueue(&link, id(99)).await.expect("the server goes on");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().status.code(), Some(0));
    // Without its key it would be another server.
    fs::remove_file(data.join("server.key")).expect("removed");
    let outcome = run(qpc_server(&data, &["check", "--json"]));
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stdout.contains("server.key is missing"), "{}", outcome.stdout);
    let outcome = run(qpc_server(&data, &["backup", path(&temp.path().join("x"))]));
    assert_eq!(outcome.status.code(), Some(1), "{}", outcome.stderr);
}

fn piped(mut command: Command, out: Stdio) -> Command {
    command.stdout(out);
    command
}
