//! What an operator decides.

use quicprochat_wire::{
    Duration, Fingerprint,
    call::session::{Registration, ServerLimits},
    limits,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIB: u64 = 1024 * 1024;

/// Everything the services need to know from outside.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// How names end here: `alice@host`.
    pub host: String,
    /// SHA-256 of the server's public key (SPKI); part of every signature over a challenge.
    pub fingerprint: Fingerprint,
    /// Who may register.
    pub registration: Registration,
    /// How much of everything.
    pub limits: Limits,
}

/// How often something may happen: up to `burst` at once, and that many again spread over `per`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many at once. Zero allows nothing.
    pub burst: u32,
    /// In which time the whole burst comes back.
    pub per: Duration,
}

impl Rate {
    /// `burst` in each `per`.
    #[must_use]
    pub const fn new(burst: u32, per: Duration) -> Self {
        Self { burst, per }
    }
}

/// Sizes in bytes, counts, and rates. Defaults stand beside the fields.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest sealed application message. 256 KiB.
    pub message_bytes: u32,
    /// Largest sealed commit. 2 MiB.
    pub commit_bytes: u32,
    /// Largest sealed GroupInfo with the chunks that a commit adds, and all chunks in use. 12 MiB.
    pub group_info_bytes: u32,
    /// Largest keyring. 1.5 MiB.
    pub keyring_bytes: u32,
    /// Largest sealed inbox entry. 4 MiB.
    pub inbox_entry_bytes: u32,
    /// How long channel and inbox entries are kept. 90 days.
    pub retention: Duration,

    /// Bytes of entries a channel keeps before it refuses messages. 256 MiB.
    pub channel_bytes: u64,
    /// Entries a channel keeps before it refuses messages. 1,000,000.
    pub channel_entries: u64,
    /// Room in bytes that only commits may use on top of `channel_bytes`. 32 MiB.
    pub channel_commit_room_bytes: u64,
    /// Room in entries that only commits may use on top of `channel_entries`. 1,000.
    pub channel_commit_room_entries: u64,
    /// Bytes of GroupInfos a channel keeps beyond the last 32. 64 MiB.
    pub channel_group_infos_bytes: u64,
    /// Enqueues to one channel. 2,000 a second.
    pub channel_enqueues: Rate,

    /// Bytes an inbox keeps. 64 MiB.
    pub inbox_bytes: u64,
    /// Entries an inbox keeps. 10,000.
    pub inbox_entries: u64,
    /// Bytes of an account's vault records. 4 MiB.
    pub vault_bytes: u64,
    /// Bytes of an account's archive of its history. 1 GiB.
    pub archive_bytes: u64,
    /// Objects of an account's archive. 32,768.
    pub archive_objects: u64,
    /// Invite codes an account may have at a time, where registration asks for them. 10.
    pub invites: u32,
    /// How long an invite code counts. 30 days.
    pub invite_validity: Duration,

    /// How long a server that was restored from a backup takes nothing new for channels. 10 minutes; zero: not at all.
    pub recovery: Duration,

    /// How long a code that links a new device counts. 10 minutes.
    pub link_validity: Duration,
    /// Codes of devices that count at a time, on the whole server. 1,024.
    pub links: u32,

    /// Tokens an account gets in a day; a multiple of a batch. 640.
    pub tokens_per_day: u32,
    /// Days for which an epoch's key issues. 7.
    pub token_epoch_days: u32,
    /// Days for which an epoch's tokens count after its key stopped issuing; at most an epoch. 7.
    pub token_grace_days: u32,

    /// Sign-ins begun for one name, whether it exists or not. 10 in 10 minutes.
    pub sign_ins_by_name: Rate,
    /// Sign-ins begun on one connection. 10 in 10 minutes.
    pub sign_ins_by_connection: Rate,
    /// Registrations begun on one connection. 10 in 10 minutes.
    pub registrations_by_connection: Rate,
    /// Registrations begun on the whole server. 600 in a minute.
    pub registrations: Rate,
    /// Calls on one account connection. 1,200 in a minute.
    pub account_calls_by_connection: Rate,
    /// Calls of one account, over all its connections. 2,400 in a minute.
    pub calls_by_account: Rate,
    /// Calls on one look-up connection. 1,200 in a minute.
    pub lookup_calls_by_connection: Rate,
    /// Keys attached and channels created on one channel connection. 6,000 in a minute.
    pub attaches_by_connection: Rate,
    /// Calls for chunks of ratchet trees on one channel connection. 1,200 in a minute.
    pub chunk_calls_by_connection: Rate,
    /// Access keys that stay attached on one connection. 8,192.
    pub attached_keys: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: bytes(limits::MAX_MESSAGE_BYTES),
            commit_bytes: bytes(limits::MAX_COMMIT_BYTES),
            group_info_bytes: bytes(limits::MAX_GROUP_INFO_BYTES),
            keyring_bytes: bytes(limits::MAX_KEYRING_BYTES),
            inbox_entry_bytes: bytes(limits::MAX_INBOX_BYTES),
            retention: DAY * 90,
            channel_bytes: 256 * MIB,
            channel_entries: 1_000_000,
            channel_commit_room_bytes: 32 * MIB,
            channel_commit_room_entries: 1_000,
            channel_group_infos_bytes: 64 * MIB,
            channel_enqueues: Rate::new(2_000, Duration::from_secs(1)),
            inbox_bytes: 64 * MIB,
            inbox_entries: 10_000,
            vault_bytes: 4 * MIB,
            archive_bytes: 1024 * MIB,
            archive_objects: 32_768,
            invites: 10,
            invite_validity: DAY * 30,
            recovery: MINUTE * 10,
            link_validity: MINUTE * 10,
            links: 1_024,
            tokens_per_day: 640,
            token_epoch_days: 7,
            token_grace_days: 7,
            sign_ins_by_name: Rate::new(10, MINUTE * 10),
            sign_ins_by_connection: Rate::new(10, MINUTE * 10),
            registrations_by_connection: Rate::new(10, MINUTE * 10),
            registrations: Rate::new(600, MINUTE),
            account_calls_by_connection: Rate::new(1_200, MINUTE),
            calls_by_account: Rate::new(2_400, MINUTE),
            lookup_calls_by_connection: Rate::new(1_200, MINUTE),
            attaches_by_connection: Rate::new(6_000, MINUTE),
            chunk_calls_by_connection: Rate::new(1_200, MINUTE),
            attached_keys: 8_192,
        }
    }
}

impl Limits {
    /// As `hello` tells them; never above what the protocol allows.
    #[must_use]
    pub fn announced(&self) -> ServerLimits {
        ServerLimits {
            frame_bytes: bytes(limits::MAX_FRAME_BYTES),
            message_bytes: self.message_bytes.min(bytes(limits::MAX_MESSAGE_BYTES)),
            commit_bytes: self.commit_bytes.min(bytes(limits::MAX_COMMIT_BYTES)),
            group_info_bytes: self.group_info_bytes.min(bytes(limits::MAX_GROUP_INFO_BYTES)),
            keyring_bytes: self.keyring_bytes.min(bytes(limits::MAX_KEYRING_BYTES)),
            inbox_bytes: self.inbox_entry_bytes.min(bytes(limits::MAX_INBOX_BYTES)),
            retention: self.retention,
        }
    }
}

fn bytes(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}
