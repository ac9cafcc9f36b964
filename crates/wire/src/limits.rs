//! Sizes and counts that both sides know. A server may be stricter (its `hello` says so), never laxer.

/// Protocol version spoken in `hello`.
pub const PROTOCOL_VERSION: u16 = 1;

/// Largest name of an account, bytes of ASCII.
pub const MAX_NAME_BYTES: usize = 32;
/// Largest host name (RFC 1035), bytes of ASCII.
pub const MAX_HOST_BYTES: usize = 253;
/// Largest invite code, bytes.
pub const MAX_INVITE_BYTES: usize = 64;
/// Most invite codes in one answer.
pub const MAX_INVITES: usize = 256;
/// Largest OPAQUE message; those of the suite in use are below 400 bytes.
pub const MAX_OPAQUE_BYTES: usize = 1024;
/// An Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
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
/// Largest sealed GroupInfo of a channel, after padding, with the chunks that a commit adds to it; and all chunks in use: the
/// tree and the records of the largest group.
pub const MAX_GROUP_INFO_BYTES: usize = 12 * 1024 * 1024;
/// Smallest and largest sealed chunk of a ratchet tree, or of the records of four leaves.
pub const MIN_TREE_CHUNK_BYTES: usize = 512;
/// See [`MIN_TREE_CHUNK_BYTES`].
pub const MAX_TREE_CHUNK_BYTES: usize = 64 * 1024;
/// Most chunks that a commit adds or ends, or that one call asks for. The largest tree has 341, and 256 of records.
pub const MAX_TREE_CHUNKS: usize = 640;
/// Largest keyring of a channel: 1,024 items of 1,264 bytes, and some.
pub const MAX_KEYRING_BYTES: usize = 3 * 512 * 1024;
/// Largest sealed inbox entry, after padding.
pub const MAX_INBOX_BYTES: usize = 4 * 1024 * 1024;
/// Largest vault record or wrap.
pub const MAX_VAULT_BYTES: usize = 64 * 1024;
/// Most ways into a vault.
pub const MAX_VAULT_WRAPS: usize = 16;
/// Most vault records an account has.
pub const MAX_VAULT_RECORDS: usize = 64;
/// Most record ids an account ever uses: a removed record keeps its version.
pub const MAX_VAULT_IDS: usize = 16 * MAX_VAULT_RECORDS;
/// Largest sealed object of an archive, after padding.
pub const MAX_ARCHIVE_BYTES: usize = 256 * 1024;
/// Largest message of a device that is linked, or links another.
pub const MAX_LINK_BYTES: usize = 16 * 1024;
/// Most messages of one side of a link.
pub const MAX_LINK_MESSAGES: u16 = 16;
/// Most entries in one page of a channel, an inbox or an archive, and most objects of an archive deleted in one call.
pub const MAX_PAGE_ENTRIES: u16 = 512;
/// A server ends a page with the entry that makes its sealed bytes this many, or more. Chosen so that the largest page, with
/// the largest entry coming last, fits a frame.
pub const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Tokens in a batch: the one size there is (DESIGN A6).
pub const TOKEN_BATCH: usize = 32;
/// A ristretto255 element: blinded, evaluated, or an issuer's public key.
pub const TOKEN_ELEMENT_BYTES: usize = 32;
/// The random part of a token.
pub const TOKEN_NONCE_BYTES: usize = 32;
/// The VOPRF output of a token.
pub const TOKEN_OUTPUT_BYTES: usize = 64;
/// The DLEQ proof of a batch.
pub const TOKEN_PROOF_BYTES: usize = 64;
/// Most issuer keys in force at a time.
pub const MAX_ISSUER_KEYS: usize = 8;
/// Largest group, in leaves (devices), that is supported and tested (DESIGN L12).
pub const MAX_GROUP_LEAVES: usize = 1024;

/// Largest frame on any connection: a commit with its GroupInfo and keyring, and slack for the envelope.
pub const MAX_FRAME_BYTES: usize = MAX_COMMIT_BYTES + MAX_GROUP_INFO_BYTES + MAX_KEYRING_BYTES + 64 * 1024;
const _: () = assert!(MAX_FRAME_BYTES >= MAX_PAGE_BYTES + MAX_INBOX_BYTES + 64 * 1024);
/// Largest frame before `hello` has been answered.
pub const MAX_FIRST_FRAME_BYTES: usize = 64 * 1024;
