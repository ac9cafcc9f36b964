//! The vault: an account's encrypted records (DESIGN A4). The server can read none of them.

/// The way into a vault by the password.
pub const WAY_PASSWORD: u16 = 1;
/// The way into a vault by the recovery key.
pub const WAY_RECOVERY: u16 = 2;
/// The way into a vault by the password together with the link secret, which the account's devices alone have: the wrap of
/// an account that takes new devices from its devices only. Sign-in is by [`WAY_PASSWORD`].
pub const WAY_LINKED: u16 = 4;

/// One way to the vault's root key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultWrap {
    /// [`WAY_PASSWORD`] or [`WAY_RECOVERY`]: under the export key of that way's OPAQUE record; [`WAY_LINKED`]: under that of
    /// the password and the link secret. 3 is reserved (passkey PRF).
    pub way: u16,
    /// The wrapped root key.
    pub sealed: Vec<u8>,
}

/// One encrypted record with compare-and-set by version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultRecord {
    /// Which record (protocol.md, "Vault").
    pub id: u32,
    /// One above the stored version (1 for a new record) when stored; the stored version when fetched.
    pub version: u64,
    /// Padded ciphertext; empty removes the record (the version stays).
    pub sealed: Vec<u8>,
}

/// Fetches records; all of them if `ids` is empty. Device or sign-in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultFetch {
    /// Which.
    pub ids: Vec<u32>,
}

/// The records that exist among those asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultRecords {
    /// By id.
    pub records: Vec<VaultRecord>,
}

/// Stores records, all or none: `version-conflict` if any version does not fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultStore {
    /// What to store.
    pub records: Vec<VaultRecord>,
}

/// Asks to be told whenever records are stored, by whichever device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultSubscribe {}

/// What stands at the server in the place of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VaultVersion {
    /// Which record.
    pub id: u32,
    /// Its version, also of a removed one.
    pub version: u64,
}

/// At first the versions of all records, then of those that changed since the answer before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultVersions {
    /// By id.
    pub versions: Vec<VaultVersion>,
}
