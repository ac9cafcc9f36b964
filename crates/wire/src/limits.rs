//! Sizes and counts that both sides know. A server may be stricter (its `hello` says so), never laxer.

/// Protocol version spoken in `hello`.
pub const PROTOCOL_VERSION: u16 = 1;

/// Largest name of an account, bytes of ASCII.
pub const MAX_NAME_BYTES: usize = 32;
/// Most devices of one account (DESIGN A1).
pub const MAX_DEVICES: usize = 8;
/// Bytes of the row that holds an account's identity part (DESIGN A1).
pub const IDENTITY_ROW_BYTES: usize = 8192;
/// Bytes of the row that holds a device's KeyPackage part (DESIGN A1).
pub const KEY_PACKAGE_ROW_BYTES: usize = 4096;

/// Largest sealed application message in a channel, after padding.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Largest sealed commit in a channel, after padding.
pub const MAX_COMMIT_BYTES: usize = 2 * 1024 * 1024;
/// Largest sealed GroupInfo of a channel, after padding.
pub const MAX_GROUP_INFO_BYTES: usize = 4 * 1024 * 1024;
/// Largest keyring of a channel.
pub const MAX_KEYRING_BYTES: usize = 1024 * 1024;
/// Largest sealed inbox entry, after padding.
pub const MAX_INBOX_BYTES: usize = 4 * 1024 * 1024;
/// Largest vault record or wrap.
pub const MAX_VAULT_BYTES: usize = 64 * 1024;
/// Most vault records an account has.
pub const MAX_VAULT_RECORDS: usize = 64;
/// Most entries in one page of a channel or an inbox.
pub const MAX_PAGE_ENTRIES: u16 = 512;
/// Bytes of entries after which a server ends a page early.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Tokens in a batch: the one size there is (DESIGN A6).
pub const TOKEN_BATCH: usize = 32;
/// Largest group, in leaves (devices), that is supported and tested (DESIGN L12).
pub const MAX_GROUP_LEAVES: usize = 256;

/// Largest frame on any connection: a commit with its GroupInfo and keyring, and slack for the envelope.
pub const MAX_FRAME_BYTES: usize = MAX_COMMIT_BYTES + MAX_GROUP_INFO_BYTES + MAX_KEYRING_BYTES + 64 * 1024;
