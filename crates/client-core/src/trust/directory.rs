//! Where records come from: the seam behind which proofs and private look-up will stand.

use quicprochat_identity::{UnverifiedIdentity, UnverifiedKeyPackagePart, VerifiedIdentity, VerifiedKeyPackagePart};
use quicprochat_wire::{
    DeviceId, Request, Response, Timestamp,
    call::directory::{Lookup, Record, Subject},
};

use super::TrustError;

/// A way to ask for accounts' records.
pub trait Directory {
    /// The request that asks for a record, for a look-up connection.
    fn lookup(&self, subject: &Subject) -> Request;

    /// Checks the answer to [`Self::lookup`] of the same subject: that it is what was asked for, and every signature.
    ///
    /// Whether the key is the pinned one is for [`super::ContactPin::observe`].
    fn verify(&self, subject: &Subject, answer: Response) -> Result<VerifiedRecord, TrustError>;
}

/// The directory that believes the server which key a name has; pins and safety numbers are what stands against it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainDirectory;

impl Directory for PlainDirectory {
    fn lookup(&self, subject: &Subject) -> Request {
        Lookup { subject: subject.clone() }.into()
    }

    fn verify(&self, subject: &Subject, answer: Response) -> Result<VerifiedRecord, TrustError> {
        let record = Record::try_from(answer).map_err(|_| TrustError::UnexpectedAnswer)?;
        let record = VerifiedRecord::verify(&record)?;
        match subject {
            Subject::Name(name) if name != record.identity.name().as_str() => Err(TrustError::WrongName),
            Subject::Account(expected) if *expected != record.identity.account() => {
                Err(TrustError::WrongAccount { expected: *expected, found: record.identity.account() })
            }
            Subject::Name(_) | Subject::Account(_) => Ok(record),
        }
    }
}

/// A record all of whose signatures hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedRecord {
    /// The account's identity part.
    pub identity: VerifiedIdentity,
    /// KeyPackage parts, each of another device of the account.
    pub key_packages: Vec<VerifiedKeyPackagePart>,
}

impl VerifiedRecord {
    /// Checks a record for itself.
    ///
    /// Errors:   [`TrustError::Record`], [`TrustError::WrongDevice`].
    pub fn verify(record: &Record) -> Result<Self, TrustError> {
        let identity = UnverifiedIdentity::parse(&record.identity.0)?.verify()?;
        let mut key_packages: Vec<VerifiedKeyPackagePart> = Vec::new();
        for part in &record.key_packages {
            let verified = UnverifiedKeyPackagePart::parse(&part.bytes)?.verify(&identity)?;
            let device = part.device;
            if verified.device() != device || key_packages.iter().any(|other| other.device() == device) {
                return Err(TrustError::WrongDevice { device });
            }
            key_packages.push(verified);
        }
        Ok(Self { identity, key_packages })
    }

    /// The KeyPackages that an adder may use now, one for each device that published within seven days.
    pub fn fresh_key_packages(&self, now: Timestamp) -> impl Iterator<Item = &VerifiedKeyPackagePart> {
        self.key_packages.iter().filter(move |part| part.is_fresh(now))
    }

    /// Devices that cannot be added now: they have no KeyPackage, or a stale one.
    #[must_use]
    pub fn unreachable_devices(&self, now: Timestamp) -> Vec<DeviceId> {
        let fresh: Vec<_> = self.fresh_key_packages(now).map(VerifiedKeyPackagePart::device).collect();
        let devices = self.identity.devices().iter().map(|entry| entry.device);
        devices.filter(|device| !fresh.contains(device)).collect()
    }
}
