use crate::{KeyError, Secret, Usage, UsageOrigin, UsageScope};

use super::{EsdataEncryptionKey, EsdataSignatureKey, Kc, KeyLengthPolicy, Km, Kpm, Kpsa, PairwiseEsprimKey};

/// A symmetric key as the kind that its usage makes it. This is where a number of the protocol decides what a
/// key can do (TS-0003 tables 8.3.5.1-1 and 8.8.1-1, TS-0004 table 6.3.4.2.39-1).
#[derive(Debug)]
pub enum UsageKey {
    /// 10: shared with a MEF.
    Kpm(Kpm),
    /// 11 and 21: shared with a MAF.
    Km(Km),
    /// 12 and 22: for a security association, provisioned or from a MEF.
    Kpsa(Kpsa),
    /// 32: for a security association, from a MAF.
    Kc(Kc),
    /// 13, 23 and 33: for end-to-end security of primitives. A distributed key is taken as it is
    /// (register A-22).
    PairwiseEsprim(PairwiseEsprimKey),
    /// 14, 24 and 34: for authenticated encryption of data.
    EsdataEncryption(EsdataEncryptionKey),
    /// 15, 25 and 35: for signatures of data.
    EsdataSignature(EsdataSignatureKey),
}

impl UsageKey {
    /// Takes `secret` as a key of this usage, 16 to 64 octets.
    ///
    /// # Errors
    /// [`KeyError::Usage`] if the usage is that of a certificate; the length errors of the key types.
    pub fn new(usage: Usage, secret: Secret) -> Result<Self, KeyError> {
        if !usage.is_symmetric() {
            return Err(KeyError::Usage { usage, expected: "expected the usage of a symmetric key" });
        }
        Ok(match usage.scope() {
            UsageScope::Mef => Self::Kpm(Kpm::new(secret, KeyLengthPolicy::Strict)?),
            UsageScope::Maf => Self::Km(Km::new(secret, KeyLengthPolicy::Strict)?),
            UsageScope::Association if usage.origin() == UsageOrigin::MafDistributed => {
                Self::Kc(Kc::new(secret)?)
            }
            UsageScope::Association => Self::Kpsa(Kpsa::new(secret, KeyLengthPolicy::Strict)?),
            UsageScope::Esprim => Self::PairwiseEsprim(PairwiseEsprimKey::new(secret)?),
            UsageScope::EsdataEncryption => Self::EsdataEncryption(EsdataEncryptionKey::new(secret)?),
            UsageScope::EsdataSignature => Self::EsdataSignature(EsdataSignatureKey::new(secret)?),
        })
    }

    /// The octets, for sealing and for the answer to an authorised target.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Kpm(key) => key.expose(),
            Self::Km(key) => key.expose(),
            Self::Kpsa(key) => key.expose(),
            Self::Kc(key) => key.expose(),
            Self::PairwiseEsprim(key) => key.expose(),
            Self::EsdataEncryption(key) => key.expose(),
            Self::EsdataSignature(key) => key.expose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(code: u8) -> Option<&'static str> {
        let key = UsageKey::new(Usage::from_code(code).unwrap(), Secret::new(vec![7; 32])).ok()?;
        assert_eq!(key.expose(), [7; 32]);
        Some(match key {
            UsageKey::Kpm(_) => "Kpm",
            UsageKey::Km(_) => "Km",
            UsageKey::Kpsa(_) => "Kpsa",
            UsageKey::Kc(_) => "Kc",
            UsageKey::PairwiseEsprim(_) => "ESPrim",
            UsageKey::EsdataEncryption(_) => "encryption",
            UsageKey::EsdataSignature(_) => "signature",
        })
    }

    #[test]
    fn the_usage_decides_the_kind() {
        for (codes, kind) in [
            (&[10][..], Some("Kpm")),
            (&[11, 21], Some("Km")),
            (&[12, 22], Some("Kpsa")),
            (&[32], Some("Kc")),
            (&[13, 23, 33], Some("ESPrim")),
            (&[14, 24, 34], Some("encryption")),
            (&[15, 25, 35], Some("signature")),
            (&[40, 41, 42, 43, 44, 45], None),
        ] {
            for code in codes {
                assert_eq!(kind_of(*code), kind, "{code}");
            }
        }
        assert!(UsageKey::new(Usage::MAF_ASSOCIATION, Secret::new(vec![7; 15])).is_err());
    }
}
