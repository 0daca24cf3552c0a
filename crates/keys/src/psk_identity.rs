use std::fmt;

use crate::KeyError;

/// Most octets of a `psk_identity` that are accepted; OpenSSL refuses longer ones by itself.
pub const MAX_PSK_IDENTITY_OCTETS: usize = 256;

/// The `psk_identity` of a ClientKeyExchange or of a row of the psk-lookup-table: 1 to 256 octets of UTF-8
/// without NUL (RFC 4279 §5.1, §5.3). Compared octet by octet.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PskIdentity(Box<str>);

impl PskIdentity {
    /// Checks what a peer sent.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if it is empty, over 256 octets, not UTF-8, or contains NUL, which OpenSSL
    /// would take for the end.
    pub fn from_wire(octets: &[u8]) -> Result<Self, KeyError> {
        let bad = |expected| KeyError::identifier("psk_identity", &String::from_utf8_lossy(octets), expected);
        if octets.is_empty() || octets.len() > MAX_PSK_IDENTITY_OCTETS {
            return Err(bad("expected 1 to 256 octets (RFC 4279 §5.3)"));
        }
        if octets.contains(&0) {
            return Err(bad("expected no NUL octet"));
        }
        let text = std::str::from_utf8(octets).map_err(|_| bad("expected UTF-8 text (RFC 4279 §5.1)"))?;
        Ok(Self(text.into()))
    }

    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for PskIdentity {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_wire(text.as_bytes())
    }
}

impl fmt::Display for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

impl fmt::Debug for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PskIdentity({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_1_to_256_octets_of_text() {
        assert_eq!(PskIdentity::from_wire("größe@x.org".as_bytes()).unwrap().as_str(), "größe@x.org");
        assert!(PskIdentity::from_wire(&[b'a'; 256]).is_ok());
        for bad in [&b""[..], &[b'a'; 257], b"adm\0in", b"\xff\xfe"] {
            assert!(PskIdentity::from_wire(bad).is_err(), "{bad:?}");
        }
    }
}
