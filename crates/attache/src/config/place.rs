//! Where a TOML file is wrong, in words for whoever wrote it: the line, the key with its section, what was given and
//! what is expected. `serde` knows neither keys nor people: its `expected u16` becomes a range of numbers.

use toml::de::{DeTable, DeValue};

use crate::outcome::without_keys;

/// What `serde` calls an address with a port.
const SOCKET: &str = "socket address";
/// Characters of a value that are repeated.
const SHOWN: usize = 64;

/// Something that can be read, and does not go together with the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    section: &'static str,
    /// Which of several sections of this name.
    number: usize,
    /// In the section, with those of its inner sections before it; empty for the section itself.
    key: &'static str,
    what: String,
}

impl Misfit {
    /// At `key` of `section`, the only one of this name.
    pub(crate) fn new(section: &'static str, key: &'static str, what: impl Into<String>) -> Self {
        Self { section, number: 0, key, what: what.into() }
    }

    /// In the section with this number, from 0, of several with one name.
    pub(crate) const fn in_number(mut self, number: usize) -> Self {
        self.number = number;
        self
    }

    /// What it is and where, in the text that it was read from. A key that is left out is where its section is.
    pub(crate) fn located(&self, text: &str) -> String {
        let Self { section, key, what, .. } = self;
        let name = if key.is_empty() { (*section).to_owned() } else { format!("{section}.{key}") };
        let at = DeTable::parse(text).ok().and_then(|table| self.position(table.get_ref()));
        match at {
            Some(at) => format!("line {}, {name}: {what}", line_of(text, at)),
            None => format!("{name}: {what}"),
        }
    }

    /// The octet at which the key stands, or the innermost section that there is of those that it should stand in.
    fn position(&self, whole: &DeTable<'_>) -> Option<usize> {
        let mut inside = Some(whole);
        let mut at = None;
        for name in std::iter::once(self.section).chain(self.key.split('.')) {
            let found = inside.and_then(|table| table.iter().find(|(key, _)| key.get_ref() == name));
            let Some((key, value)) = found else { break };
            at = Some(key.span().start);
            inside = match value.get_ref() {
                DeValue::Table(table) => Some(table),
                DeValue::Array(items) => items.get(self.number).and_then(|item| {
                    let table = item.get_ref().as_table()?;
                    at = Some(item.span().start);
                    Some(table)
                }),
                _ => None,
            };
        }
        at
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
}

/// What is wrong, where. Of a line that somebody may have written a key into, nothing is repeated that might be one.
pub(crate) fn located(text: &str, error: &toml::de::Error) -> String {
    let span = error.span().unwrap_or(0..0);
    let line = line_of(text, span.start);
    let key = DeTable::parse(text).ok().and_then(|table| key_at(table.get_ref(), span.start));
    let given = text.get(span).unwrap_or_default();
    let message = in_words(error.message(), key.as_deref(), given);
    match key {
        Some(key) => format!("line {line}, {key}: {message}"),
        None => format!("line {line}: {message}"),
    }
}

/// The key, with its sections, in or at whose value the octet `at` stands.
fn key_at(table: &DeTable<'_>, at: usize) -> Option<String> {
    let mut found = None;
    for (key, value) in table {
        let inner = match value.get_ref() {
            DeValue::Table(table) => key_at(table, at),
            DeValue::Array(items) => {
                items.iter().filter_map(|item| item.get_ref().as_table()).find_map(|table| key_at(table, at))
            }
            _ => None,
        };
        let here = || (key.span().contains(&at) || value.span().contains(&at)).then(String::new);
        match inner.or_else(here) {
            Some(inner) if inner.is_empty() => found = Some(key.get_ref().to_string()),
            Some(inner) => return Some(format!("{}.{inner}", key.get_ref())),
            None => {}
        }
    }
    found
}

/// What `serde` says, as a person would.
fn in_words(message: &str, key: Option<&str>, given: &str) -> String {
    let given = shown(key, given);
    let wrong_kind = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    let expected = message.split_once(", expected ").map(|(_, expected)| expected);
    match (message, expected) {
        ("invalid socket address syntax", _) => format!("{given}expected {}", expected_in_words(SOCKET)),
        (_, Some("a sequence")) if given.starts_with('[') => {
            let name = key.unwrap_or_default();
            format!("expected [[{name}]] in double brackets: there may be several")
        }
        (_, Some(expected)) if wrong_kind.iter().any(|start| message.starts_with(start)) => {
            format!("{given}expected {}", expected_in_words(expected))
        }
        _ => in_general(&without_keys(message), key),
    }
}

fn in_general(message: &str, key: Option<&str>) -> String {
    if let Some(field) = message.strip_prefix("missing field ") {
        let field = field.replace('`', "");
        return match key {
            Some(_) => format!("the key {field} is missing"),
            None => format!("the section [{field}] is missing"),
        };
    }
    message.replace("unknown field ", "unknown key ").replace('`', "\"")
}

/// The value as it was given, unless it may be a secret.
fn shown(key: Option<&str>, given: &str) -> String {
    let secret = key.is_some_and(|key| key.contains("key") || key.contains("kek"));
    if secret || given.is_empty() || given.contains('\n') {
        return String::new();
    }
    let value: String = without_keys(given).chars().take(SHOWN).flat_map(char::escape_debug).collect();
    format!("{} is given, ", value.replace("\\\"", "\""))
}

fn expected_in_words(expected: &str) -> String {
    let least = if expected.starts_with("a nonzero ") { 1 } else { 0 };
    let kind = expected.trim_start_matches("a nonzero ");
    let most = match kind {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        // TOML knows no larger one.
        "u64" | "usize" => i64::MAX.unsigned_abs(),
        _ => {
            return match kind {
                "a string" => "a text in quotation marks".to_owned(),
                "path string" => "a path in quotation marks".to_owned(),
                "a boolean" => "true or false".to_owned(),
                "a sequence" => "a list in square brackets".to_owned(),
                SOCKET => "an IP address and a port such as \"127.0.0.1:8443\"".to_owned(),
                other if other.starts_with("struct ") || other == "a map" => "a section with keys".to_owned(),
                other => other.replace('`', "\""),
            };
        }
    };
    if most > u64::from(u32::MAX) {
        format!("a whole number of at least {least}")
    } else {
        format!("a whole number from {least} to {most}")
    }
}
