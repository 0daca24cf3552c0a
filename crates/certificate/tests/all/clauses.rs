//! TS-0003 §10.1 and §8.1.2.2, clause by clause: for each "shall" that a certificate can break, certificates that obey
//! it and such as break it and nothing else. docs/conformance.md lists them.

use std::sync::OnceLock;

use certificate::{Chain, Flavour, RawKey, Rule, Violation, check_profile};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;

use crate::factory::*;
use crate::profile::{INDICATION, compressed, name};

const COMMON: &str = "TS-0003 §10.1.1.1";
const CHAINS: &str = "TS-0003 §10.1.1.3";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";

/// Where in a chain: the leaf, its issuer, the root.
const EVERYWHERE: [usize; 3] = [0, 1, 2];

/// Constraints that names of the flavour obey.
fn bounds(flavour: Flavour) -> Vec<u8> {
    let permitted = match flavour {
        Flavour::Device => device(INDICATION, &[100]),
        Flavour::AeId => uri("sp.example.org"),
        // A URN obeys no constraint on URIs.
        Flavour::CseId | Flavour::Fqdn | Flavour::NodeId => dns("example.org"),
    };
    constraints(&[permitted], &[])
}

/// A chain of the flavour, the root included, with the certificate at one place changed.
fn changed(flavour: Flavour, at: usize, edit: Edit<'_>) -> Vec<Vec<u8>> {
    let here = |place, draft: &mut Draft| {
        if place == at {
            edit(draft);
        }
    };
    let root = Ca::root(|draft| here(2, draft));
    let issuer = root.below("Issuer", |draft| {
        draft.put(CONSTRAINTS, true, bounds(flavour));
        here(1, draft);
    });
    let mut chain = issuer.leaf(&[name(flavour)], |draft| here(0, draft));
    chain.push(root.der);
    chain
}

fn found(chain: &[Vec<u8>], flavour: Flavour) -> Vec<Violation> {
    check_profile(&Chain::from_der(chain).unwrap(), flavour)
}

#[track_caller]
fn obeys(chain: &[Vec<u8>], flavour: Flavour) {
    assert_eq!(found(chain, flavour), [], "{flavour:?}");
}

/// That the chain breaks this rule of this clause in this certificate, and no other.
#[track_caller]
fn breaks(chain: &[Vec<u8>], flavour: Flavour, at: usize, rule: Rule, clause: &str) {
    let found = found(chain, flavour);
    let place = format!("certificate {at}, ");
    let told = |one: &&Violation| one.rule == rule && one.clause == clause && one.place.starts_with(&place);
    assert!(found.iter().any(|one| told(&one)), "{flavour:?}, {rule:?} in {place}: {found:?}");
    // No signature is computed with a key, or of a kind, that the profile does not have.
    let entailed = |one: &&Violation| told(one) || one.rule == Rule::ChainSignature;
    assert!(found.iter().all(|one| entailed(&one)), "{flavour:?}, {rule:?} in {place}: {found:?}");
}

/// For every flavour and in every certificate of its chain.
#[track_caller]
fn everywhere(rule: Rule, clause: &str, edit: Edit<'_>) {
    for flavour in Flavour::ALL {
        obeys(&changed(flavour, 0, &|_| {}), flavour);
        for at in EVERYWHERE {
            breaks(&changed(flavour, at, edit), flavour, at, rule, clause);
        }
    }
}

fn rsa_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(rsa)
}

fn is_ca(draft: &Draft) -> bool {
    draft.extensions.iter().any(|extension| extension.0 == BASIC)
}

#[test]
fn every_certificate_is_of_rfc_5280() {
    everywhere(Rule::Version, "RFC 5280 §4.1.2.1", &|draft| draft.version = explicit(0, &integer(&[1])));
}

#[test]
fn every_key_is_an_elliptic_curve_key() {
    everywhere(Rule::KeyAlgorithm, COMMON, &|draft| draft.spki = spki(rsa_key()));
}

#[test]
fn every_key_is_on_secp256r1() {
    for curve in [Nid::SECP384R1, Nid::SECP256K1] {
        everywhere(Rule::Curve, COMMON, &|draft| draft.spki = spki(&key_on(curve)));
    }
}

#[test]
fn every_point_is_uncompressed() {
    everywhere(Rule::PointFormat, COMMON, &|draft| draft.spki = compressed());
}

#[test]
fn every_hash_is_sha_256() {
    for (id, digest) in [
        (ECDSA_SHA384, MessageDigest::sha384 as fn() -> MessageDigest),
        ("1.2.840.10045.4.1", MessageDigest::sha1),
    ] {
        everywhere(Rule::SignatureAlgorithm, CHAINS, &|draft| {
            (draft.inner, draft.outer, draft.digest) = (algorithm(id), algorithm(id), digest);
        });
    }
}

#[test]
fn every_certificate_has_key_usage() {
    everywhere(Rule::KeyUsage, COMMON, &|draft| draft.drop(USAGE));
}

#[test]
fn every_key_usage_has_digital_signature() {
    everywhere(Rule::DigitalSignature, COMMON, &|draft| {
        draft.usage(if is_ca(draft) { KEY_CERT_SIGN | CRL_SIGN } else { 0x08 });
    });
}

/// What holds for raw public keys, which are a key and nothing else.
#[test]
fn raw_public_keys_are_keys_of_the_profile() {
    let good = spki(&key());
    assert_eq!(RawKey::from_spki_der(&good).unwrap().spki(), good);
    let broken = [
        (spki(rsa_key()), "must be an elliptic curve key (id-ecPublicKey), found \"RSA\""),
        (spki(&key_on(Nid::SECP384R1)), "must be a key on the curve P-256 (secp256r1), found \"P-384\""),
        (compressed(), "must be an uncompressed point"),
    ];
    for (spki, rule) in broken {
        let said = RawKey::from_spki_der(&spki).unwrap_err().to_string();
        assert!(said.contains(rule) && said.ends_with("(TS-0003 §10.1.1.1)"), "{said}");
    }
    // RFC 7250 §3: the structure alone, not one in a certificate, nor with anything behind it.
    let certificate = Ca::root(|_| {}).der;
    for other in [certificate, [good, vec![0]].concat()] {
        let said = RawKey::from_spki_der(&other).unwrap_err().to_string();
        assert!(said.starts_with("raw public key: "), "{said}");
    }
}

/// Issuers of another kind, whose signatures are all right in themselves.
#[test]
fn every_signature_is_by_a_key_on_secp256r1() {
    for flavour in Flavour::ALL {
        let chain = |key: Key, sign: Edit<'_>| {
            let root = Ca::root(|_| {});
            let issuer =
                root.below_with(key, "Issuer", |draft| draft.put(CONSTRAINTS, true, bounds(flavour)));
            issuer.leaf(&[name(flavour)], sign)
        };
        obeys(&chain(key(), &|_| {}), flavour);
        breaks(&chain(key_on(Nid::SECP384R1), &|_| {}), flavour, 1, Rule::Curve, COMMON);
        let by_rsa = chain(rsa_key().clone(), &|draft| {
            let id = sequence(&[oid(RSA_SHA256), tlv(0x05, &[])].concat());
            (draft.inner, draft.outer) = (id.clone(), id);
        });
        let broken: Vec<_> = found(&by_rsa, flavour).into_iter().map(|one| one.rule).collect();
        assert_eq!(
            broken,
            [Rule::SignatureAlgorithm, Rule::KeyAlgorithm, Rule::ChainSignature],
            "{flavour:?}"
        );
    }
}

/// Chains of the flavour with these names in the leaf.
fn named(flavour: Flavour, names: &[Vec<u8>]) -> Vec<Vec<u8>> {
    changed(flavour, 0, &|draft| draft.names(names))
}

/// One of `others` is no name of the flavour.
#[track_caller]
fn is_named(flavour: Flavour, clause: &str, more: &[Vec<u8>], others: &[Vec<u8>]) {
    let good = name(flavour);
    obeys(&named(flavour, std::slice::from_ref(&good)), flavour);
    for more in more {
        obeys(&named(flavour, &[good.clone(), more.clone()]), flavour);
    }
    for other in others {
        breaks(&named(flavour, std::slice::from_ref(other)), flavour, 0, Rule::Named(flavour), clause);
    }
    let unnamed = changed(flavour, 0, &|draft| draft.drop(SAN));
    breaks(&unnamed, flavour, 0, Rule::SubjectAltName, "TS-0003 §8.1.2.1");
    // The name in the subject is none (§10.1.1 wants subjectAltName).
    let subject = changed(flavour, 0, &|draft| {
        draft.subject = common_name("mn-cse.in-cse.sp.example.org");
        draft.names(&[mail("a@example.org")]);
    });
    breaks(&subject, flavour, 0, Rule::Named(flavour), clause);
}

#[test]
fn device_certificates_name_a_device() {
    let second = device(INDICATION, &[100, 3030, 10012]);
    let text = other("1.3.6.1.4.1.32473.1", &tlv(0x0c, b"100.3030.10011"));
    // Below constraints on devices a foreign otherName is outside them, which is another rule.
    is_named(
        Flavour::Device,
        "TS-0003 §10.1.1.4.1",
        &[second],
        &[dns("sp.example.org"), mail("a@example.org")],
    );
    let free = Ca::root(|_| {});
    obeys(&free.leaf(&[name(Flavour::Device)], |_| {}), Flavour::Device);
    let broken = free.leaf(&[text], |_| {});
    breaks(&broken, Flavour::Device, 0, Rule::Named(Flavour::Device), "TS-0003 §10.1.1.4.1");
}

#[test]
fn ae_id_certificates_name_an_ae() {
    let others = [uri("https://sp.example.org/mn-cse/Clamp"), dns("sp.example.org")];
    is_named(Flavour::AeId, "TS-0003 §10.1.1.5", &[mail("a@example.org")], &others);
}

#[test]
fn fqdn_certificates_name_a_function() {
    let others = [uri("https://mef.example.org"), mail("mef@mef.example.org")];
    is_named(Flavour::Fqdn, "TS-0003 §10.1.1.6", &[mail("a@example.org")], &others);
}

#[test]
fn cse_id_certificates_name_a_cse() {
    let others = [uri("https://mn-cse.in-cse.sp.example.org"), mail("a@mn-cse.in-cse.sp.example.org")];
    is_named(Flavour::CseId, "TS-0003 §10.1.1.7", &[mail("a@example.org")], &others);
}

#[test]
fn node_id_certificates_name_a_node() {
    let others = [uri("https://node.example.org/"), dns("node.example.org")];
    is_named(Flavour::NodeId, "TS-0003 §10.1.1.8", &[mail("a@example.org")], &others);
}

/// A wildcard beside the good name; by a root that constrains nothing, so that no other rule is about it.
#[test]
fn no_name_has_a_wildcard() {
    let cases = [
        (Flavour::AeId, "TS-0003 §10.1.1.5", uri("m2m://sp.example.org/mn-cse/C*")),
        (Flavour::AeId, "TS-0003 §10.1.1.5", uri("m2m://*.example.org/mn-cse/Clamp")),
        (Flavour::Fqdn, "TS-0003 §10.1.1.6", dns("*.example.org")),
        (Flavour::CseId, "TS-0003 §10.1.1.7", dns("*.in-cse.sp.example.org")),
        (Flavour::CseId, "TS-0003 §10.1.1.7", dns("mn-*.in-cse.sp.example.org")),
        (Flavour::NodeId, "TS-0003 §10.1.1.8", uri("urn:gsma:imei:90420156-*")),
    ];
    for (flavour, clause, wildcard) in cases {
        let root = Ca::root(|draft| draft.put(CONSTRAINTS, true, bounds(flavour)));
        obeys(&root.leaf(&[name(flavour)], |_| {}), flavour);
        for names in [vec![wildcard.clone()], vec![name(flavour), wildcard]] {
            breaks(&root.leaf(&names, |_| {}), flavour, 0, Rule::Wildcard, clause);
        }
    }
}

/// The signer itself, not one above it.
#[test]
fn who_signs_an_ae_id_constrains_uris() {
    const CLAUSE: &str = "TS-0003 §10.1.1.5";
    let flavour = Flavour::AeId;
    let chain = |above: Option<Vec<u8>>, signer: Option<Vec<u8>>| {
        let put = |draft: &mut Draft, value: Option<Vec<u8>>| {
            value.into_iter().for_each(|value| draft.put(CONSTRAINTS, true, value));
        };
        let issuer = Ca::root(|draft| put(draft, above)).below("Issuer", |draft| put(draft, signer));
        let mut chain = issuer.leaf(&[name(flavour)], |_| {});
        chain.truncate(2);
        chain
    };
    let uris = || Some(constraints(&[uri("sp.example.org")], &[]));
    let domains = || Some(constraints(&[dns("sp.example.org")], &[]));
    obeys(&chain(None, uris()), flavour);
    for (above, signer) in [(None, None), (uris(), None), (uris(), domains())] {
        breaks(&chain(above, signer), flavour, 1, Rule::Constrained, CLAUSE);
    }
}

/// "satisfied by the hostname part of the full URI": RFC 5280 §4.2.1.10 says when it is.
#[test]
fn the_host_of_an_ae_id_satisfies_the_constraints() {
    const CLAUSE: &str = "RFC 5280 §4.2.1.10";
    let flavour = Flavour::AeId;
    let chain = |permitted: &[Vec<u8>], excluded: &[Vec<u8>]| {
        let value = constraints(permitted, excluded);
        changed(flavour, 1, &|draft| draft.put(CONSTRAINTS, true, value.clone()))
    };
    for permitted in ["sp.example.org", ".example.org", "SP.example.org"] {
        obeys(&chain(&[uri(permitted)], &[]), flavour);
    }
    obeys(&chain(&[uri("other.example.org"), uri("sp.example.org")], &[]), flavour);
    for permitted in ["other.example.org", ".sp.example.org", "example.org", ".org.example"] {
        breaks(&chain(&[uri(permitted)], &[]), flavour, 0, Rule::Permitted, CLAUSE);
    }
    breaks(&chain(&[uri(".example.org")], &[uri("sp.example.org")]), flavour, 0, Rule::Excluded, CLAUSE);
}

/// §8.1.2.2, for the flavours of which no other clause says more; of devices §10.1.1.4.2 recommends it only.
#[test]
fn issuers_constrain_names() {
    const CLAUSE: &str = "TS-0003 §8.1.2.2";
    for flavour in [Flavour::CseId, Flavour::Fqdn, Flavour::NodeId] {
        obeys(&changed(flavour, 1, &|_| {}), flavour);
        let open = changed(flavour, 1, &|draft| draft.drop(CONSTRAINTS));
        breaks(&open, flavour, 1, Rule::Constrained, CLAUSE);
    }
    let domains = [Flavour::CseId, Flavour::Fqdn];
    for flavour in domains {
        let elsewhere = constraints(&[dns("example.net")], &[]);
        let outside = changed(flavour, 1, &|draft| draft.put(CONSTRAINTS, true, elsewhere.clone()));
        breaks(&outside, flavour, 0, Rule::Permitted, "RFC 5280 §4.2.1.10");
    }
    let outside = changed(Flavour::Device, 1, &|draft| {
        draft.put(CONSTRAINTS, true, constraints(&[device(INDICATION, &[101])], &[]));
    });
    breaks(&outside, Flavour::Device, 0, Rule::Permitted, "RFC 5280 §4.2.1.10");
    obeys(&changed(Flavour::Device, 1, &|draft| draft.drop(CONSTRAINTS)), Flavour::Device);
}
