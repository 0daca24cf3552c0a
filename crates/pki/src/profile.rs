//! Which names a certificate carries, and how they are written (TS-0003 §10.1.1).

use std::{fmt, str::FromStr};

use certificate::Flavour;
use der::{
    Any, Tag,
    asn1::{Ia5String, ObjectIdentifier},
};
use onem2m::id::{AeId, CseDomainName, Fqdn, NodeId};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::PkiError;

/// What a certificate is for and whom it names: one flavour of TS-0003 §10.1.1, or the key of an OCSP
/// responder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// A CSE, by its public domain name as dNSName (§10.1.1.7).
    CseId(CseDomainName),
    /// An AE, by the URI `m2m:` and its absolute AE-ID (§10.1.1.5; register A-09).
    AeId(AeId),
    /// A node, by its Node-ID as URI; a dotted OID is written `urn:oid:…` (§10.1.1.8; register A-11).
    NodeId(NodeId),
    /// A device, by its M2M Device ID as otherName (§10.1.1.4; register A-10).
    Device(DeviceId),
    /// A MAF or MEF, by its domain name as dNSName (§10.1.1.6).
    Fqdn(Fqdn),
    /// Whoever signs OCSP responses for the authority (RFC 6960 §4.2.2.2). Names nobody.
    OcspResponder,
}

impl Profile {
    /// The entry of subjectAltName; none for an OCSP responder.
    ///
    /// # Errors
    /// [`PkiError::Name`] if the name has no form in a certificate.
    pub fn general_name(&self) -> Result<Option<GeneralName>, PkiError> {
        Ok(Some(match self {
            Self::CseId(name) => GeneralName::DnsName(ia5("public domain name of a CSE", &name.to_string())?),
            Self::Fqdn(name) => GeneralName::DnsName(ia5("FQDN", name.as_str())?),
            Self::AeId(id) => GeneralName::UniformResourceIdentifier(ia5("AE-ID", &certificate::ae_uri(id))?),
            Self::NodeId(id) => GeneralName::UniformResourceIdentifier(ia5("M2M-Node-ID", &node_uri(id)?)?),
            Self::Device(id) => GeneralName::OtherName(id.other_name()?),
            Self::OcspResponder => return Ok(None),
        }))
    }

    /// The flavour by which others judge it; an OCSP responder's has none.
    #[must_use]
    pub const fn flavour(&self) -> Option<Flavour> {
        match self {
            Self::CseId(_) => Some(Flavour::CseId),
            Self::AeId(_) => Some(Flavour::AeId),
            Self::NodeId(_) => Some(Flavour::NodeId),
            Self::Device(_) => Some(Flavour::Device),
            Self::Fqdn(_) => Some(Flavour::Fqdn),
            Self::OcspResponder => None,
        }
    }

    /// Where its rules stand.
    #[must_use]
    pub const fn clause(&self) -> &'static str {
        match self {
            Self::CseId(_) => "TS-0003 §10.1.1.7",
            Self::AeId(_) => "TS-0003 §10.1.1.5",
            Self::NodeId(_) => "TS-0003 §10.1.1.8",
            Self::Device(_) => "TS-0003 §10.1.1.4.1",
            Self::Fqdn(_) => "TS-0003 §10.1.1.6",
            Self::OcspResponder => "RFC 6960 §4.2.2.2",
        }
    }

    /// The kind of certificate in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CseId(_) => "cse-id",
            Self::AeId(_) => "ae-id",
            Self::NodeId(_) => "node-id",
            Self::Device(_) => "device",
            Self::Fqdn(_) => "fqdn",
            Self::OcspResponder => "ocsp-responder",
        }
    }

    /// Whom it names; empty for an OCSP responder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::CseId(name) => name.to_string(),
            Self::AeId(id) => id.to_string(),
            Self::NodeId(id) => id.to_string(),
            Self::Device(id) => id.to_string(),
            Self::Fqdn(name) => name.to_string(),
            Self::OcspResponder => String::new(),
        }
    }

    /// The subject's common name. It is for people: with its blank it is no domain name, and nothing that
    /// judges certificates looks at it.
    pub(crate) fn common_name(&self) -> String {
        match self {
            Self::CseId(name) => format!("CSE {name}"),
            Self::AeId(id) => format!("AE {id}"),
            Self::NodeId(id) => format!("node {id}"),
            Self::Device(id) => format!("device {id}"),
            Self::Fqdn(name) => format!("function {name}"),
            Self::OcspResponder => "OCSP responder".to_owned(),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.common_name())
    }
}

/// An object-identifier-based M2M Device ID (TS-0001 annex H), split where a certificate splits it: the M2M
/// Device Indication ID arc is the otherName's type-id, the rest its value (TS-0003 §10.1.1.4.1).
///
/// Read from dotted text. The text alone does not tell where the indication arc ends: a `/` in place of a dot
/// marks it (`0.2.481.1/100.3030.10011`); without one, the last three arcs are taken for maker, model and
/// serial number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId {
    indication: ObjectIdentifier,
    rest: Vec<u32>,
}

const DEVICE: &str = "M2M Device ID";
/// Maker, model, serial number.
const USUAL_REST: usize = 3;

impl DeviceId {
    /// The M2M Device Indication ID arc.
    #[must_use]
    pub const fn indication(&self) -> &ObjectIdentifier {
        &self.indication
    }

    /// The arcs after it.
    #[must_use]
    pub fn rest(&self) -> &[u32] {
        &self.rest
    }

    pub(crate) fn other_name(&self) -> Result<OtherName, PkiError> {
        other_name(self.indication, &self.rest)
    }
}

impl FromStr for DeviceId {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        const EXPECTED: &str = "expected a dotted object identifier such as 0.2.481.1.100.3030.10011, or with the end of \
                                the indication arc marked, 0.2.481.1/100.3030.10011 (TS-0001 §H.2)";
        let bad = || PkiError::name(DEVICE, text, EXPECTED);
        let (indication, rest) = match text.split_once('/') {
            Some((indication, rest)) => (indication.to_owned(), arcs(rest).ok_or_else(bad)?),
            None => {
                let all = arcs(text).ok_or_else(bad)?;
                let (front, rest) =
                    all.split_at_checked(all.len().saturating_sub(USUAL_REST)).ok_or_else(bad)?;
                let front: Vec<String> = front.iter().map(u32::to_string).collect();
                (front.join("."), rest.to_vec())
            }
        };
        let indication = ObjectIdentifier::new(&indication).map_err(|_| bad())?;
        Ok(Self { indication, rest })
    }
}

/// The whole object identifier, dotted.
impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.indication)?;
        self.rest.iter().try_for_each(|arc| write!(f, ".{arc}"))
    }
}

/// Dotted numbers without leading zeros, at least one.
pub(crate) fn arcs(text: &str) -> Option<Vec<u32>> {
    text.split('.')
        .map(|arc| {
            let plain = !arc.is_empty()
                && (arc == "0" || !arc.starts_with('0'))
                && arc.bytes().all(|c| c.is_ascii_digit());
            plain.then(|| arc.parse().ok()).flatten()
        })
        .collect()
}

/// An otherName whose value is a RELATIVE-OID (register A-10).
pub(crate) fn other_name(type_id: ObjectIdentifier, arcs: &[u32]) -> Result<OtherName, PkiError> {
    let mut value = Vec::new();
    for arc in arcs {
        let groups = (32 - arc.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            let [.., low] = (arc >> (7 * group)).to_be_bytes();
            value.push(low & 0x7f | more);
        }
    }
    let value = Any::new(Tag::RelativeOid, value).map_err(PkiError::der(DEVICE))?;
    Ok(OtherName { type_id, value })
}

fn node_uri(id: &NodeId) -> Result<String, PkiError> {
    certificate::node_uri(id).ok_or_else(|| {
        PkiError::name(
            "M2M-Node-ID",
            id.as_str(),
            "only a URN such as urn:gsma:imei:… or a dotted object identifier can stand in a certificate (TS-0003 \
             §10.1.1.8; register A-11)",
        )
    })
}

fn ia5(what: &'static str, text: &str) -> Result<Ia5String, PkiError> {
    Ia5String::new(text).map_err(PkiError::der(what))
}
