//! What both sides can do.

use quicprochat_e2ee::mls::Suite;

use crate::device::Device;

pub(crate) type Result<T> = core::result::Result<T, Box<dyn std::error::Error>>;

/// A member of a group, by this crate or by bare OpenMLS. What it writes ends in bytes, what it reads begins with bytes.
pub(crate) trait Side: Sized {
    /// Creates the group.
    fn create(device: Device, suite: Suite) -> Result<Self>;
    /// Joins by a Welcome.
    fn join(device: Device, welcome: &[u8], tree: &[u8]) -> Result<Self>;
    /// Makes a KeyPackage.
    fn key_package(&mut self) -> Result<Vec<u8>>;
    /// Adds devices and merges; hands out Welcome and tree.
    fn add(&mut self, packages: &[Vec<u8>]) -> Result<(Vec<u8>, Vec<u8>)>;
    /// Updates the own leaf and merges; hands out the commit.
    fn commit(&mut self) -> Result<Vec<u8>>;
    /// Takes somebody else's commit and merges it.
    fn process(&mut self, commit: &[u8]) -> Result<()>;
    /// Encrypts a message.
    fn encrypt(&mut self, content: &[u8]) -> Result<Vec<u8>>;
    /// Decrypts a message.
    fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>>;
    /// Loads the group from the store.
    fn load(&mut self) -> Result<()>;
}
