use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{KeyError, Rng, RngError, Secret};

/// Fewest octets of an identity token: 128 bits, so that a digest of it tells nothing.
pub const MIN_TOKEN_OCTETS: usize = 16;
/// Most octets of an identity token.
pub const MAX_TOKEN_OCTETS: usize = 64;
/// Octets of a new token: 192 bits, 32 characters.
const NEW_TOKEN_OCTETS: usize = 24;
const DIGEST_OCTETS: usize = 32;
/// Octets of the digest in a Credential-ID.
const SHORT_OCTETS: usize = 16;
const KIND: &str = "identity token";

/// Identity token: what a device without key or certificate proves its identity with, inside of a TLS session in
/// which the registrar alone is authenticated (register A-31).
///
/// 16 to 64 octets from a generator of random numbers, written as base64url without padding. Whoever knows it is
/// believed to be the device; the registrar keeps only its digest.
///
/// ```
/// use keys::{IdentityToken, OsRng};
///
/// let token = IdentityToken::generate(&OsRng)?;
/// assert_eq!(token.to_text().len(), 32);
/// assert_eq!(format!("{token:?}"), "IdentityToken(..)");
/// assert_eq!(token.to_text().parse::<IdentityToken>().unwrap().digest(), token.digest());
/// # Ok::<(), keys::RngError>(())
/// ```
pub struct IdentityToken(Secret);

impl IdentityToken {
    /// A new one, of 24 octets.
    ///
    /// # Errors
    /// [`RngError`] if there is no randomness.
    pub fn generate(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut octets = Zeroizing::new(vec![0; NEW_TOKEN_OCTETS]);
        rng.fill(&mut octets)?;
        Ok(Self(Secret::new(std::mem::take(&mut *octets))))
    }

    /// The token as it is sent. For the one who is to have it.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.expose()))
    }

    /// SHA-256 of the token's text: what the registrar keeps, and looks it up by.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.to_text().as_bytes()).into())
    }
}

/// Reads the text form. The errors quote nothing of it.
impl FromStr for IdentityToken {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let expected = "16 to 64 octets, in base64url without padding (draft clause x.y.7)";
        let wrong = |octets| KeyError::Length { kind: KIND, octets, expected };
        // One octet more than fits tells that there are too many.
        if text.len() > (MAX_TOKEN_OCTETS + 1).div_ceil(3) * 4 {
            return Err(wrong(text.len() / 4 * 3));
        }
        // Only the one spelling: no padding, and no bits beside the octets.
        let octets = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| KeyError::identifier(KIND, "(not shown)", format_of(text)))?;
        let octets = Secret::new(octets);
        if (MIN_TOKEN_OCTETS..=MAX_TOKEN_OCTETS).contains(&octets.len()) {
            Ok(Self(octets))
        } else {
            Err(wrong(octets.len()))
        }
    }
}

/// What is said of a text that is no base64url: a length that none has is a character lost or too many.
const fn format_of(text: &str) -> &'static str {
    if text.len() % 4 == 1 {
        "a character is missing or too many: expected base64url without padding (draft clause x.y.7)"
    } else {
        "expected base64url without padding (draft clause x.y.7)"
    }
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityToken(..)")
    }
}

/// SHA-256 of an identity token. Not secret: the token cannot be found from it.
#[derive(Clone, Copy, Eq)]
pub struct TokenDigest([u8; DIGEST_OCTETS]);

impl TokenDigest {
    /// The 32 octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; DIGEST_OCTETS] {
        &self.0
    }

    /// The digest with these octets.
    #[must_use]
    pub const fn from_octets(octets: [u8; DIGEST_OCTETS]) -> Self {
        Self(octets)
    }

    /// The leftmost 16 octets in base64url: the value of a Credential-ID.
    pub(crate) fn short(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.get(..SHORT_OCTETS).unwrap_or_default())
    }
}

/// In constant time.
impl PartialEq for TokenDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenDigest({})", self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CredentialId, SeededRng};

    #[test]
    fn has_one_spelling_and_is_never_quoted() {
        let rng = SeededRng::new(1);
        let (one, two) = (IdentityToken::generate(&rng).unwrap(), IdentityToken::generate(&rng).unwrap());
        assert_ne!(one.digest(), two.digest());
        let text = one.to_text();
        assert!(
            text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet)),
            "{text:?}"
        );
        assert_eq!(text.parse::<IdentityToken>().unwrap().digest(), one.digest());
        let sixteen = "A".repeat(22);
        assert!(sixteen.parse::<IdentityToken>().is_ok());
        for bad in [
            String::new(),
            "A".repeat(20),
            format!("{}B", "A".repeat(21)),
            format!("{sixteen}=="),
            format!(" {sixteen}"),
            "+".repeat(22),
            "A".repeat(87),
            "A".repeat(100_000),
        ] {
            let error = bad.parse::<IdentityToken>().unwrap_err().to_string();
            assert!(error.starts_with("identity token"), "{error}");
            assert!(!error.contains("AAAA") && error.len() < 160, "{error}");
        }
        assert!("A".repeat(86).parse::<IdentityToken>().is_ok());
    }

    /// The digest is that of the text, so that anybody can compute it with `sha256sum`.
    #[test]
    fn is_known_by_the_hash_of_its_text() {
        let token: IdentityToken = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let digest = token.digest();
        assert_eq!(
            hex::encode(digest.octets()),
            "8a5bdb4cc15164126c6ef2668de9dd240d299ce6397a42c95a9411b93d080ed8"
        );
        assert_eq!(TokenDigest::from_octets(*digest.octets()), digest);
        let id = CredentialId::identity_token(&digest);
        assert!(id.as_str().starts_with("90-") && id.as_str().len() == 25, "{id}");
    }
}
