//! The configuration file: one TOML file, one module for each of its sections.
//!
//! Unknown keys are errors. Every error names the file, the line, and what was expected. Relative paths are
//! relative to the file. Parsing looks at nothing but the text, so that it can be tested without files.

mod audit;
mod control;
mod cse;
mod limits;
mod listener;
mod log;
mod metrics;
mod plain;
mod store;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use crate::outcome::without_keys;

pub(crate) use self::{
    audit::AuditSection,
    control::ControlSection,
    cse::{CseSection, parsed},
    limits::LimitsSection,
    listener::ListenerSection,
    log::{LogFormat, LogSection},
    metrics::MetricsSection,
    plain::PlainSection,
    store::StoreSection,
};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) store: StoreSection,
    pub(crate) cse: CseSection,
    #[serde(default)]
    pub(crate) listener: Vec<ListenerSection>,
    #[serde(default)]
    pub(crate) plain: Vec<PlainSection>,
    #[serde(default)]
    pub(crate) limits: LimitsSection,
    #[serde(default)]
    pub(crate) audit: AuditSection,
    #[serde(default)]
    pub(crate) control: ControlSection,
    #[serde(default)]
    pub(crate) metrics: MetricsSection,
    #[serde(default)]
    pub(crate) log: LogSection,
    /// The folder that relative paths start from.
    #[serde(skip)]
    base: PathBuf,
    /// The sections as they were written, to see which have changed.
    #[serde(skip)]
    written: toml::Table,
}

/// Why a configuration is not one.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// The text is not what it should be; the message has the line.
    #[error("{}: {message}", path.display())]
    Wrong { path: PathBuf, message: String },
}

impl Config {
    /// Reads the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, the contents of the file at `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::Wrong { path: path.to_owned(), message };
        let mut config: Self = toml::from_str(text).map_err(|error| wrong(located(text, &error)))?;
        config.written = toml::from_str(text).map_err(|error| wrong(located(text, &error)))?;
        config.base = path.parent().map(Path::to_owned).unwrap_or_default();
        if config.listener.is_empty() {
            return Err(wrong("expected at least one [[listener]]".into()));
        }
        Ok(config)
    }

    /// The sections that are written otherwise in `other`, by name.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.written.keys().chain(other.written.keys()).collect();
        let differ = |name: &&&String| self.written.get(**name) != other.written.get(**name);
        names.iter().filter(differ).map(ToString::to_string).collect()
    }

    /// The folder that relative paths start from.
    pub(crate) fn folder(&self) -> &Path {
        &self.base
    }

    /// Where the store is.
    pub(crate) fn store_path(&self) -> PathBuf {
        self.base.join(&self.store.path)
    }

    /// Where the control socket is.
    pub(crate) fn control_path(&self) -> PathBuf {
        match &self.control.socket {
            Some(path) => self.base.join(path),
            None => self.store_path().with_file_name("control.sock"),
        }
    }

    /// Where the key-encryption key is, unless an environment variable holds it.
    pub(crate) fn kek_path(&self) -> PathBuf {
        match &self.store.kek_file {
            Some(path) => self.base.join(path),
            None => {
                let mut name = self.store_path().into_os_string();
                name.push(".kek");
                name.into()
            }
        }
    }
}

/// What is wrong, and in which line. The line itself is not repeated: somebody may have written a key into it.
pub(crate) fn located(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.get(..start).map_or(0, |before| before.matches('\n').count()) + 1;
    format!("line {line}: {}", without_keys(error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
[store]
path = "attache.db"

[cse]
id = "//example.org/mn-cse-123456"
base_name = "home_gateway"

[[listener]]
address = "127.0.0.1:8443"
"#;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/attache/attache.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_minimal_file_gets_defaults() {
        let config = parse(MINIMAL).unwrap();
        assert_eq!(config.store_path(), Path::new("/etc/attache/attache.db"));
        assert_eq!(config.kek_path(), Path::new("/etc/attache/attache.db.kek"));
        assert_eq!(config.cse.id.to_string(), "//example.org/mn-cse-123456");
        assert_eq!(config.limits.handshake_seconds.get(), 10);
    }

    #[test]
    fn the_shipped_example_is_valid() {
        parse(include_str!("../../attache.example.toml")).unwrap();
    }

    #[test]
    fn errors_name_file_line_and_what_was_expected() {
        for (from, to, expected) in [
            ("path =", "paht =", ["line 3", "unknown field `paht`", "expected"].as_slice()),
            ("\"127.0.0.1:8443\"", "8443", ["line 10", "invalid type", "expected"].as_slice()),
            ("\"127.0.0.1:8443\"", "\"localhost\"", ["line 10", "socket address"].as_slice()),
            ("\"//example.org/mn-cse-123456\"", "\"/mn-cse-123456\"", ["line 6", "CSE-ID"].as_slice()),
            ("base_name = \"home_gateway\"", "base_name = \"a/b\"", ["line 7", "resourceName"].as_slice()),
            ("path =", "kek = \"5ec12e75ec12e7\"\npath =", ["line 3", "unknown field `kek`"].as_slice()),
            ("[cse]", "[log]\nlevel = \"inof\"\n[cse]", ["line 6", "inof", "trace"].as_slice()),
            ("[cse]", "[cse]\nkind = \"gateway\"", ["line 6", "unknown variant", "mn"].as_slice()),
            ("[[listener]]", "[limits]\nassociations = 0\n\n[[listener]]", ["nonzero"].as_slice()),
            ("[[listener]]\naddress = \"127.0.0.1:8443\"", "", ["[[listener]]"].as_slice()),
        ] {
            assert!(MINIMAL.contains(from), "{from}");
            let message = parse(&MINIMAL.replace(from, to)).unwrap_err();
            assert!(message.starts_with("/etc/attache/attache.toml: "), "{message}");
            for part in expected {
                assert!(message.contains(part), "{part:?} is not in:\n{message}");
            }
            assert!(!message.contains("5ec12e7"), "a line with a key is quoted: {message}");
        }
    }

    #[test]
    fn a_changed_section_is_named() {
        let read = |text: &str| Config::parse(text, Path::new("attache.toml")).unwrap();
        let other = MINIMAL.replace("home_gateway", "other") + "[log]\nlevel = \"warn\"\n";
        assert_eq!(read(MINIMAL).differences(&read(&other)), ["cse", "log"]);
        assert!(read(MINIMAL).differences(&read(&format!("# a remark\n{MINIMAL}"))).is_empty());
    }
}
