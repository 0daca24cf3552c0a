use std::{fmt, str::FromStr};

use onem2m::id::Fqdn;
use sha2::{Digest, Sha256};

use crate::{KeyError, Secret};

/// Fewest octets of a provisioned key unless short keys are allowed explicitly (register A-38).
pub const MIN_KEY_OCTETS: usize = 16;
/// Fewest octets of a key where short keys are allowed: the length of TR-0038's example keys.
pub const MIN_SHORT_KEY_OCTETS: usize = 8;
/// Most octets of a provisioned key.
pub const MAX_KEY_OCTETS: usize = 64;

/// Which lengths of key are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLengthPolicy {
    /// 16 to 64 octets.
    Strict,
    /// 8 to 64 octets: `allow_short_key` of a credential or a demonstration.
    AllowShort,
}

impl KeyLengthPolicy {
    const fn minimum(self) -> usize {
        match self {
            Self::Strict => MIN_KEY_OCTETS,
            Self::AllowShort => MIN_SHORT_KEY_OCTETS,
        }
    }
}

/// Kpsa: the provisioned symmetric key that two entities share before a handshake, 16 to 64 octets
/// (8 to 64 where short keys are allowed). Used as the TLS `psk` and for nothing else (TS-0003 §8.2.2.1).
pub struct Kpsa(Secret);

impl Kpsa {
    /// Accepts `secret` as a Kpsa.
    ///
    /// # Errors
    /// [`KeyError::TooShort`] or [`KeyError::TooLong`] if its length is outside of the policy.
    pub fn new(secret: Secret, policy: KeyLengthPolicy) -> Result<Self, KeyError> {
        let octets = secret.len();
        if octets < policy.minimum() {
            return Err(KeyError::TooShort { octets, minimum: policy.minimum() });
        }
        if octets > MAX_KEY_OCTETS {
            return Err(KeyError::TooLong { octets });
        }
        Ok(Self(secret))
    }

    /// The octets, for the handshake and for sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Number of octets.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.0.len()
    }

    /// True if the key is shorter than [`MIN_KEY_OCTETS`]: worth a warning wherever it is used.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.octets() < MIN_KEY_OCTETS
    }

    /// A second copy in memory, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }
}

impl fmt::Debug for Kpsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kpsa({} octets)", self.octets())
    }
}

/// KpsaID: `rel@Issuer-FQDN`, `rel` of letters, digits, `.`, `_`, `-`; case-sensitive (TS-0003 §10.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KpsaId {
    text: String,
    at: usize,
    issuer: Fqdn,
}

impl KpsaId {
    const KIND: &'static str = "KpsaID";

    /// The part before the `@`, unique for its issuer.
    #[must_use]
    pub fn relative(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The domain that issued the key.
    #[must_use]
    pub const fn issuer(&self) -> &Fqdn {
        &self.issuer
    }

    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for KpsaId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = |expected| KeyError::identifier(Self::KIND, text, expected);
        if text.len() > crate::MAX_PSK_IDENTITY_OCTETS {
            return Err(bad("expected at most 256 octets"));
        }
        let (relative, issuer) =
            text.split_once('@').ok_or_else(|| bad("expected `name@issuer-domain` (TS-0003 §10.5)"))?;
        if relative.is_empty() || !relative.bytes().all(is_relative_octet) {
            return Err(bad("expected letters, digits, `.`, `_` or `-` before the `@` (TS-0003 §10.5)"));
        }
        let issuer: Fqdn = issuer
            .parse()
            .map_err(|_| bad("expected a lower-case domain name after the `@` (TS-0003 §10.5)"))?;
        Ok(Self { text: text.to_owned(), at: relative.len(), issuer })
    }
}

impl fmt::Display for KpsaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const fn is_relative_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-')
}

/// `Kcc_ID` or `Kca_ID` of the drafts: 16 octets that follow from the key itself, written as 32 upper-case
/// hexadecimal digits without `@`; both cases are read (register A-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DraftKeyId([u8; 16]);

impl DraftKeyId {
    /// The 16 octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for DraftKeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut octets = [0; 16];
        hex::decode_to_slice(text, &mut octets).map_err(|_| {
            KeyError::identifier(
                "Kcc_ID/Kca_ID",
                text,
                "expected 32 hexadecimal digits (draft clauses a.b.1, a.b.2)",
            )
        })?;
        Ok(Self(octets))
    }
}

impl fmt::Display for DraftKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

/// `Kcc_ID` of a key that two CSEs share: the leftmost 128 bits of SHA-256 over a fixed prefix and the key
/// (draft clause a.b.1). The identifier is a hash of the key: keys must have full entropy.
#[must_use]
pub fn kcc_id(key: &Kpsa) -> DraftKeyId {
    draft_key_id(b"oneM2M-Kcc_ID-Generation", key)
}

/// `Kca_ID` of a key that an AE and a CSE share (draft clause a.b.2).
#[must_use]
pub fn kca_id(key: &Kpsa) -> DraftKeyId {
    draft_key_id(b"oneM2M-Kca_ID-Generation", key)
}

fn draft_key_id(prefix: &[u8], key: &Kpsa) -> DraftKeyId {
    let digest = Sha256::new().chain_update(prefix).chain_update(key.expose()).finalize();
    let mut octets = [0; 16];
    octets.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    DraftKeyId(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hex: &str, policy: KeyLengthPolicy) -> Result<Kpsa, KeyError> {
        Kpsa::new(Secret::from_hex(hex).unwrap(), policy)
    }

    #[test]
    fn short_keys_need_permission() {
        let eight = "1a2b3c4d5e6f7a8b";
        assert_eq!(
            key(eight, KeyLengthPolicy::Strict).unwrap_err(),
            KeyError::TooShort { octets: 8, minimum: 16 }
        );
        assert!(key(eight, KeyLengthPolicy::AllowShort).unwrap().is_short());
        assert_eq!(
            key("1a2b3c4d5e6f7a", KeyLengthPolicy::AllowShort).unwrap_err(),
            KeyError::TooShort { octets: 7, minimum: 8 }
        );
        assert_eq!(
            key(&"00".repeat(65), KeyLengthPolicy::Strict).unwrap_err(),
            KeyError::TooLong { octets: 65 }
        );
        assert!(!key(&"00".repeat(64), KeyLengthPolicy::Strict).unwrap().is_short());
    }

    #[test]
    fn kpsa_id_parts() {
        let id: KpsaId = "AE123456789012-Light@in.provider.com".parse().unwrap();
        assert_eq!(id.relative(), "AE123456789012-Light");
        assert_eq!(id.issuer().as_str(), "in.provider.com");
        assert_eq!(id.to_string(), "AE123456789012-Light@in.provider.com");
        for bad in ["", "@x.org", "a b@x.org", "a@", "a@X.org", "a", "a@b@c.org", "a/b@x.org"] {
            assert!(bad.parse::<KpsaId>().is_err(), "{bad}");
        }
    }
}
