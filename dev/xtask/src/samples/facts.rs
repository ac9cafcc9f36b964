//! What is in the samples: what the checks compare with, written down when they were made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The facts' file, in the folder of a version.
const NAME: &str = "facts.json";

/// What is in the samples of a version. Nothing in it is a secret of anybody.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Where the server listens.
    pub(super) listen: String,
    /// Its link.
    pub(super) link: String,
    /// When they were made, in seconds since 1970.
    pub(super) made: u64,
    /// The passphrase of alice's backup.
    pub(super) backup_passphrase: String,
    /// Bob's recovery key, which protects his.
    pub(super) recovery_key: String,
    /// Homes by the name of their folder.
    pub(super) homes: BTreeMap<String, Home>,
}

/// What is in a home.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Home {
    /// Whose it is.
    pub(super) name: String,
    /// Their password.
    pub(super) password: String,
    /// Conversations by title.
    pub(super) conversations: BTreeMap<String, Conversation>,
}

/// A conversation as a home has it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// Its state, as docs/cli.md names it.
    pub(super) state: String,
    /// Who is in it.
    pub(super) members: Vec<String>,
    /// Events of the log in order: the kind, and the text of a message.
    pub(super) log: Vec<(String, String)>,
    /// Whether it is pinned, archived, muted; the own title and the draft, or nothing.
    pub(super) settings: (bool, bool, bool, String, String),
}

impl Facts {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} has no facts", path.display()))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(folder.join(NAME), text)?;
        Ok(())
    }
}
