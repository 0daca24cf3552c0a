//! Wildcards in rules: the one place that knows what `*` matches.
//!
//! ```
//! use keys::pattern::{CredentialPattern, EntityPattern};
//!
//! let entities: EntityPattern = "//*/mn-cse/C98*".parse()?;
//! assert!(entities.matches("//sp.example.com/mn-cse/C9886"));
//! assert!(!entities.matches("//sp.example.com/mn-cse/C9/886"));
//!
//! let credentials: CredentialPattern = "12-*@mef.example.net".parse()?;
//! assert!(credentials.matches(&"12-light1@mef.example.net".parse()?));
//! # Ok::<(), keys::KeyError>(())
//! ```

use std::{fmt, str::FromStr};

use crate::{CredentialId, KeyError};

/// Most octets of a pattern.
pub const MAX_PATTERN_OCTETS: usize = 512;

/// A pattern for identifiers that are paths: `*` stands for any run of characters, none included, that does
/// not contain `/` (TS-0003 §7.1.3). Everything else stands for itself, letter case included.
///
/// For CSE-IDs, AE-IDs, AE-ID-Stems and App-IDs. What may hold a wildcard at all is the caller's matter:
/// service provider domains and roles may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityPattern(Box<str>);

/// A pattern for Credential-IDs: an element of `applicableCredIDs` (TS-0001 §9.6.29). `*` stands for any run
/// of characters, none included; `/` is no boundary here, since values such as a B-TID contain it without
/// being paths. `*` alone means any Credential-ID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialPattern(Box<str>);

impl EntityPattern {
    /// Whether `value` as a whole fits the pattern.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let (mut patterns, mut segments) = (self.0.split('/'), value.split('/'));
        loop {
            match (patterns.next(), segments.next()) {
                (Some(pattern), Some(segment)) if fits(pattern, segment) => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }
}

impl CredentialPattern {
    /// Whether `id` fits the pattern.
    #[must_use]
    pub fn matches(&self, id: &CredentialId) -> bool {
        fits(&self.0, id.as_str())
    }
}

/// Whether `value` as a whole is `pattern` with each `*` replaced by some text. Takes time linear in both for
/// a given number of wildcards: what stands between two wildcards is put at its first place, which leaves
/// most room for the rest.
fn fits(pattern: &str, value: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == value;
    };
    let Some(mut value) = value.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*') {
        match value.split_once(piece) {
            Some((_, after)) => value = after,
            None => return false,
        }
    }
    value.ends_with(last)
}

fn checked(kind: &'static str, text: &str) -> Result<Box<str>, KeyError> {
    if text.is_empty() || text.len() > MAX_PATTERN_OCTETS {
        return Err(KeyError::identifier(kind, text, "expected 1 to 512 octets"));
    }
    if text.contains(char::is_control) {
        return Err(KeyError::identifier(kind, text, "expected no control characters"));
    }
    Ok(text.into())
}

macro_rules! pattern_text {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// The pattern as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                checked($kind, text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pattern_text!(EntityPattern, "pattern");
pattern_text!(CredentialPattern, "Credential-ID pattern");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_overlap() {
        for (pattern, value, fit) in [
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*a*a*", "a", false),
            ("*a*a*", "aa", true),
            ("**", "", true),
            ("a**b", "ab", true),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axcxb", false),
            ("*ab", "aab", true),
            ("*ä*", "größe", false),
            ("*ö*e", "größe", true),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, value), fit, "{pattern} {value}");
        }
    }

    /// TS-0001 §9.6.29, and register A-47 for keys that a BSF vouches for.
    #[test]
    fn credentials_are_no_paths() {
        let any: CredentialPattern = "*".parse().unwrap();
        let of_bsf: CredentialPattern = "12-*@bsf.example.org".parse().unwrap();
        let b_tid = "12-I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.org".parse().unwrap();
        assert!(any.matches(&b_tid) && of_bsf.matches(&b_tid));
        let stranger = "12-I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.org.evil.example".parse().unwrap();
        assert!(any.matches(&stranger) && !of_bsf.matches(&stranger));
        assert!(!of_bsf.matches(&"13-a@bsf.example.org".parse().unwrap()));
    }

    #[test]
    fn text_is_bounded() {
        for bad in ["", "a\nb", &"a".repeat(513)] {
            assert!(bad.parse::<EntityPattern>().is_err());
            assert!(bad.parse::<CredentialPattern>().is_err());
        }
        assert_eq!("S*".parse::<EntityPattern>().unwrap().to_string(), "S*");
    }
}
