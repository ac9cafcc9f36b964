//! The configuration in force, for people and for programs.

use std::fmt::Write as _;

use toml::Table;

use super::{
    ConfigError,
    layers::{Effective, Origin, leaves},
};

impl Effective {
    /// As a configuration file, each value with its origin. Holds no secret: none can be configured but by file or environment.
    ///
    /// Errors:   [`ConfigError::File`] if a path is not text.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let mut text = String::new();
        let mut section = String::new();
        for (key, value, origin) in self.entries()? {
            let (prefix, name) = key.rsplit_once('.').unwrap_or(("", &key));
            if prefix != section {
                section = prefix.to_owned();
                // Writing to a String cannot fail.
                let _ = writeln!(text, "\n[{section}]");
            }
            let _ = writeln!(text, "{name} = {value} # {origin}");
        }
        Ok(text)
    }

    /// As one JSON object: value and origin by key.
    ///
    /// Errors:   [`ConfigError::File`] if a path is not text.
    pub fn to_json(&self) -> Result<serde_json::Value, ConfigError> {
        let mut object = serde_json::Map::new();
        for (key, value, origin) in self.entries()? {
            let value = serde_json::to_value(&value).unwrap_or_default();
            object.insert(key, serde_json::json!({ "value": value, "from": origin.to_string() }));
        }
        Ok(serde_json::Value::Object(object))
    }

    /// Values of the top level first, then by section.
    fn entries(&self) -> Result<Vec<(String, toml::Value, Origin)>, ConfigError> {
        let mut shown = self.config.clone();
        shown.host = shown.effective_host();
        let table = Table::try_from(&shown)
            .map_err(|error| ConfigError::File { path: self.config.data_dir.clone(), detail: error.to_string() })?;
        let mut entries: Vec<_> = leaves(&table)
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origins.get(&key).cloned().unwrap_or(Origin::Default);
                (key, value, origin)
            })
            .collect();
        entries
            .sort_by_key(|(key, _, _)| (key.contains('.'), key.rsplit_once('.').map(|(prefix, _)| prefix.to_owned())));
        Ok(entries)
    }
}
