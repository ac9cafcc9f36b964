//! Start, ready, stop; and what keeps a server from starting.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use futures::StreamExt as _;
use quicprochat_wire::{CallFailure, ErrorCode, MessageId, call::channel::ChannelSubscribe};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    channel::TestChannel,
    process::{PATIENCE, Running, qpc_server, run},
};

fn temp() -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a directory");
    let data = temp.path().join("data");
    (temp, data)
}

#[test]
fn says_ready_once_and_ends_well_on_sigterm() {
    let (temp, data) = temp();
    let ready = temp.path().join("ready");
    let server = Running::start(&data, &["--ready-file", ready.to_str().expect("text")]);
    assert_eq!(server.link.host(), "127.0.0.1");
    assert_eq!(server.ready_line, format!("ready {}\n", server.link));
    assert_eq!(fs::read_to_string(&ready).expect("written"), format!("{}\n", server.link));
    let fingerprint = *server.link.fingerprint();
    server.signal(Signal::TERM);
    let outcome = server.wait();
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "", "one line on standard output");
    assert!(!data.join("store.db-wal").exists(), "the log was moved into the database");

    let server = Running::start(&data, &["--host", "chat.example"]);
    assert_eq!(server.link.host(), "chat.example");
    assert_eq!(*server.link.fingerprint(), fingerprint, "the key stays");
    server.signal(Signal::INT);
    assert_eq!(server.wait().status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_subscriptions_and_refuses_new_calls() {
    let (_temp, data) = temp();
    Running::start(&data, &[]).kill();
    let channel = TestChannel::new(1);
    channel.plant(&data).await;
    let server = Running::start(&data, &[]);
    let link = channel.attach(&server.link).await;
    let id = MessageId::new([3; 16]);
    channel.enqueue(&link, id).await.expect("accepted");
    let mut pages = link.subscribe(ChannelSubscribe { channel: channel.id, after: 0 }).await.expect("subscribed");
    let first = pages.next().await.expect("a page").expect("a page");
    assert_eq!(first.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id]);
    server.signal(Signal::TERM);
    let last = tokio::time::timeout(PATIENCE, async {
        while let Some(page) = pages.next().await {
            if let Err(error) = page {
                return Some(error);
            }
        }
        None
    });
    assert!(last.await.expect("the subscription ends in time").is_some());
    assert!(channel.enqueue(&link, MessageId::new([4; 16])).await.is_err());
    let outcome = server.wait();
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    for secret in [channel.id.to_string(), channel.id.short(), id.to_string(), id.short()] {
        assert!(!outcome.stderr.contains(&secret), "the log names nothing: {}", outcome.stderr);
    }
}

#[test]
fn logs_are_json_on_request_and_counters_come_on_sigusr1() {
    let (_temp, data) = temp();
    let mut server = Running::start(&data, &["--log-format", "json"]);
    server.signal(Signal::USR1);
    server.wait_for_log("\"message\":\"counters\"");
    server.signal(Signal::TERM);
    let log = server.wait().stderr;
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    }
    assert!(log.contains("\"message\":\"stopped\""), "{log}");
}

#[test]
fn two_servers_on_one_directory_are_refused() {
    let (_temp, data) = temp();
    let server = Running::start(&data, &[]);
    let second = run(qpc_server(&data, &["--listen", "127.0.0.1:0"]));
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stderr.contains("in use") && second.stderr.contains(&server.id().to_string()), "{}", second.stderr);
}

#[test]
fn what_others_can_read_is_refused_with_the_way_out() {
    let (_temp, data) = temp();
    Running::start(&data, &[]).kill();
    for (file, mode, remedy) in
        [("store.key", 0o644, "chmod 600"), ("server.key", 0o640, "chmod 600"), ("store.db", 0o604, "chmod 600")]
    {
        let path = data.join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        let outcome = run(qpc_server(&data, &["--listen", "127.0.0.1:0"]));
        assert_eq!(outcome.status.code(), Some(1), "{file}");
        assert!(outcome.stderr.contains(remedy) && outcome.stderr.contains(file), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("ours");
    let outcome = run(qpc_server(&data, &["--listen", "127.0.0.1:0"]));
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains("chmod 700"), "{}", outcome.stderr);
}

#[test]
fn a_wrong_or_missing_store_key_is_refused_and_nothing_is_overwritten() {
    let (_temp, data) = temp();
    let server = Running::start(&data, &[]);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().status.code(), Some(0));
    let store = fs::read(data.join("store.db")).expect("there");
    let key = fs::read(data.join("store.key")).expect("there");

    let mut wrong = qpc_server(&data, &["--listen", "127.0.0.1:0"]);
    wrong.env("QPC_SERVER_STORE_KEY", "ab".repeat(32));
    let outcome = run(wrong);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains("store key") && !outcome.stderr.contains("abab"), "{}", outcome.stderr);

    fs::remove_file(data.join("store.key")).expect("ours");
    let outcome = run(qpc_server(&data, &["--listen", "127.0.0.1:0"]));
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains("store.key is missing"), "{}", outcome.stderr);
    assert!(!data.join("store.key").exists(), "no new key is made for an old store");
    assert_eq!(fs::read(data.join("store.db")).expect("there"), store);

    let mut right = qpc_server(&data, &["--listen", "127.0.0.1:0"]);
    right.env("QPC_SERVER_STORE_KEY", String::from_utf8(key).expect("hex"));
    Running::start_command(right).kill();
}

#[test]
fn a_damaged_store_is_refused() {
    let (_temp, data) = temp();
    let server = Running::start(&data, &[]);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().status.code(), Some(0));
    let path = data.join("store.db");
    let mut bytes = fs::read(&path).expect("there");
    bytes[100] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let outcome = run(qpc_server(&data, &["--listen", "127.0.0.1:0"]));
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains("damaged"), "{}", outcome.stderr);
    assert_eq!(fs::read(&path).expect("there"), bytes, "nothing is changed");
}

#[test]
fn a_port_in_use_is_refused() {
    let (_temp, data) = temp();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let outcome = run(qpc_server(&data, &["--listen", &address]));
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.contains(&address), "{}", outcome.stderr);
}

/// A file system of a few megabytes, where we may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs");
            return None;
        }
        Some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_loses_nothing_and_ends_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.0.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("ours");
    let channel = TestChannel::new(1);
    channel.plant(&data).await;
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 2 << 20]).expect("room for it");

    let server = Running::start(&data, &[]);
    let link = channel.attach(&server.link).await;
    let id = |number: u64| MessageId::new([number.to_le_bytes(), [7; 8]].concat().try_into().expect("16 bytes"));
    let mut acknowledged = 0;
    let refusal = loop {
        match channel.enqueue(&link, id(acknowledged + 1)).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 100_000, "the disk never fills");
    };
    assert!(
        matches!(refusal, quicprochat_transport::LinkError::Refused(CallFailure { code: ErrorCode::Unavailable, .. })),
        "{refusal:?}"
    );
    let log = channel.log(&link).await;
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=acknowledged).collect::<Vec<_>>());

    fs::remove_file(&ballast).expect("ours");
    channel.enqueue(&link, id(acknowledged + 1)).await.expect("there is room now");
    server.kill();
    let server = Running::start(&data, &[]);
    let link = channel.attach(&server.link).await;
    let log = channel.log(&link).await;
    assert_eq!(log.len() as u64, acknowledged + 1);
    assert!((1..).zip(&log).all(|(number, entry)| entry.id == id(number)));
}
