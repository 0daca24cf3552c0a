//! Every rule of the profile: a certificate that obeys it, and one that breaks it and nothing else.

use certificate::{Chain, Flavour, Rule, Violation, check_profile};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;

use crate::factory::*;

const CSE: &str = "mn-cse.in-cse.sp.example.org";
const AE: &str = "m2m://sp.example.org/mn-cse/Clamp";
const NODE: &str = "urn:gsma:imei:90420156-025763-0";
const MEF: &str = "mef.example.org";
pub(crate) const INDICATION: &str = "0.2.481.1";

pub(crate) fn name(flavour: Flavour) -> Vec<u8> {
    match flavour {
        Flavour::Device => device(INDICATION, &[100, 3030, 10011]),
        Flavour::CseId => dns(CSE),
        Flavour::AeId => uri(AE),
        Flavour::NodeId => uri(NODE),
        Flavour::Fqdn => dns(MEF),
    }
}

/// Constraints that all names above obey.
fn in_bounds(draft: &mut Draft) {
    let permitted = [dns("example.org"), uri("sp.example.org"), device(INDICATION, &[100])];
    draft.put(CONSTRAINTS, true, constraints(&permitted, &[]));
}

fn rules(chain: &[Vec<u8>], flavour: Flavour) -> Vec<Violation> {
    check_profile(&Chain::from_der(chain).unwrap(), flavour)
}

/// The whole chain, the root included, for which every rule about issuers applies.
fn whole(flavour: Flavour, edit: impl FnOnce(&mut Draft)) -> Vec<Vec<u8>> {
    let root = Ca::root(|_| {});
    let issuer = root.below("Issuer", in_bounds);
    let mut chain = issuer.leaf(&[name(flavour)], edit);
    chain.push(root.der);
    chain
}

fn below(edit: impl FnOnce(&mut Draft)) -> Vec<Vec<u8>> {
    let issuer = Ca::root(|_| {}).below("Issuer", |draft| {
        in_bounds(draft);
        edit(draft);
    });
    issuer.leaf(&[name(Flavour::CseId)], |_| {})
}

#[test]
fn chains_that_obey() {
    for flavour in Flavour::ALL.into_iter().filter(|flavour| *flavour != Flavour::NodeId) {
        assert_eq!(rules(&whole(flavour, |_| {}), flavour), [], "{flavour:?}");
    }
    // A URN has no host and obeys no constraint on URIs (RFC 5280 §4.2.1.10), so that its issuer has none.
    let issuer = Ca::root(|_| {}).below("Issuer", |draft| {
        draft.put(CONSTRAINTS, true, constraints(&[dns("example.org")], &[]));
    });
    assert_eq!(rules(&issuer.leaf(&[name(Flavour::NodeId)], |_| {}), Flavour::NodeId), []);
    assert_eq!(rules(&below(|_| {}), Flavour::CseId), []);
}

/// Breaks one rule in the leaf of a CSE-ID certificate.
fn leaf(edit: impl FnOnce(&mut Draft)) -> Vec<Vec<u8>> {
    whole(Flavour::CseId, edit)
}

/// A chain whose leaf has this public key.
fn keyed(spki: Vec<u8>) -> Vec<Vec<u8>> {
    leaf(|draft| draft.spki = spki)
}

pub(crate) fn compressed() -> Vec<u8> {
    let whole = spki(&key());
    let point = &whole[26..];
    let short = [&[0x02 | point[64] & 1][..], &point[1..33]].concat();
    sequence(
        &[
            sequence(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")].concat()),
            tlv(0x03, &[&[0][..], &short].concat()),
        ]
        .concat(),
    )
}

/// Each case: the rule that is broken, the certificate and field it is broken in, the chain.
fn broken() -> Vec<(Rule, &'static str, Vec<Vec<u8>>)> {
    let mut cases = broken_fields();
    cases.extend(broken_keys());
    cases.extend(broken_issuers());
    cases.extend(broken_names());
    cases
}

fn broken_fields() -> Vec<(Rule, &'static str, Vec<Vec<u8>>)> {
    vec![
        (Rule::Version, "certificate 0, version", leaf(|draft| draft.version = explicit(0, &integer(&[1])))),
        (Rule::SerialNumber, "certificate 0, serialNumber", leaf(|draft| draft.serial = vec![0])),
        (Rule::SerialNumber, "certificate 0, serialNumber", leaf(|draft| draft.serial = vec![0xff])),
        (Rule::SerialNumber, "certificate 0, serialNumber", leaf(|draft| draft.serial = vec![0x11; 21])),
        (Rule::Validity, "certificate 0, validity", leaf(|draft| draft.not_before = time("280101000001Z"))),
        (
            Rule::DateEncoding,
            "certificate 0, validity",
            leaf(|draft| draft.not_after = time("20280101000000Z")),
        ),
        (
            Rule::SignatureField,
            "certificate 0, signature",
            leaf(|draft| draft.inner = algorithm(ECDSA_SHA384)),
        ),
        (
            Rule::RepeatedExtension,
            "certificate 0, keyUsage",
            leaf(|draft| {
                let again = draft.extensions[0].clone();
                draft.extensions.push(again);
            }),
        ),
        (
            Rule::UnreadableExtension,
            "certificate 0, basicConstraints",
            leaf(|draft| draft.put(BASIC, true, vec![0x30, 0x01])),
        ),
        (
            Rule::CriticalExtension,
            "certificate 0, extension 1.3.6.1.4.1.32473.1",
            leaf(|draft| draft.put("1.3.6.1.4.1.32473.1", true, vec![0x05, 0x00])),
        ),
        (Rule::KeyUsage, "certificate 0, keyUsage", leaf(|draft| draft.drop(USAGE))),
        (Rule::DigitalSignature, "certificate 0, keyUsage", leaf(|draft| draft.usage(0x08))),
        (
            Rule::AuthorityKeyIdentifier,
            "certificate 0, authorityKeyIdentifier",
            leaf(|draft| draft.drop(AKI)),
        ),
        (
            Rule::EndEntity,
            "certificate 0, basicConstraints",
            leaf(|draft| draft.put(BASIC, true, sequence(&boolean(true)))),
        ),
        (
            Rule::NoPathLength,
            "certificate 0, basicConstraints",
            leaf(|draft| draft.put(BASIC, true, sequence(&integer(&[0])))),
        ),
        (
            Rule::NoKeyCertSign,
            "certificate 0, keyUsage",
            leaf(|draft| draft.usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN)),
        ),
        (
            Rule::UniqueIdentifier,
            "certificate 0, subjectUniqueID",
            leaf(|draft| draft.unique = context(2, &[0, 1])),
        ),
        (
            Rule::UniqueIdentifier,
            "certificate 0, issuerUniqueID",
            leaf(|draft| draft.unique = context(1, &[0, 1])),
        ),
        (
            Rule::NotCritical,
            "certificate 0, authorityKeyIdentifier",
            leaf(|draft| critical(draft, AKI, true)),
        ),
    ]
}

/// Marks an extension.
fn critical(draft: &mut Draft, id: &str, critical: bool) {
    let found = draft.extensions.iter_mut().find(|extension| extension.0 == id).unwrap();
    found.1 = critical;
}

fn broken_keys() -> Vec<(Rule, &'static str, Vec<Vec<u8>>)> {
    const PLACE: &str = "certificate 0, subjectPublicKeyInfo";
    vec![
        (Rule::KeyAlgorithm, PLACE, keyed(spki(&rsa()))),
        (Rule::Curve, PLACE, keyed(spki(&key_on(Nid::SECP384R1)))),
        (Rule::PointFormat, PLACE, keyed(compressed())),
        (
            Rule::SignatureAlgorithm,
            "certificate 0, signatureAlgorithm",
            leaf(|draft| {
                draft.inner = algorithm(ECDSA_SHA384);
                draft.outer = algorithm(ECDSA_SHA384);
                draft.digest = MessageDigest::sha384;
            }),
        ),
    ]
}

fn broken_issuers() -> Vec<(Rule, &'static str, Vec<Vec<u8>>)> {
    let elsewhere = Ca::root(|_| {}).below("Issuer", in_bounds);
    let mut forged = below(|_| {});
    forged[1] = elsewhere.der.clone();
    let mut out_of_order = below(|_| {});
    out_of_order[1] = Ca::root(|_| {}).below("Other", in_bounds).der;
    let tight = Ca::root(|_| {}).below("Issuer", |draft| {
        in_bounds(draft);
        draft.put(BASIC, true, sequence(&[boolean(true), integer(&[0])].concat()));
    });
    let nameless = Ca::root(|_| {}).below("Issuer", |draft| {
        in_bounds(draft);
        draft.subject = sequence(&[]);
    });
    vec![
        (Rule::ChainOrder, "certificate 0, issuer", out_of_order),
        (Rule::ChainSignature, "certificate 0, signatureValue", forged),
        (
            Rule::BasicConstraints,
            "certificate 1, basicConstraints",
            below(|draft| {
                draft.put(BASIC, false, sequence(&boolean(true)));
            }),
        ),
        (
            Rule::PathLength,
            "certificate 2, basicConstraints",
            tight.below("Lower", in_bounds).leaf(&[name(Flavour::CseId)], |_| {}),
        ),
        (
            Rule::KeyCertSign,
            "certificate 1, keyUsage",
            below(|draft| draft.usage(DIGITAL_SIGNATURE | CRL_SIGN)),
        ),
        (Rule::DigitalSignature, "certificate 1, keyUsage", below(|draft| draft.usage(KEY_CERT_SIGN))),
        (Rule::SubjectKeyIdentifier, "certificate 1, subjectKeyIdentifier", below(|draft| draft.drop(SKI))),
        (
            Rule::NameConstraints,
            "certificate 1, nameConstraints",
            below(|draft| {
                draft.put(CONSTRAINTS, false, constraints(&[dns("example.org")], &[]));
            }),
        ),
        (Rule::Constrained, "certificate 1, nameConstraints", below(|draft| draft.drop(CONSTRAINTS))),
        (
            Rule::Permitted,
            "certificate 0, subjectAltName",
            below(|draft| {
                draft.put(CONSTRAINTS, true, constraints(&[dns("example.net")], &[]));
            }),
        ),
        (
            Rule::Excluded,
            "certificate 0, subjectAltName",
            below(|draft| {
                draft.put(CONSTRAINTS, true, constraints(&[], &[dns("sp.example.org")]));
            }),
        ),
        (
            Rule::UnclearConstraint,
            "certificate 0, subjectAltName",
            below(|draft| {
                draft.put(CONSTRAINTS, true, constraints(&[dns("*.example.org")], &[]));
            }),
        ),
        (
            Rule::SubtreeDepth,
            "certificate 1, nameConstraints",
            below(|draft| {
                let tree = sequence(&[dns("example.org"), context(1, &[3])].concat());
                draft.put(CONSTRAINTS, true, sequence(&tlv(0xa0, &tree)));
            }),
        ),
        (Rule::NotCritical, "certificate 1, subjectKeyIdentifier", below(|draft| critical(draft, SKI, true))),
        (
            Rule::Critical,
            "certificate 1, policyConstraints",
            below(|draft| draft.put(POLICY_CONSTRAINTS, false, sequence(&context(0, &[0])))),
        ),
        (
            Rule::Critical,
            "certificate 1, inhibitAnyPolicy",
            below(|draft| draft.put("2.5.29.54", false, integer(&[0]))),
        ),
        (Rule::Issuer, "certificate 0, issuer", nameless.leaf(&[name(Flavour::CseId)], |_| {})),
        (Rule::Subject, "certificate 1, subject", nameless.leaf(&[name(Flavour::CseId)], |_| {})),
    ]
}

fn broken_names() -> Vec<(Rule, &'static str, Vec<Vec<u8>>)> {
    const PLACE: &str = "certificate 0, subjectAltName";
    let names = |names: &[Vec<u8>]| leaf(|draft| draft.names(names));
    vec![
        (Rule::SubjectAltName, PLACE, leaf(|draft| draft.drop(SAN))),
        (Rule::SubjectAltName, PLACE, names(&[])),
        (Rule::SubjectAltNameCritical, PLACE, leaf(|draft| draft.subject = sequence(&[]))),
        (Rule::Wildcard, PLACE, names(&[dns("*.sp.example.org"), dns(CSE)])),
        (Rule::Wildcard, PLACE, names(&[dns("mn*.sp.example.org"), dns(CSE)])),
        (Rule::Wildcard, PLACE, names(&[dns(CSE), uri("https://*.sp.example.org/")])),
        (Rule::NameForm, PLACE, names(&[dns("mn-cse..example.org"), dns(CSE)])),
        (Rule::OneName(Flavour::CseId), PLACE, names(&[dns(CSE), dns("other.example.org")])),
    ]
}

#[test]
fn chains_that_break_one_rule() {
    for (rule, place, chain) in broken() {
        let found = rules(&chain, Flavour::CseId);
        let first = found.iter().find(|violation| violation.rule == rule);
        let first = first.unwrap_or_else(|| panic!("{rule:?} in {place}: found {found:?}"));
        assert_eq!(first.place, place, "{rule:?}");
        assert!(!first.clause.is_empty());
        // A few rules cannot be broken alone: a name that cannot be constrained is one that is no name, a
        // certificate with another key in it is no longer signed with its own.
        let others: Vec<_> = found.iter().filter(|violation| violation.rule != rule).collect();
        let entailed = |other: &Rule| {
            matches!(
                (rule, other),
                (Rule::Wildcard | Rule::NameForm, Rule::UnclearConstraint)
                    | (Rule::SignatureAlgorithm | Rule::SignatureField, Rule::ChainSignature)
                    | (Rule::SignatureField, Rule::SignatureAlgorithm)
                    | (Rule::RepeatedExtension, Rule::KeyUsage)
                    | (Rule::Subject, Rule::Issuer)
                    | (Rule::Issuer, Rule::Subject)
            )
        };
        assert!(others.iter().all(|other| entailed(&other.rule)), "{rule:?} in {place}: also {others:?}");
    }
}

/// The names of each flavour: of another flavour, malformed, more than one.
#[test]
fn names_of_a_flavour() {
    use Rule::{NameForm, Named, OneEntity, OneName};
    let cases = [
        (Flavour::Device, vec![dns(CSE)], Some(Named(Flavour::Device))),
        (Flavour::Device, vec![device("0.2.481.1", &[])], Some(NameForm)),
        (Flavour::Device, vec![other("0.2.481.1", &tlv(0x0c, b"100.3030"))], Some(Named(Flavour::Device))),
        (Flavour::Device, vec![device("0.2.481.1", &[100]), device("0.2.481.1", &[100, 1])], None),
        (Flavour::CseId, vec![uri(AE)], Some(Named(Flavour::CseId))),
        (Flavour::CseId, vec![dns("localhost")], Some(Named(Flavour::CseId))),
        (Flavour::CseId, vec![dns(CSE), uri(AE)], Some(OneEntity)),
        (Flavour::CseId, vec![dns(CSE), mail("a@example.org"), uri("https://x.example.org/")], None),
        (Flavour::AeId, vec![dns(CSE)], Some(Named(Flavour::AeId))),
        (Flavour::AeId, vec![uri("https://sp.example.org/mn-cse/Clamp")], Some(Named(Flavour::AeId))),
        (Flavour::AeId, vec![uri("//sp.example.org/Slamp")], None),
        (Flavour::AeId, vec![uri("M2M://sp.example.org/Slamp")], None),
        (Flavour::AeId, vec![uri("m2m:Clamp")], Some(NameForm)),
        (Flavour::AeId, vec![uri("m2m://sp.example.org/lamp")], Some(NameForm)),
        (Flavour::AeId, vec![uri(AE), uri("m2m://sp.example.org/Slamp")], Some(OneName(Flavour::AeId))),
        (Flavour::NodeId, vec![dns(CSE)], Some(Named(Flavour::NodeId))),
        (Flavour::NodeId, vec![uri("urn:oid:1.2.481.1")], None),
        (Flavour::NodeId, vec![uri("urn:oid:1.02")], Some(NameForm)),
        (Flavour::NodeId, vec![uri(NODE), uri("urn:oid:1.2.3")], Some(OneName(Flavour::NodeId))),
        (Flavour::Fqdn, vec![uri("mef.example.org")], Some(Named(Flavour::Fqdn))),
        (Flavour::Fqdn, vec![dns("MEF.example.org")], Some(NameForm)),
        (Flavour::Fqdn, vec![dns(MEF), dns("maf.example.org")], Some(OneName(Flavour::Fqdn))),
    ];
    for (flavour, names, expected) in cases {
        let chain = Ca::root(|_| {}).leaf(&names, |_| {});
        let found: Vec<_> = rules(&chain, flavour).into_iter().map(|violation| violation.rule).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{flavour:?} {names:02x?}");
    }
}

/// All broken rules are told at once, the certificates in their order.
#[test]
fn everything_at_once() {
    let chain = Ca::root(|_| {})
        .below("Issuer", |draft| {
            in_bounds(draft);
            draft.usage(KEY_CERT_SIGN);
        })
        .leaf(&[dns("*.example.org")], |draft| {
            draft.drop(USAGE);
            draft.serial = vec![0];
        });
    let found: Vec<_> = rules(&chain, Flavour::CseId).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "certificate 0, serialNumber: must be positive, of at most 20 octets (RFC 5280 §4.1.2.2)",
            "certificate 0, keyUsage: is missing (TS-0003 §10.1.1.1)",
            "certificate 0, subjectAltName: must not hold a wildcard, found \"*.example.org\" (TS-0003 §10.1.1.7)",
            "certificate 1, keyUsage: must include digitalSignature (TS-0003 §10.1.1.1)",
            "certificate 0, subjectAltName: holds a name of which nobody can tell whether it obeys the constraint \
             on such names, found \"*.example.org\", constrained by \"certificate 1\" (RFC 5280 §4.2.1.10)",
        ]
    );
}
