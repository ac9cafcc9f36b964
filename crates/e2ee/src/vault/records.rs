//! The vault's records.

use quicprochat_identity::IdentitySecretKey;
use quicprochat_wire::{
    AccountId, DecodeError, DeviceId, Digest, Entropy, Reader, Writer,
    limits::{MAX_DEVICES, MAX_VAULT_BYTES},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{RootKey, StateKey};
use crate::{
    aead,
    error::{E2eeError, Sealed},
    sealed::InboxSecretKey,
};

pub(super) const VERSION: u8 = 1;
const MAX_INBOX_KEYS: usize = 256;
const MAX_LABEL_BYTES: usize = 256;
const MAX_JOBS: usize = 1024;

/// Where a record lies: the server sees id and version, and the ciphertext is bound to both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHead {
    /// The account.
    pub account: AccountId,
    /// Id of the record.
    pub id: u32,
    /// Version, one above the one it replaces.
    pub version: u64,
}

impl RecordHead {
    pub(super) fn text(&self) -> Vec<u8> {
        Writer::labelled("qpc/1 vault record").fixed(self.account).u32(self.id).u64(self.version).finish()
    }
}

/// A structure that is a vault record under the state key.
pub trait StateRecord: Sized {
    /// Id of the record.
    const ID: u32;
    /// The content.
    fn encode(&self) -> Zeroizing<Vec<u8>>;
    /// Takes the content.
    fn parse(bytes: &[u8]) -> Result<Self, E2eeError>;
}

/// Seals a record under the state key.
pub fn seal_record<T: StateRecord>(
    key: &StateKey,
    account: AccountId,
    version: u64,
    record: &T,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    seal(key.as_bytes(), &RecordHead { account, id: T::ID, version }, &record.encode(), entropy)
}

/// Opens a record under the state key.
///
/// Errors:   [`E2eeError::CannotOpen`] for another key, account, version or record.
pub fn open_record<T: StateRecord>(
    key: &StateKey,
    account: AccountId,
    version: u64,
    sealed: &[u8],
) -> Result<T, E2eeError> {
    T::parse(&open(key.as_bytes(), &RecordHead { account, id: T::ID, version }, sealed)?)
}

/// Id of the record that holds the identity key.
pub const IDENTITY_RECORD: u32 = 1;

/// Seals the identity key, under a key of its own that devices do not have.
///
/// The hash of the result, [`vault_hash`], goes into the identity part.
pub fn seal_identity(
    root: &RootKey,
    account: AccountId,
    version: u64,
    identity: &IdentitySecretKey,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    let content = Zeroizing::new(Writer::new().u8(VERSION).fixed(identity.seeds().as_slice()).finish());
    seal(&root.identity_key(), &RecordHead { account, id: IDENTITY_RECORD, version }, &content, entropy)
}

/// Opens the identity key.
pub fn open_identity(
    root: &RootKey,
    account: AccountId,
    version: u64,
    sealed: &[u8],
) -> Result<IdentitySecretKey, E2eeError> {
    let content = open(&root.identity_key(), &RecordHead { account, id: IDENTITY_RECORD, version }, sealed)?;
    let mut reader = versioned(&content)?;
    let seeds = Zeroizing::new(reader.array::<64>()?);
    reader.finish()?;
    Ok(IdentitySecretKey::from_seeds(&seeds))
}

/// What the identity part names, against a server that shows an old vault.
#[must_use]
pub fn vault_hash(sealed_identity: &[u8]) -> Digest {
    Digest::new(Sha256::digest(sealed_identity).into())
}

/// Record 2: the account's inbox keys, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InboxRecord(pub Vec<InboxSecretKey>);

impl StateRecord for InboxRecord {
    const ID: u32 = 2;

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().u8(VERSION).list(&self.0, |writer, key| writer.fixed(key.as_bytes()));
        Zeroizing::new(writer.finish())
    }

    fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader = versioned(bytes)?;
        let keys = reader.list::<_, DecodeError>(MAX_INBOX_KEYS, |item| {
            Ok(InboxSecretKey::from_bytes(&Zeroizing::new(item.array()?)))
        })?;
        reader.finish()?;
        Ok(Self(keys))
    }
}

/// Record 3: what the account's devices are called.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DevicesRecord(pub Vec<(DeviceId, String)>);

impl StateRecord for DevicesRecord {
    const ID: u32 = 3;

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().u8(VERSION);
        let writer = writer.list(&self.0, |writer, (device, label)| writer.fixed(device).text(label));
        Zeroizing::new(writer.finish())
    }

    fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader = versioned(bytes)?;
        let devices = reader.list::<_, DecodeError>(MAX_DEVICES, |item| {
            Ok((DeviceId::new(item.array()?), item.text(MAX_LABEL_BYTES)?.to_owned()))
        })?;
        reader.finish()?;
        Ok(Self(devices))
    }
}

/// What is left to do in the account's conversations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// Remove a device of this account from every conversation (DESIGN A5).
    RemoveDevice(DeviceId),
}

/// Record 4: jobs that any device of the account takes up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JobsRecord(pub Vec<Job>);

impl StateRecord for JobsRecord {
    const ID: u32 = 4;

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().u8(VERSION).list(&self.0, |writer, job| match job {
            Job::RemoveDevice(device) => writer.u8(1).fixed(device),
        });
        Zeroizing::new(writer.finish())
    }

    fn parse(bytes: &[u8]) -> Result<Self, E2eeError> {
        let mut reader = versioned(bytes)?;
        let jobs = reader.list::<_, DecodeError>(MAX_JOBS, |item| match item.u8()? {
            1 => Ok(Job::RemoveDevice(DeviceId::new(item.array()?))),
            found => Err(DecodeError::BadValue { found: found.into() }),
        })?;
        reader.finish()?;
        Ok(Self(jobs))
    }
}

pub(super) fn seal(
    key: &[u8; 32],
    head: &RecordHead,
    content: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, E2eeError> {
    aead::seal_padded(key, &head.text(), content.to_vec(), Sealed::VaultRecord, MAX_VAULT_BYTES, entropy)
}

pub(super) fn open(key: &[u8; 32], head: &RecordHead, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, E2eeError> {
    aead::open_padded(key, &head.text(), sealed, Sealed::VaultRecord)
}

pub(super) fn versioned(bytes: &[u8]) -> Result<Reader<'_>, E2eeError> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? == VERSION { Ok(reader) } else { Err(DecodeError::WrongLabel.into()) }
}
