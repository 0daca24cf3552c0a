//! Path validation: what is accepted, and each refusal by its reason and alert.

use certificate::{
    AnchorError, Anchors, Chain, Purpose, Reason, Refusal, RevocationProblem, Rule, verify, verify_path,
};
use onem2m::time::Timestamp;
use openssl::nid::Nid;

use crate::factory::*;

const CSE: &str = "mn-cse.in-cse.sp.example.org";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";

fn anchors(root: &Ca) -> Anchors {
    Anchors::from_pem(&root.pem(), now()).unwrap()
}

fn judge_at(anchors: &Anchors, chain: &[Vec<u8>], time: Timestamp) -> Result<(), Refusal> {
    verify(anchors, &Chain::from_der(chain).unwrap(), Purpose::Client, time, false)
}

fn judge(anchors: &Anchors, chain: &[Vec<u8>]) -> Result<(), Refusal> {
    judge_at(anchors, chain, now())
}

fn reason(verdict: Result<(), Refusal>) -> (Reason, u8) {
    let refusal = verdict.unwrap_err();
    let alert = refusal.alert();
    (refusal.reason, alert)
}

/// The broken rule, and the alert.
fn rule(verdict: Result<(), Refusal>) -> (Rule, u8) {
    match reason(verdict) {
        (Reason::Profile(violation), alert) => (violation.rule, alert),
        (other, _) => panic!("{other}"),
    }
}

#[test]
fn accepted() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let issuer = root.below("Issuer", |_| {});
    let names = [
        dns(CSE),
        uri("m2m://sp.example.org/mn-cse/Clamp"),
        uri("urn:gsma:imei:90420156-025763-0"),
        device("0.2.481.1", &[100, 3030, 10011]),
    ];
    for name in &names {
        let names = [name.clone()];
        assert_eq!(judge(&trusted, &root.leaf(&names, |_| {})), Ok(()));
        assert_eq!(judge(&trusted, &issuer.leaf(&names, |_| {})), Ok(()));
    }
    // The root may be sent as well, and a certificate that no path needs.
    let mut chain = issuer.leaf(&[dns(CSE)], |_| {});
    chain.push(root.der.clone());
    chain.push(Ca::root(|_| {}).der);
    assert_eq!(judge(&trusted, &chain), Ok(()));
    // What only issuers owe is no reason to turn a peer away.
    let lax = root.below("Lax", |draft| draft.drop(SKI));
    let chain = lax.leaf(&[dns(CSE)], |draft| {
        draft.drop(AKI);
        draft.not_after = time("20280101000000Z");
    });
    assert_eq!(judge(&trusted, &chain), Ok(()));
}

/// TS-0003 §8.1.2.2: to the configured anchors and to no other.
#[test]
fn unknown_issuers() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let chain = root.below("Issuer", |_| {}).leaf(&[dns(CSE)], |_| {});
    let (why, alert) = reason(judge(&Anchors::default(), &chain));
    assert_eq!((why, alert), (Reason::NoAnchors, 48));
    // A root of the same name, with another key.
    let twin = Ca::root(|_| {});
    let unknown = [
        twin.below("Issuer", |_| {}).leaf(&[dns(CSE)], |_| {}),
        Ca::root_named("Foreign", |_| {}).leaf(&[dns(CSE)], |_| {}),
        // The intermediate is missing.
        chain[..1].to_vec(),
        // Its own root, sent along, is no anchor.
        [twin.leaf(&[dns(CSE)], |_| {}), vec![twin.der.clone()]].concat(),
    ];
    for (case, chain) in unknown.iter().enumerate() {
        let (why, alert) = reason(judge(&trusted, chain));
        assert!(matches!(why, Reason::UnknownIssuer { .. }), "case {case}: {why}");
        assert_eq!(alert, 48, "case {case}");
    }
    let self_signed = Ca::root(|draft| {
        draft.drop(BASIC);
        draft.usage(DIGITAL_SIGNATURE);
        draft.names(&[dns(CSE)]);
    });
    let (why, alert) = reason(judge(&trusted, &[self_signed.der]));
    assert!(matches!(why, Reason::UnknownIssuer { certificate: 0, .. }), "{why}");
    assert_eq!(alert, 48);
}

/// An intermediate among the configured certificates ends no path: partial chains are not for here.
#[test]
fn no_path_ends_before_a_root() {
    let issuer = Ca::root(|_| {}).below("Issuer", |_| {});
    let refused = Anchors::from_pem(&issuer.pem(), now()).unwrap_err();
    assert!(matches!(refused, AnchorError::NotSelfSigned { index: 0, .. }), "{refused}");
    // A trusted root does not authenticate as itself.
    let named = Ca::root(|draft| draft.names(&[dns(CSE)]));
    assert_eq!(rule(judge(&anchors(&named), std::slice::from_ref(&named.der))), (Rule::EndEntity, 42));
}

#[test]
fn time_is_the_argument() {
    let root = Ca::root(|draft| {
        draft.not_before = time("200101000000Z");
        draft.not_after = time("20600101000000Z");
    });
    let trusted = anchors(&root);
    let issuer = root.below("Issuer", |draft| draft.not_after = time("270101000000Z"));
    let chain = issuer.leaf(&[dns(CSE)], |_| {});
    let cases = [
        ("20251231T235959", Err((Reason::NotYetValid { certificate: 1, at: at("20260101T000000") }, 45))),
        ("20260101T000000", Ok(())),
        ("20261231T235959", Ok(())),
        ("20270101T000001", Err((Reason::Expired { certificate: 1, at: at("20270101T000000") }, 45))),
    ];
    for (time, expected) in cases {
        let found = judge_at(&trusted, &chain, at(time));
        assert_eq!(found.map_err(|refusal| (refusal.reason.clone(), refusal.alert())), expected, "{time}");
    }
    // An anchor that has ended since it was configured.
    let short = Ca::root(|draft| draft.not_after = time("260701000000Z"));
    let found = judge_at(&anchors(&short), &short.leaf(&[dns(CSE)], |_| {}), at("20260702T000000"));
    assert_eq!(reason(found), (Reason::Expired { certificate: 1, at: at("20260701T000000") }, 45));
}

#[test]
fn signatures() {
    let root = Ca::root(|_| {});
    let mut chain = root.below("Issuer", |_| {}).leaf(&[dns(CSE)], |_| {});
    *chain[0].last_mut().unwrap() ^= 1;
    let (why, alert) = reason(judge(&anchors(&root), &chain));
    assert!(matches!(why, Reason::Signature { certificate: 0 }), "{why}");
    assert_eq!(alert, 42);
}

/// The kinds of key and signature are looked at before any is used.
#[test]
fn other_mathematics() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let cases = [
        (Rule::KeyAlgorithm, spki(&rsa())),
        (Rule::Curve, spki(&key_on(Nid::SECP384R1))),
        (Rule::Curve, spki(&key_on(Nid::SECP256K1))),
    ];
    for (broken, other) in cases {
        let chain = root.leaf(&[dns(CSE)], |draft| draft.spki = other.clone());
        assert_eq!(rule(judge(&trusted, &chain)), (broken, 43));
        let chain = root.below("Issuer", |draft| draft.spki = other.clone()).leaf(&[dns(CSE)], |_| {});
        assert_eq!(rule(judge(&trusted, &chain)), (broken, 43));
    }
    let chain = root.leaf(&[dns(CSE)], |draft| {
        draft.inner = algorithm(ECDSA_SHA384);
        draft.outer = algorithm(ECDSA_SHA384);
        draft.digest = openssl::hash::MessageDigest::sha384;
    });
    assert_eq!(rule(judge(&trusted, &chain)), (Rule::SignatureAlgorithm, 43));
}

#[test]
fn issuers_that_may_not() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let no_ca = root.below("Issuer", |draft| draft.drop(BASIC));
    let (why, alert) = reason(judge(&trusted, &no_ca.leaf(&[dns(CSE)], |_| {})));
    assert!(matches!(why, Reason::Path { certificate: 1, .. }), "{why}");
    assert_eq!(alert, 42);
    let no_sign = root.below("Issuer", |draft| draft.usage(DIGITAL_SIGNATURE));
    assert!(judge(&trusted, &no_sign.leaf(&[dns(CSE)], |_| {})).is_err());
    let tight = root.below("Tight", |draft| {
        draft.put(BASIC, true, sequence(&[boolean(true), integer(&[0])].concat()));
    });
    assert_eq!(judge(&trusted, &tight.leaf(&[dns(CSE)], |_| {})), Ok(()));
    let (why, _) = reason(judge(&trusted, &tight.below("Lower", |_| {}).leaf(&[dns(CSE)], |_| {})));
    assert!(matches!(why, Reason::Path { code: 25, .. }), "{why}");
    let not_critical = root.below("Issuer", |draft| draft.put(BASIC, false, sequence(&boolean(true))));
    let found = rule(judge(&trusted, &not_critical.leaf(&[dns(CSE)], |_| {})));
    assert_eq!(found, (Rule::BasicConstraints, 42));
}

#[test]
fn depth() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let mut issuer = root.below("1", |_| {});
    for number in 2..=certificate::MAX_INTERMEDIATES {
        issuer = issuer.below(&number.to_string(), |_| {});
    }
    assert_eq!(judge(&trusted, &issuer.leaf(&[dns(CSE)], |_| {})), Ok(()));
    let deeper = issuer.below("one more", |_| {});
    let (why, alert) = reason(judge(&trusted, &deeper.leaf(&[dns(CSE)], |_| {})));
    assert!(matches!(why, Reason::Path { code: 22, .. } | Reason::UnknownIssuer { .. }), "{why}");
    assert!([42, 48].contains(&alert));
}

#[test]
fn purposes() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let cases = [
        (vec![CLIENT_AUTH], true, false),
        (vec![SERVER_AUTH], false, true),
        (vec![CLIENT_AUTH, SERVER_AUTH], true, true),
        (vec!["1.3.6.1.5.5.7.3.9"], false, false),
    ];
    for (allowed, client, server) in cases {
        let chain = root.leaf(&[dns(CSE)], |draft| draft.purposes(&allowed));
        let chain = Chain::from_der(&chain).unwrap();
        for (purpose, accepted) in [(Purpose::Client, client), (Purpose::Server, server)] {
            let verdict = verify(&trusted, &chain, purpose, now(), false);
            match verdict {
                Ok(()) => assert!(accepted, "{allowed:?} for {purpose:?}"),
                Err(refusal) => {
                    assert!(!accepted, "{allowed:?} for {purpose:?}: {refusal}");
                    assert!(matches!(refusal.reason, Reason::Purpose { certificate: 0, .. }), "{refusal}");
                    assert_eq!(refusal.alert(), 43);
                }
            }
        }
    }
}

/// The profile is asked for at handshakes as well (TS-0003 §10.1.1).
#[test]
fn profile_at_handshakes() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let cases: [(Rule, Edit<'_>); 8] = [
        (Rule::KeyUsage, &|draft| draft.drop(USAGE)),
        (Rule::SubjectAltName, &|draft| draft.drop(SAN)),
        (Rule::Wildcard, &|draft| draft.names(&[dns("*.sp.example.org")])),
        (Rule::NameForm, &|draft| draft.names(&[dns("mn-cse.example.org.")])),
        (Rule::OneEntity, &|draft| draft.names(&[dns(CSE), uri("m2m://sp.example.org/Slamp")])),
        (Rule::EndEntity, &|draft| draft.put(BASIC, true, sequence(&boolean(true)))),
        (Rule::SubjectAltName, &|draft| {
            // The name stands in the subject alone.
            draft.subject = common_name(CSE);
            draft.drop(SAN);
        }),
        (Rule::SerialNumber, &|draft| draft.serial = vec![0]),
    ];
    for (broken, edit) in cases {
        assert_eq!(rule(judge(&trusted, &root.leaf(&[dns(CSE)], edit))), (broken, 42), "{broken:?}");
    }
    // An intermediate that breaks it.
    let chain = root.below("Issuer", |draft| draft.usage(KEY_CERT_SIGN)).leaf(&[dns(CSE)], |_| {});
    assert_eq!(rule(judge(&trusted, &chain)), (Rule::DigitalSignature, 42));
    // OpenSSL refuses these itself.
    for edit in [
        &(|draft: &mut Draft| draft.put("1.3.6.1.4.1.32473.1", true, vec![5, 0])) as &dyn Fn(&mut Draft),
        &|draft| {
            let again = draft.extensions.iter().find(|extension| extension.0 == SAN).cloned();
            draft.extensions.extend(again);
        },
        &|draft| draft.usage(0x08),
    ] {
        assert!(judge(&trusted, &root.leaf(&[dns(CSE)], edit)).is_err());
    }
}

/// What the alert and the message say of each kind of refusal.
#[test]
fn messages() {
    let root = Ca::root(|_| {});
    let trusted = anchors(&root);
    let said = |chain: &[Vec<u8>]| judge(&trusted, chain).unwrap_err().to_string();
    assert_eq!(
        said(&Ca::root_named("Foreign", |_| {}).leaf(&[dns(CSE)], |_| {})),
        "certificate 0, issuer \"CN=Foreign\": leads to no configured trust anchor (TS-0003 §8.1.2.2)"
    );
    assert_eq!(
        said(&root.leaf(&[dns(CSE)], |draft| draft.not_after = time("260501000000Z"))),
        "certificate 0, validity: ended at 20260501T000000 (RFC 5280 §6.1.3)"
    );
    assert_eq!(
        said(&root.leaf(&[dns(CSE)], |draft| draft.spki = spki(&rsa()))),
        "certificate 0, subjectPublicKeyInfo: must be an elliptic curve key (id-ecPublicKey), found \"RSA\" \
         (TS-0003 §10.1.1.1)"
    );
    assert_eq!(
        said(&root.leaf(&[dns(CSE)], |draft| draft.purposes(&[SERVER_AUTH]))),
        "certificate 0, extKeyUsage: does not allow TLS clients (RFC 5280 §4.2.1.12)"
    );
}

/// A revocation list, signed by `key`.
struct List {
    issuer: Vec<u8>,
    this_update: &'static str,
    next_update: Option<&'static str>,
    revoked: Vec<Vec<u8>>,
    entry_extensions: Vec<u8>,
    extensions: Vec<u8>,
    version: Vec<u8>,
}

impl List {
    fn of(issuer: &Ca) -> Self {
        Self {
            issuer: issuer.name.clone(),
            this_update: "260531000000Z",
            next_update: Some("260607000000Z"),
            revoked: Vec::new(),
            entry_extensions: Vec::new(),
            extensions: Vec::new(),
            version: integer(&[1]),
        }
    }

    fn sign(&self, key: &Key) -> Vec<u8> {
        let entries: Vec<u8> = self
            .revoked
            .iter()
            .flat_map(|serial| {
                let entry = [integer(serial), time("260530000000Z"), self.entry_extensions.clone()];
                sequence(&entry.concat())
            })
            .collect();
        let entries = if entries.is_empty() { entries } else { sequence(&entries) };
        let number = sequence(&[oid("2.5.29.20"), tlv(0x04, &integer(&[1]))].concat());
        let extensions = explicit(0, &sequence(&[number, self.extensions.clone()].concat()));
        let signed = sequence(
            &[
                self.version.clone(),
                algorithm(ECDSA_SHA256),
                self.issuer.clone(),
                time(self.this_update),
                self.next_update.map(time).unwrap_or_default(),
                entries,
                extensions,
            ]
            .concat(),
        );
        let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&signed).unwrap();
        let signature = tlv(0x03, &[&[0][..], &signature].concat());
        sequence(&[signed, algorithm(ECDSA_SHA256), signature].concat())
    }

    fn pem(&self, key: &Key) -> Vec<u8> {
        pem("X509 CRL", &self.sign(key))
    }
}

#[test]
fn revocation() {
    let root = Ca::root(|_| {});
    let issuer = root.below("Issuer", |draft| draft.serial = vec![0x33]);
    let chain = issuer.leaf(&[dns(CSE)], |draft| draft.serial = vec![0x00, 0x81, 0x22]);
    let trusted = anchors(&root);
    let with = |root_list: &List, list: &List| {
        let file = [root_list.pem(&root.key), list.pem(&issuer.key), issuer.pem()].concat();
        trusted.with_crls_pem(&file).unwrap()
    };
    assert_eq!(judge(&with(&List::of(&root), &List::of(&issuer)), &chain), Ok(()));

    let leaf = List { revoked: vec![vec![5], vec![0x00, 0x81, 0x22]], ..List::of(&issuer) };
    let found = reason(judge(&with(&List::of(&root), &leaf), &chain));
    assert_eq!(found, (Reason::Revoked { certificate: 0, serial: "008122".to_owned() }, 44));
    let above = List { revoked: vec![vec![0x33]], ..List::of(&root) };
    let found = reason(judge(&with(&above, &List::of(&issuer)), &chain));
    assert_eq!(found, (Reason::Revoked { certificate: 1, serial: "33".to_owned() }, 44));
    // The serial number of one issuer means nothing at another.
    let other = List { revoked: vec![vec![0x00, 0x81, 0x22]], ..List::of(&root) };
    assert_eq!(judge(&with(&other, &List::of(&issuer)), &chain), Ok(()));
}

#[test]
fn revocation_that_nobody_knows() {
    let root = Ca::root(|_| {});
    let issuer = root.below("Issuer", |_| {});
    let chain = issuer.leaf(&[dns(CSE)], |_| {});
    let trusted = anchors(&root);
    let problem = |verdict| match reason(verdict) {
        (Reason::RevocationUnknown { certificate, problem, .. }, alert) => (certificate, problem, alert),
        (other, _) => panic!("{other}"),
    };
    let with = |list: &List| trusted.with_crls_pem(&list.pem(&root.key)).unwrap();
    // A list that is not current: nobody below its issuer is accepted.
    let list = with(&List::of(&root));
    let found = problem(judge_at(&list, &chain, at("20260607T000000")));
    assert_eq!(found, (1, RevocationProblem::Stale(at("20260607T000000")), 46));
    assert_eq!(judge_at(&list, &chain, at("20260606T235959")), Ok(()));
    let found = problem(judge_at(&list, &chain, at("20260530T235959")));
    assert_eq!(found, (1, RevocationProblem::NotBegun(at("20260531T000000")), 46));
    // No list of the intermediate: nothing, unless lists are asked for (register A-41).
    assert_eq!(judge(&list, &chain), Ok(()));
    assert_eq!(problem(judge(&list.requiring_crls(), &chain)), (0, RevocationProblem::Missing, 46));
    assert_eq!(problem(judge(&trusted.requiring_crls(), &chain)), (0, RevocationProblem::Missing, 46));
    // The newest of two lists counts.
    let old = List { next_update: Some("260601000000Z"), this_update: "260501000000Z", ..List::of(&root) };
    let both = [old.pem(&root.key), List::of(&root).pem(&root.key)].concat();
    assert_eq!(judge(&trusted.with_crls_pem(&both).unwrap(), &chain), Ok(()));
    // An issuer whose certificate leads to the root through another one, in whatever order they stand there.
    let middle = root.below("Middle", |_| {});
    let lowest = middle.below("Lowest", |_| {});
    let beside = [lowest.pem(), List::of(&lowest).pem(&lowest.key), middle.pem()].concat();
    assert_eq!(trusted.with_crls_pem(&beside).unwrap().crls().count(), 1);
    // An issuer of the same name with another key: the list does not speak of its certificates.
    let twin = root.below("Issuer", |_| {});
    let beside = [List::of(&twin).pem(&twin.key), twin.pem()].concat();
    let found = problem(judge(&trusted.with_crls_pem(&beside).unwrap(), &chain));
    assert_eq!(found, (0, RevocationProblem::OtherKey, 46));
    // An issuer whose key is not for lists.
    let mute = root.below("Mute", |draft| draft.usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN));
    let beside = [List::of(&mute).pem(&mute.key), mute.pem()].concat();
    let found = problem(judge(&trusted.with_crls_pem(&beside).unwrap(), &mute.leaf(&[dns(CSE)], |_| {})));
    assert_eq!(found, (0, RevocationProblem::KeyUsage, 46));
}

#[test]
fn lists_that_cannot_be_used() {
    let root = Ca::root(|_| {});
    let stranger = Ca::root_named("Stranger", |_| {});
    let elsewhere = stranger.below("Issuer", |_| {});
    let twin = Ca::root(|_| {});
    let critical = |id: &str| sequence(&[oid(id), boolean(true), tlv(0x04, &[5, 0])].concat());
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            List::of(&stranger).pem(&stranger.key),
            "certificate revocation list 0, issuer: \"CN=Stranger\" is neither a trust anchor nor has a certificate \
             beside the list that leads to one (RFC 5280 §6.3.3)",
        ),
        (
            [List::of(&elsewhere).pem(&elsewhere.key), elsewhere.pem(), stranger.pem()].concat(),
            "certificate revocation list 0, issuer: \"CN=Issuer\" is neither a trust anchor nor has a certificate \
             beside the list that leads to one (RFC 5280 §6.3.3)",
        ),
        (
            List::of(&twin).pem(&twin.key),
            "certificate revocation list 0, signatureValue: is not that of the key of \"CN=Root\" (RFC 5280 §6.3.3)",
        ),
        (
            [List::of(&root).pem(&root.key), List { next_update: None, ..List::of(&root) }.pem(&root.key)]
                .concat(),
            "certificate revocation list 1, nextUpdate: is missing (RFC 5280 §5.1.2.5)",
        ),
        (
            List { version: integer(&[0]), ..List::of(&root) }.pem(&root.key),
            "certificate revocation list 0, version: must be 2 (RFC 5280 §5.1.2.1)",
        ),
        (
            List { extensions: critical("2.5.29.28"), ..List::of(&root) }.pem(&root.key),
            "certificate revocation list 0, extension 2.5.29.28: only whole lists of one issuer are read (RFC 5280 §5.2)",
        ),
        (
            List { extensions: critical("1.3.6.1.4.1.32473.1"), ..List::of(&root) }.pem(&root.key),
            "certificate revocation list 0, extension 1.3.6.1.4.1.32473.1: is critical and unknown (RFC 5280 §5.2)",
        ),
        (
            List {
                revoked: vec![vec![1]],
                entry_extensions: sequence(&critical("2.5.29.29")),
                ..List::of(&root)
            }
            .pem(&root.key),
            "certificate revocation list 0, extension 2.5.29.29: is critical and unknown (RFC 5280 §5.2)",
        ),
        (
            pem("X509 CRL", &root.der),
            "certificate revocation list 0, is no certificate revocation list in DER",
        ),
        (root.pem(), "PEM: no \"-----BEGIN X509 CRL-----\" (RFC 7468)"),
        (b"".to_vec(), "PEM: no \"-----BEGIN X509 CRL-----\" (RFC 7468)"),
    ];
    for (file, expected) in cases {
        let found = anchors(&root).with_crls_pem(&file).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{found}\ninstead of\n{expected}");
    }
}

#[test]
fn anchors_that_cannot_be_used() {
    let root = |edit: &dyn Fn(&mut Draft)| Ca::root(edit).pem();
    let two = [root(&|_| {}), root(&|draft| draft.not_after = time("260531235959Z"))].concat();
    let foreign = {
        let key = rsa();
        let mut draft = Ca::root(|_| {}).draft(&key, &[]);
        draft.subject = draft.issuer.clone();
        pem("CERTIFICATE", &draft.sign(&key))
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            two,
            "trust anchors: certificate 1, validity: \"CN=Root\" ended at 20260531T235959 (RFC 5280 §4.1.2.5)",
        ),
        (
            root(&|draft| draft.not_before = time("260701000000Z")),
            "trust anchors: certificate 0, validity: \"CN=Root\" begins at 20260701T000000 (RFC 5280 §4.1.2.5)",
        ),
        (
            root(&|draft| draft.drop(BASIC)),
            "trust anchors: certificate 0, basicConstraints: must be critical and say CA, the certificate being that \
             of an issuer (RFC 5280 §4.2.1.9); \"CN=Root\"",
        ),
        (
            root(&|draft| draft.usage(KEY_CERT_SIGN)),
            "trust anchors: certificate 0, keyUsage: must include digitalSignature (TS-0003 §10.1.1.1); \"CN=Root\"",
        ),
        (
            foreign,
            "trust anchors: certificate 0, subjectPublicKeyInfo: must be an elliptic curve key (id-ecPublicKey), found \
             \"RSA\" (TS-0003 §10.1.1.1); \"CN=Root\"",
        ),
        (b"PSK".to_vec(), "PEM: no \"-----BEGIN CERTIFICATE-----\" (RFC 7468)"),
        (pem("PRIVATE KEY", b"secret"), "PEM block 0: is a PRIVATE KEY, expected CERTIFICATE (RFC 7468)"),
        (
            pem("CERTIFICATE", &[0x30, 0x03, 0x02, 0x01, 0x01]),
            "trust anchors: certificate 0: is no certificate in DER",
        ),
    ];
    for (file, expected) in cases {
        let found = Anchors::from_pem(&file, now()).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{found}\ninstead of\n{expected}");
    }
    let der = Anchors::from_pem(&Ca::root(|_| {}).der, now()).unwrap();
    assert_eq!(der.roots().collect::<Vec<_>>(), [("CN=Root".to_owned(), at("20280101T000000"))]);
}

/// Nothing of what a verification found wrong is left for the next call of OpenSSL on this thread.
#[test]
fn the_error_queue_is_left_empty() {
    let root = Ca::root(|_| {});
    let mut chain = root.leaf(&[dns(CSE)], |_| {});
    *chain[0].last_mut().unwrap() ^= 1;
    let _ = judge(&anchors(&root), &chain);
    let _ = certificate::check_profile(
        &Chain::from_der(&[chain[0].clone(), root.der.clone()]).unwrap(),
        certificate::Flavour::CseId,
    );
    assert!(openssl::error::ErrorStack::get().errors().is_empty());
}

/// OpenSSL quotes a URI that it does not understand, and the openssl crate panics at a quotation that is not
/// UTF-8: such names do not come so far.
#[test]
fn names_that_are_not_text() {
    let root = Ca::root(|draft| {
        draft.put(CONSTRAINTS, true, constraints(&[uri("sp.example.org"), dns("example.org")], &[]));
    });
    let names = [context(6, b"m2m:\xff/sp.example.org/Slamp"), context(2, b"\xff.example.org")];
    for name in names {
        let found = judge(&anchors(&root), &root.leaf(&[name], |_| {}));
        assert_eq!(rule(found), (Rule::UnreadableExtension, 42));
    }
}

/// The chain of a certificate that is known by its key: its names do not count, everything else does.
#[test]
fn chains_without_names() {
    let root = Ca::root(|draft| draft.put(CONSTRAINTS, true, constraints(&[dns("example.org")], &[])));
    let trusted = anchors(&root);
    let judge = |edit: Edit<'_>| {
        let chain = Chain::from_der(&root.leaf(&[], edit)).unwrap();
        verify_path(&trusted, &chain, Purpose::Client, now()).map_err(|refusal| refusal.alert())
    };
    assert_eq!(judge(&|draft| draft.drop(SAN)), Ok(()));
    assert_eq!(judge(&|draft| draft.names(&[mail("a@example.org")])), Ok(()));
    assert_eq!(judge(&|draft| draft.names(&[dns("a.example.net")])), Err(42));
    assert_eq!(judge(&|draft| draft.drop(USAGE)), Err(42));
    assert_eq!(judge(&|draft| draft.not_after = time("260501000000Z")), Err(45));
    let foreign = Chain::from_der(&Ca::root(|_| {}).leaf(&[], |_| {})).unwrap();
    assert_eq!(verify_path(&trusted, &foreign, Purpose::Client, now()).unwrap_err().alert(), 48);
}
