//! What is remembered of a contact: trust on first use, and what came after.

use core::fmt;

use quicprochat_identity::{
    AccountName, IdentityPublicKey, SafetyNumber, VerifiedIdentity,
    record::{DeviceEntry, IdentityContent},
};
use quicprochat_wire::{
    AccountId, DeviceId, DeviceKey, Digest, Reader, Timestamp, Writer,
    limits::{MAX_DEVICES, MAX_NAME_BYTES},
};
use sha2::{Digest as _, Sha256};

use super::{DeviceChanges, TrustError};

const VERSION: u8 = 1;

/// A composite key, by its account and its hash: two keys with the same Ed25519 half differ here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PinnedKey {
    /// The account.
    pub account: AccountId,
    /// SHA-256 of the composite key.
    pub hash: Digest,
}

impl PinnedKey {
    /// The pin of a key.
    #[must_use]
    pub fn of(key: &IdentityPublicKey) -> Self {
        Self { account: key.account_id(), hash: Digest::new(Sha256::digest(key.as_bytes()).into()) }
    }

    fn write(self, writer: Writer) -> Writer {
        writer.fixed(self.account).fixed(self.hash)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, TrustError> {
        Ok(Self { account: AccountId::new(reader.array()?), hash: Digest::new(reader.array()?) })
    }
}

impl fmt::Display for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account.short(), self.hash.short())
    }
}

/// A key that is not the pinned one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyChange {
    /// The pinned key.
    pub pinned: PinnedKey,
    /// The one shown.
    pub found: PinnedKey,
}

/// What a record that was looked up means for a contact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observation {
    /// The record seen before.
    Unchanged,
    /// A newer record of the same key; what it means for devices.
    Updated(DeviceChanges),
}

/// What is remembered of a name: its key, and how far its records had come.
///
/// Shape:    `u8 1 || name text || account fixed(32) || key hash fixed(32) || u64 serial || identity hash fixed(32) ||
///           devices list of (device fixed(16), key fixed(32)) || u8 verified || u64 pinned at || u8 has pending ||
///           pending account fixed(32) || pending key hash fixed(32)` (the last two only if there is one).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContactPin {
    name: AccountName,
    key: PinnedKey,
    serial: u64,
    identity_hash: Digest,
    devices: Vec<(DeviceId, DeviceKey)>,
    verified: bool,
    pinned_at: Timestamp,
    pending: Option<PinnedKey>,
}

impl ContactPin {
    /// Pins the first record seen of a name.
    #[must_use]
    pub fn first_use(identity: &VerifiedIdentity, now: Timestamp) -> Self {
        Self {
            name: identity.name().clone(),
            key: PinnedKey::of(identity.key()),
            serial: identity.serial(),
            identity_hash: identity.hash(),
            devices: device_keys(identity.devices()),
            verified: false,
            pinned_at: now,
            pending: None,
        }
    }

    /// Pins a key that another device of the account has pinned, before this one has seen any record of the name.
    #[must_use]
    pub const fn expected(name: AccountName, key: PinnedKey, now: Timestamp) -> Self {
        let identity_hash = Digest::new([0; 32]);
        Self {
            name,
            key,
            serial: 0,
            identity_hash,
            devices: Vec::new(),
            verified: false,
            pinned_at: now,
            pending: None,
        }
    }

    /// Compares a record with what is known, and takes it if it is a newer one of the same key.
    ///
    /// Errors:   [`TrustError::ChangedKey`] - remembered, blocks the contact until [`Self::accept`] or [`Self::dismiss`];
    ///           [`TrustError::RolledBack`], [`TrustError::Forked`] - the record is not to be used;
    ///           [`TrustError::WrongName`] - the caller confused its contacts.
    pub fn observe(&mut self, identity: &VerifiedIdentity) -> Result<Observation, TrustError> {
        if *identity.name() != self.name {
            return Err(TrustError::WrongName);
        }
        let found = PinnedKey::of(identity.key());
        if found != self.key {
            self.pending = Some(found);
            return Err(self.changed(found));
        }
        let (seen, serial) = (self.serial, identity.serial());
        if serial < seen {
            return Err(TrustError::RolledBack { seen, found: serial });
        }
        if serial == seen {
            let same = identity.hash() == self.identity_hash;
            return if same { Ok(Observation::Unchanged) } else { Err(TrustError::Forked { serial }) };
        }
        let changes = DeviceChanges::between(&self.devices, identity.devices());
        self.take(identity);
        Ok(Observation::Updated(changes))
    }

    /// Pins the changed key in place of the old one: a person decided so. It is not a verified one.
    ///
    /// Errors:   [`TrustError::NotPending`] unless exactly this key was shown before; [`TrustError::WrongName`].
    pub fn accept(&mut self, identity: &VerifiedIdentity, now: Timestamp) -> Result<(), TrustError> {
        if *identity.name() != self.name {
            return Err(TrustError::WrongName);
        }
        let found = PinnedKey::of(identity.key());
        if self.pending != Some(found) {
            return Err(TrustError::NotPending);
        }
        self.key = found;
        self.verified = false;
        self.pinned_at = now;
        self.pending = None;
        self.take(identity);
        Ok(())
    }

    /// Stays with the pinned key: a person decided so.
    pub fn dismiss(&mut self) {
        self.pending = None;
    }

    /// The number that both people compare.
    ///
    /// Errors:   [`TrustError::ChangedKey`] if `theirs` is not the pinned key.
    pub fn safety_number(
        &self,
        own: &IdentityPublicKey,
        theirs: &IdentityPublicKey,
    ) -> Result<SafetyNumber, TrustError> {
        let found = PinnedKey::of(theirs);
        if found != self.key {
            return Err(self.changed(found));
        }
        Ok(SafetyNumber::of(own, theirs))
    }

    /// Marks the contact as verified if the number that was compared is the right one.
    ///
    /// Errors:   [`TrustError::SafetyNumberMismatch`], [`TrustError::ChangedKey`].
    pub fn verify(
        &mut self,
        own: &IdentityPublicKey,
        theirs: &IdentityPublicKey,
        compared: &SafetyNumber,
    ) -> Result<(), TrustError> {
        if self.safety_number(own, theirs)? != *compared {
            return Err(TrustError::SafetyNumberMismatch);
        }
        self.verified = true;
        Ok(())
    }

    /// Takes over from another device of the account for which key of the contact the safety number was compared. It counts
    /// for the pinned key alone.
    pub fn set_verified_elsewhere(&mut self, key: Option<Digest>) {
        self.verified = key == Some(self.key.hash);
    }

    /// Whether a changed key waits for a decision; until then nothing is sent to the contact.
    #[must_use]
    pub const fn is_blocked(&self) -> bool {
        self.pending.is_some()
    }

    /// The changed key that waits for a decision.
    #[must_use]
    pub const fn pending(&self) -> Option<PinnedKey> {
        self.pending
    }

    /// Whether somebody compared the safety number of the pinned key.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &AccountName {
        &self.name
    }

    /// The pinned key.
    #[must_use]
    pub const fn key(&self) -> PinnedKey {
        self.key
    }

    /// The account behind the name.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.key.account
    }

    /// Highest serial seen.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// Hash of the newest identity part seen.
    #[must_use]
    pub const fn identity_hash(&self) -> Digest {
        self.identity_hash
    }

    /// When the pinned key was seen first, or accepted.
    #[must_use]
    pub const fn pinned_at(&self) -> Timestamp {
        self.pinned_at
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = self.key.write(Writer::new().u8(VERSION).text(self.name.as_str()));
        let writer = writer
            .u64(self.serial)
            .fixed(self.identity_hash)
            .list(&self.devices, |writer, (device, key)| writer.fixed(device).fixed(key))
            .u8(u8::from(self.verified))
            .u64(self.pinned_at.0)
            .u8(u8::from(self.pending.is_some()));
        match self.pending {
            Some(pending) => pending.write(writer).finish(),
            None => writer.finish(),
        }
    }

    /// Reads the stored form.
    ///
    /// Errors:   [`TrustError::Stored`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(quicprochat_wire::DecodeError::WrongLabel.into());
        }
        let pin = Self {
            name: AccountName::parse(reader.text(MAX_NAME_BYTES)?)?,
            key: PinnedKey::read(&mut reader)?,
            serial: reader.u64()?,
            identity_hash: Digest::new(reader.array()?),
            devices: reader.list::<_, TrustError>(MAX_DEVICES, |item| {
                Ok((DeviceId::new(item.array()?), DeviceKey::new(item.array()?)))
            })?,
            verified: read_flag(&mut reader)?,
            pinned_at: Timestamp(reader.u64()?),
            pending: if read_flag(&mut reader)? { Some(PinnedKey::read(&mut reader)?) } else { None },
        };
        reader.finish()?;
        Ok(pin)
    }

    fn changed(&self, found: PinnedKey) -> TrustError {
        TrustError::ChangedKey(Box::new(KeyChange { pinned: self.key, found }))
    }

    fn take(&mut self, identity: &IdentityContent) {
        self.serial = identity.serial();
        self.identity_hash = identity.hash();
        self.devices = device_keys(identity.devices());
    }
}

fn device_keys(entries: &[DeviceEntry]) -> Vec<(DeviceId, DeviceKey)> {
    entries.iter().map(|entry| (entry.device, entry.key)).collect()
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, TrustError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(quicprochat_wire::DecodeError::BadValue { found: u64::from(found) }.into()),
    }
}
