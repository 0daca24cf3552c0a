//! M2M-Node-ID.

use super::text::{self, IdError, MAX_ID, is_unreserved, text_newtype};
use std::str::FromStr;

/// An M2M-Node-ID (`m2m:nodeID`, TS-0004 §6.3.3, TS-0001 §7.1.5): a URN such as
/// `urn:gsma:imei:90420156-025763-0`, a dotted OID or any other text made of the characters of a URI (RFC
/// 3986 §2), 1 to 255 octets. Compared octet by octet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(String);

text_newtype!(NodeId);

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(id: &str) -> Result<Self, IdError> {
        text::length("M2M-Node-ID", id, MAX_ID)?;
        text::alphabet("M2M-Node-ID", id, "the characters of a URI", |c| {
            is_unreserved(c) || "%:/?#[]@!$&'()*+,;=".contains(c)
        })?;
        Ok(Self(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for good in [
            "urn:gsma:imei:90420156-025763-0;svn=42",
            "1.2.481.1.999.130.3000005",
            "urn:dev:ops:0-Set%2DTop",
            "x",
        ] {
            assert_eq!(good.parse::<NodeId>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\"b", "a\nb", "ä", &"a".repeat(256)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }
}
