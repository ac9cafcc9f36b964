//! From configured values to what the parts of the server take.

use quicprochat_server_core as core_config;
use quicprochat_transport::quic;
use quicprochat_wire::{Fingerprint, ServerLink, call::session};

use super::{
    ConfigError,
    sections::{Config, LimitsSection, Registration, TransportSection},
    value::{Rate, Size},
};

impl Config {
    /// The host of the server link.
    ///
    /// A configured one; else the address listened on, if it is a particular one; else the machine's name, or 127.0.0.1 if
    /// that is none a link can carry.
    #[must_use]
    pub fn effective_host(&self) -> String {
        let ip = self.listen.ip();
        if !self.host.is_empty() {
            return self.host.clone();
        }
        if !ip.is_unspecified() {
            return ip.to_string();
        }
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let usable = ServerLink::new(&name, 1, Fingerprint::new([0; 32])).is_ok();
        if usable { name } else { "127.0.0.1".to_owned() }
    }

    /// What the services take.
    ///
    /// Errors:   [`ConfigError::Range`] for a size beyond what its field can hold.
    pub fn services(&self, fingerprint: Fingerprint) -> Result<core_config::ServerConfig, ConfigError> {
        let mut limits = self.limits.services()?;
        limits.recovery = self.recovery.duration();
        limits.invites = self.registration.invites_per_account;
        limits.invite_validity = self.registration.invite_validity.duration();
        let registration = match self.registration.mode {
            Registration::Open => session::Registration::Open,
            Registration::Invite => session::Registration::Invite,
            Registration::Closed => session::Registration::Closed,
        };
        Ok(core_config::ServerConfig { host: self.effective_host(), fingerprint, registration, limits })
    }
}

impl TransportSection {
    /// What the listener takes.
    ///
    /// Errors:   [`ConfigError::Range`] for a size beyond what its field can hold.
    pub fn listener(&self) -> Result<quic::ServerConfig, ConfigError> {
        let mut config = quic::ServerConfig::default();
        let bytes = |key, size: Size| usize::try_from(size.0).map_err(|_| ConfigError::Range { key });
        config.accept_classical = self.accept_classical;
        config.max_connections = count("transport.max_connections", self.max_connections)?;
        config.max_connections_per_address =
            count("transport.max_connections_per_address", self.max_connections_per_address)?;
        config.max_streams = self.max_streams;
        config.connection_buffer_bytes = bytes("transport.connection_buffer", self.connection_buffer)?;
        config.buffer_bytes = bytes("transport.buffer", self.buffer)?;
        config.hello_timeout = self.hello_timeout.duration();
        config.progress_timeout = self.progress_timeout.duration();
        config.transfer_timeout = self.transfer_timeout.duration();
        config.idle_timeout = self.idle_timeout.duration();
        config.drain_timeout = self.drain_timeout.duration();
        Ok(config)
    }
}

impl LimitsSection {
    fn services(&self) -> Result<core_config::Limits, ConfigError> {
        let size = |key, size: Size| u32::try_from(size.0).map_err(|_| ConfigError::Range { key });
        let rate = |rate: Rate| core_config::Rate::new(rate.burst, rate.per.duration());
        Ok(core_config::Limits {
            message_bytes: size("limits.message_bytes", self.message_bytes)?,
            commit_bytes: size("limits.commit_bytes", self.commit_bytes)?,
            group_info_bytes: size("limits.group_info_bytes", self.group_info_bytes)?,
            keyring_bytes: size("limits.keyring_bytes", self.keyring_bytes)?,
            inbox_entry_bytes: size("limits.inbox_entry_bytes", self.inbox_entry_bytes)?,
            retention: self.retention.duration(),
            channel_bytes: self.channel_bytes.0,
            channel_entries: self.channel_entries,
            channel_commit_room_bytes: self.channel_commit_room_bytes.0,
            channel_commit_room_entries: self.channel_commit_room_entries,
            channel_group_infos_bytes: self.channel_group_infos_bytes.0,
            channel_enqueues: rate(self.channel_enqueues),
            inbox_bytes: self.inbox_bytes.0,
            inbox_entries: self.inbox_entries,
            vault_bytes: self.vault_bytes.0,
            archive_bytes: self.archive_bytes.0,
            archive_objects: self.archive_objects,
            link_validity: self.link_validity.duration(),
            links: self.links,
            tokens_per_day: self.tokens_per_day,
            token_epoch_days: self.token_epoch_days,
            token_grace_days: self.token_grace_days,
            sign_ins_by_name: rate(self.sign_ins_by_name),
            sign_ins_by_connection: rate(self.sign_ins_by_connection),
            registrations_by_connection: rate(self.registrations_by_connection),
            registrations: rate(self.registrations),
            account_calls_by_connection: rate(self.account_calls_by_connection),
            calls_by_account: rate(self.calls_by_account),
            lookup_calls_by_connection: rate(self.lookup_calls_by_connection),
            attaches_by_connection: rate(self.attaches_by_connection),
            chunk_calls_by_connection: rate(self.chunk_calls_by_connection),
            attached_keys: self.attached_keys,
            ..core_config::Limits::default()
        })
    }
}

fn count(key: &'static str, number: u32) -> Result<usize, ConfigError> {
    usize::try_from(number).map_err(|_| ConfigError::Range { key })
}
