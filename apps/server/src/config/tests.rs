use std::{ffi::OsString, fs, path::PathBuf};

use super::*;

fn layers(variables: &[(&str, &str)]) -> Layers {
    let environment = [("HOME", "/srv/sam")].iter().chain(variables);
    Layers {
        file: None,
        environment: environment.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
        flags: Vec::new(),
    }
}

fn with_file(mut layers: Layers, text: &str) -> (tempfile::TempDir, Layers) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("server.toml");
    fs::write(&path, text).expect("written");
    layers.file = Some(path);
    (dir, layers)
}

#[test]
fn nothing_need_be_configured() {
    let effective = layers(&[]).resolve().expect("defaults hold");
    assert_eq!(effective.config.data_dir, PathBuf::from("/srv/sam/.local/share/quicprochat-server"));
    assert_eq!(effective.config.listen.port(), 4433);
    assert!(effective.origins.is_empty());
    let data = layers(&[("XDG_DATA_HOME", "/srv/data")]).resolve().expect("defaults hold").config.data_dir;
    assert_eq!(data, PathBuf::from("/srv/data/quicprochat-server"));
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let (_dir, mut layers) = with_file(
        layers(&[("QPC_SERVER_LIMITS_RETENTION", "20d"), ("QPC_SERVER_LOG_LEVEL", "warn")]),
        "host = \"from.file\"\n[limits]\nretention = \"10d\"\nchannel_bytes = 1024\n[log]\nlevel = \"error\"\n",
    );
    layers.flags = vec![("--log-level".to_owned(), "log.level".to_owned(), "debug".to_owned())];
    let Effective { config, origins } = layers.resolve().expect("all fit");
    assert_eq!(config.host, "from.file");
    assert_eq!(config.limits.channel_bytes, Size(1024));
    assert_eq!(config.limits.retention.to_string(), "20d");
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(origins.get("limits.retention"), Some(&Origin::Variable("QPC_SERVER_LIMITS_RETENTION".to_owned())));
    assert_eq!(origins.get("log.level"), Some(&Origin::Flag("--log-level".to_owned())));
}

#[test]
fn an_unknown_key_is_told_with_its_place() {
    let (_dir, in_file) = with_file(layers(&[]), "listen = \"127.0.0.1:1\"\n[limits]\nretension = \"10d\"\n");
    let error = in_file.resolve().expect_err("unknown").to_string();
    assert!(error.contains("server.toml") && error.contains("retension") && error.contains("line 3"), "{error}");

    let error = layers(&[("QPC_SERVER_LIMITS_RETENSION", "1d")]).resolve().expect_err("unknown").to_string();
    assert!(error.contains("QPC_SERVER_LIMITS_RETENSION"), "{error}");

    let mut flagged = layers(&[]);
    flagged.flags = vec![("--set lmits.retention".to_owned(), "lmits.retention".to_owned(), "1d".to_owned())];
    let error = flagged.resolve().expect_err("unknown").to_string();
    assert!(error.contains("--set lmits.retention"), "{error}");
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_place() {
    for (variable, value) in [
        ("QPC_SERVER_LISTEN", "everywhere"),
        ("QPC_SERVER_LIMITS_RETENTION", "long"),
        ("QPC_SERVER_TRANSPORT_ACCEPT_CLASSICAL", "perhaps"),
        ("QPC_SERVER_STORE_READERS", "-1"),
        ("QPC_SERVER_REGISTRATION_MODE", "maybe"),
    ] {
        let error = layers(&[(variable, value)]).resolve().expect_err(variable).to_string();
        assert!(error.contains(variable), "{error}");
    }
    let (_dir, in_file) = with_file(layers(&[]), "listen = 5\n");
    let error = in_file.resolve().expect_err("no address").to_string();
    assert!(error.contains("server.toml") && error.contains("line 1"), "{error}");
}

#[test]
fn what_is_shown_can_be_read_again() {
    let set = [("QPC_SERVER_STORE_KEY", "secret"), ("QPC_SERVER_LIMITS_VAULT_BYTES", "5MiB")];
    let effective = layers(&set).resolve().expect("fits");
    let shown = effective.to_toml().expect("text");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("vault_bytes = \"5MiB\" # environment QPC_SERVER_LIMITS_VAULT_BYTES"), "{shown}");
    let (_dir, again) = with_file(layers(&[]), &shown);
    let again = again.resolve().expect("reads its own output");
    assert_eq!(again.config.limits.vault_bytes, Size(5 << 20));
    assert_eq!(again.config.limits.retention, effective.config.limits.retention);
    let json = effective.to_json().expect("an object");
    assert_eq!(json["limits.vault_bytes"]["value"], "5MiB");
    assert_eq!(json["listen"]["from"], "default");
}

#[test]
fn the_host_is_told_from_where_the_server_listens() {
    let host = |listen: &str| layers(&[("QPC_SERVER_LISTEN", listen)]).resolve().expect("fits").config.effective_host();
    assert_eq!(host("127.0.0.1:0"), "127.0.0.1");
    assert_eq!(host("[::1]:4433"), "::1");
    assert!(!host("0.0.0.0:4433").is_empty());
}

#[test]
fn every_setting_stands_in_the_guide() {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server.md")).expect("the guide");
    let keys = layers::known_keys().expect("defaults");
    assert!(keys.len() > 40);
    for key in keys.keys() {
        let name = key.rsplit('.').next().expect("a name");
        assert!(
            guide.contains(&format!("`{key}`")) || guide.contains(&format!("`{name}`")),
            "{key} is not in docs/server.md"
        );
    }
}
