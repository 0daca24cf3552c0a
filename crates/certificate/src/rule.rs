//! The rules that a certificate can break.

use std::fmt;

use crate::Flavour;

/// One rule of the certificate profile (TS-0003 §10.1.1 and, by §10.1.1.1, RFC 5280 §4), or of the project's
/// reading of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// The certificate is of version 3.
    Version,
    /// The serial number is positive and has at most 20 octets.
    SerialNumber,
    /// The issuer has a name.
    Issuer,
    /// A CA has a name.
    Subject,
    /// The certificate does not end before it begins.
    Validity,
    /// Dates up to 2049 are a `UTCTime`.
    DateEncoding,
    /// The signed and the unsigned copy of the signature algorithm agree.
    SignatureField,
    /// No extension stands there twice.
    RepeatedExtension,
    /// Every extension that is used here can be read.
    UnreadableExtension,
    /// There is no critical extension that is not known here.
    CriticalExtension,
    /// An extension that must be critical is.
    Critical,
    /// An extension that must not be critical is not.
    NotCritical,
    /// Issuer and subject have no unique identifier.
    UniqueIdentifier,
    /// The key is an elliptic curve key.
    KeyAlgorithm,
    /// The curve is P-256 and the key is a point on it.
    Curve,
    /// The point is not compressed.
    PointFormat,
    /// The certificate is signed with ECDSA and SHA-256.
    SignatureAlgorithm,
    /// There is a key usage extension.
    KeyUsage,
    /// Key usage includes `digitalSignature`.
    DigitalSignature,
    /// Every certificate but the first is that of the issuer of the one before it.
    ChainOrder,
    /// Every certificate is signed with the key of the one after it.
    ChainSignature,
    /// An issuer is marked as a CA, critically.
    BasicConstraints,
    /// An issuer allows as many CAs below it as there are.
    PathLength,
    /// The key usage of an issuer includes `keyCertSign`.
    KeyCertSign,
    /// The key usage of a certificate that is no CA's does not.
    NoKeyCertSign,
    /// A certificate that is no CA's says nothing of CAs below it.
    NoPathLength,
    /// A CA certificate has a subject key identifier.
    SubjectKeyIdentifier,
    /// A certificate that is not self-signed has an authority key identifier.
    AuthorityKeyIdentifier,
    /// Name constraints stand in CA certificates only, are critical and not empty.
    NameConstraints,
    /// The issuer constrains the names below it.
    Constrained,
    /// A name is among those that the issuers above it permit.
    Permitted,
    /// A name is not among those that an issuer above it excludes.
    Excluded,
    /// Whether a name obeys a constraint on names of its kind can be told.
    UnclearConstraint,
    /// A name constraint is about whole subtrees: no minimum, no maximum.
    SubtreeDepth,
    /// The first certificate is not that of a CA.
    EndEntity,
    /// There is a subjectAltName with a name in it.
    SubjectAltName,
    /// subjectAltName is critical when there is no subject.
    SubjectAltNameCritical,
    /// No name holds a wildcard.
    Wildcard,
    /// A name has the form that names of its kind have.
    NameForm,
    /// subjectAltName holds a name of the flavour.
    Named(Flavour),
    /// subjectAltName holds no second name of the flavour, where there can be only one.
    OneName(Flavour),
    /// A certificate does not name a CSE and an AE at once.
    OneEntity,
}

impl Rule {
    /// Whether a certificate is turned away at a handshake for breaking it. What is not are duties of issuers
    /// that nothing in a verification depends on, and the duty to constrain names, which has a switch.
    #[must_use]
    pub const fn binds_verifiers(self) -> bool {
        !matches!(
            self,
            Self::SubjectKeyIdentifier
                | Self::AuthorityKeyIdentifier
                | Self::DateEncoding
                | Self::SubjectAltNameCritical
                | Self::Critical
                | Self::NotCritical
                | Self::UniqueIdentifier
                | Self::NoKeyCertSign
                | Self::NoPathLength
                | Self::Constrained
                | Self::OneName(_)
        )
    }

    /// What the rule is, and the clause it stands in.
    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Version => ("must be version 3", "RFC 5280 §4.1.2.1"),
            Self::SerialNumber => ("must be positive, of at most 20 octets", "RFC 5280 §4.1.2.2"),
            Self::Issuer => ("must not be empty", "RFC 5280 §4.1.2.4"),
            Self::Subject => ("must not be empty in the certificate of a CA", "RFC 5280 §4.1.2.6"),
            Self::Validity => ("ends before it begins", "RFC 5280 §4.1.2.5"),
            Self::DateEncoding => ("must be UTCTime up to 2049", "RFC 5280 §4.1.2.5"),
            Self::SignatureField => {
                ("must be the algorithm with which the certificate is signed", "RFC 5280 §4.1.2.3")
            }
            Self::RepeatedExtension => ("stands there twice", "RFC 5280 §4.2"),
            Self::UnreadableExtension => ("cannot be read", "RFC 5280 §4.2"),
            Self::CriticalExtension => ("is critical and unknown", "RFC 5280 §4.2"),
            Self::Critical => ("must be critical", "RFC 5280 §4.2.1"),
            Self::NotCritical => ("must not be critical", "RFC 5280 §4.2.1"),
            Self::UniqueIdentifier => ("must not be there", "RFC 5280 §4.1.2.8"),
            Self::KeyAlgorithm => ("must be an elliptic curve key (id-ecPublicKey)", "TS-0003 §10.1.1.1"),
            Self::Curve => ("must be a key on the curve P-256 (secp256r1)", "TS-0003 §10.1.1.1"),
            Self::PointFormat => ("must be an uncompressed point", "TS-0003 §10.1.1.1"),
            Self::SignatureAlgorithm => {
                ("must be ECDSA with SHA-256 (ecdsa-with-SHA256)", "TS-0003 §10.1.1.3")
            }
            Self::KeyUsage => ("is missing", "TS-0003 §10.1.1.1"),
            Self::DigitalSignature => ("must include digitalSignature", "TS-0003 §10.1.1.1"),
            Self::ChainOrder => ("must be the subject of the next certificate of the chain", "RFC 5280 §6.1"),
            Self::ChainSignature => {
                ("is not that of the key in the next certificate of the chain", "RFC 5280 §6.1")
            }
            Self::BasicConstraints => {
                ("must be critical and say CA, the certificate being that of an issuer", "RFC 5280 §4.2.1.9")
            }
            Self::PathLength => {
                ("allows fewer CAs below this one than there are in the chain", "RFC 5280 §4.2.1.9")
            }
            Self::KeyCertSign => ("must include keyCertSign in the certificate of a CA", "RFC 5280 §4.2.1.3"),
            Self::NoKeyCertSign => {
                ("must not include keyCertSign, the certificate being no CA's", "RFC 5280 §4.2.1.3")
            }
            Self::NoPathLength => {
                ("must not limit the CAs below, the certificate being no CA's", "RFC 5280 §4.2.1.9")
            }
            Self::SubjectKeyIdentifier => ("is missing in the certificate of a CA", "RFC 5280 §4.2.1.2"),
            Self::AuthorityKeyIdentifier => ("is missing", "RFC 5280 §4.2.1.1"),
            Self::NameConstraints => {
                ("must be critical, in the certificate of a CA, and not empty", "RFC 5280 §4.2.1.10")
            }
            Self::Constrained => {
                ("must constrain names of the kind that the first certificate holds", "TS-0003 §8.1.2.2")
            }
            Self::Permitted => ("holds a name that an issuer does not permit", "RFC 5280 §4.2.1.10"),
            Self::Excluded => ("holds a name that an issuer excludes", "RFC 5280 §4.2.1.10"),
            Self::UnclearConstraint => (
                "holds a name of which nobody can tell whether it obeys the constraint on such names",
                "RFC 5280 §4.2.1.10",
            ),
            Self::SubtreeDepth => {
                ("has a minimum or a maximum, which RFC 5280 does not use", "RFC 5280 §4.2.1.10")
            }
            Self::EndEntity => ("must not say CA in the first certificate", "RFC 5280 §4.2.1.9"),
            Self::SubjectAltName => ("must hold a name", "TS-0003 §8.1.2.1"),
            Self::SubjectAltNameCritical => {
                ("must be critical when there is no subject", "RFC 5280 §4.2.1.6")
            }
            Self::Wildcard => ("must not hold a wildcard", "TS-0003 §10.1.1.5 to §10.1.1.8"),
            Self::NameForm => ("holds a name that is not well formed", "RFC 5280 §4.2.1.6"),
            Self::Named(flavour) => flavour.named(),
            Self::OneName(_) => ("holds more than one name of its kind", "TS-0003 §8.1.2.1"),
            Self::OneEntity => {
                ("names a CSE and an AE; a certificate stands for one of them", "TS-0003 §8.1.2.1")
            }
        }
    }
}

impl Flavour {
    const fn named(self) -> (&'static str, &'static str) {
        match self {
            Self::Device => (
                "must hold a hardware instance identifier, as otherName with a RELATIVE-OID",
                "TS-0003 §10.1.1.4.1",
            ),
            Self::AeId => ("must hold the AE-ID, as URI m2m://SP/S… or m2m://SP/cse/C…", "TS-0003 §10.1.1.5"),
            Self::Fqdn => ("must hold the FQDN of the MAF or MEF, as dNSName", "TS-0003 §10.1.1.6"),
            Self::CseId => ("must hold the public domain name of the CSE, as dNSName", "TS-0003 §10.1.1.7"),
            Self::NodeId => ("must hold the Node-ID, as URI urn:…", "TS-0003 §10.1.1.8"),
        }
    }
}

/// A broken rule: which, where, and the clause that states it.
///
/// Displays as one line: `certificate 0, subjectAltName: must hold … (TS-0003 §10.1.1.7)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The certificate, counted from 0 at the leaf, and its field.
    pub place: String,
    /// The clause that states the rule.
    pub clause: &'static str,
    /// What was found, when that says more than the rule: a name, an object identifier.
    pub found: Option<String>,
}

impl Violation {
    pub(crate) fn new(rule: Rule, index: usize, field: &str) -> Self {
        Self { rule, place: format!("certificate {index}, {field}"), clause: rule.text().1, found: None }
    }

    pub(crate) fn found(mut self, text: &str) -> Self {
        self.found = Some(crate::pem::shown(text));
        self
    }

    pub(crate) fn constrained_by(mut self, index: usize) -> Self {
        self.found = self.found.map(|name| format!("{name}\", constrained by \"certificate {index}"));
        self
    }

    pub(crate) fn under(mut self, clause: &'static str) -> Self {
        self.clause = clause;
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule.text().0)?;
        if let Some(found) = &self.found {
            write!(f, ", found \"{found}\"")?;
        }
        write!(f, " ({})", self.clause)
    }
}
