//! Fully qualified domain names.

use super::text::{self, IdError, text_newtype};
use std::str::FromStr;

/// The longest domain name, in octets (RFC 1035 §2.3.4, without the root dot).
const MAX_FQDN: usize = 253;
/// The longest label, in octets (RFC 1035 §2.3.4).
pub(super) const MAX_LABEL: usize = 63;

/// A fully qualified domain name: lower-case letters, digits and hyphens in labels of 1 to 63 octets, 253
/// octets in all, no trailing dot.
///
/// A label may begin with a digit (`3gpp.example.org`), as real domains do, although the grammar of TS-0004
/// §6.2.3 asks for a letter. The last label must hold a letter, so that an IPv4 address is no domain name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fqdn(String);

text_newtype!(Fqdn);

impl FromStr for Fqdn {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        const WHAT: &str = "FQDN";
        text::length(WHAT, name, MAX_FQDN)?;
        text::alphabet(WHAT, name, "lower-case letters, digits, \"-\", \".\"", |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.'
        })?;
        for label in name.split('.') {
            if label.is_empty() || label.len() > MAX_LABEL {
                return Err(IdError::form(
                    WHAT,
                    name,
                    "each label must have 1 to 63 octets (RFC 1035 §2.3.4)",
                ));
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(IdError::form(
                    WHAT,
                    name,
                    "no label may begin or end with a hyphen (TS-0004 §6.2.3)",
                ));
            }
        }
        if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
            return Err(IdError::form(WHAT, name, "the last label must not be a number"));
        }
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for good in ["example.org", "a", "localhost", "3gpp.example.org", "x-1.y2", "xn--bcher-kva.example"] {
            assert_eq!(good.parse::<Fqdn>().unwrap().as_str(), good);
        }
        let long_label = "a".repeat(64);
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.b",
            "a-.b",
            "Example.org",
            "a_b.c",
            "a b",
            "*.org",
            "10.0.0.1",
            "1",
            "a/b",
            "exämple.org",
            &long_label,
        ] {
            assert!(bad.parse::<Fqdn>().is_err(), "{bad}");
        }
        assert!(format!("{}.org", "a".repeat(63)).parse::<Fqdn>().is_ok());
        let longest = format!("{}a", "a.".repeat(126));
        assert_eq!(longest.len(), 253);
        assert!(longest.parse::<Fqdn>().is_ok());
        assert!(format!("{longest}a").parse::<Fqdn>().is_err());
    }

    #[test]
    fn the_error_names_the_place() {
        assert_eq!(
            "Example.org".parse::<Fqdn>().unwrap_err().to_string(),
            "FQDN \"Example.org\": character 'E' at octet 0 is not allowed (only lower-case letters, digits, \"-\", \".\")"
        );
    }
}
