//! Serial numbers.

use std::{fmt, str::FromStr};

use der::Decode as _;
use keys::Rng;
use x509_cert::{Certificate, serial_number::SerialNumber};

use crate::PkiError;

/// The serial number of a certificate: a positive integer of 1 to 20 octets, big-endian, no leading zeros
/// (RFC 5280 §4.1.2.2). Drawn ones have 16 octets, 126 of whose bits are random.
///
/// As text: upper-case hexadecimal digits, as `openssl x509 -serial` prints them; colons, lower case and
/// leading zeros are read.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// Draws one.
    ///
    /// # Errors
    /// [`PkiError::Randomness`] if the source fails.
    pub fn draw(rng: &dyn Rng) -> Result<Self, PkiError> {
        let mut octets = [0_u8; 16];
        rng.fill(&mut octets)?;
        let [first, ..] = &mut octets;
        // Positive, and always the same length.
        *first = *first & 0x3f | 0x40;
        Ok(Self(octets.to_vec()))
    }

    /// The one with this magnitude.
    ///
    /// # Errors
    /// [`PkiError::Name`] if it is zero or longer than 20 octets.
    pub fn new(octets: &[u8]) -> Result<Self, PkiError> {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let magnitude = octets.get(zeros..).unwrap_or_default();
        let long = magnitude.first().is_some_and(|first| *first >= 0x80);
        if magnitude.is_empty() || magnitude.len() + usize::from(long) > 20 {
            let text: String = octets.iter().take(32).map(|octet| format!("{octet:02X}")).collect();
            return Err(PkiError::name("serial number", &text, EXPECTED));
        }
        Ok(Self(magnitude.to_vec()))
    }

    /// That of a DER certificate.
    ///
    /// # Errors
    /// [`PkiError::Encoding`] if it is no certificate, [`PkiError::Name`] if its serial number is none.
    pub fn of_certificate(der: &[u8]) -> Result<Self, PkiError> {
        let certificate = Certificate::from_der(der).map_err(PkiError::der("certificate"))?;
        Self::new(certificate.tbs_certificate().serial_number().as_bytes())
    }

    /// The magnitude, big-endian.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn encoded(&self) -> Result<SerialNumber, PkiError> {
        SerialNumber::new(&self.0).map_err(PkiError::der("serial number"))
    }
}

const EXPECTED: &str =
    "expected a positive number of at most 20 octets in hexadecimal digits (RFC 5280 §4.1.2.2)";

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        let bad = || PkiError::name("serial number", text, EXPECTED);
        let mut digits = Vec::new();
        for c in text.chars().filter(|c| *c != ':') {
            digits.push(u8::try_from(c.to_digit(16).ok_or_else(bad)?).map_err(|_| bad())?);
        }
        if digits.len() % 2 == 1 {
            digits.insert(0, 0);
        }
        let octets: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect();
        Self::new(&octets).map_err(|_| bad())
    }
}
