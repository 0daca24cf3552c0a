//! Public keys: what is allowed of them (TS-0003 §10.1.1.1).

use der::{Decode, Encode, asn1::ObjectIdentifier};
use keys::PublicKeyIdentifier;
use openssl::pkey::PKey;
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
        check(spki, 0).map_err(Broken::KeyKind)?;
        Ok(Self(spki.to_vec()))
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

/// Whether the key in `spki`, of certificate `index`, is an uncompressed point on P-256.
pub(crate) fn check(spki: &[u8], index: usize) -> Result<(), Violation> {
    let broken = |rule| Violation::new(rule, index, FIELD);
    let parsed = SubjectPublicKeyInfoOwned::from_der(spki).map_err(|_| broken(Rule::KeyAlgorithm))?;
    if parsed.algorithm.oid != EC_PUBLIC_KEY {
        return Err(broken(Rule::KeyAlgorithm).found(algorithm_name(&parsed.algorithm.oid)));
    }
    let curve = parsed.algorithm.parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    if curve != Some(P_256) {
        let found = curve.map_or_else(|| "explicit parameters".to_owned(), curve_name);
        return Err(broken(Rule::Curve).found(&found));
    }
    let point = parsed.subject_public_key.as_bytes().unwrap_or_default();
    if point.first() != Some(&UNCOMPRESSED) || point.len() != POINT_OCTETS {
        return Err(broken(Rule::PointFormat));
    }
    // OpenSSL refuses a point that is not on the curve.
    PKey::public_key_from_der(spki)
        .map_err(|_| broken(Rule::Curve).found("a point that is not on the curve"))?;
    Ok(())
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
