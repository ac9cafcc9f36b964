//! The commands beside `run`.

use std::fs;

use rustix::process::Signal;

use crate::{
    channel::TestChannel,
    process::{Running, qpc_server, run},
};

#[test]
fn help_has_examples_and_exit_codes() {
    let temp = tempfile::tempdir().expect("a directory");
    for args in [
        &["--help"][..],
        &["run", "--help"],
        &["config", "--help"],
        &["invite", "create", "--help"],
        &["dump", "--help"],
        &["check", "--help"],
        &["backup", "--help"],
        &["restore", "--help"],
    ] {
        let outcome = run(qpc_server(temp.path(), args));
        assert_eq!(outcome.status.code(), Some(0), "{args:?}");
        assert!(outcome.stdout.contains("Example"), "{args:?}: {}", outcome.stdout);
    }
    assert!(run(qpc_server(temp.path(), &["--help"])).stdout.contains("Exit codes"));
}

#[test]
fn what_is_not_understood_exits_with_2() {
    let temp = tempfile::tempdir().expect("a directory");
    let file = temp.path().join("server.toml");
    fs::write(&file, "lisen = \"127.0.0.1:1\"\n").expect("written");
    let file = file.to_str().expect("text");
    for args in [
        &["--no-such-flag"][..],
        &["fly"],
        &["--config", file],
        &["--set", "no.such=1"],
        &["--config", "/nowhere.toml"],
    ] {
        let outcome = run(qpc_server(temp.path(), args));
        assert_eq!(outcome.status.code(), Some(2), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
    }
    let mut variable = qpc_server(temp.path(), &[]);
    variable.env("QPC_SERVER_LISEN", "127.0.0.1:1");
    let outcome = run(variable);
    assert_eq!(outcome.status.code(), Some(2));
    assert!(outcome.stderr.contains("QPC_SERVER_LISEN"), "{}", outcome.stderr);
}

#[test]
fn config_shows_values_with_origins_and_no_secret() {
    let temp = tempfile::tempdir().expect("a directory");
    let mut command = qpc_server(temp.path(), &["--registration", "invite", "config", "--json"]);
    command.env("QPC_SERVER_STORE_KEY", "cd".repeat(32)).env("QPC_SERVER_HOST", "sam.example");
    let outcome = run(command);
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    assert!(!outcome.stdout.contains("cdcd"));
    let shown: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(shown["registration.mode"]["value"], "invite");
    assert_eq!(shown["registration.mode"]["from"], "flag --registration");
    assert_eq!(shown["host"]["value"], "sam.example");
    assert_eq!(shown["limits.retention"]["from"], "default");
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_dump_and_check_work_beside_the_server() {
    let temp = tempfile::tempdir().expect("a directory");
    let data = temp.path().join("data");
    let outcome = run(qpc_server(&data, &["dump"]));
    assert_eq!(outcome.status.code(), Some(1), "there is no store yet");
    Running::start(&data, &[]).kill();
    let channel = TestChannel::new(9);
    channel.plant(&data).await;

    let server = Running::start(&data, &["--registration", "invite"]);
    let link = channel.attach(&server.link).await;
    channel.enqueue(&link, quicprochat_wire::MessageId::new([0x77; 16])).await.expect("accepted");

    let outcome = run(qpc_server(&data, &["invite", "create", "--count", "3"]));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    let codes: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(codes.len(), 3);
    let outcome = run(qpc_server(&data, &["invite", "create", "--json"]));
    let said: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one object");
    assert_eq!((said["event"].as_str(), said["codes"].as_array().map(Vec::len)), (Some("invites"), Some(1)));

    let outcome = run(qpc_server(&data, &["dump"]));
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
    for code in codes {
        assert!(outcome.stdout.contains(code), "the dump shows what the store holds");
    }
    assert!(outcome.stdout.contains(&"77".repeat(16)));

    let outcome = run(qpc_server(&data, &["check"]));
    assert_eq!((outcome.status.code(), outcome.stdout.as_str()), (Some(0), "ok\n"), "{}", outcome.stderr);
    channel.enqueue(&link, quicprochat_wire::MessageId::new([0x78; 16])).await.expect("the server goes on");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().status.code(), Some(0));
}
