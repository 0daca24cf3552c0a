use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::KeyError;

const KIND: &str = "public key identifier";
const DIGEST_OCTETS: usize = 32;

/// How a public key is hashed: the three algorithms of RFC 6920 that TS-0003 §10.1.2 allows. Longer is
/// better; shorter truncations of the RFC are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PublicKeyHash {
    /// `sha-256`, suite 1: 32 octets.
    Sha256,
    /// `sha-256-128`, suite 2: the leftmost 16 octets.
    Sha256To128,
    /// `sha-256-120`, suite 3: the leftmost 15 octets.
    Sha256To120,
}

impl PublicKeyHash {
    /// All of them, the longest first.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha256To128, Self::Sha256To120];

    /// The name in RFC 6920's registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha256To128 => "sha-256-128",
            Self::Sha256To120 => "sha-256-120",
        }
    }

    /// The suite ID in the binary form (RFC 6920 §6).
    #[must_use]
    pub const fn suite_id(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha256To128 => 2,
            Self::Sha256To120 => 3,
        }
    }

    /// Octets of the digest.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Sha256 => DIGEST_OCTETS,
            Self::Sha256To128 => 16,
            Self::Sha256To120 => 15,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.name() == name)
    }
}

/// Public key identifier: a hash over the DER `SubjectPublicKeyInfo` of a key, by which a raw public key or a
/// self-signed certificate is trusted (TS-0003 §10.1.2, RFC 6920).
///
/// Read in any of its text forms: `ni:///<alg>;<base64url>` (an authority or query is allowed and ignored, as
/// RFC 6920 §3 compares), `nih:<alg>;<hex>[;<check digit>]` for people, and `<alg>.<base64url>` as in a
/// Credential-ID. Written as `ni` URI.
///
/// ```
/// use keys::{PublicKeyHash, PublicKeyIdentifier};
///
/// let trusted: PublicKeyIdentifier = "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk".parse()?;
/// assert!(trusted.matches(b"Hello World!"));
/// assert_eq!(trusted.hash(), PublicKeyHash::Sha256);
/// # Ok::<(), keys::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKeyIdentifier {
    hash: PublicKeyHash,
    /// Zero after the octets of `hash`.
    digest: [u8; DIGEST_OCTETS],
}

impl PublicKeyIdentifier {
    /// The identifier of the key in `spki`, a DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn of_spki(hash: PublicKeyHash, spki: &[u8]) -> Self {
        let full = Sha256::digest(spki);
        let mut digest = [0; DIGEST_OCTETS];
        digest.iter_mut().zip(full).take(hash.octets()).for_each(|(to, from)| *to = from);
        Self { hash, digest }
    }

    /// Every identifier that the key in `spki` can have been enrolled under, the longest first.
    #[must_use]
    pub fn all_of_spki(spki: &[u8]) -> [Self; 3] {
        PublicKeyHash::ALL.map(|hash| Self::of_spki(hash, spki))
    }

    /// Whether the key in `spki` has this identifier, hashed as the identifier says. Compared in constant
    /// time.
    #[must_use]
    pub fn matches(&self, spki: &[u8]) -> bool {
        Self::of_spki(self.hash, spki).digest().ct_eq(self.digest()).into()
    }

    /// How the key was hashed.
    #[must_use]
    pub const fn hash(&self) -> PublicKeyHash {
        self.hash
    }

    /// The digest: 32, 16 or 15 octets.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        self.digest.get(..self.hash.octets()).unwrap_or_default()
    }

    /// `nih:<alg>;<hex in groups of four>;<check digit>`: the form to read aloud and print on labels (RFC
    /// 6920 §7).
    #[must_use]
    pub fn to_nih(&self) -> String {
        let digits = hex::encode(self.digest());
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && at % 4 == 0 {
                grouped.push('-');
            }
            grouped.push(digit);
        }
        format!("nih:{};{grouped};{:x}", self.hash.name(), check_digit(&digits))
    }

    /// The binary form: the suite ID and the digest, 33, 17 or 16 octets (RFC 6920 §6).
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        [&[self.hash.suite_id()], self.digest()].concat()
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if the suite is not one of the three or the length is not the suite's.
    pub fn from_octets(octets: &[u8]) -> Result<Self, KeyError> {
        octets
            .split_first()
            .and_then(|(suite, digest)| {
                let hash = PublicKeyHash::ALL.into_iter().find(|hash| hash.suite_id() == *suite)?;
                Self::of_digest(hash, digest)
            })
            .ok_or_else(|| {
                KeyError::identifier(
                    KIND,
                    &hex::encode(octets.iter().copied().take(DIGEST_OCTETS + 1).collect::<Vec<_>>()),
                    "expected suite 1, 2 or 3 and its digest (TS-0003 §10.1.2)",
                )
            })
    }

    /// `<alg>.<base64url>`: the value of a Credential-ID of type 30, within the alphabet of TS-0003 §10.4
    /// (register A-07).
    #[must_use]
    pub fn to_credential_value(&self) -> String {
        format!("{}.{}", self.hash.name(), URL_SAFE_NO_PAD.encode(self.digest()))
    }

    fn of_digest(hash: PublicKeyHash, octets: &[u8]) -> Option<Self> {
        let mut digest = [0; DIGEST_OCTETS];
        digest.get_mut(..hash.octets()).filter(|to| to.len() == octets.len())?.copy_from_slice(octets);
        Some(Self { hash, digest })
    }

    fn of_base64url(name: &str, digest: &str) -> Option<Self> {
        Self::of_digest(PublicKeyHash::named(name)?, &URL_SAFE_NO_PAD.decode(digest).ok()?)
    }

    fn of_ni(rest: &str) -> Option<Self> {
        let (_authority, path) = rest.split_once('/')?;
        let name = path.split_once('?').map_or(path, |(name, _query)| name);
        let (alg, digest) = name.split_once(';')?;
        Self::of_base64url(alg, digest)
    }

    fn of_nih(rest: &str) -> Option<Self> {
        let mut parts = rest.split(';');
        let (alg, digits, check) = (parts.next()?, parts.next()?.replace('-', ""), parts.next());
        let hash = PublicKeyHash::named(alg)
            .or_else(|| PublicKeyHash::ALL.into_iter().find(|hash| hash.suite_id().to_string() == alg))?;
        let octets = hex::decode(&digits).ok()?;
        let checked =
            check.is_none_or(|check| check.eq_ignore_ascii_case(&format!("{:x}", check_digit(&digits))));
        if parts.next().is_some() || !checked {
            return None;
        }
        Self::of_digest(hash, &octets)
    }
}

/// Luhn's check digit over hexadecimal digits (RFC 6920 §7): every second digit from the right is doubled and
/// its own digits are added.
fn check_digit(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(16))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit * 2 / 16 + digit * 2 % 16 } else { digit })
        .sum();
    (16 - sum % 16) % 16
}

impl FromStr for PublicKeyIdentifier {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let identifier = if let Some(rest) = text.strip_prefix("ni://") {
            Self::of_ni(rest)
        } else if let Some(rest) = text.strip_prefix("nih:") {
            Self::of_nih(rest)
        } else {
            text.split_once('.').and_then(|(alg, digest)| Self::of_base64url(alg, digest))
        };
        identifier.ok_or_else(|| {
            KeyError::identifier(
                KIND,
                text,
                "expected an ni or nih URI, or `<alg>.<base64url>`, of sha-256, sha-256-128 or sha-256-120 (TS-0003 §10.1.2)",
            )
        })
    }
}

/// The `ni` URI (RFC 6920 §3).
impl fmt::Display for PublicKeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ni:///{};{}", self.hash.name(), URL_SAFE_NO_PAD.encode(self.digest()))
    }
}

impl fmt::Debug for PublicKeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKeyIdentifier({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6920 §8.1, §8.2.
    #[test]
    fn the_examples_of_the_rfc() {
        let id = PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, b"Hello World!");
        assert_eq!(id.to_string(), "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk");
        let label: PublicKeyIdentifier =
            "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f".parse().unwrap();
        for same in [
            "nih:3;532690-57e12f-e2b74b-a07c89-2560a2;f",
            "nih:3;53269057E12FE2B74BA07C892560A2;F",
            "nih:sha-256-120;53269057e12fe2b74ba07c892560a2",
        ] {
            assert_eq!(same.parse::<PublicKeyIdentifier>().unwrap(), label, "{same}");
        }
        assert_eq!(label.to_nih(), "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f");
        assert_eq!(check_digit("53269057"), 0xb);
    }

    #[test]
    fn where_an_object_may_be_found_is_no_part_of_its_name() {
        let id = PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, b"Hello World!");
        let text = "ni://example.com/sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk?ct=application/x";
        assert_eq!(text.parse::<PublicKeyIdentifier>().unwrap(), id);
    }

    #[test]
    fn malformed_names() {
        for bad in [
            "",
            "ni:",
            "ni://",
            "ni:///",
            "ni:///sha-256",
            "ni:///sha-256;",
            "ni:///SHA-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk",
            "ni:///sha-256-128;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk",
            "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;e",
            "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;",
            "nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;f;",
            "nih:03;532690-57e12f-e2b74b-a07c89-2560a2",
            "nih:6;53269057;b",
            "sha-256",
        ] {
            assert!(bad.parse::<PublicKeyIdentifier>().is_err(), "{bad}");
        }
        for bad in [&[][..], &[1; 32], &[1; 34], &[2; 16], &[3; 17], &[0; 33], &[0x41; 33]] {
            assert!(PublicKeyIdentifier::from_octets(bad).is_err(), "{bad:?}");
        }
    }
}
