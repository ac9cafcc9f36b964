//! What can be configured: one struct a section. Field names are the keys; the reference is docs/server.md.

use std::{net::SocketAddr, path::PathBuf};

use quicprochat_server_core as core_config;
use quicprochat_transport::quic;
use serde::{Deserialize, Serialize};

use super::value::{Rate, Size, Span};

/// Everything, as it stands in a configuration file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything of the server lies. Made on first start, for its owner alone.
    pub data_dir: PathBuf,
    /// UDP address and port.
    pub listen: SocketAddr,
    /// The host in the server link, which is also how names end. Empty: told from `listen` and the machine's name.
    pub host: String,
    /// A file that gets the server link once connections are accepted. Empty: none.
    pub ready_file: PathBuf,
    /// How long a server that was restored from a backup takes nothing new for conversations. Zero: not at all.
    pub recovery: Span,
    /// Who may register.
    pub registration: RegistrationSection,
    /// What is logged, to standard error.
    pub log: LogSection,
    /// The database.
    pub store: StoreSection,
    /// Connections.
    pub transport: TransportSection,
    /// Sizes, counts and rates.
    pub limits: LimitsSection,
}

/// Who may register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever has an invite code.
    Invite,
    /// Nobody.
    Closed,
}

/// `[registration]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrationSection {
    /// Who may register.
    pub mode: Registration,
    /// Invite codes that an account may have at a time.
    pub invites_per_account: u32,
    /// How long an invite code counts.
    pub invite_validity: Span,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs an operator.
    Error,
    /// And what may become one.
    Warn,
    /// And what happens to the server as a whole.
    Info,
    /// And what happens on connections. Can name addresses.
    Debug,
    /// And every step.
    Trace,
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// How lines look.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// `[store]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// File that holds the key. Empty: `store.key` in the data directory.
    pub key_file: PathBuf,
    /// Threads that answer queries.
    pub readers: u16,
}

/// `[transport]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransportSection {
    /// Whether clients without post-quantum key exchange (X25519 alone) are let in.
    pub accept_classical: bool,
    /// Connections at a time.
    pub max_connections: u32,
    /// Connections at a time from one address (IPv6: one /64).
    pub max_connections_per_address: u32,
    /// Calls and subscriptions at a time on a connection.
    pub max_streams: u32,
    /// Bytes of large requests that a connection may have under way.
    pub connection_buffer: Size,
    /// Bytes of large requests that all connections together may have under way.
    pub buffer: Size,
    /// Within which a connection must have said `hello`.
    pub hello_timeout: Span,
    /// Within which something must move on a stream.
    pub progress_timeout: Span,
    /// Within which a request or an answer must have moved in whole.
    pub transfer_timeout: Span,
    /// After which a silent connection is closed.
    pub idle_timeout: Span,
    /// How long calls under way may go on once the server stops.
    pub drain_timeout: Span,
}

/// `[limits]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is described where the services define it, and in docs/server.md")]
pub struct LimitsSection {
    pub message_bytes: Size,
    pub commit_bytes: Size,
    pub group_info_bytes: Size,
    pub keyring_bytes: Size,
    pub inbox_entry_bytes: Size,
    pub retention: Span,
    pub channel_bytes: Size,
    pub channel_entries: u64,
    pub channel_commit_room_bytes: Size,
    pub channel_commit_room_entries: u64,
    pub channel_group_infos_bytes: Size,
    pub channel_enqueues: Rate,
    pub inbox_bytes: Size,
    pub inbox_entries: u64,
    pub vault_bytes: Size,
    pub archive_bytes: Size,
    pub archive_objects: u64,
    pub link_validity: Span,
    pub links: u32,
    pub tokens_per_day: u32,
    pub token_epoch_days: u32,
    pub token_grace_days: u32,
    pub sign_ins_by_name: Rate,
    pub sign_ins_by_connection: Rate,
    pub registrations_by_connection: Rate,
    pub registrations: Rate,
    pub account_calls_by_connection: Rate,
    pub calls_by_account: Rate,
    pub lookup_calls_by_connection: Rate,
    pub attaches_by_connection: Rate,
    pub chunk_calls_by_connection: Rate,
    pub attached_keys: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            listen: SocketAddr::from(([0, 0, 0, 0], 4433)),
            host: String::new(),
            ready_file: PathBuf::new(),
            recovery: core_config::Limits::default().recovery.into(),
            registration: RegistrationSection::default(),
            log: LogSection::default(),
            store: StoreSection::default(),
            transport: TransportSection::default(),
            limits: LimitsSection::default(),
        }
    }
}

impl Default for RegistrationSection {
    fn default() -> Self {
        let limits = core_config::Limits::default();
        Self {
            mode: Registration::Open,
            invites_per_account: limits.invites,
            invite_validity: limits.invite_validity.into(),
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { key_file: PathBuf::new(), readers: 2 }
    }
}

impl Default for TransportSection {
    fn default() -> Self {
        let config = quic::ServerConfig::default();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            accept_classical: config.accept_classical,
            max_connections: count(config.max_connections),
            max_connections_per_address: count(config.max_connections_per_address),
            max_streams: config.max_streams,
            connection_buffer: Size(config.connection_buffer_bytes as u64),
            buffer: Size(config.buffer_bytes as u64),
            hello_timeout: config.hello_timeout.into(),
            progress_timeout: config.progress_timeout.into(),
            transfer_timeout: config.transfer_timeout.into(),
            idle_timeout: config.idle_timeout.into(),
            drain_timeout: config.drain_timeout.into(),
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        let core_config::Limits {
            message_bytes,
            commit_bytes,
            group_info_bytes,
            keyring_bytes,
            inbox_entry_bytes,
            retention,
            channel_bytes,
            channel_entries,
            channel_commit_room_bytes,
            channel_commit_room_entries,
            channel_group_infos_bytes,
            channel_enqueues,
            inbox_bytes,
            inbox_entries,
            vault_bytes,
            archive_bytes,
            archive_objects,
            link_validity,
            links,
            recovery: _,
            invites: _,
            invite_validity: _,
            tokens_per_day,
            token_epoch_days,
            token_grace_days,
            sign_ins_by_name,
            sign_ins_by_connection,
            registrations_by_connection,
            registrations,
            account_calls_by_connection,
            calls_by_account,
            lookup_calls_by_connection,
            attaches_by_connection,
            chunk_calls_by_connection,
            attached_keys,
        } = core_config::Limits::default();
        let size = |bytes: u32| Size(bytes.into());
        let rate = |rate: core_config::Rate| Rate { burst: rate.burst, per: rate.per.into() };
        Self {
            message_bytes: size(message_bytes),
            commit_bytes: size(commit_bytes),
            group_info_bytes: size(group_info_bytes),
            keyring_bytes: size(keyring_bytes),
            inbox_entry_bytes: size(inbox_entry_bytes),
            retention: retention.into(),
            channel_bytes: Size(channel_bytes),
            channel_entries,
            channel_commit_room_bytes: Size(channel_commit_room_bytes),
            channel_commit_room_entries,
            channel_group_infos_bytes: Size(channel_group_infos_bytes),
            channel_enqueues: rate(channel_enqueues),
            inbox_bytes: Size(inbox_bytes),
            inbox_entries,
            vault_bytes: Size(vault_bytes),
            archive_bytes: Size(archive_bytes),
            archive_objects,
            link_validity: link_validity.into(),
            links,
            tokens_per_day,
            token_epoch_days,
            token_grace_days,
            sign_ins_by_name: rate(sign_ins_by_name),
            sign_ins_by_connection: rate(sign_ins_by_connection),
            registrations_by_connection: rate(registrations_by_connection),
            registrations: rate(registrations),
            account_calls_by_connection: rate(account_calls_by_connection),
            calls_by_account: rate(calls_by_account),
            lookup_calls_by_connection: rate(lookup_calls_by_connection),
            attaches_by_connection: rate(attaches_by_connection),
            chunk_calls_by_connection: rate(chunk_calls_by_connection),
            attached_keys,
        }
    }
}
