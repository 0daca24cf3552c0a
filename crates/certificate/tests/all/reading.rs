//! What cannot be read: each time one clear error.

use certificate::{
    Broken, Chain, ExpectedServer, MAX_CHAIN, Name, RawKey, Reason, Rule, matches_server, names, sole_name,
};
use certificate::{Flavour, ae_uri, node_uri};
use keys::{PublicKeyHash, PublicKeyIdentifier};
use onem2m::id::CseDomainName;
use openssl::nid::Nid;

use crate::factory::*;

fn said(result: Result<Chain, Broken>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn chains_that_cannot_be_read() {
    let root = Ca::root(|_| {});
    let leaf = root.leaf(&[dns("a.example.org")], |_| {}).remove(0);
    let none: [&[u8]; 0] = [];
    assert_eq!(said(Chain::from_der(&none)), "certificate chain: holds no certificate");
    assert_eq!(
        said(Chain::from_der(&vec![leaf.clone(); 9])),
        "certificate chain: 9 certificates, at most 8 are read"
    );
    let long = root.leaf(&[dns(&format!("{}.example.org", "a".repeat(MAX_CHAIN)))], |_| {});
    assert!(said(Chain::from_der(&long)).ends_with("octets, at most 16384 are read"));
    let mut trailing = leaf.clone();
    trailing.push(0);
    let mut truncated = leaf.clone();
    truncated.pop();
    // A length in more octets than it needs, and a default value written out.
    let long_form = [0x30, 0x81, 0x0a].into_iter().chain(oid(ECDSA_SHA256)).collect::<Vec<_>>();
    let long_form = root.leaf(&[], |draft| draft.inner = long_form).remove(0);
    let default = root.leaf(&[], |draft| draft.version = explicit(0, &integer(&[0]))).remove(0);
    for broken in
        [&trailing[..], &truncated, &long_form, &default, &[], &[0x30, 0x80], b"certificate", &[0xff; 64]]
    {
        let text = said(Chain::from_der(&[leaf.as_slice(), broken]));
        assert!(text.starts_with("certificate 1: is no certificate in DER: "), "{text}");
        assert!(text.ends_with("(RFC 5280 §4.1)"), "{text}");
    }
}

#[test]
fn pem_that_cannot_be_read() {
    let root = Ca::root(|_| {});
    let text = String::from_utf8(root.pem()).unwrap();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "PEM: no \"-----BEGIN CERTIFICATE-----\" (RFC 7468)"),
        (vec![0xff, 0xfe], "PEM: neither PEM text nor anything that looks like it (RFC 7468)"),
        (
            text.replace("-----END CERTIFICATE-----\n", "").into_bytes(),
            "PEM block 0: has no \"-----END CERTIFICATE-----\" (RFC 7468)",
        ),
        (
            text.replace("END CERTIFICATE", "END X509 CRL").into_bytes(),
            "PEM block 0: has no \"-----END CERTIFICATE-----\" (RFC 7468)",
        ),
        (text.replacen("MI", "M!", 1).into_bytes(), "PEM block 0: is not base64 (RFC 7468)"),
        (
            [root.pem(), pem("EC PRIVATE KEY", b"")].concat(),
            "PEM block 1: is a EC PRIVATE KEY, expected CERTIFICATE (RFC 7468)",
        ),
        (vec![b'a'; certificate::MAX_PEM + 1], "PEM: 1048577 octets, at most 1048576 are read"),
        (
            pem(&format!("{}\u{1b}", "A".repeat(90)), b""),
            &format!("PEM block 0: is a {}…, expected CERTIFICATE (RFC 7468)", "A".repeat(64)),
        ),
    ]
    .into_iter()
    .map(|(file, expected)| (file, Box::leak(expected.to_owned().into_boxed_str()) as &str))
    .collect();
    for (file, expected) in cases {
        assert_eq!(said(Chain::from_pem(&file)), expected);
    }
    // Text around the blocks, and line ends of other systems.
    let decorated = format!("subject=Root\r\n{}\r\n\r\n", text.replace('\n', "\r\n"));
    assert_eq!(Chain::from_pem(decorated.as_bytes()).unwrap().leaf_der(), root.der);
    assert_eq!(Chain::from_pem(&root.der).unwrap().leaf_der(), root.der);
    let many = pem("CERTIFICATE", &root.der).repeat(9);
    assert_eq!(said(Chain::from_pem(&many)), "certificate chain: 9 certificates, at most 8 are read");
}

#[test]
fn raw_public_keys() {
    let key = key();
    let raw = RawKey::from_spki_der(&spki(&key)).unwrap();
    assert_eq!(raw.spki(), spki(&key));
    for hash in PublicKeyHash::ALL {
        assert!(raw.matches(&PublicKeyIdentifier::of_spki(hash, raw.spki())));
        assert!(!raw.matches(&PublicKeyIdentifier::of_spki(hash, b"other")));
    }
    let said = |spki: &[u8]| RawKey::from_spki_der(spki).unwrap_err().to_string();
    assert_eq!(
        said(&spki(&key_on(Nid::SECP384R1))),
        "raw public key: certificate 0, subjectPublicKeyInfo: must be a key on the curve P-256 (secp256r1), found \
         \"P-384\" (TS-0003 §10.1.1.1)"
    );
    assert!(said(&spki(&rsa())).contains("found \"RSA\""));
    assert!(said(b"").starts_with("raw public key: is no SubjectPublicKeyInfo in DER"));
    let mut off_curve = spki(&key);
    off_curve[40] ^= 1;
    assert!(said(&off_curve).contains("a point that is not on the curve"));
    let mut infinity = spki(&key);
    infinity.truncate(26);
    infinity[1] -= 64;
    infinity[24] -= 64;
    infinity.push(0);
    assert!(RawKey::from_spki_der(&infinity).is_err());
    assert!(RawKey::from_spki_der(&[spki(&key), vec![0]].concat()).is_err());
}

/// An enrolment by hash needs the key of the certificate and nothing else of it.
#[test]
fn keys_of_self_signed_certificates() {
    let root = Ca::root(|draft| {
        draft.extensions.clear();
        draft.not_after = time("260101000000Z");
    });
    let chain = Chain::from_der(&[&root.der]).unwrap();
    assert_eq!(chain.spki(), spki(&root.key));
    assert_eq!(chain.key().unwrap().spki(), chain.spki());
    assert!(!chain.has_subject_alt_name());
    let other = Ca::root(|_| {}).leaf(&[], |draft| draft.spki = spki(&rsa()));
    assert_eq!(Chain::from_der(&other).unwrap().key().unwrap_err().rule, Rule::KeyAlgorithm);
    assert_eq!(Chain::from_der(&other).unwrap().ders().collect::<Vec<_>>(), other);
}

fn chain(names: &[Vec<u8>]) -> Chain {
    Chain::from_der(&Ca::root(|_| {}).leaf(names, |_| {})).unwrap()
}

#[test]
fn names_that_certificates_hold() {
    let found = names(&chain(&[
        dns("Mn-Cse.in-cse.sp.example.org"),
        device("0.2.481.1", &[100, 3030, 10011]),
        uri("urn:gsma:imei:90420156-025763-0"),
        uri("URN:OID:1.2.481.1"),
        mail("a@example.org"),
        other("1.3.6.1.4.1.311.20.2.3", &tlv(0x0c, b"user")),
    ]))
    .unwrap();
    assert_eq!(
        found,
        [
            Name::Cse("Mn-Cse.in-cse.sp.example.org".to_owned()),
            Name::Device("0.2.481.1.100.3030.10011".to_owned()),
            Name::Node("urn:gsma:imei:90420156-025763-0".parse().unwrap()),
            Name::Node("1.2.481.1".parse().unwrap()),
        ]
    );
    let lamp = "//sp.example.org/mn-cse/Clamp".parse().unwrap();
    assert_eq!(ae_uri(&lamp), "m2m://sp.example.org/mn-cse/Clamp");
    for form in ["m2m://sp.example.org/mn-cse/Clamp", "//sp.example.org/mn-cse/Clamp"] {
        assert_eq!(sole_name(&chain(&[uri(form)]), Flavour::AeId), Ok(Name::Ae(lamp.clone())));
    }
    for (node, form) in [
        ("urn:gsma:imei:90420156-025763-0", Some("urn:gsma:imei:90420156-025763-0")),
        ("1.2.481.1", Some("urn:oid:1.2.481.1")),
        ("x", None),
        ("1.02", None),
        ("https://node.example.org/", None),
    ] {
        assert_eq!(node_uri(&node.parse().unwrap()).as_deref(), form);
    }
}

#[test]
fn the_name_to_bind() {
    let two = chain(&[dns("a.example.org"), dns("b.example.org")]);
    let broken = sole_name(&two, Flavour::CseId).unwrap_err();
    assert_eq!(
        broken.to_string(),
        "certificate 0, subjectAltName: holds more than one name of its kind, found \"b.example.org\" (TS-0003 §8.1.2.1)"
    );
    assert_eq!(sole_name(&two, Flavour::NodeId).unwrap_err().rule, Rule::Named(Flavour::NodeId));
    let devices = chain(&[device("0.2.481.1", &[1]), device("0.2.481.1", &[2])]);
    assert_eq!(sole_name(&devices, Flavour::Device), Ok(Name::Device("0.2.481.1.1".to_owned())));
}

#[test]
fn the_server_that_was_meant() {
    let sp = "//sp.example.org".parse().unwrap();
    let cse = |name: &str| ExpectedServer::Cse(CseDomainName::parse_in(name, &sp).unwrap());
    let in_cse = cse("in-cse.sp.example.org");
    let any_letters =
        |name: &str| ExpectedServer::CseInAnyLetters(CseDomainName::parse_in(name, &sp).unwrap());
    let node = |id: &str| ExpectedServer::Node(id.parse().unwrap());
    let device_id = |id: &str| ExpectedServer::Device(id.to_owned());
    let fqdn = |name: &str| ExpectedServer::Fqdn(name.parse().unwrap());
    let cases: Vec<(ExpectedServer, Vec<Vec<u8>>, bool)> = vec![
        (in_cse.clone(), vec![dns("in-cse.sp.example.org")], true),
        (in_cse.clone(), vec![dns("other.example.org"), dns("in-cse.sp.example.org")], true),
        (in_cse.clone(), vec![dns("In-Cse.sp.example.org")], false),
        (any_letters("in-cse.sp.example.org"), vec![dns("In-Cse.sp.EXAMPLE.org")], true),
        (any_letters("In-CSE.sp.example.org"), vec![dns("in-cse.sp.example.org")], true),
        (any_letters("in-cse.sp.example.org"), vec![dns("mn.in-cse.sp.example.org")], false),
        (in_cse.clone(), vec![dns("mn.in-cse.sp.example.org")], false),
        (in_cse.clone(), vec![dns("in-cse.sp.example.org.evil.example")], false),
        (in_cse.clone(), vec![uri("in-cse.sp.example.org"), dns("b.example.org")], false),
        (in_cse.clone(), vec![uri("m2m://sp.example.org/Sin-cse")], false),
        (fqdn("mef.example.org"), vec![dns("mef.example.org")], true),
        (fqdn("mef.example.org"), vec![dns("MEF.example.org")], false),
        (fqdn("mef.example.org"), vec![uri("https://mef.example.org"), dns("x.example.org")], false),
        (node("1.2.3"), vec![uri("urn:oid:1.2.3")], true),
        (node("urn:oid:1.2.3"), vec![uri("urn:oid:1.2.3")], true),
        (node("urn:dev:ops:1"), vec![uri("urn:dev:ops:1")], true),
        (node("urn:dev:ops:1"), vec![uri("urn:dev:ops:11")], false),
        (node("x"), vec![uri("urn:dev:ops:1")], false),
        (device_id("0.2.481.1.100.7"), vec![device("0.2.481.1", &[100, 7])], true),
        (device_id("0.2.481.1.100.7"), vec![device("0.2.481.1.100", &[7])], true),
        (device_id("0.2.481.1.100.7"), vec![device("0.2.481.1", &[100, 70])], false),
    ];
    for (expected, names, same) in cases {
        let verdict = matches_server(&chain(&names), &expected);
        assert_eq!(verdict.is_ok(), same, "{expected:?} {verdict:?}");
        if let Err(refusal) = verdict {
            assert!(matches!(refusal.reason, Reason::OtherServer { .. } | Reason::Profile(_)), "{refusal}");
            assert_eq!(refusal.alert(), 42);
        }
    }
    let refusal = matches_server(&chain(&[dns("a.example.org"), uri("urn:x:1")]), &in_cse).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "certificate 0, subjectAltName: names \"a.example.org\", \"urn:x:1\", expected \"in-cse.sp.example.org\" \
         (TS-0003 §8.1.2.5)"
    );
}

/// F-10: the name in the subject alone, and a wildcard that would match.
#[test]
fn neither_subject_nor_wildcard() {
    let sp = "//sp.example.org".parse().unwrap();
    let expected = ExpectedServer::Cse(CseDomainName::parse_in("in-cse.sp.example.org", &sp).unwrap());
    let cases: [(Rule, Edit<'_>); 2] = [
        (Rule::SubjectAltName, &|draft| {
            draft.subject = common_name("in-cse.sp.example.org");
            draft.drop(SAN);
        }),
        (Rule::Wildcard, &|draft| draft.names(&[dns("*.sp.example.org")])),
    ];
    for (rule, edit) in cases {
        let chain = Chain::from_der(&Ca::root(|_| {}).leaf(&[], edit)).unwrap();
        let refusal = matches_server(&chain, &expected).unwrap_err();
        assert!(matches!(&refusal.reason, Reason::Profile(broken) if broken.rule == rule), "{refusal}");
        assert_eq!(refusal.alert(), 42);
    }
}

#[test]
fn a_server_by_its_key() {
    let chain = chain(&[]);
    let trusted =
        |octets: &[u8]| ExpectedServer::Key(PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, octets));
    assert_eq!(matches_server(&chain, &trusted(chain.spki())), Ok(()));
    let refusal = matches_server(&chain, &trusted(b"other")).unwrap_err();
    assert!(matches!(refusal.reason, Reason::OtherKey { .. }), "{refusal}");
    assert_eq!(refusal.alert(), 42);
}
