//! Which devices an account has gained and lost since it was looked at last.

use quicprochat_identity::DeviceEntry;
use quicprochat_wire::{DeviceId, DeviceKey};

/// What to tell a user about a contact's devices.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceChanges {
    /// New ones, in the order of the record.
    pub added: Vec<DeviceId>,
    /// Ones that are gone. A device whose key is another one is both.
    pub removed: Vec<DeviceId>,
}

impl DeviceChanges {
    /// The difference between two lists of devices.
    #[must_use]
    pub fn between(before: &[(DeviceId, DeviceKey)], after: &[DeviceEntry]) -> Self {
        let known = |entry: &&DeviceEntry| before.iter().any(|(id, key)| *id == entry.device && *key == entry.key);
        let stays =
            |(id, key): &&(DeviceId, DeviceKey)| after.iter().any(|entry| entry.device == *id && entry.key == *key);
        Self {
            added: after.iter().filter(|entry| !known(entry)).map(|entry| entry.device).collect(),
            removed: before.iter().filter(|device| !stays(device)).map(|(device, _)| *device).collect(),
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}
