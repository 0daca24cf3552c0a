//! Extensions of certificates, each read once and strictly (RFC 5280 §4.2).

use der::DecodeOwned;
use der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, NameConstraints};

use crate::chain::Certificate;
use crate::{Rule, Violation, name};

const fn id(last: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(last)
}

pub(crate) const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = id("2.5.29.14");
pub(crate) const KEY_USAGE: ObjectIdentifier = id("2.5.29.15");
pub(crate) const SUBJECT_ALT_NAME: ObjectIdentifier = id("2.5.29.17");
pub(crate) const BASIC_CONSTRAINTS: ObjectIdentifier = id("2.5.29.19");
pub(crate) const NAME_CONSTRAINTS: ObjectIdentifier = id("2.5.29.30");
const CERTIFICATE_POLICIES: ObjectIdentifier = id("2.5.29.32");
pub(crate) const POLICY_MAPPINGS: ObjectIdentifier = id("2.5.29.33");
pub(crate) const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = id("2.5.29.35");
pub(crate) const POLICY_CONSTRAINTS: ObjectIdentifier = id("2.5.29.36");
const EXTENDED_KEY_USAGE: ObjectIdentifier = id("2.5.29.37");
pub(crate) const INHIBIT_ANY_POLICY: ObjectIdentifier = id("2.5.29.54");

/// Extensions that may be critical: OpenSSL or this crate processes them.
const KNOWN: [ObjectIdentifier; 11] = [
    SUBJECT_KEY_IDENTIFIER,
    KEY_USAGE,
    SUBJECT_ALT_NAME,
    BASIC_CONSTRAINTS,
    NAME_CONSTRAINTS,
    CERTIFICATE_POLICIES,
    POLICY_MAPPINGS,
    AUTHORITY_KEY_IDENTIFIER,
    POLICY_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    INHIBIT_ANY_POLICY,
];

/// Extensions that must be critical, or must not be, wherever they stand, and the clause of RFC 5280 that says so.
/// The others depend on what else is in the certificate, or are as their issuer likes.
const CRITICALITY: [(ObjectIdentifier, bool, &str); 4] = [
    (AUTHORITY_KEY_IDENTIFIER, false, "RFC 5280 §4.2.1.1"),
    (SUBJECT_KEY_IDENTIFIER, false, "RFC 5280 §4.2.1.2"),
    (POLICY_CONSTRAINTS, true, "RFC 5280 §4.2.1.11"),
    (INHIBIT_ANY_POLICY, true, "RFC 5280 §4.2.1.14"),
];

/// Whether such extensions must be critical, and the clause, where there is one.
pub(crate) fn criticality(oid: &ObjectIdentifier) -> Option<(bool, &'static str)> {
    CRITICALITY.iter().find(|(ruled, ..)| ruled == oid).map(|(_, critical, clause)| (*critical, *clause))
}

pub(crate) fn is_known(oid: &ObjectIdentifier) -> bool {
    KNOWN.contains(oid)
}

/// What a person calls the extension.
pub(crate) fn title(oid: &ObjectIdentifier) -> String {
    let known = match *oid {
        SUBJECT_KEY_IDENTIFIER => "subjectKeyIdentifier",
        KEY_USAGE => "keyUsage",
        SUBJECT_ALT_NAME => "subjectAltName",
        BASIC_CONSTRAINTS => "basicConstraints",
        NAME_CONSTRAINTS => "nameConstraints",
        CERTIFICATE_POLICIES => "certificatePolicies",
        POLICY_MAPPINGS => "policyMappings",
        AUTHORITY_KEY_IDENTIFIER => "authorityKeyIdentifier",
        POLICY_CONSTRAINTS => "policyConstraints",
        EXTENDED_KEY_USAGE => "extKeyUsage",
        INHIBIT_ANY_POLICY => "inhibitAnyPolicy",
        _ => return format!("extension {oid}"),
    };
    known.to_owned()
}

pub(crate) fn all(certificate: &Certificate) -> impl Iterator<Item = &Extension> {
    certificate.parsed.tbs_certificate().extensions().into_iter().flatten()
}

/// The extension, if it stands there, and whether it is critical. That it stands there once is checked by
/// [`crate::profile`]; here a second one is as bad as an unreadable one.
pub(crate) fn read<T: DecodeOwned<Error = der::Error>>(
    certificate: &Certificate,
    index: usize,
    oid: ObjectIdentifier,
) -> Result<Option<(T, bool)>, Violation> {
    let Some(extension) = only(certificate, index, oid)? else { return Ok(None) };
    let octets = extension.extn_value.as_bytes();
    let unreadable = || Violation::new(Rule::UnreadableExtension, index, &title(&oid));
    let value = T::from_der(octets).map_err(|_| unreadable())?;
    Ok(Some((value, extension.critical)))
}

pub(crate) fn only(
    certificate: &Certificate,
    index: usize,
    oid: ObjectIdentifier,
) -> Result<Option<&Extension>, Violation> {
    let mut found = all(certificate).filter(|extension| extension.extn_id == oid);
    let first = found.next();
    if found.next().is_some() {
        return Err(Violation::new(Rule::RepeatedExtension, index, &title(&oid)));
    }
    Ok(first)
}

pub(crate) fn key_usage(certificate: &Certificate, index: usize) -> Result<Option<KeyUsage>, Violation> {
    Ok(read::<KeyUsage>(certificate, index, KEY_USAGE)?.map(|(usage, _)| usage))
}

pub(crate) fn basic_constraints(
    certificate: &Certificate,
    index: usize,
) -> Result<Option<(BasicConstraints, bool)>, Violation> {
    read(certificate, index, BASIC_CONSTRAINTS)
}

pub(crate) fn name_constraints(
    certificate: &Certificate,
    index: usize,
) -> Result<Option<(NameConstraints, bool)>, Violation> {
    read(certificate, index, NAME_CONSTRAINTS)
}

pub(crate) fn authority_key_identifier(
    certificate: &Certificate,
    index: usize,
) -> Result<Option<AuthorityKeyIdentifier>, Violation> {
    Ok(read::<AuthorityKeyIdentifier>(certificate, index, AUTHORITY_KEY_IDENTIFIER)?.map(|(id, _)| id))
}

pub(crate) fn subject_key_identifier(
    certificate: &Certificate,
    index: usize,
) -> Result<Option<OctetString>, Violation> {
    Ok(read::<OctetString>(certificate, index, SUBJECT_KEY_IDENTIFIER)?.map(|(id, _)| id))
}

pub(crate) fn subject_alt_name(
    certificate: &Certificate,
    index: usize,
) -> Result<Option<Vec<GeneralName>>, Violation> {
    let Some(extension) = only(certificate, index, SUBJECT_ALT_NAME)? else { return Ok(None) };
    name::general_names(extension.extn_value.as_bytes())
        .map(Some)
        .map_err(|_| Violation::new(Rule::UnreadableExtension, index, &title(&SUBJECT_ALT_NAME)))
}
