//! The own account and this device.

use quicprochat_wire::{AccountId, DeviceId, ServerLink};

use super::{
    StoreFault,
    codec::{List, stored_enum, stored_rows, stored_struct},
    secret::Secret,
};

stored_enum! {
    /// Whether this device may still act.
    Standing {
        /// Enrolled.
        Enrolled = 0,
        /// The account's record no longer lists the device.
        Revoked = 1,
        /// The account was deleted from here.
        Deleted = 2,
    }
}

stored_struct! {
    /// Who we are: written by the ceremonies (register, sign in, revoke), read by the engine.
    OwnAccount {
        /// Where the account lives.
        server: ServerLink,
        /// How names end at this server.
        host: String,
        /// Own name, without host.
        name: String,
        /// Own account.
        account: AccountId,
        /// This device.
        device: DeviceId,
        /// The device's Ed25519 secret key.
        device_key: Secret<32>,
        /// The device's certificate by the identity key.
        certificate: [u8; 64],
        /// The newest own identity part, signed.
        identity: Vec<u8>,
        /// Inbox secret keys, newest first.
        inbox_keys: List<Secret<32>>,
        /// The vault's state key K.
        state_key: Secret<32>,
        /// Whether this device may still act.
        standing: Standing,
    }
}

stored_rows! { OwnAccount = 1, }

/// Where the own account is kept. There is at most one.
pub trait AccountStore {
    /// The own account, if there is one.
    fn own_account(&self) -> Result<Option<OwnAccount>, StoreFault>;

    /// Replaces it.
    fn put_own_account(&self, account: &OwnAccount) -> Result<(), StoreFault>;
}
