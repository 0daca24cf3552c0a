use std::str::FromStr;

use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::parsed;

/// `[log]`: what the program says while it runs. Taken over without a restart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogSection {
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or a list such as `info,net=debug`.
    #[serde(deserialize_with = "parsed")]
    pub(crate) level: LogLevel,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel(Targets::new().with_default(LevelFilter::INFO)) }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// How much is said, by the part of the program that says it.
#[derive(Debug, Clone)]
pub(crate) struct LogLevel(Targets);

impl LogLevel {
    pub(crate) fn targets(&self) -> Targets {
        self.0.clone()
    }
}

impl FromStr for LogLevel {
    type Err = String;

    /// [`Targets`] would take a misspelt level for the name of a part.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut targets = Targets::new();
        for item in text.split(',').map(str::trim) {
            let (part, name) = item.split_once('=').map_or((None, item), |(part, name)| (Some(part), name));
            let is_part =
                part.unwrap_or_default().chars().all(|c| c.is_ascii_alphanumeric() || "_:".contains(c));
            let level = level(name).filter(|_| is_part).ok_or_else(|| {
                let item = item.escape_debug();
                format!(
                    "log level \"{item}\": expected off, error, warn, info, debug or trace, or PART=LEVEL"
                )
            })?;
            targets = match part {
                Some(part) => targets.with_target(part, level),
                None => targets.with_default(level),
            };
        }
        Ok(Self(targets))
    }
}

fn level(name: &str) -> Option<LevelFilter> {
    match name {
        "off" => Some(LevelFilter::OFF),
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_list_names_parts_and_a_misspelt_level_is_none() {
        let level: LogLevel = "warn, net=debug,store=off".parse().unwrap();
        let targets = level.targets();
        assert!(targets.would_enable("net::listener", &Level::DEBUG));
        assert!(targets.would_enable("cse", &Level::WARN) && !targets.would_enable("cse", &Level::INFO));
        assert!(!targets.would_enable("store", &Level::ERROR));
        for bad in ["", "inof", "info,net", "net=", "INFO", "info;net=debug"] {
            let error = bad.parse::<LogLevel>().unwrap_err();
            assert!(error.contains("expected off, error"), "{bad}: {error}");
        }
    }
}
