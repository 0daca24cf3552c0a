use std::fmt::{self, Write as _};

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

    /// An identifier of a key, whose grammar keeps within what is accepted here.
    pub(crate) fn of_identifier(text: &str) -> Self {
        debug_assert!(Self::from_wire(text.as_bytes()).is_ok());
        Self(text.into())
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

/// The identity as it is, with control characters escaped: a peer chose it, and it goes to logs and
/// terminals.
impl fmt::Display for PskIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(&self.0, f)
    }
}

/// Writes `text` with control characters and those that reorder text escaped. Everything else, quotes
/// included, stays as it is, so that an ordinary identifier reads back as what it was.
pub(crate) fn printable(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    text.chars().try_for_each(|c| match c {
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            write!(f, "{}", c.escape_unicode())
        }
        c if c.is_control() => write!(f, "{}", c.escape_default()),
        c => f.write_char(c),
    })
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

    #[test]
    fn displays_what_a_terminal_may_see() {
        let shown = |text: &str| text.parse::<PskIdentity>().unwrap().to_string();
        assert_eq!(shown("größe's \"e\u{301}\"\\@x.org"), "größe's \"e\u{301}\"\\@x.org");
        assert_eq!(shown("a\x1b[31m\n\u{9b}\u{202e}"), "a\\u{1b}[31m\\n\\u{9b}\\u{202e}");
    }
}
