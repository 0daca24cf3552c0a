//! Public keys: what is allowed of them (TS-0003 §10.1.1.1).

use std::sync::OnceLock;

use der::{Decode, Encode, asn1::ObjectIdentifier};
use keys::PublicKeyIdentifier;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcPoint};
use openssl::nid::Nid;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::{Broken, Rule, Violation};

/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1` (RFC 5480 §2.1.1.1).
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// First octet of an uncompressed point.
const UNCOMPRESSED: u8 = 0x04;
/// Octets of an uncompressed point on P-256.
const POINT_OCTETS: usize = 65;

const FIELD: &str = "subjectPublicKeyInfo";

/// A raw public key: an uncompressed point on P-256 as DER `SubjectPublicKeyInfo` (RFC 7250, TS-0003
/// §10.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawKey(Vec<u8>);

impl RawKey {
    /// Reads a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// [`Broken::Key`] when it is none, [`Broken::KeyKind`] when it is not an uncompressed point on P-256.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, Broken> {
        let parsed =
            SubjectPublicKeyInfoOwned::from_der(spki).map_err(|error| Broken::Key(error.to_string()))?;
        if parsed.to_der().ok().as_deref() != Some(spki) {
            return Err(Broken::Key("not the one encoding that DER has for it".to_owned()));
        }
        match fault(&parsed) {
            Some(fault) => Err(Broken::KeyKind(fault.at(0))),
            None => Ok(Self(spki.to_vec())),
        }
    }

    pub(crate) fn checked(spki: Vec<u8>) -> Self {
        Self(spki)
    }

    /// The DER `SubjectPublicKeyInfo`: 91 octets.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the key that `trusted` names; compared in constant time (TS-0003 §10.1.2).
    #[must_use]
    pub fn matches(&self, trusted: &PublicKeyIdentifier) -> bool {
        trusted.matches(&self.0)
    }
}

/// What keeps a key from being an uncompressed point on P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyFault {
    rule: Rule,
    found: Option<String>,
}

impl KeyFault {
    /// The violation, in certificate `index`.
    pub(crate) fn at(&self, index: usize) -> Violation {
        let violation = Violation::new(self.rule, index, FIELD);
        match &self.found {
            Some(found) => violation.found(found),
            None => violation,
        }
    }
}

pub(crate) fn fault(key: &SubjectPublicKeyInfoOwned) -> Option<KeyFault> {
    let broken = |rule, found: Option<String>| Some(KeyFault { rule, found });
    if key.algorithm.oid != EC_PUBLIC_KEY {
        return broken(Rule::KeyAlgorithm, Some(algorithm_name(&key.algorithm.oid).to_owned()));
    }
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    if curve != Some(P_256) {
        let found = curve.map_or_else(|| "explicit parameters".to_owned(), curve_name);
        return broken(Rule::Curve, Some(found));
    }
    let point = key.subject_public_key.as_bytes().unwrap_or_default();
    if point.first() != Some(&UNCOMPRESSED) || point.len() != POINT_OCTETS {
        return broken(Rule::PointFormat, None);
    }
    if !is_on_curve(point) {
        return broken(Rule::Curve, Some("a point that is not on the curve".to_owned()));
    }
    None
}

/// Whether the point is on P-256. Asked of the curve alone: OpenSSL's way of reading a whole public key takes
/// as long as a signature.
fn is_on_curve(point: &[u8]) -> bool {
    static CURVE: OnceLock<Option<EcGroup>> = OnceLock::new();
    let curve = CURVE.get_or_init(|| EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).ok());
    let Some((curve, mut context)) = curve.as_ref().zip(BigNumContext::new().ok()) else { return false };
    EcPoint::from_bytes(curve, point, &mut context).is_ok()
}

fn algorithm_name(oid: &ObjectIdentifier) -> &'static str {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        "1.2.840.10040.4.1" => "DSA",
        _ => "another algorithm",
    }
}

fn curve_name(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.3.132.0.34" => "P-384".to_owned(),
        "1.3.132.0.35" => "P-521".to_owned(),
        "1.3.132.0.10" => "secp256k1".to_owned(),
        other => other.to_owned(),
    }
}
