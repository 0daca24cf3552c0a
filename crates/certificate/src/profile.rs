//! The certificate profile (TS-0003 §10.1.1), rule by rule.

use der::asn1::ObjectIdentifier;
use openssl::error::ErrorStack;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use crate::chain::Certificate;
use crate::extension::{self, NAME_CONSTRAINTS, title};
use crate::{Chain, Flavour, Rule, Violation, constraint, name};

/// `ecdsa-with-SHA256` (RFC 5758 §3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// The longest serial number in octets (RFC 5280 §4.1.2.2).
const MAX_SERIAL: usize = 20;
/// The last year whose dates are a `UTCTime` (RFC 5280 §4.1.2.5).
const LAST_UTC_YEAR: u16 = 2049;

/// Every rule that the chain breaks as one of this flavour, in the order of the certificates; none when it
/// follows the profile. Only what stands in the certificates is looked at: no time, no trust anchor.
///
/// The chain may begin and end anywhere: a leaf alone, or up to and with the root. The rules about issuers are
/// applied to the certificates that are there.
#[must_use]
pub fn check_profile(chain: &Chain, flavour: Flavour) -> Vec<Violation> {
    let mut broken = certificate_rules(chain.leaf(), 0);
    broken.extend(leaf_rules(chain.leaf()));
    broken.extend(name_rules(chain.leaf(), flavour));
    for (index, issuer) in chain.issuers().iter().enumerate() {
        broken.extend(certificate_rules(issuer, index + 1));
        broken.extend(issuer_rules(issuer, index + 1, index));
    }
    broken.extend(order_rules(chain));
    broken.extend(constraint::missing(chain, flavour));
    let mut once: Vec<Violation> = Vec::new();
    for violation in broken {
        if !once.contains(&violation) {
            once.push(violation);
        }
    }
    once
}

/// What holds for every certificate (TS-0003 §10.1.1.1, §10.1.1.3).
pub(crate) fn certificate_rules(certificate: &Certificate, index: usize) -> Vec<Violation> {
    let mut broken = algorithm_rules(certificate, index);
    broken.extend(field_rules(certificate, index));
    broken.extend(extension_rules(certificate, index));
    broken.extend(key_usage_rules(certificate, index));
    if !is_self_issued(certificate) {
        let identified = extension::authority_key_identifier(certificate, index)
            .map(|found| found.is_some_and(|id| id.key_identifier.is_some()));
        broken.extend(holds(identified, || {
            Violation::new(Rule::AuthorityKeyIdentifier, index, "authorityKeyIdentifier")
        }));
    }
    broken
}

/// The key and the signature: what decides which mathematics is done with the certificate, and is therefore
/// looked at before any.
pub(crate) fn algorithm_rules(certificate: &Certificate, index: usize) -> Vec<Violation> {
    let mut broken: Vec<_> = certificate.check_key(index).err().into_iter().collect();
    let outer = certificate.parsed.signature_algorithm();
    if !is_ecdsa_with_sha256(outer) {
        broken.push(
            Violation::new(Rule::SignatureAlgorithm, index, "signatureAlgorithm")
                .found(&signature_name(&outer.oid)),
        );
    }
    if certificate.parsed.tbs_certificate().signature() != outer {
        broken.push(Violation::new(Rule::SignatureField, index, "signature"));
    }
    broken
}

/// Whether a signature is of the one kind that there is here (TS-0003 §10.1.1.3, RFC 5758 §3.2).
pub(crate) fn is_ecdsa_with_sha256(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == ECDSA_WITH_SHA256 && algorithm.parameters.is_none()
}

fn field_rules(certificate: &Certificate, index: usize) -> Vec<Violation> {
    let fields = certificate.parsed.tbs_certificate();
    let mut broken = Vec::new();
    let mut demand = |holds: bool, rule, field| {
        if !holds {
            broken.push(Violation::new(rule, index, field));
        }
    };
    demand(fields.version() == Version::V3, Rule::Version, "version");
    let serial = fields.serial_number().as_bytes();
    let positive =
        serial.first().is_some_and(|first| *first < 0x80) && serial.iter().any(|octet| *octet != 0);
    demand(positive && serial.len() <= MAX_SERIAL, Rule::SerialNumber, "serialNumber");
    demand(!fields.issuer().is_empty(), Rule::Issuer, "issuer");
    let validity = fields.validity();
    let ordered = validity.not_before.to_unix_duration() <= validity.not_after.to_unix_duration();
    demand(ordered, Rule::Validity, "validity");
    let well_encoded = [validity.not_before, validity.not_after].iter().all(|time| match time {
        Time::UtcTime(_) => true,
        Time::GeneralTime(time) => time.to_date_time().year() > LAST_UTC_YEAR,
    });
    demand(well_encoded, Rule::DateEncoding, "validity");
    demand(fields.issuer_unique_id().is_none(), Rule::UniqueIdentifier, "issuerUniqueID");
    demand(fields.subject_unique_id().is_none(), Rule::UniqueIdentifier, "subjectUniqueID");
    broken
}

fn extension_rules(certificate: &Certificate, index: usize) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut seen = Vec::new();
    for extension in extension::all(certificate) {
        let oid = extension.extn_id;
        if seen.contains(&oid) {
            broken.push(Violation::new(Rule::RepeatedExtension, index, &title(&oid)));
        }
        seen.push(oid);
        if extension.critical && !extension::is_known(&oid) {
            broken.push(Violation::new(Rule::CriticalExtension, index, &title(&oid)));
        }
        if let Some((critical, clause)) = extension::criticality(&oid)
            && critical != extension.critical
        {
            let rule = if critical { Rule::Critical } else { Rule::NotCritical };
            broken.push(Violation::new(rule, index, &title(&oid)).under(clause));
        }
    }
    let is_ca = is_ca(certificate, index);
    match extension::name_constraints(certificate, index) {
        Ok(Some((constraints, critical))) => {
            let empty = constraints.permitted_subtrees.is_none() && constraints.excluded_subtrees.is_none();
            if empty || !critical || !is_ca {
                broken.push(Violation::new(Rule::NameConstraints, index, &title(&NAME_CONSTRAINTS)));
            }
        }
        Ok(None) => {}
        Err(violation) => broken.push(violation),
    }
    broken
}

fn key_usage_rules(certificate: &Certificate, index: usize) -> Vec<Violation> {
    const FIELD: &str = "keyUsage";
    match extension::key_usage(certificate, index) {
        Ok(Some(usage)) if usage.digital_signature() => Vec::new(),
        Ok(Some(_)) => vec![Violation::new(Rule::DigitalSignature, index, FIELD)],
        Ok(None) => vec![Violation::new(Rule::KeyUsage, index, FIELD)],
        Err(violation) => vec![violation],
    }
}

/// What holds for a certificate of which a key is proved.
pub(crate) fn leaf_rules(leaf: &Certificate) -> Vec<Violation> {
    let mut broken = Vec::new();
    match extension::basic_constraints(leaf, 0) {
        Ok(Some((constraints, _))) if constraints.ca => {
            broken.push(Violation::new(Rule::EndEntity, 0, "basicConstraints"));
        }
        Ok(found) => broken.extend(no_ca_rules(leaf, found.map(|(constraints, _)| constraints))),
        Err(violation) => broken.push(violation),
    }
    if leaf.parsed.tbs_certificate().subject().is_empty() {
        let critical = extension::only(leaf, 0, extension::SUBJECT_ALT_NAME)
            .map(|found| found.is_none_or(|extension| extension.critical));
        broken.extend(holds(critical, || Violation::new(Rule::SubjectAltNameCritical, 0, "subjectAltName")));
    }
    broken
}

/// What a certificate that is no CA's must not say (RFC 5280 §4.2.1.3, §4.2.1.9).
fn no_ca_rules(leaf: &Certificate, constraints: Option<BasicConstraints>) -> Vec<Violation> {
    let mut broken = Vec::new();
    if constraints.is_some_and(|constraints| constraints.path_len_constraint.is_some()) {
        broken.push(Violation::new(Rule::NoPathLength, 0, "basicConstraints"));
    }
    let signs = extension::key_usage(leaf, 0).map(|usage| usage.is_none_or(|usage| !usage.key_cert_sign()));
    broken.extend(holds(signs, || Violation::new(Rule::NoKeyCertSign, 0, "keyUsage")));
    broken
}

/// What holds for a certificate of which the key signs certificates; `below` is how many CAs stand between it
/// and the leaf.
pub(crate) fn issuer_rules(issuer: &Certificate, index: usize, below: usize) -> Vec<Violation> {
    let mut broken = Vec::new();
    if issuer.parsed.tbs_certificate().subject().is_empty() {
        broken.push(Violation::new(Rule::Subject, index, "subject"));
    }
    match extension::basic_constraints(issuer, index) {
        Ok(Some((constraints, true))) if constraints.ca => {
            if constraints.path_len_constraint.is_some_and(|most| usize::from(most) < below) {
                broken.push(Violation::new(Rule::PathLength, index, "basicConstraints"));
            }
        }
        Ok(_) => broken.push(Violation::new(Rule::BasicConstraints, index, "basicConstraints")),
        Err(violation) => broken.push(violation),
    }
    let signs =
        extension::key_usage(issuer, index).map(|usage| usage.is_none_or(|usage| usage.key_cert_sign()));
    broken.extend(holds(signs, || Violation::new(Rule::KeyCertSign, index, "keyUsage")));
    let identified = extension::subject_key_identifier(issuer, index).map(|found| found.is_some());
    broken.extend(holds(identified, || {
        Violation::new(Rule::SubjectKeyIdentifier, index, "subjectKeyIdentifier")
    }));
    broken
}

/// What holds for the names of a leaf of this flavour.
fn name_rules(leaf: &Certificate, flavour: Flavour) -> Vec<Violation> {
    const FIELD: &str = "subjectAltName";
    let found = name::read(leaf, 0);
    let mut broken = found.violations;
    for violation in &mut broken {
        if violation.rule == Rule::Wildcard {
            violation.clause = wildcard_clause(flavour);
        }
    }
    let of_flavour: Vec<_> = found.names.iter().filter(|name| name.is_of(flavour)).collect();
    match of_flavour.as_slice() {
        [] if broken.is_empty() => broken.push(Violation::new(Rule::Named(flavour), 0, FIELD)),
        [_, second, ..] if flavour != Flavour::Device => {
            broken.push(Violation::new(Rule::OneName(flavour), 0, FIELD).found(&second.as_text()));
        }
        [only] if flavour == Flavour::Fqdn && !name::is_fqdn(&only.as_text()) => {
            broken.push(Violation::new(Rule::NameForm, 0, FIELD).found(&only.as_text()));
        }
        _ => {}
    }
    broken
}

const fn wildcard_clause(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Device => "TS-0003 §10.1.1.4.1",
        Flavour::AeId => "TS-0003 §10.1.1.5",
        Flavour::Fqdn => "TS-0003 §10.1.1.6",
        Flavour::CseId => "TS-0003 §10.1.1.7",
        Flavour::NodeId => "TS-0003 §10.1.1.8",
    }
}

/// Whether each certificate was issued by the next.
fn order_rules(chain: &Chain) -> Vec<Violation> {
    let mut broken = Vec::new();
    for (index, (certificate, issuer)) in chain.certificates().zip(chain.issuers()).enumerate() {
        if certificate.parsed.tbs_certificate().issuer() != issuer.parsed.tbs_certificate().subject() {
            broken.push(Violation::new(Rule::ChainOrder, index, "issuer"));
        } else if !is_signed_by(certificate, issuer) {
            broken.push(Violation::new(Rule::ChainSignature, index, "signatureValue"));
        }
    }
    broken
}

pub(crate) fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    // What is not ECDSA on P-256 costs no computation here.
    if !is_ecdsa_with_sha256(certificate.parsed.signature_algorithm()) || issuer.check_key(0).is_err() {
        return false;
    }
    openssl_says(|| match (certificate.openssl(), issuer.openssl()) {
        (Some(certificate), Some(issuer)) => certificate.verify(&*issuer.public_key()?),
        _ => Ok(false),
    })
}

/// Whether a verification by OpenSSL succeeds. What OpenSSL leaves in its queue of errors would be taken for
/// the reason of the next call on this thread, such as one of the handshake; so it is thrown away.
pub(crate) fn openssl_says(verification: impl FnOnce() -> Result<bool, ErrorStack>) -> bool {
    let verified = verification().unwrap_or(false);
    ossl::forget_errors();
    verified
}

pub(crate) fn is_self_issued(certificate: &Certificate) -> bool {
    let fields = certificate.parsed.tbs_certificate();
    fields.issuer() == fields.subject()
}

fn is_ca(certificate: &Certificate, index: usize) -> bool {
    matches!(extension::basic_constraints(certificate, index), Ok(Some((constraints, _))) if constraints.ca)
}

/// The violation when a condition does not hold, or the one that kept it from being looked at.
fn holds(condition: Result<bool, Violation>, otherwise: impl FnOnce() -> Violation) -> Option<Violation> {
    match condition {
        Ok(true) => None,
        Ok(false) => Some(otherwise()),
        Err(violation) => Some(violation),
    }
}

fn signature_name(oid: &ObjectIdentifier) -> String {
    let known = match oid.to_string().as_str() {
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256 with parameters",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.3.101.112" => "Ed25519",
        other => return other.to_owned(),
    };
    known.to_owned()
}
