use thiserror::Error;

use crate::Usage;

/// Why a key or a key identifier was not accepted. No variant carries key material; identifiers, which are
/// not secret, are quoted with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not hexadecimal: an odd number of digits, or something else than 0-9, a-f, A-F.
    #[error("key: expected an even number of hexadecimal digits, found {found}")]
    NotHex {
        /// What was found, described without quoting the text (it may be most of a key).
        found: String,
    },
    /// The key has fewer octets than the policy allows.
    #[error(
        "key of {octets} octets: at least {minimum} are required (`allow_short_key` permits {} to {}, for test keys only)",
        crate::MIN_SHORT_KEY_OCTETS,
        crate::MIN_KEY_OCTETS - 1
    )]
    TooShort {
        /// Octets in the refused key.
        octets: usize,
        /// Octets that the policy asks for.
        minimum: usize,
    },
    /// The key has more octets than any framework here uses.
    #[error("key of {octets} octets: at most {} are accepted", crate::MAX_KEY_OCTETS)]
    TooLong {
        /// Octets in the refused key.
        octets: usize,
    },
    /// A value whose length the standard fixes has another one.
    #[error("{kind} of {octets} octets: expected {expected}")]
    Length {
        /// Name of the key or value, as the standard writes it.
        kind: &'static str,
        /// Octets in the refused value.
        octets: usize,
        /// The length that was expected, in words.
        expected: &'static str,
    },
    /// An identifier of a key or credential is malformed.
    #[error("{kind} \"{text}\": {expected}")]
    Identifier {
        /// Name of the kind of identifier, as the standard writes it.
        kind: &'static str,
        /// The offending text, escaped and cut to 64 characters.
        text: String,
        /// What was expected, with its clause.
        expected: &'static str,
    },
    /// The number is no `m2m:suid`.
    #[error("security usage identifier {code}: not defined (TS-0004 §6.3.4.2.39)")]
    UnknownUsage {
        /// The number.
        code: u8,
    },
    /// The usage exists but is not one for this purpose.
    #[error("security usage identifier {usage}: {expected}")]
    Usage {
        /// The usage.
        usage: Usage,
        /// What was expected, with its clause.
        expected: &'static str,
    },
    /// A key does not have the identifier that goes with it.
    #[error("key: does not belong to {kind} \"{claimed}\"")]
    Mismatch {
        /// Name of the kind of identifier, as the standard writes it.
        kind: &'static str,
        /// The identifier that was claimed, which the key does not have.
        claimed: String,
    },
}

impl KeyError {
    pub(crate) fn identifier(kind: &'static str, text: &str, expected: &'static str) -> Self {
        let mut quoted: String = text.chars().take(64).flat_map(char::escape_debug).collect();
        if text.chars().count() > 64 {
            quoted.push('…');
        }
        Self::Identifier { kind, text: quoted, expected }
    }
}
