use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::KeyError;

/// Octets that must not be seen: erased from memory when dropped, never printed, never copied by accident.
///
/// There is no `Clone`, no `Serialize` and no `PartialEq`; a copy is made with [`Secret::duplicate`], a
/// comparison with [`Secret::ct_eq`], and both stand out where they are used.
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes ownership of `octets`. If the vector has spare capacity its contents are moved to an exact
    /// allocation and the old one is erased.
    #[must_use]
    pub fn new(mut octets: Vec<u8>) -> Self {
        if octets.len() == octets.capacity() {
            return Self(Zeroizing::new(octets.into_boxed_slice()));
        }
        let exact: Box<[u8]> = octets.as_slice().into();
        octets.zeroize();
        Self(Zeroizing::new(exact))
    }

    /// Reads a secret written as hexadecimal digits, either case, no separators, two digits an octet.
    ///
    /// # Errors
    /// [`KeyError::NotHex`] if the number of digits is odd or zero or another character occurs. The error
    /// says what and at which position, never the text itself.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::NotHex { found: "nothing".to_owned() });
        }
        let mut octets = Zeroizing::new(vec![0_u8; text.len() / 2]);
        match hex::decode_to_slice(text, &mut octets) {
            Ok(()) => Ok(Self::new(std::mem::take(&mut *octets))),
            Err(hex::FromHexError::InvalidHexCharacter { index, .. }) => Err(KeyError::NotHex {
                found: format!("another character at position {} of {}", index + 1, text.len()),
            }),
            Err(_) => Err(KeyError::NotHex { found: format!("an odd number ({})", text.len()) }),
        }
    }

    /// The octets, for the one call that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths alone.
    #[must_use]
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.expose().ct_eq(other).into()
    }

    /// A second copy in memory, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hex_of_either_case_and_prints_nothing() {
        let secret = Secret::from_hex("00fFA5").unwrap();
        assert_eq!(secret.expose(), [0x00, 0xff, 0xa5]);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert!(secret.ct_eq(&[0x00, 0xff, 0xa5]));
        assert!(!secret.ct_eq(&[0x00, 0xff]));
    }

    #[test]
    fn names_what_is_wrong_without_quoting_the_key() {
        let odd = Secret::from_hex("abc").unwrap_err();
        assert_eq!(
            odd.to_string(),
            "key: expected an even number of hexadecimal digits, found an odd number (3)"
        );
        let bad = Secret::from_hex("aabbccxd").unwrap_err();
        assert!(bad.to_string().ends_with("another character at position 7 of 8"), "{bad}");
        assert!(!bad.to_string().contains("aabb"));
        assert!(Secret::from_hex("").is_err());
    }
}
