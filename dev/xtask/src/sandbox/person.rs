//! A person: a home directory and a password.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Somebody with one device.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    name: String,
    folder: PathBuf,
    /// By how much the device's clock is wrong, as `faketime` takes it.
    clock_off: Option<String>,
}

impl Person {
    /// Makes a person's folder below `scratch`, readable by us alone.
    pub(super) fn new(scratch: &Path, name: &str) -> Result<Self> {
        Self::with_folder(name, scratch.join(name))
    }

    /// The same person with another device: another home, the same name and password.
    pub(super) fn with_device(&self, scratch: &Path, device: &str) -> Result<Self> {
        Self::with_folder(&self.name, scratch.join(format!("{}-{device}", self.name)))
    }

    fn with_folder(name: &str, folder: PathBuf) -> Result<Self> {
        let person = Self { name: name.to_owned(), folder, clock_off: None };
        let make = |folder: &Path| DirBuilder::new().recursive(true).mode(0o700).create(folder);
        make(&person.home()).with_context(|| format!("cannot make a home for {name}"))?;
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(person.password_file())?;
        writeln!(file, "{}", person.password())?;
        Ok(person)
    }

    /// The same device with a clock that is wrong by so much, as `faketime` takes it (`+1d`).
    pub(crate) fn with_clock(&self, off: &str) -> Self {
        Self { clock_off: Some(off.to_owned()), ..self.clone() }
    }

    /// By how much their clock is wrong.
    pub(super) fn clock_off(&self) -> Option<&str> {
        self.clock_off.as_deref()
    }

    /// Their name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Their password, a different one for each name and strong enough for registration.
    pub(crate) fn password(&self) -> String {
        format!("{}-Kestrel-83-quarry-Lantern", self.name)
    }

    /// Where their device keeps its keys and messages.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// A file with the password.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.folder.join("password")
    }
}
