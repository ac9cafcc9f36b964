//! Regular work: KeyPackages, revocation jobs, and small settings.

use quicprochat_wire::{DeviceId, Timestamp};

use super::{
    StoreFault,
    codec::{stored_enum, stored_rows, stored_struct},
};

stored_enum! {
    /// Where a KeyPackage of this device stands.
    KeyPackageState {
        /// Made, not known to be published; sent again as it stands.
        Staged = 0,
        /// In the directory.
        Published = 1,
        /// Replaced; its private key is deleted at `until`.
        Superseded = 2 {
            /// End of the grace period.
            until: Timestamp,
        },
    }
}

stored_struct! {
    /// A KeyPackage of this device; the private part is in the MLS store.
    OwnKeyPackage {
        /// The KeyPackage (MLSMessage).
        key_package: Vec<u8>,
        /// The signed directory part.
        part: Vec<u8>,
        /// When it was made.
        made: Timestamp,
        /// Where it stands.
        state: KeyPackageState,
    }
}

stored_struct! {
    /// A revoked device of the own account that is to be removed from every conversation (A5).
    RevocationJob {
        /// Which.
        device: DeviceId,
        /// Since when.
        since: Timestamp,
    }
}

stored_rows! { OwnKeyPackage = 1, RevocationJob = 1, }

/// Where they are kept.
pub trait UpkeepStore {
    /// Own KeyPackages, the oldest first.
    fn key_packages(&self) -> Result<Vec<OwnKeyPackage>, StoreFault>;

    /// Adds or replaces, by the KeyPackage's bytes.
    fn put_key_package(&self, package: &OwnKeyPackage) -> Result<(), StoreFault>;

    /// Removes the row with these KeyPackage bytes, if present.
    fn delete_key_package(&self, key_package: &[u8]) -> Result<(), StoreFault>;

    /// Revocation jobs, by device.
    fn revocation_jobs(&self) -> Result<Vec<RevocationJob>, StoreFault>;

    /// Adds or replaces.
    fn put_revocation_job(&self, job: &RevocationJob) -> Result<(), StoreFault>;

    /// Removes it, if present.
    fn delete_revocation_job(&self, device: &DeviceId) -> Result<(), StoreFault>;

    /// A small value by name.
    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreFault>;

    /// Replaces it; `None` removes it.
    fn put_setting(&self, name: &str, value: Option<&[u8]>) -> Result<(), StoreFault>;
}
