//! A client's home in a scratch folder.

use std::path::Path;

use anyhow::Result;
use quicprochat_client::{Home, OsEntropy, Store, StoreKey};

/// Makes a home with a plain key.
pub(crate) fn make(scratch: &Path, name: &str) -> Result<(Home, StoreKey)> {
    let home = Home::open(scratch.join(name))?;
    let key = StoreKey::load_or_create(&home, None, &mut OsEntropy)?;
    Ok((home, key))
}

/// Makes a home, and opens its store.
pub(crate) fn store(scratch: &Path, name: &str) -> Result<Store> {
    let (home, key) = make(scratch, name)?;
    Ok(Store::open(&home, &key)?)
}

/// Copies a home that nobody uses.
pub(crate) fn copy(scratch: &Path, from: &str, to: &str) -> Result<()> {
    let to = scratch.join(to);
    std::fs::create_dir(&to)?;
    std::fs::set_permissions(&to, std::fs::metadata(scratch.join(from))?.permissions())?;
    for file in std::fs::read_dir(scratch.join(from))? {
        let file = file?;
        std::fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}
