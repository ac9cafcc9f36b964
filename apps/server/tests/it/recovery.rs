//! A real server that was put back to a backup.

use std::path::Path;

use quicprochat_transport::CallError;
use quicprochat_wire::{
    CallFailure, ErrorCode, MessageId, Timestamp,
    call::channel::{ChannelEntry, ChannelRestore, Enqueued, RestoreOutcome, RestoredEntry},
};
use rustix::process::Signal;

use crate::{
    channel::TestChannel,
    process::{Running, qpc_server, run},
};

fn id(number: u8) -> MessageId {
    MessageId::new([number; 16])
}

fn refusal(answer: Result<Enqueued, CallError>) -> CallFailure {
    let error = answer.expect_err("refused");
    *error.refusal().unwrap_or_else(|| panic!("{error}"))
}

/// What `check --json` says of the recovery time.
fn checked(data: &Path) -> serde_json::Value {
    let outcome = run(qpc_server(data, &["check", "--json"]));
    assert_eq!(outcome.status.code(), Some(0), "{} {}", outcome.stdout, outcome.stderr);
    let said: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one JSON object");
    said["recovery"].clone()
}

fn offered(entry: &ChannelEntry) -> RestoredEntry {
    let ChannelEntry { id, after_commit, sealed, time, .. } = entry.clone();
    RestoredEntry { id, after_commit, sealed, time, commit: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_server_takes_what_it_lost_before_it_takes_anything_new() {
    let temp = tempfile::tempdir().expect("a directory");
    let (data, restored) = (temp.path().join("data"), temp.path().join("restored"));
    Running::start(&data, &[]).kill();
    let channel = TestChannel::new(1);
    channel.plant(&data).await;
    let server = Running::start(&data, &[]);
    let alice = channel.attach(&server.link).await;
    channel.enqueue(&alice, id(1)).await.expect("accepted");
    let file = temp.path().join("sam.backup");
    let file = file.to_str().expect("text");
    assert_eq!(run(qpc_server(&data, &["backup", file])).status.code(), Some(0));
    channel.enqueue(&alice, id(2)).await.expect("accepted");
    let Enqueued::Accepted { at: last, .. } = channel.enqueue(&alice, id(3)).await.expect("an answer") else {
        panic!("not accepted")
    };
    let log = channel.log(&alice).await;
    assert!(checked(&data).is_null(), "nothing was restored");
    server.kill();

    let outcome = run(qpc_server(&restored, &["restore", file]));
    assert!(outcome.stdout.contains("for 10min after the first start"), "{} {}", outcome.stdout, outcome.stderr);
    assert_eq!(checked(&restored), serde_json::json!({ "until": null, "restored": 0 }));
    let mut server = Running::start(&restored, &["--log-level", "info"]);
    server.wait_for_log("restored from a backup");
    let bob = channel.attach(&server.link).await;
    let CallFailure { code, retry_after } = refusal(channel.enqueue(&bob, id(4)).await);
    assert_eq!(code, ErrorCode::Restoring);
    assert!(retry_after.is_some_and(|left| (500..=600).contains(&left.as_secs())), "{retry_after:?}");
    let known = channel.log(&bob).await;
    assert_eq!(known, log[..1]);
    let after = offered(&known[0]).at(&channel.start());
    let offer = ChannelRestore { channel: channel.id, after, entries: log[1..].iter().map(offered).collect() };
    let answer = bob.call(offer).await.expect("an answer");
    assert_eq!((answer.outcome, answer.added, answer.last), (RestoreOutcome::Whole, 2, last));
    assert_eq!(channel.log(&bob).await, log);
    let begun = checked(&restored);
    assert_eq!(begun["restored"], 2);
    let until = Timestamp(begun["until"].as_u64().expect("begun"));
    // What was restored is synced, and the time goes on, whatever becomes of the server.
    server.kill();
    let mut server = Running::start(&restored, &["--log-level", "info"]);
    server.wait_for_log("restored=2");
    assert_eq!(checked(&restored)["until"], until.0);
    let bob = channel.attach(&server.link).await;
    assert_eq!(channel.log(&bob).await, log);
    assert_eq!(refusal(channel.enqueue(&bob, id(4)).await).code, ErrorCode::Restoring);
    server.signal(Signal::USR1);
    server.wait_for_log("recovery_seconds=");
    server.kill();
    let said = run(qpc_server(&restored, &["check"]));
    assert_eq!(said.stdout, "ok\n");
    assert!(said.stderr.contains("2 entries were taken"), "{}", said.stderr);

    // With a shorter time than it was begun with: that one counts.
    let mut server = Running::start(&restored, &["--recovery", "300ms", "--log-level", "info"]);
    server.wait_for_log("the recovery time is over");
    let bob = channel.attach(&server.link).await;
    let Enqueued::Accepted { at, .. } = channel.enqueue(&bob, id(4)).await.expect("an answer") else {
        panic!("not accepted")
    };
    assert_eq!(at.position, 4);
    server.kill();
    assert!(checked(&restored).is_null());
}
