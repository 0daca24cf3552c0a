//! Role-ID.

use super::{
    Fqdn,
    text::{self, IdError, MAX_ID, text_newtype},
};
use std::str::FromStr;

/// A Role-ID (`m2m:roleID`, TS-0004 §6.3.3, TS-0001 §7.1.14): `name@issuer-domain`, the name of letters, digits,
/// `.`, `_` and `-`, the domain in lower case; at most 255 octets. Compared octet by octet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleId(String);

text_newtype!(RoleId);

impl FromStr for RoleId {
    type Err = IdError;

    fn from_str(id: &str) -> Result<Self, IdError> {
        const WHAT: &str = "Role-ID";
        text::length(WHAT, id, MAX_ID)?;
        let named = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        match id.split_once('@') {
            Some((name, issuer)) if named(name) && issuer.parse::<Fqdn>().is_ok() => Ok(Self(id.to_owned())),
            _ => Err(IdError::form(
                WHAT,
                id,
                "must be name@issuer-domain, the domain in lower case (TS-0004 §6.3.3)",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for good in ["1234abcd@role-issuer.com", "a.b_c-d@x"] {
            assert_eq!(good.parse::<RoleId>().unwrap().as_str(), good);
        }
        let long = format!("{}@x.org", "a".repeat(250));
        for bad in ["", "admin", "@x.org", "a@", "a@X.org", "a b@x.org", "a@x.org@y", "a*@x.org", &long] {
            assert!(bad.parse::<RoleId>().is_err(), "{bad}");
        }
    }
}
