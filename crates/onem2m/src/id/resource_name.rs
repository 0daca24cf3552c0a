//! Names of resources under their parent.

use super::text::{self, IdError, MAX_ID, text_newtype};
use std::str::FromStr;

/// The fixed names of virtual resources (TS-0004 §6.8): no other resource may take one, or it could not be
/// addressed.
pub const VIRTUAL_NAMES: [&str; 8] = ["la", "ol", "fopt", "sfop", "pcu", "ntsr", "smv", "msp"];

/// A resourceName (`m2m:resourceName`, TS-0004 §6.3.3): a letter or digit, then letters, digits, `-`, `.` and
/// `_`; 1 to 255 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceName(String);

const WHAT: &str = "resourceName";

impl ResourceName {
    /// The name asked for in a CREATE request: any resourceName except those of virtual resources
    /// ([`VIRTUAL_NAMES`]).
    ///
    /// # Errors
    /// [`IdError`] when `text` is no resourceName or is reserved.
    pub fn for_creation(text: &str) -> Result<Self, IdError> {
        if VIRTUAL_NAMES.contains(&text) {
            return Err(IdError::form(WHAT, text, "is the name of a virtual resource (TS-0004 §6.8)"));
        }
        text.parse()
    }
}

text_newtype!(ResourceName);

impl FromStr for ResourceName {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        text::length(WHAT, name, MAX_ID)?;
        text::narrow_segment(WHAT, name)?;
        Ok(Self(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for good in ["myLightBulb", "123Sensor", "a.b_c-d", "light_ae1", "la1"] {
            assert_eq!(ResourceName::for_creation(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-", "-a", ".", "..", "~", "_", "_a", "a b", "a/b", "a#b", "a~", "ä", &"a".repeat(256)]
        {
            assert!(bad.parse::<ResourceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn virtual_names_are_taken() {
        for name in VIRTUAL_NAMES {
            assert!(name.parse::<ResourceName>().is_ok());
            assert!(ResourceName::for_creation(name).is_err(), "{name}");
        }
    }
}
