//! M2M-SP-ID and CSE-ID.

use super::fqdn::Fqdn;
use super::text::{self, IdError, IdProblem, text_conversions, text_newtype, write_all};
use std::fmt;
use std::str::FromStr;

/// The longest M2M-SP-ID, in octets, the two slashes included. It leaves room for the rest of an identifier
/// within [`MAX_ID`](super::MAX_ID).
pub const MAX_SP_ID: usize = 102;
/// The longest name of a CSE, in octets, without the slash.
pub const MAX_CSE_NAME: usize = 64;

/// The M2M-SP-ID: `//` and the lower-case domain name of a service provider (TS-0001 §7.2, TS-0004 §6.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpId(Fqdn);

impl SpId {
    /// The M2M-SP-ID of the provider with this domain name.
    ///
    /// # Errors
    /// [`IdProblem::TooLong`] when `//` and the name exceed [`MAX_SP_ID`] octets.
    pub fn new(fqdn: Fqdn) -> Result<Self, IdError> {
        let octets = fqdn.as_str().len() + 2;
        if octets > MAX_SP_ID {
            let problem = IdProblem::TooLong { octets, max: MAX_SP_ID };
            return Err(IdError::new("M2M-SP-ID", &format!("//{fqdn}"), problem));
        }
        Ok(Self(fqdn))
    }

    /// The provider's domain name, without slashes.
    pub fn fqdn(&self) -> &Fqdn {
        &self.0
    }
}

impl fmt::Display for SpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &["//", self.0.as_str()])
    }
}

impl FromStr for SpId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Some(name) = text.strip_prefix("//") else {
            return Err(IdError::form(
                "M2M-SP-ID",
                text,
                "must be \"//\" and a domain name, such as //example.org (TS-0004 §6.2.3)",
            ));
        };
        Self::new(name.parse()?)
    }
}

text_conversions!(SpId);

/// The name of a CSE within its service provider's domain: an SP-relative CSE-ID without its slash (TS-0004
/// §6.2.3).
///
/// 1 to 64 octets in the wide alphabet of the [module](super).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CseName(String);

impl CseName {
    /// A name that this side gives to a CSE: the narrow alphabet only.
    ///
    /// # Errors
    /// [`IdError`] when `text` is no CSE name or is outside the narrow alphabet.
    pub fn issue(text: &str) -> Result<Self, IdError> {
        text::narrow_segment("CSE-ID", text)?;
        text.parse()
    }

    /// Whether the name keeps to the grammar of TS-0004 §6.2.3.
    pub fn is_narrow(&self) -> bool {
        text::is_narrow(&self.0)
    }
}

text_newtype!(CseName);

impl FromStr for CseName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text::wide_segment("CSE-ID", text, MAX_CSE_NAME)?;
        Ok(Self(text.to_owned()))
    }
}

/// A CSE-ID in absolute form: `//example.org/mn-cse` (TS-0001 §7.2, TS-0004 §6.2.3). At most 167 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CseId {
    sp: SpId,
    name: CseName,
}

const CSE_FORM: &str = "must be //SP/name or /name, such as //example.org/mn-cse (TS-0004 §6.2.3)";

impl CseId {
    /// The CSE `name` of the provider `sp`.
    pub fn new(sp: SpId, name: CseName) -> Self {
        Self { sp, name }
    }

    /// Reads the absolute form, or the SP-relative form (`/mn-cse`) as one of the domain `sp`.
    ///
    /// # Errors
    /// [`IdError`] when the text is neither.
    pub fn parse_in(text: &str, sp: &SpId) -> Result<Self, IdError> {
        if text.starts_with("//") {
            return text.parse();
        }
        let Some(name) = text.strip_prefix('/') else {
            return Err(IdError::form("CSE-ID", text, CSE_FORM));
        };
        Ok(Self::new(sp.clone(), name.parse()?))
    }

    /// The service provider's part.
    pub fn sp(&self) -> &SpId {
        &self.sp
    }

    /// The name within the provider's domain.
    pub fn name(&self) -> &CseName {
        &self.name
    }

    /// The SP-relative form: `/mn-cse`.
    pub fn sp_relative(&self) -> String {
        format!("/{}", self.name)
    }

    /// Whether the name keeps to the grammar of TS-0004 §6.2.3.
    pub fn is_narrow(&self) -> bool {
        self.name.is_narrow()
    }
}

impl fmt::Display for CseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sp, self.name)
    }
}

impl FromStr for CseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Some((sp, name)) = split_sp(text) else {
            return Err(IdError::form(
                "CSE-ID",
                text,
                "must be //SP/name, such as //example.org/mn-cse (TS-0004 §6.2.3)",
            ));
        };
        Ok(Self::new(sp.parse()?, name.parse()?))
    }
}

text_conversions!(CseId);

/// Splits `//sp/rest` into `//sp` and `rest`.
pub(crate) fn split_sp(text: &str) -> Option<(&str, &str)> {
    let slash = text.strip_prefix("//")?.find('/')? + 2;
    Some((text.get(..slash)?, text.get(slash + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sp() -> SpId {
        "//myoperator.com".parse().unwrap()
    }

    #[test]
    fn sp_ids() {
        assert_eq!(sp().to_string(), "//myoperator.com");
        assert_eq!(sp().fqdn().as_str(), "myoperator.com");
        for bad in
            ["", "/", "//", "myoperator.com", "/myoperator.com", "//MyOperator.com", "//a/b", "///a", "//a#b"]
        {
            assert!(bad.parse::<SpId>().is_err(), "{bad}");
        }
        let longest = format!("//{}a", "a.".repeat(49) + "b");
        assert!(longest.parse::<SpId>().is_ok());
        let too_long = format!("//{}", "a.".repeat(50) + "b");
        assert_eq!(too_long.len(), MAX_SP_ID + 1);
        assert!(matches!(
            too_long.parse::<SpId>().unwrap_err().problem(),
            IdProblem::TooLong { octets: 103, max: 102 }
        ));
    }

    /// The examples of TS-0001 table 7.2-1 and TS-0004 §6.2.3.
    #[test]
    fn cse_ids_of_the_standard() {
        for good in
            ["//myoperator.com/cse1", "//www.m2mprovider.com/C3219", "//m2m.thingscompany.com/ab3f124a"]
        {
            assert_eq!(good.parse::<CseId>().unwrap().to_string(), good);
        }
        for good in ["/123A38ZZY", "/CSE090112", "/3ace4fd3"] {
            let id = CseId::parse_in(good, &sp()).unwrap();
            assert_eq!(id.sp_relative(), good);
            assert_eq!(id.to_string(), format!("//myoperator.com{good}"));
        }
        assert_ne!(
            "//myoperator.com/cse1".parse::<CseId>().unwrap(),
            "//myoperator.com/Cse1".parse().unwrap()
        );
        assert_eq!(CseId::parse_in("//other.org/x", &sp()).unwrap().sp().to_string(), "//other.org");
    }

    #[test]
    fn not_cse_ids() {
        for bad in [
            "",
            "/",
            "//",
            "cse1",
            "/cse 1",
            "/cse1/",
            "/a/b",
            "//myoperator.com",
            "//myoperator.com/",
            "//a/b/c",
            "//MyOperator.com/cse1",
            "/..",
            "/~",
            "/_",
            "/-",
            "/a#b",
            "/a+b",
            "/a:b",
            "/a%41",
            "/a\u{0}",
            "/ä",
        ] {
            assert!(CseId::parse_in(bad, &sp()).is_err(), "{bad}");
            assert!(bad.parse::<CseId>().is_err(), "{bad}");
        }
        assert!("/cse1".parse::<CseId>().is_err());
    }

    #[test]
    fn foreign_names_are_wider_than_ours() {
        let foreign: CseName = "~gw".parse().unwrap();
        assert!(!foreign.is_narrow());
        assert_eq!(
            CseName::issue("~gw").unwrap_err().to_string(),
            "CSE-ID \"~gw\": must begin with a letter or digit and hold only letters, digits, \"-\", \".\", \"_\" \
             (TS-0004 §6.2.3)"
        );
        assert!(CseName::issue("gw-1").unwrap().is_narrow());
        assert!("a".repeat(MAX_CSE_NAME).parse::<CseName>().is_ok());
        assert!("a".repeat(MAX_CSE_NAME + 1).parse::<CseName>().is_err());
    }
}
