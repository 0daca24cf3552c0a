use std::{fmt, str::FromStr};

use crate::{KeId, KeyError, Usage};

const KIND: &str = "fetchCredentials path";
const PREFIX: &str = "/fetchCredentials/";

/// The path with which a target asks a MEF for a key: `/fetchCredentials/<KeID>/<SUID>` (TS-0003 §8.3.2.1).
/// Both parts enter the derivation; who asks comes from the session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FetchCredentials {
    /// Whose enrolment key it is about.
    pub ke_id: KeId,
    /// What the key is for.
    pub usage: Usage,
}

impl fmt::Display for FetchCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.ke_id, self.usage)
    }
}

impl FromStr for FetchCredentials {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = || {
            KeyError::identifier(KIND, text, "expected `/fetchCredentials/<KeID>/<SUID>` (TS-0003 §8.3.2.1)")
        };
        let (ke_id, usage) =
            text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')).ok_or_else(bad)?;
        // Two digits exactly: no sign, no leading zero, one spelling.
        let digits = usage.len() == 2 && usage.bytes().all(|octet| octet.is_ascii_digit());
        let code = usage.parse().ok().filter(|_| digits).ok_or_else(bad)?;
        Ok(Self { ke_id: ke_id.parse()?, usage: Usage::from_code(code)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KE_ID: &str = "A0B1C2D3E4F5061728394A5B6C7D8E9F@mef.example.net";

    #[test]
    fn one_spelling_of_the_path() {
        let read = |path: &str| path.parse::<FetchCredentials>();
        assert_eq!(read(&format!("/fetchCredentials/{KE_ID}/22")).unwrap().usage, Usage::REMOTE_ASSOCIATION);
        for usage in ["", "2", "022", "+22", "22/", "22?", "2２", "20", "99", "222"] {
            assert!(read(&format!("/fetchCredentials/{KE_ID}/{usage}")).is_err(), "{usage}");
        }
        for path in [
            "",
            "/",
            "/fetchCredentials/",
            "/fetchcredentials/x/21",
            "/fetchCredentials/x@mef.example.net/21",
        ] {
            assert!(read(path).is_err(), "{path}");
        }
    }
}
