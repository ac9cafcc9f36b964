//! Where values come from, and which of them wins.

use core::fmt;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{ConfigError, sections::Config};
use crate::store_key::StoreKey;

/// What every variable begins with.
const PREFIX: &str = "QPC_SERVER_";
/// The variable that names the configuration file.
const CONFIG_VARIABLE: &str = "QPC_SERVER_CONFIG";

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// What was given from outside.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// Flags: name, key, value.
    pub flags: Vec<(String, String, String)>,
}

/// The configuration in force, and where each value came from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The values.
    pub config: Config,
    /// Origin by key (`limits.retention`); keys that are not here have their default.
    pub origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Lays the layers on one another.
    ///
    /// Errors:   [`ConfigError`], naming the file, variable or flag at fault.
    pub fn resolve(&self) -> Result<Effective, ConfigError> {
        let mut merged = Table::new();
        let mut origins = BTreeMap::new();
        if let Some((path, origin)) = self.config_file()? {
            let table = read_file(&path, &origin)?;
            for (key, value) in leaves(&table) {
                set(&mut merged, &key, value);
                origins.insert(key, Origin::File(path.clone()));
            }
        }
        let known = known_keys()?;
        let variables: BTreeMap<String, &String> =
            known.keys().map(|key| (format!("{PREFIX}{}", key.replace('.', "_").to_uppercase()), key)).collect();
        for (name, value) in &self.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            if name == CONFIG_VARIABLE || name == StoreKey::VARIABLE {
                continue;
            }
            let origin = Origin::Variable(name.to_owned());
            let Some(key) = variables.get(name) else { return Err(ConfigError::UnknownKey { origin }) };
            let Some(text) = value.to_str() else { return Err(ConfigError::NotText { origin }) };
            overlay(&mut merged, &mut origins, &known, key, text, origin)?;
        }
        for (flag, key, text) in &self.flags {
            overlay(&mut merged, &mut origins, &known, key, text, Origin::Flag(flag.clone()))?;
        }
        let mut config: Config = Value::Table(merged).try_into().map_err(|error: toml::de::Error| {
            ConfigError::File { path: self.file.clone().unwrap_or_default(), detail: error.message().to_owned() }
        })?;
        if config.data_dir.as_os_str().is_empty() {
            config.data_dir = self.default_data_dir()?;
        }
        Ok(Effective { config, origins })
    }

    /// The store key from the environment, if it is there.
    #[must_use]
    pub fn store_key(&self) -> Option<&OsString> {
        self.environment.get(OsString::from(StoreKey::VARIABLE).as_os_str())
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.get(OsString::from(name).as_os_str()).filter(|value| !value.is_empty())
    }

    fn config_file(&self) -> Result<Option<(PathBuf, Origin)>, ConfigError> {
        if let Some(path) = &self.file {
            return Ok(Some((path.clone(), Origin::Flag("--config".to_owned()))));
        }
        let path = self.variable(CONFIG_VARIABLE).map(PathBuf::from);
        Ok(path.map(|path| (path, Origin::Variable(CONFIG_VARIABLE.to_owned()))))
    }

    fn default_data_dir(&self) -> Result<PathBuf, ConfigError> {
        let absolute = |name| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        Ok(data.ok_or(ConfigError::NoHome)?.join("quicprochat-server"))
    }
}

fn read_file(path: &Path, _origin: &Origin) -> Result<Table, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let unusable = |error: toml::de::Error| ConfigError::File { path: path.to_owned(), detail: error.to_string() };
    // As a whole, so that a key that is not known is told with its line.
    toml::from_str::<Config>(&text).map_err(unusable)?;
    toml::from_str::<Table>(&text).map_err(unusable)
}

/// Every key with its default.
pub(super) fn known_keys() -> Result<BTreeMap<String, Value>, ConfigError> {
    let defaults = Table::try_from(Config::default())
        .map_err(|error| ConfigError::File { path: PathBuf::new(), detail: error.to_string() })?;
    Ok(leaves(&defaults).into_iter().collect())
}

fn overlay(
    merged: &mut Table,
    origins: &mut BTreeMap<String, Origin>,
    known: &BTreeMap<String, Value>,
    key: &str,
    text: &str,
    origin: Origin,
) -> Result<(), ConfigError> {
    let Some(default) = known.get(key) else { return Err(ConfigError::UnknownKey { origin }) };
    let value = match default {
        Value::Integer(_) => text.parse().map(Value::Integer).unwrap_or_else(|_| Value::String(text.to_owned())),
        Value::Boolean(_) => text.parse().map(Value::Boolean).unwrap_or_else(|_| Value::String(text.to_owned())),
        Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Value::String(text.to_owned())
        }
    };
    // Alone, so that what does not fit is told with its origin.
    let mut alone = Table::new();
    set(&mut alone, key, value.clone());
    if let Err(error) = Value::Table(alone).try_into::<Config>() {
        return Err(ConfigError::Value { origin, detail: error.message().to_owned() });
    }
    set(merged, key, value);
    origins.insert(key.to_owned(), origin);
    Ok(())
}

/// All values of a table, by dotted key.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(section) => {
                found.extend(leaves(section).into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)));
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => found.push((key.clone(), value.clone())),
        }
    }
    found
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                set(section, rest, value);
            }
        }
    }
}
