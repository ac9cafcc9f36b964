//! Account records: an identity part, and for each device its key and KeyPackage part.

use quicprochat_wire::{AccountId, DeviceId, DeviceKey};

use super::StoreFault;

/// A device that the account's identity part names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceRow {
    /// Its id.
    pub device: DeviceId,
    /// Its key, as in the identity part.
    pub key: DeviceKey,
    /// Its KeyPackage part, in a row of [`quicprochat_wire::limits::KEY_PACKAGE_ROW_BYTES`].
    pub key_package: Vec<u8>,
}

/// Records by account.
pub trait DirectoryStore {
    /// The identity part, in a row of [`quicprochat_wire::limits::IDENTITY_ROW_BYTES`].
    fn identity(&mut self, account: &AccountId) -> Result<Option<Vec<u8>>, StoreFault>;
    /// Stores or replaces the identity part.
    fn put_identity(&mut self, account: &AccountId, row: &[u8]) -> Result<(), StoreFault>;
    /// The account's devices, by id.
    fn devices(&mut self, account: &AccountId) -> Result<Vec<DeviceRow>, StoreFault>;
    /// The key of one device; `None` if the account has no such device (any more).
    fn device_key(&mut self, account: &AccountId, device: &DeviceId) -> Result<Option<DeviceKey>, StoreFault>;
    /// Stores or replaces a device.
    fn put_device(&mut self, account: &AccountId, row: &DeviceRow) -> Result<(), StoreFault>;
    /// Removes a device; nothing happens if there is none.
    fn remove_device(&mut self, account: &AccountId, device: &DeviceId) -> Result<(), StoreFault>;
    /// Removes the identity part and all devices.
    fn remove(&mut self, account: &AccountId) -> Result<(), StoreFault>;
}
