use std::{borrow::Cow, fmt, str::FromStr};

use crate::{KcId, KeyError, Rng, RngError};

use super::compare_by_canonical;

const KIND: &str = "RelativeKeyID";
/// Leaves room for `@` and a domain within the longest `psk_identity`.
const MAX_RELATIVE_OCTETS: usize = 254;

/// `RelativeKeyID` (`sec:relKeyID`): the part of a Key Identifier before its `@`, 1 to 254 letters, digits,
/// `.`, `_`, `-` (TS-0003 §12.2).
///
/// With a key from the exporter it is the `KcID` in 32 hexadecimal digits (§10.3.5), and then letter case
/// does not count (register A-02); anything else that a MAF or MEF hands out is compared exactly. The text
/// stays as it was written. Not to be confused with [`RelativeKeId`](crate::RelativeKeId), the 16 octets in a
/// `KeID`.
#[derive(Debug, Clone)]
pub struct RelativeKeyId(Box<str>);

compare_by_canonical!(RelativeKeyId);

impl RelativeKeyId {
    /// A fresh one for a key that the client chose: 16 random octets in hexadecimal (register A-04).
    ///
    /// # Errors
    /// [`RngError`] if the source of randomness fails.
    pub fn draw(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut octets = [0; 16];
        rng.fill(&mut octets)?;
        Ok(KcId::new(octets).into())
    }

    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which it is compared: upper case if it is 32 hexadecimal digits.
    #[must_use]
    pub fn canonical(&self) -> Cow<'_, str> {
        hex_folded(&self.0)
    }
}

impl From<KcId> for RelativeKeyId {
    fn from(id: KcId) -> Self {
        Self(id.to_string().into())
    }
}

impl FromStr for RelativeKeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() <= MAX_RELATIVE_OCTETS && is_relative(text) {
            return Ok(Self(text.into()));
        }
        Err(KeyError::identifier(
            KIND,
            text,
            "expected 1 to 254 letters, digits, `.`, `_` or `-` (TS-0003 §12.2)",
        ))
    }
}

impl fmt::Display for RelativeKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The alphabet that TS-0003 §10.5, §10.6 and §12.2 share.
pub(super) fn is_relative(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet))
}

/// 32 hexadecimal digits, either case: 16 octets.
pub(super) fn is_16_octets_in_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

pub(super) fn hex_folded(text: &str) -> Cow<'_, str> {
    if is_16_octets_in_hex(text) && text.bytes().any(|octet| octet.is_ascii_lowercase()) {
        return Cow::Owned(text.to_ascii_uppercase());
    }
    Cow::Borrowed(text)
}
