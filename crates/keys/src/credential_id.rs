use std::{fmt, str::FromStr};

use onem2m::id::{AeDomainName, CseDomainName, NodeId};

use crate::{
    BTid, KeyError, KmId, KpmId, PskIdentity, PublicKeyIdentifier, SymmetricKeyId, TokenDigest,
    psk_identity::printable,
};

/// The flavours of certificate (TS-0003 §8.1.2.1): the units digit of certificate credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateFlavour {
    /// A raw public key.
    RawPublicKey,
    /// A device certificate.
    Device,
    /// A CSE-ID certificate.
    CseId,
    /// An AE-ID certificate.
    AeId,
    /// A Node-ID certificate.
    NodeId,
}

/// What a certificate is used for: the tens digit of certificate credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateUse {
    /// 30 to 34: TLS and DTLS.
    Tls,
    /// 41 to 45: key management of ESData.
    EsdataKeyManagement,
    /// 51 to 55: signatures of ESData.
    EsdataSignature,
}

/// What a symmetric key of ESData is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EsdataKeyUse {
    /// 14: direct encryption.
    Direct,
    /// 15: key wrap.
    Wrap,
    /// 16: HMAC.
    Hmac,
}

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
    /// 41 to 45: certificate in the key management of ESData.
    EsdataKeyManagement(CertificateFlavour),
    /// 51 to 55: certificate in the signatures of ESData.
    EsdataSignature(CertificateFlavour),
    /// [`IDENTITY_TOKEN_TYPE`]: identity token in a registration. Not in the standard's table, which knows no
    /// such credential (register A-48).
    IdentityToken,
}

/// The type number of identity tokens: the project's own choice, outside of the ranges that the standard uses.
/// The one place where it is written.
pub const IDENTITY_TOKEN_TYPE: u8 = 90;

impl CredentialKind {
    /// The kind of a certificate of this flavour in this use.
    #[must_use]
    pub const fn of_certificate(used_for: CertificateUse, flavour: CertificateFlavour) -> Self {
        match (used_for, flavour) {
            (CertificateUse::Tls, CertificateFlavour::RawPublicKey) => Self::RawPublicKey,
            (CertificateUse::Tls, CertificateFlavour::Device) => Self::DeviceCertificate,
            (CertificateUse::Tls, CertificateFlavour::CseId) => Self::CseIdCertificate,
            (CertificateUse::Tls, CertificateFlavour::AeId) => Self::AeIdCertificate,
            (CertificateUse::Tls, CertificateFlavour::NodeId) => Self::NodeIdCertificate,
            (CertificateUse::EsdataKeyManagement, flavour) => Self::EsdataKeyManagement(flavour),
            (CertificateUse::EsdataSignature, flavour) => Self::EsdataSignature(flavour),
        }
    }

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
            Self::EsdataKeyManagement(flavour) => 41 + flavour.offset(),
            Self::EsdataSignature(flavour) => 51 + flavour.offset(),
            Self::IdentityToken => IDENTITY_TOKEN_TYPE,
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
            41..=45 => Self::EsdataKeyManagement(CertificateFlavour::at(code - 41)),
            51..=55 => Self::EsdataSignature(CertificateFlavour::at(code - 51)),
            IDENTITY_TOKEN_TYPE => Self::IdentityToken,
            _ => return None,
        })
    }
}

impl CertificateFlavour {
    const fn offset(self) -> u8 {
        match self {
            Self::RawPublicKey => 0,
            Self::Device => 1,
            Self::CseId => 2,
            Self::AeId => 3,
            Self::NodeId => 4,
        }
    }

    const fn at(offset: u8) -> Self {
        match offset {
            0 => Self::RawPublicKey,
            1 => Self::Device,
            2 => Self::CseId,
            3 => Self::AeId,
            _ => Self::NodeId,
        }
    }
}

/// Globally unique hardware instance identifier of a device certificate, such as a dotted OID: 1 to 253
/// octets of the characters of a URI (TS-0003 §10.1.1.4, §12.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HardwareId(Box<str>);

impl HardwareId {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HardwareId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let of_uri = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~%:/?#[]@!$&'()*+,;=".contains(&octet);
        if (1..=253).contains(&text.len()) && text.bytes().all(of_uri) {
            return Ok(Self(text.into()));
        }
        Err(KeyError::identifier(
            "hardware instance identifier",
            text,
            "expected 1 to 253 characters of a URI (TS-0003 §12.2)",
        ))
    }
}

impl fmt::Display for HardwareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom or what a certificate names, in the form in which a Credential-ID holds it (TS-0003 table 12.3.2.1-1;
/// register A-07).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// A raw public key, or a self-signed certificate that is trusted by its hash (register A-48).
    RawPublicKey(PublicKeyIdentifier),
    /// A device.
    Device(HardwareId),
    /// A CSE, by its public domain name.
    CseId(CseDomainName),
    /// An AE, by its domain form.
    AeId(AeDomainName),
    /// A node.
    NodeId(NodeId),
}

impl CertificateName {
    /// The flavour of certificate that holds such a name.
    #[must_use]
    pub const fn flavour(&self) -> CertificateFlavour {
        match self {
            Self::RawPublicKey(_) => CertificateFlavour::RawPublicKey,
            Self::Device(_) => CertificateFlavour::Device,
            Self::CseId(_) => CertificateFlavour::CseId,
            Self::AeId(_) => CertificateFlavour::AeId,
            Self::NodeId(_) => CertificateFlavour::NodeId,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RawPublicKey(id) => f.write_str(&id.to_credential_value()),
            Self::Device(id) => id.fmt(f),
            Self::CseId(name) => name.fmt(f),
            Self::AeId(name) => name.fmt(f),
            Self::NodeId(id) => id.fmt(f),
        }
    }
}

/// Credential-ID: `<type>-<value>`, split at the first `-` (TS-0003 §10.4). Compared octet by octet.
///
/// What is made here keeps to the alphabet of §10.4 as far as its parts do; what is read may hold whatever an
/// `xs:anyURI` can (§12.2), 1 to 256 octets without NUL (register A-07).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId {
    kind: CredentialKind,
    text: Box<str>,
}

impl CredentialId {
    fn new(kind: CredentialKind, value: impl fmt::Display) -> Self {
        Self { kind, text: format!("{}-{value}", kind.code()).into() }
    }

    /// `10-<KpmID>`: a symmetric key towards a MEF.
    #[must_use]
    pub fn mef_key(id: &KpmId) -> Self {
        Self::new(CredentialKind::MefKey, id)
    }

    /// `11-<KmID>`: a symmetric key towards a MAF, in the spelling of `id`; give the one that was assigned.
    #[must_use]
    pub fn maf_key(id: &KmId) -> Self {
        Self::new(CredentialKind::MafKey, id)
    }

    /// `11-<B-TID>`: a key of GBA towards a MAF, whose KmID is the B-TID (TS-0003 §8.3.2.3).
    #[must_use]
    pub fn maf_key_of_gba(id: &BTid) -> Self {
        Self::new(CredentialKind::MafKey, id)
    }

    /// The Credential-ID of a symmetric key used in a security association: `12-<psk_identity>` (TS-0003
    /// §10.4, type 12). The identity is a KpsaID, a Key Identifier, a `KeID`, a B-TID, or the hexadecimal
    /// `Kcc_ID` or `Kca_ID` of the drafts.
    #[must_use]
    pub fn saef_key(identity: &PskIdentity) -> Self {
        Self::new(CredentialKind::SaefKey, identity.as_str())
    }

    /// `13-<pairwiseESPrimKeyID>`: a key of ESPrim.
    #[must_use]
    pub fn esprim_key(id: &SymmetricKeyId) -> Self {
        Self::new(CredentialKind::EsprimKey, id)
    }

    /// `14-`, `15-` or `16-<key identifier>`: a symmetric key of ESData.
    #[must_use]
    pub fn esdata_key(used_for: EsdataKeyUse, id: &SymmetricKeyId) -> Self {
        let kind = match used_for {
            EsdataKeyUse::Direct => CredentialKind::EsdataDirect,
            EsdataKeyUse::Wrap => CredentialKind::EsdataWrap,
            EsdataKeyUse::Hmac => CredentialKind::EsdataHmac,
        };
        Self::new(kind, id)
    }

    /// `30-` to `34-`, `41-` to `45-`, `51-` to `55-<name>`: a raw public key or certificate. The name
    /// decides the flavour.
    #[must_use]
    pub fn certificate(used_for: CertificateUse, name: &CertificateName) -> Self {
        Self::new(CredentialKind::of_certificate(used_for, name.flavour()), name)
    }

    /// `90-<base64url>`: an identity token, by the leftmost 16 octets of its digest. Says nothing of the token
    /// itself, which has at least 128 bits of randomness.
    #[must_use]
    pub fn identity_token(digest: &TokenDigest) -> Self {
        Self::new(CredentialKind::IdentityToken, digest.short())
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

    /// The label that an announced AE carries: with which credential it registered, or that there was no
    /// association (TS-0001 §10.2.2.2, TS-0004 §7.4.5.2.1).
    #[must_use]
    pub fn announcement_label(credential: Option<&Self>) -> String {
        format!("Credential-ID:{}", credential.map_or("", Self::as_str))
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

/// The identifier as it is, with control characters escaped.
impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdentityToken;

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
    fn every_type_round_trips() {
        let known: Vec<u8> = (0..=99).filter(|code| CredentialKind::from_code(*code).is_some()).collect();
        assert_eq!(
            known,
            [10, 11, 12, 13, 14, 15, 16, 30, 31, 32, 33, 34, 41, 42, 43, 44, 45, 51, 52, 53, 54, 55, 90]
        );
        for code in known {
            assert_eq!(CredentialKind::from_code(code).unwrap().code(), code);
        }
    }

    #[test]
    fn every_kind_has_its_maker() {
        let sp = "//sp.example.com".parse().unwrap();
        let key: SymmetricKeyId = "k@maf.example.com".parse().unwrap();
        let names = [
            CertificateName::RawPublicKey("nih:3;53269057e12fe2b74ba07c892560a2".parse().unwrap()),
            CertificateName::Device("0.2.481.1.100.3030.10011".parse().unwrap()),
            CertificateName::CseId(CseDomainName::parse_in("in-cse.sp.example.com", &sp).unwrap()),
            CertificateName::AeId(AeDomainName::parse_in("S98821.sp.example.com", &sp).unwrap()),
            CertificateName::NodeId("urn:gsma:imei:90420156-025763-0".parse().unwrap()),
        ];
        let mut made = vec![
            CredentialId::mef_key(&"k@mef.example.net".parse().unwrap()),
            CredentialId::maf_key(&"k@maf.example.com".parse().unwrap()),
            CredentialId::saef_key(&"k@x.org".parse().unwrap()),
            CredentialId::esprim_key(&key),
            CredentialId::esdata_key(EsdataKeyUse::Direct, &key),
            CredentialId::esdata_key(EsdataKeyUse::Wrap, &key),
            CredentialId::esdata_key(EsdataKeyUse::Hmac, &key),
        ];
        for used_for in
            [CertificateUse::Tls, CertificateUse::EsdataKeyManagement, CertificateUse::EsdataSignature]
        {
            made.extend(names.iter().map(|name| CredentialId::certificate(used_for, name)));
        }
        made.push(CredentialId::identity_token(
            &"AAAAAAAAAAAAAAAAAAAAAA".parse::<IdentityToken>().unwrap().digest(),
        ));
        let codes: Vec<u8> = made.iter().map(|id| id.kind().code()).collect();
        assert_eq!(
            codes,
            [10, 11, 12, 13, 14, 15, 16, 30, 31, 32, 33, 34, 41, 42, 43, 44, 45, 51, 52, 53, 54, 55, 90]
        );
        for id in made {
            assert_eq!(id.as_str().parse::<CredentialId>().unwrap(), id);
        }
        let b_tid: BTid = "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.org".parse().unwrap();
        assert_eq!(CredentialId::maf_key_of_gba(&b_tid).value(), b_tid.as_str());
    }

    #[test]
    fn hardware_identifiers() {
        for bad in ["", "a b", "ä", "a\n", &"1".repeat(254)] {
            assert!(bad.parse::<HardwareId>().is_err(), "{bad}");
        }
    }
}
