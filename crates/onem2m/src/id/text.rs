//! What all identifiers share: the alphabets, the error, and the conversions from and to text.

use std::fmt;

/// The greatest length of any identifier, in octets. It also is the longest value of the CoAP options that
/// carry one.
pub const MAX_ID: usize = 255;

/// How much of an offending text an error repeats, in characters.
const SHOWN: usize = 64;

const WIDE: &str = "letters, digits, \"-\", \".\", \"_\", \"~\"";

/// A text that is not the identifier it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{text}\": {problem}")]
pub struct IdError {
    what: &'static str,
    text: String,
    problem: IdProblem,
}

impl IdError {
    pub(crate) fn new(what: &'static str, text: &str, problem: IdProblem) -> Self {
        Self { what, text: shown(text), problem }
    }

    pub(crate) fn form(what: &'static str, text: &str, expected: &'static str) -> Self {
        Self::new(what, text, IdProblem::Form(expected))
    }

    /// The kind of identifier that was expected, such as `AE-ID-Stem`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The offending text: at most 64 characters of it, control characters escaped.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &IdProblem {
        &self.problem
    }
}

/// What is wrong with a text that should have been an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdProblem {
    /// There is no text.
    #[error("must not be empty")]
    Empty,
    /// There is too much text.
    #[error("has {octets} octets, at most {max} are allowed")]
    TooLong {
        /// Its length in octets.
        octets: usize,
        /// The greatest length in octets.
        max: usize,
    },
    /// A character is not in the alphabet.
    #[error("character {found:?} at octet {at} is not allowed (only {allowed})")]
    Character {
        /// The first such character.
        found: char,
        /// Where it begins, in octets from 0.
        at: usize,
        /// The alphabet, in words.
        allowed: &'static str,
    },
    /// The characters are allowed but the whole has another form; the text says what was expected and by
    /// which clause.
    #[error("{0}")]
    Form(&'static str),
}

/// At most [`SHOWN`] characters of `text` with control and other unprintable characters escaped, for an error
/// message.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

/// RFC 3986 §2.3.
pub(crate) fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

/// Refuses an empty text and one above `max` octets.
pub(super) fn length(what: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::new(what, text, IdProblem::Empty));
    }
    if text.len() > max {
        return Err(IdError::new(what, text, IdProblem::TooLong { octets: text.len(), max }));
    }
    Ok(())
}

/// Refuses the first character that `allows` refuses.
pub(super) fn alphabet(
    what: &'static str,
    text: &str,
    allowed: &'static str,
    allows: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    match text.char_indices().find(|(_, c)| !allows(*c)) {
        Some((at, found)) => Err(IdError::new(what, text, IdProblem::Character { found, at, allowed })),
        None => Ok(()),
    }
}

/// Checks one segment in the alphabet of TS-0001 §7.2. A segment of punctuation alone is refused: it would be
/// taken for a path operator (`.`, `..`) or for a mark of a binding (`~`, `_`, `-`).
pub(super) fn wide_segment(what: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    length(what, text, max)?;
    alphabet(what, text, WIDE, is_unreserved)?;
    if !text.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err(IdError::form(what, text, "must contain a letter or a digit"));
    }
    Ok(())
}

/// Checks one segment of a resource address.
pub(crate) fn address_segment(text: &str) -> Result<(), IdError> {
    wide_segment("address segment", text, MAX_ID)
}

/// Whether `text` is a segment of the TS-0004 §6.2.3 grammar: a letter or digit, then letters, digits, `-`,
/// `.`, `_`.
pub(super) fn is_narrow(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| is_unreserved(c) && c != '~')
}

/// Refuses what [`is_narrow`] refuses.
pub(super) fn narrow_segment(what: &'static str, text: &str) -> Result<(), IdError> {
    if is_narrow(text) {
        return Ok(());
    }
    Err(IdError::form(
        what,
        text,
        "must begin with a letter or digit and hold only letters, digits, \"-\", \".\", \"_\" (TS-0004 §6.2.3)",
    ))
}

/// Serialises through `Display`, deserialises through `FromStr`, converts from and to `String`.
macro_rules! text_conversions {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = $crate::id::IdError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl TryFrom<&str> for $type {
            type Error = $crate::id::IdError;
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.to_string()
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// `as_str`, `Display` and `AsRef<str>` for a newtype over one `String`.
macro_rules! text_newtype {
    ($type:ty) => {
        impl $type {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        $crate::id::text::text_conversions!($type);
    };
}

pub(super) use {text_conversions, text_newtype};

/// Writes the parts one after the other.
pub(super) fn write_all(f: &mut fmt::Formatter<'_>, parts: &[&str]) -> fmt::Result {
    parts.iter().try_for_each(|part| f.write_str(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_little_and_escapes() {
        let long = "a\n\u{202e}".repeat(100);
        let error = IdError::form("thing", &long, "wrong");
        assert!(!error.to_string().contains('\n'));
        assert!(!error.to_string().contains('\u{202e}'));
        assert!(error.text().ends_with('…'));
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"x".repeat(64)).chars().count(), 64);
    }

    #[test]
    fn punctuation_alone_is_no_segment() {
        for text in [".", "..", "~", "_", "-", "-.-"] {
            assert!(wide_segment("thing", text, 9).is_err(), "{text}");
        }
        assert!(wide_segment("thing", "..a", 9).is_ok());
        assert!(!is_narrow("-a") && !is_narrow("a~") && is_narrow("a-._") && !is_narrow(""));
    }
}
