//! Addresses of resources: the To parameter (TS-0001 §7.2, §9.3.1, TS-0004 §6.2.4).

use crate::id::{CseName, IdError, MAX_ID, SpId, address_segment, shown, split_sp};
use std::fmt;
use std::str::FromStr;

/// The longest address, in octets.
pub const MAX_ADDRESS: usize = 16 * 1024;

/// A text that is no resource address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no text.
    #[error("address is empty")]
    Empty,
    /// There is too much text.
    #[error("address has {octets} octets, at most 16384 are allowed")]
    TooLong {
        /// Its length in octets.
        octets: usize,
    },
    /// An absolute address names no CSE.
    #[error("address \"{0}\": an absolute address is //SP/CSE, then the resource (TS-0004 §6.2.4)")]
    NoCse(String),
    /// The service provider, the CSE or a segment has a wrong form.
    #[error("address \"{address}\": {problem}")]
    Part {
        /// The address, at most 64 characters of it.
        address: String,
        /// What is wrong with the part.
        problem: IdError,
    },
    /// What follows `#` is no short name of an attribute.
    #[error("address \"{0}\": after \"#\" comes the short name of one attribute (TS-0004 §6.2.4)")]
    Attribute(String),
}

/// Relative to what a resource is addressed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Relative to the receiving CSE: `name/…` or `-/…`.
    CseRelative,
    /// Relative to the receiver's service provider: `/cse/…`.
    SpRelative {
        /// The CSE that hosts the resource.
        cse: CseName,
    },
    /// Relative to nothing: `//sp/cse/…`.
    Absolute {
        /// The service provider.
        sp: SpId,
        /// The CSE that hosts the resource.
        cse: CseName,
    },
}

/// A resource address, taken apart (TS-0004 §6.2.4).
///
/// The three scopes combine with three methods, which look alike: in a structured address the first segment
/// is the name of the `<CSEBase>` or `-`; an unstructured one is a single resourceID; a hybrid one continues
/// from a resourceID with names. Which of them it is, the hosting CSE knows. An address of a CSE alone,
/// without segments, means its `<CSEBase>`.
///
/// Segments are never empty, never `.` or `..`, and never contain a slash: they cannot be normalised into
/// another address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    scope: Scope,
    segments: Vec<String>,
    attribute: Option<String>,
}

impl Target {
    /// Reads a To parameter.
    ///
    /// # Errors
    /// [`AddressError`] when it is no resource address; the standard's answer is 4000 `BAD_REQUEST`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong { octets: text.len() });
        }
        let part = |problem| AddressError::Part { address: shown(text), problem };
        let (path, attribute) = match text.split_once('#') {
            Some((path, name)) if is_attribute_name(name) => (path, Some(name.to_owned())),
            Some(_) => return Err(AddressError::Attribute(shown(text))),
            None => (text, None),
        };
        let (scope, rest) = if path.starts_with("//") {
            let (sp, after) = split_sp(path).ok_or_else(|| AddressError::NoCse(shown(text)))?;
            let (cse, rest) = head(after);
            (Scope::Absolute { sp: sp.parse().map_err(part)?, cse: cse.parse().map_err(part)? }, rest)
        } else if let Some(after) = path.strip_prefix('/') {
            let (cse, rest) = head(after);
            (Scope::SpRelative { cse: cse.parse().map_err(part)? }, rest)
        } else {
            (Scope::CseRelative, Some(path))
        };
        let segments = rest.map_or_else(|| Ok(Vec::new()), segments).map_err(part)?;
        Ok(Self { scope, segments, attribute })
    }

    /// Relative to what the resource is addressed.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The path below the hosting CSE; empty when the address names the CSE alone.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The short name of the attribute that the address singles out.
    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    /// The same address without the attribute.
    #[must_use]
    pub fn without_attribute(mut self) -> Self {
        self.attribute = None;
        self
    }
}

fn head(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((cse, rest)) => (cse, Some(rest)),
        None => (path, None),
    }
}

fn segments(path: &str) -> Result<Vec<String>, IdError> {
    path.split('/')
        .enumerate()
        .map(|(at, segment)| {
            if at > 0 || segment != "-" {
                address_segment(segment)?;
            }
            Ok(segment.to_owned())
        })
        .collect()
}

/// Whether `name` can be the short name of an attribute: letters, digits, `-`, `.`, `_`, a letter first.
pub fn is_attribute_name(name: &str) -> bool {
    name.len() <= MAX_ID
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "/";
        match &self.scope {
            Scope::CseRelative => separator = "",
            Scope::SpRelative { cse } => write!(f, "/{cse}")?,
            Scope::Absolute { sp, cse } => write!(f, "{sp}/{cse}")?,
        }
        for segment in &self.segments {
            write!(f, "{separator}{segment}")?;
            separator = "/";
        }
        match &self.attribute {
            Some(name) => write!(f, "#{name}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Target {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cse(name: &str) -> CseName {
        name.parse().unwrap()
    }

    /// Every scope with every method.
    #[test]
    fn forms() {
        let sp_relative = || Scope::SpRelative { cse: cse("mn-cse-123456") };
        let absolute = || Scope::Absolute { sp: "//sp.org".parse().unwrap(), cse: cse("mn-cse-123456") };
        for (text, scope, segments) in [
            ("cnt0815", Scope::CseRelative, vec!["cnt0815"]),
            ("mn-name/light1/state", Scope::CseRelative, vec!["mn-name", "light1", "state"]),
            ("-/light1/state", Scope::CseRelative, vec!["-", "light1", "state"]),
            ("-", Scope::CseRelative, vec!["-"]),
            ("grp1/fopt/la", Scope::CseRelative, vec!["grp1", "fopt", "la"]),
            ("/mn-cse-123456/cnt0815", sp_relative(), vec!["cnt0815"]),
            ("/mn-cse-123456/-/light1", sp_relative(), vec!["-", "light1"]),
            ("/mn-cse-123456", sp_relative(), vec![]),
            ("//sp.org/mn-cse-123456/mn-name/x", absolute(), vec!["mn-name", "x"]),
            ("//sp.org/mn-cse-123456/cnt0815/la", absolute(), vec!["cnt0815", "la"]),
            ("//sp.org/mn-cse-123456", absolute(), vec![]),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(
                (target.scope(), target.segments(), target.attribute()),
                (&scope, &*segments.iter().map(ToString::to_string).collect::<Vec<_>>(), None),
                "{text}"
            );
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn attributes() {
        let target = Target::parse("/cse/cnt1#rr").unwrap();
        assert_eq!(target.attribute(), Some("rr"));
        assert_eq!(target.to_string(), "/cse/cnt1#rr");
        assert_eq!(target.without_attribute().to_string(), "/cse/cnt1");
        assert_eq!(Target::parse("-#lbl").unwrap().attribute(), Some("lbl"));
        for bad in ["a#", "a#rr#rr", "a#r r", "a#1", "a#rr/x", "#rr", "/#rr", "a#é"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn not_addresses() {
        for bad in [
            "",
            "/",
            "//",
            "///",
            "//sp.org",
            "//sp.org/",
            "//SP.org/cse",
            "a/",
            "a//b",
            "/cse/",
            "/cse//a",
            "a/../b",
            "./a",
            "-/./a",
            "..",
            "a/-/b",
            "~/a",
            "_/sp/a",
            "a b",
            "a%2fb",
            "a?b",
            "a\u{0}",
            "ä",
            "http://x.org/a",
            "a\\b",
            "a+b",
            "a:b",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Target::parse(""), Err(AddressError::Empty));
        assert_eq!(
            Target::parse("-/a b").unwrap_err().to_string(),
            "address \"-/a b\": address segment \"a b\": character ' ' at octet 1 is not allowed \
             (only letters, digits, \"-\", \".\", \"_\", \"~\")"
        );
    }

    #[test]
    fn lengths() {
        assert!(Target::parse(&"a".repeat(255)).is_ok());
        assert!(Target::parse(&"a".repeat(256)).is_err());
        let long = "a/".repeat(MAX_ADDRESS / 2 - 1) + "aa";
        assert_eq!(long.len(), MAX_ADDRESS);
        assert!(Target::parse(&long).is_ok());
        assert_eq!(Target::parse(&(long + "a")), Err(AddressError::TooLong { octets: MAX_ADDRESS + 1 }));
    }
}
