use std::{fmt, str::FromStr};

use crate::{KeyError, PskIdentity};

/// sec:credIDTypeID: what kind of credential a Credential-ID names (TS-0003 table 12.3.2.1-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CredentialKind {
    /// 10: symmetric key towards a MEF (KpmID).
    MefKey,
    /// 11: symmetric key towards a MAF (KmID).
    MafKey,
    /// 12: symmetric key in a security association establishment framework (KpsaID or Key Identifier).
    SaefKey,
    /// 13: pairwise key of ESPrim.
    EsprimKey,
    /// 14: ESData direct encryption.
    EsdataDirect,
    /// 15: ESData key wrap.
    EsdataWrap,
    /// 16: ESData HMAC.
    EsdataHmac,
    /// 30: raw public key in TLS.
    RawPublicKey,
    /// 31: device certificate in TLS.
    DeviceCertificate,
    /// 32: CSE-ID certificate in TLS.
    CseIdCertificate,
    /// 33: AE-ID certificate in TLS.
    AeIdCertificate,
    /// 34: Node-ID certificate in TLS.
    NodeIdCertificate,
    /// 41 to 45: ESData key management with the same five flavours (first digit 4) and 51 to 55: ESData
    /// signatures (first digit 5); the number itself.
    Esdata(u8),
}

impl CredentialKind {
    /// The two-digit number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::MefKey => 10,
            Self::MafKey => 11,
            Self::SaefKey => 12,
            Self::EsprimKey => 13,
            Self::EsdataDirect => 14,
            Self::EsdataWrap => 15,
            Self::EsdataHmac => 16,
            Self::RawPublicKey => 30,
            Self::DeviceCertificate => 31,
            Self::CseIdCertificate => 32,
            Self::AeIdCertificate => 33,
            Self::NodeIdCertificate => 34,
            Self::Esdata(code) => code,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            10 => Self::MefKey,
            11 => Self::MafKey,
            12 => Self::SaefKey,
            13 => Self::EsprimKey,
            14 => Self::EsdataDirect,
            15 => Self::EsdataWrap,
            16 => Self::EsdataHmac,
            30 => Self::RawPublicKey,
            31 => Self::DeviceCertificate,
            32 => Self::CseIdCertificate,
            33 => Self::AeIdCertificate,
            34 => Self::NodeIdCertificate,
            41..=45 | 51..=55 => Self::Esdata(code),
            _ => return None,
        })
    }
}

/// Credential-ID: `<type>-<value>`, split at the first `-` (TS-0003 §10.4). Compared octet by octet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId {
    kind: CredentialKind,
    text: Box<str>,
}

impl CredentialId {
    /// The Credential-ID of a symmetric key used in a security association: `12-<psk_identity>`
    /// (TS-0003 §10.4, type 12).
    #[must_use]
    pub fn saef_key(identity: &PskIdentity) -> Self {
        let kind = CredentialKind::SaefKey;
        Self { kind, text: format!("{}-{}", kind.code(), identity.as_str()).into() }
    }

    /// What kind of credential it names.
    #[must_use]
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// The part after the first `-`.
    #[must_use]
    pub fn value(&self) -> &str {
        self.text.get(3..).unwrap_or_default()
    }

    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for CredentialId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = |expected| KeyError::identifier("Credential-ID", text, expected);
        let (code, value) =
            text.split_once('-').ok_or_else(|| bad("expected `<type>-<value>` (TS-0003 §10.4)"))?;
        let kind = Some(code)
            .filter(|code| code.len() == 2)
            .and_then(|code| code.parse().ok())
            .and_then(CredentialKind::from_code)
            .ok_or_else(|| bad("expected a type of TS-0003 table 12.3.2.1-1 before the first `-`"))?;
        PskIdentity::from_wire(value.as_bytes())
            .map_err(|_| bad("expected 1 to 256 octets without NUL after the first `-`"))?;
        Ok(Self { kind, text: text.into() })
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text.escape_debug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_hyphen() {
        let id: CredentialId = "12-AE1-Light@in.provider.com".parse().unwrap();
        assert_eq!((id.kind(), id.value()), (CredentialKind::SaefKey, "AE1-Light@in.provider.com"));
        let identity: PskIdentity = "AE1-Light@in.provider.com".parse().unwrap();
        assert_eq!(CredentialId::saef_key(&identity), id);
        for bad in ["", "12", "12-", "00-test@x.org", "1-a", "+1-a", "012-a", "99-a", "20-a"] {
            assert!(bad.parse::<CredentialId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_type_of_the_table_round_trips() {
        let known: Vec<u8> = (0..=99).filter(|code| CredentialKind::from_code(*code).is_some()).collect();
        assert_eq!(
            known,
            [10, 11, 12, 13, 14, 15, 16, 30, 31, 32, 33, 34, 41, 42, 43, 44, 45, 51, 52, 53, 54, 55]
        );
        for code in known {
            assert_eq!(CredentialKind::from_code(code).unwrap().code(), code);
        }
    }
}
