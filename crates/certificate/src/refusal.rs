//! Why a peer's certificate was not accepted, and the alert that says so.

use onem2m::time::Timestamp;

use crate::{Rule, Violation};

/// Why a chain was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no trust anchor to which any chain could lead.
    #[error("certificate chain: no trust anchor is configured (TS-0003 §8.1.2.2)")]
    NoAnchors,
    /// The chain does not lead to a configured trust anchor.
    #[error(
        "certificate {certificate}, issuer \"{issuer}\": leads to no configured trust anchor (TS-0003 §8.1.2.2)"
    )]
    UnknownIssuer {
        /// The last certificate that was found, 0 being the leaf.
        certificate: u32,
        /// Who issued it.
        issuer: String,
    },
    /// A certificate has ended.
    #[error("certificate {certificate}, validity: ended at {at} (RFC 5280 §6.1.3)")]
    Expired {
        /// The certificate, 0 being the leaf.
        certificate: u32,
        /// Its end.
        at: Timestamp,
    },
    /// A certificate has not begun.
    #[error("certificate {certificate}, validity: begins at {at} (RFC 5280 §6.1.3)")]
    NotYetValid {
        /// The certificate, 0 being the leaf.
        certificate: u32,
        /// Its beginning.
        at: Timestamp,
    },
    /// A signature does not verify.
    #[error("certificate {certificate}, signatureValue: is not that of the issuer's key (RFC 5280 §6.1.3)")]
    Signature {
        /// The certificate, 0 being the leaf.
        certificate: u32,
    },
    /// A certificate is not for this end of an association.
    #[error("certificate {certificate}, extKeyUsage: does not allow {purpose} (RFC 5280 §4.2.1.12)")]
    Purpose {
        /// The certificate, 0 being the leaf.
        certificate: u32,
        /// `TLS clients` or `TLS servers`.
        purpose: &'static str,
    },
    /// OpenSSL has found the path invalid for another reason.
    #[error("certificate {certificate}: {text} (RFC 5280 §6.1)")]
    Path {
        /// The certificate, 0 being the leaf.
        certificate: u32,
        /// OpenSSL's words.
        text: String,
        /// OpenSSL's number, `X509_V_ERR_…`.
        code: i32,
    },
    /// A rule of the profile, or of name constraints, is broken.
    #[error(transparent)]
    Profile(#[from] Violation),
    /// A revocation list names the certificate.
    #[error("certificate {certificate}, serialNumber {serial}: is revoked (RFC 5280 §6.3)")]
    Revoked {
        /// The certificate, 0 being the leaf.
        certificate: u32,
        /// Its serial number in hexadecimal.
        serial: String,
    },
    /// The revocation list that would tell is missing, not begun or ended.
    #[error("certificate {certificate}, issuer \"{issuer}\": {problem} (RFC 5280 §6.3)")]
    RevocationUnknown {
        /// The certificate, 0 being the leaf.
        certificate: u32,
        /// Whose list it is.
        issuer: String,
        /// What is wrong with it.
        problem: RevocationProblem,
    },
    /// The certificate does not name the server that was expected.
    #[error("certificate 0, subjectAltName: names {found}, expected {expected} (TS-0003 §8.1.2.5)")]
    OtherServer {
        /// The name that was expected.
        expected: String,
        /// The names that were found.
        found: String,
    },
    /// The certificate, or raw public key, does not hold the key that was expected.
    #[error("certificate 0, subjectPublicKeyInfo: is not the key {expected} (TS-0003 §10.1.2)")]
    OtherKey {
        /// The public key identifier that was expected.
        expected: String,
    },
}

/// Why nobody can tell whether a certificate is revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationProblem {
    /// There is no list of this issuer and there has to be one.
    #[error("no certificate revocation list of this issuer is configured")]
    Missing,
    /// There is a list of an issuer with this name and another key.
    #[error("the certificate revocation list under this name is signed with another key")]
    OtherKey,
    /// The list has a beginning in the future.
    #[error("its certificate revocation list begins at {0}")]
    NotBegun(Timestamp),
    /// There should be a newer list.
    #[error("its certificate revocation list ended at {0}")]
    Stale(Timestamp),
    /// The issuer's key is not for signing lists.
    #[error("its key usage does not include cRLSign")]
    KeyUsage,
}

/// A chain was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
}

impl<R: Into<Reason>> From<R> for Refusal {
    fn from(reason: R) -> Self {
        Self { reason: reason.into() }
    }
}

/// Alert numbers of RFC 5246 §7.2.
mod alert {
    pub(super) const BAD_CERTIFICATE: u8 = 42;
    pub(super) const UNSUPPORTED_CERTIFICATE: u8 = 43;
    pub(super) const CERTIFICATE_REVOKED: u8 = 44;
    pub(super) const CERTIFICATE_EXPIRED: u8 = 45;
    pub(super) const CERTIFICATE_UNKNOWN: u8 = 46;
    pub(super) const UNKNOWN_CA: u8 = 48;
}

impl Refusal {
    /// The number of the fatal alert that ends the handshake (RFC 5246 §7.2.2).
    #[must_use]
    pub const fn alert(&self) -> u8 {
        match &self.reason {
            Reason::NoAnchors | Reason::UnknownIssuer { .. } => alert::UNKNOWN_CA,
            Reason::Expired { .. } | Reason::NotYetValid { .. } => alert::CERTIFICATE_EXPIRED,
            Reason::Revoked { .. } => alert::CERTIFICATE_REVOKED,
            Reason::RevocationUnknown { .. } => alert::CERTIFICATE_UNKNOWN,
            Reason::Purpose { .. } => alert::UNSUPPORTED_CERTIFICATE,
            Reason::Profile(violation) => match violation.rule {
                Rule::KeyAlgorithm | Rule::Curve | Rule::PointFormat | Rule::SignatureAlgorithm => {
                    alert::UNSUPPORTED_CERTIFICATE
                }
                _ => alert::BAD_CERTIFICATE,
            },
            Reason::Signature { .. }
            | Reason::Path { .. }
            | Reason::OtherServer { .. }
            | Reason::OtherKey { .. } => alert::BAD_CERTIFICATE,
        }
    }
}
