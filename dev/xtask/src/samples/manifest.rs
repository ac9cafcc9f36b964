//! The hash of every sample, so that none is changed by mistake.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The manifest's file, in the folder of a version.
pub(crate) const NAME: &str = "manifest.json";
/// Most bytes of all samples of a version.
const MOST_BYTES: u64 = 5 << 19;

/// Every file of a version's samples but itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version that wrote them.
    pub(crate) version: String,
    /// By path, with `/`.
    pub(crate) files: BTreeMap<String, Sample>,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// SHA-256, in hex.
    pub(crate) sha256: String,
    /// Its length.
    pub(crate) bytes: u64,
}

impl Manifest {
    /// Of what lies in a folder.
    pub(crate) fn of(version: &str, folder: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(folder, "", &mut files)?;
        files.remove(NAME);
        Ok(Self { version: version.to_owned(), files })
    }

    /// The one that was written.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no manifest", path.display()))
    }

    /// Writes it.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(folder.join(NAME), text)?;
        Ok(())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|sample| sample.bytes).sum()
    }

    /// What differs from what lies in the folder, and whether it is too much.
    pub(crate) fn faults(&self, folder: &Path) -> Result<Vec<String>> {
        let found = Self::of(&self.version, folder)?;
        let mut faults = Vec::new();
        for (path, sample) in &self.files {
            match found.files.get(path) {
                None => faults.push(format!("{path} is missing")),
                Some(found) if found != sample => faults.push(format!("{path} was changed")),
                Some(_) => {}
            }
        }
        let more = found.files.keys().filter(|path| !self.files.contains_key(*path));
        faults.extend(more.map(|path| format!("{path} is not in the manifest")));
        if self.bytes() > MOST_BYTES {
            faults.push(format!("the samples have {} bytes, more than {MOST_BYTES}", self.bytes()));
        }
        Ok(faults)
    }
}

fn collect(folder: &Path, below: &str, files: &mut BTreeMap<String, Sample>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| anyhow::anyhow!("{} is no UTF-8", name.display()))?;
        let path = format!("{below}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            let content = fs::read(entry.path())?;
            let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            files.insert(path, Sample { sha256, bytes: content.len() as u64 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_changed_added_or_lost_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("wire")).unwrap();
        for name in ["a", "b", "wire/c"] {
            fs::write(at(name), name).unwrap();
        }
        Manifest::of("0.1", folder.path()).unwrap().write(folder.path()).unwrap();
        let manifest = Manifest::read(folder.path()).unwrap();
        assert_eq!(manifest.faults(folder.path()).unwrap(), Vec::<String>::new());
        assert_eq!(manifest.files["a"].sha256, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        fs::write(at("wire/c"), "d").unwrap();
        fs::remove_file(at("a")).unwrap();
        fs::write(at("e"), "e").unwrap();
        assert_eq!(
            manifest.faults(folder.path()).unwrap(),
            ["a is missing", "wire/c was changed", "e is not in the manifest"]
        );
    }
}
