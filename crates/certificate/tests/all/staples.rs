//! Stapled OCSP responses: the list of what a client asks for, one by one.

use std::time::Duration;

use certificate::{
    Anchors, Chain, OcspPolicy, OcspRefusal, ResponderKey, check_staple, ocsp_request, ocsp_url,
};
use onem2m::time::Timestamp;
use openssl::hash::MessageDigest;
use openssl::sign::Signer;

use crate::factory::*;

const SHA_1: &str = "1.3.14.3.2.26";
const SHA_256: &str = "2.16.840.1.101.3.4.2.1";
const GOOD: [u8; 2] = [0x80, 0];
const UNKNOWN: [u8; 2] = [0x82, 0];

fn revoked() -> Vec<u8> {
    explicit(1, &time("20260501000000Z"))
}

/// A response about one certificate.
#[derive(Clone)]
struct Response {
    outer: u8,
    kind: &'static str,
    hash: &'static str,
    /// Parameters of the hash.
    parameters: Vec<u8>,
    issuer_name: Vec<u8>,
    issuer_key: Vec<u8>,
    serial: Vec<u8>,
    status: Vec<u8>,
    this_update: &'static str,
    next_update: Option<&'static str>,
    extensions: Vec<u8>,
    algorithm: &'static str,
    digest: fn() -> MessageDigest,
    /// Single responses that follow the one described.
    more: Vec<u8>,
}

impl Response {
    fn about(issuer: &Ca, serial: &[u8]) -> Self {
        Self {
            outer: 0,
            kind: "1.3.6.1.5.5.7.48.1.1",
            hash: SHA_1,
            parameters: vec![0x05, 0x00],
            issuer_name: issuer.name.clone(),
            issuer_key: spki(&issuer.key)[26..].to_vec(),
            serial: serial.to_vec(),
            status: GOOD.to_vec(),
            this_update: "20260601110000Z",
            next_update: Some("20260602110000Z"),
            extensions: Vec::new(),
            algorithm: ECDSA_SHA256,
            digest: MessageDigest::sha256,
            more: Vec::new(),
        }
    }

    fn single(&self) -> Vec<u8> {
        let digest = if self.hash == SHA_256 { MessageDigest::sha256() } else { MessageDigest::sha1() };
        let hashed = |octets: &[u8]| tlv(0x04, &openssl::hash::hash(digest, octets).unwrap());
        let id = sequence(
            &[
                sequence(&[oid(self.hash), self.parameters.clone()].concat()),
                hashed(&self.issuer_name),
                hashed(&self.issuer_key),
                integer(&self.serial),
            ]
            .concat(),
        );
        let next = self.next_update.map(|text| explicit(0, &time(text))).unwrap_or_default();
        sequence(&[id, self.status.clone(), time(self.this_update), next].concat())
    }

    fn data(&self) -> Vec<u8> {
        let extensions =
            if self.extensions.is_empty() { Vec::new() } else { explicit(1, &sequence(&self.extensions)) };
        sequence(
            &[
                explicit(2, &tlv(0x04, &[7; 20])),
                time("20260601110000Z"),
                sequence(&[self.single(), self.more.clone()].concat()),
                extensions,
            ]
            .concat(),
        )
    }

    fn sign(&self, key: &Key) -> Vec<u8> {
        let data = self.data();
        let signature = Signer::new((self.digest)(), key).unwrap().sign_oneshot_to_vec(&data).unwrap();
        let signature = tlv(0x03, &[&[0][..], &signature].concat());
        let basic = sequence(&[data, algorithm(self.algorithm), signature].concat());
        let bytes = explicit(0, &sequence(&[oid(self.kind), tlv(0x04, &basic)].concat()));
        sequence(&[tlv(0x0a, &[self.outer]), if self.outer == 0 { bytes } else { Vec::new() }].concat())
    }
}

struct Scene {
    issuer: Ca,
    anchors: Anchors,
    chain: Chain,
    responder: Key,
    policy: OcspPolicy,
    response: Response,
}

fn scene() -> Scene {
    let root = Ca::root(|_| {});
    let issuer = root.below("Issuer", |_| {});
    let serial = vec![0x00, 0x91, 0x22];
    let chain = issuer.leaf(&[dns("in-cse.sp.example.org")], |draft| draft.serial = serial.clone());
    let responder = key();
    let policy = OcspPolicy::new(ResponderKey::read(&spki(&responder)).unwrap());
    Scene {
        anchors: Anchors::from_pem(&root.pem(), now()).unwrap(),
        chain: Chain::from_der(&chain).unwrap(),
        response: Response::about(&issuer, &serial),
        issuer,
        responder,
        policy,
    }
}

impl Scene {
    fn judge_at(&self, staple: Option<&[u8]>, time: Timestamp) -> Result<Timestamp, OcspRefusal> {
        check_staple(&self.policy, staple, &self.chain, &self.anchors, time).map(|good| good.until)
    }

    fn judge(&self, edit: impl FnOnce(&mut Response)) -> Result<Timestamp, OcspRefusal> {
        self.judge_at(Some(&self.edited(edit)), now())
    }

    fn edited(&self, edit: impl FnOnce(&mut Response)) -> Vec<u8> {
        let mut response = self.response.clone();
        edit(&mut response);
        response.sign(&self.responder)
    }
}

#[test]
fn good() {
    let scene = scene();
    let until = at("20260602T110000");
    assert_eq!(scene.judge(|_| {}), Ok(until));
    assert_eq!(scene.judge(|response| response.hash = SHA_256), Ok(until));
    assert_eq!(scene.judge(|response| response.parameters.clear()), Ok(until));
    // The issuer is an anchor, and not in the chain.
    let root = Ca::root(|_| {});
    let chain = root.leaf(&[dns("in-cse.sp.example.org")], |draft| draft.serial = vec![9]);
    let chain = Chain::from_der(&chain).unwrap();
    let anchors = Anchors::from_pem(&root.pem(), now()).unwrap();
    let staple = Response::about(&root, &[9]).sign(&scene.responder);
    let verdict = check_staple(&scene.policy, Some(&staple), &chain, &anchors, now()).unwrap();
    assert_eq!(verdict.this_update, at("20260601T110000"));
    let verdict = check_staple(&scene.policy, Some(&staple), &chain, &Anchors::default(), now());
    assert_eq!(verdict, Err(OcspRefusal::UnknownIssuer("CN=Root".to_owned())));
}

#[test]
fn absent_or_unreadable() {
    let scene = scene();
    let malformed = |found: Result<_, OcspRefusal>| matches!(found, Err(OcspRefusal::Malformed { .. }));
    assert_eq!(scene.judge_at(None, now()), Err(OcspRefusal::Absent));
    assert_eq!(scene.judge_at(Some(&[]), now()), Err(OcspRefusal::Absent));
    assert_eq!(scene.judge_at(Some(&[0x30; 16385]), now()), Err(OcspRefusal::TooLong(16385)));
    assert!(malformed(scene.judge_at(Some(b"good"), now())));
    let whole = scene.edited(|_| {});
    for cut in 0..whole.len() {
        let found = scene.judge_at(Some(&whole[..cut]), now());
        assert!(found == Err(OcspRefusal::Absent) || malformed(found), "cut at {cut}");
    }
    assert!(malformed(scene.judge_at(Some(&[&whole[..], &[0]].concat()), now())));
    assert!(malformed(scene.judge(|response| response.kind = "1.3.6.1.5.5.7.48.1.2")));
    assert!(malformed(scene.judge(|response| response.status = vec![0x83, 0])));
    assert!(malformed(scene.judge(|response| response.status = vec![0x80, 1, 0])));
    for (number, name) in [
        (1, "malformedRequest"),
        (2, "internalError"),
        (3, "tryLater"),
        (5, "sigRequired"),
        (6, "unauthorized"),
    ] {
        let found = scene.judge(|response| response.outer = number);
        assert_eq!(found, Err(OcspRefusal::Unsuccessful(name)));
    }
}

#[test]
fn signed_by_the_configured_responder() {
    let scene = scene();
    let foreign = scene.response.sign(&scene.issuer.key);
    assert_eq!(scene.judge_at(Some(&foreign), now()), Err(OcspRefusal::Signature));
    let other = scene.judge(|response| {
        response.algorithm = ECDSA_SHA384;
        response.digest = MessageDigest::sha384;
    });
    assert_eq!(other, Err(OcspRefusal::SignatureAlgorithm));
    let weak = scene.judge(|response| response.digest = MessageDigest::sha1);
    assert_eq!(weak, Err(OcspRefusal::Signature));
    // Every bit of the response counts, save those of a certificate that nobody looks at; there is none here.
    let whole = scene.edited(|_| {});
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(scene.judge_at(Some(&flipped), now()).is_err(), "bit {bit}");
    }
}

#[test]
fn about_this_certificate() {
    let scene = scene();
    let other = Err(OcspRefusal::OtherCertificate);
    assert_eq!(scene.judge(|response| response.serial = vec![0x00, 0x91, 0x23]), other);
    assert_eq!(scene.judge(|response| response.issuer_name = common_name("Root")), other);
    assert_eq!(scene.judge(|response| response.issuer_key = spki(&scene.responder)[26..].to_vec()), other);
    assert_eq!(scene.judge(|response| response.hash = "2.16.840.1.101.3.4.2.2"), other);
    // About several: this one counts, each time it is spoken of.
    let mut foreign = scene.response.clone();
    foreign.serial = vec![3];
    foreign.status = revoked();
    let foreign = foreign.single();
    assert!(scene.judge(|response| response.more = foreign).is_ok());
    let mut again = scene.response.clone();
    again.hash = SHA_256;
    again.status = revoked();
    let again = again.single();
    assert_eq!(scene.judge(|response| response.more = again), Err(OcspRefusal::Revoked));
}

#[test]
fn good_and_nothing_else() {
    let scene = scene();
    assert_eq!(scene.judge(|response| response.status = revoked()), Err(OcspRefusal::Revoked));
    assert_eq!(scene.judge(|response| response.status = UNKNOWN.to_vec()), Err(OcspRefusal::Unknown));
    let critical = sequence(&[oid("1.3.6.1.4.1.32473.1"), boolean(true), tlv(0x04, &[5, 0])].concat());
    let found = scene.judge(|response| response.extensions = critical);
    assert_eq!(found, Err(OcspRefusal::Critical("extension 1.3.6.1.4.1.32473.1".to_owned())));
    let plain = sequence(&[oid("1.3.6.1.5.5.7.48.1.2"), tlv(0x04, &[4, 1, 7])].concat());
    assert!(scene.judge(|response| response.extensions = plain).is_ok());
}

/// thisUpdate <= now + 5 min; now < nextUpdate, or at most 24 hours old.
#[test]
fn at_the_given_time() {
    let scene = scene();
    let stale = |until: &str| Err(OcspRefusal::Stale(at(until)));
    let staple = scene.edited(|_| {});
    let judge = |time: &str| scene.judge_at(Some(&staple), at(time)).map(|_| ());
    assert_eq!(judge("20260601T105500"), Ok(()));
    assert_eq!(judge("20260601T105459"), Err(OcspRefusal::NotBegun(at("20260601T110000"))));
    assert_eq!(judge("20260602T105959"), Ok(()));
    assert_eq!(judge("20260602T110000"), stale("20260602T110000"));
    let endless = scene.edited(|response| {
        response.next_update = None;
        response.this_update = "20260531000000Z";
    });
    let judge = |time: &str| scene.judge_at(Some(&endless), at(time)).map(|_| ());
    assert_eq!(judge("20260531T235959"), Ok(()));
    assert_eq!(judge("20260601T000000"), stale("20260601T000000"));
    // It says itself how long it holds: longer than a day is in order.
    let long = scene.edited(|response| response.next_update = Some("20270601110000Z"));
    assert!(scene.judge_at(Some(&long), at("20270101T000000")).is_ok());
    let mut policy = scene.policy.clone();
    policy.skew = Duration::ZERO;
    let early = check_staple(&policy, Some(&staple), &scene.chain, &scene.anchors, at("20260601T105959"));
    assert_eq!(early.unwrap_err().alert(), 113);
}

#[test]
fn responder_keys() {
    let key = key();
    let raw = ResponderKey::read(&spki(&key)).unwrap();
    assert_eq!(ResponderKey::read(&pem("PUBLIC KEY", &spki(&key))).unwrap(), raw);
    let certificate = Ca::root(|_| {}).leaf(&[], |draft| draft.spki = spki(&key)).remove(0);
    assert_eq!(ResponderKey::read(&certificate).unwrap(), raw);
    assert_eq!(ResponderKey::read(&pem("CERTIFICATE", &certificate)).unwrap(), raw);
    for (bad, expected) in [
        (spki(&rsa()), "found \"RSA\""),
        (b"key".to_vec(), "PEM: no"),
        (pem("PRIVATE KEY", b"k"), "is a PRIVATE KEY"),
        (vec![0x30, 0x00], "is no certificate in DER"),
    ] {
        let found = ResponderKey::read(&bad).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn where_to_ask() {
    let root = Ca::root(|_| {});
    let access = |method: &str, location: Vec<u8>| sequence(&[oid(method), location].concat());
    let with = |accesses: Vec<Vec<u8>>| {
        let chain = root.leaf(&[], |draft| {
            draft.put("1.3.6.1.5.5.7.1.1", false, sequence(&accesses.concat()));
        });
        ocsp_url(&Chain::from_der(&chain).unwrap()).unwrap()
    };
    let ocsp = "1.3.6.1.5.5.7.48.1";
    let found = with(vec![
        access("1.3.6.1.5.5.7.48.2", uri("http://example.org/root.der")),
        access(ocsp, uri("ldap://example.org")),
        access(ocsp, uri("http://ocsp.example.org/")),
    ]);
    assert_eq!(found.as_deref(), Some("http://ocsp.example.org/"));
    assert_eq!(with(vec![access(ocsp, dns("ocsp.example.org"))]), None);
    let chain = Chain::from_der(&root.leaf(&[], |_| {})).unwrap();
    assert_eq!(ocsp_url(&chain), Ok(None));
    assert_eq!(ocsp_request(&chain, &Anchors::default()), None);
}

/// The program of OpenSSL understands the request, and its answer is understood here.
#[test]
fn with_the_responder_of_openssl() {
    let openssl = testkit::require("openssl", "openssl");
    let scene = scene();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).unwrap();
        path
    };
    let request = put("request.der", &ocsp_request(&scene.chain, &scene.anchors).unwrap());
    let ca = put("ca.pem", &scene.issuer.pem());
    let signer = scene.issuer.leaf(&[], |draft| {
        draft.spki = spki(&scene.responder);
        draft.purposes(&["1.3.6.1.5.5.7.3.9"]);
    });
    let signer = put("signer.pem", &pem("CERTIFICATE", &signer[0]));
    let key = put("key.pem", &scene.responder.private_key_to_pem_pkcs8().unwrap());
    for (index, expected) in [
        ("V\t280101000000Z\t\t9122\tunknown\t/CN=Leaf\n", None),
        ("R\t280101000000Z\t260501000000Z\t9122\tunknown\t/CN=Leaf\n", Some(OcspRefusal::Revoked)),
        ("V\t280101000000Z\t\t0A\tunknown\t/CN=Other\n", Some(OcspRefusal::Unknown)),
    ] {
        let index = put("index.txt", index.replace("\t9122", "\t009122").as_bytes());
        let response = folder.path().join("response.der");
        let done = std::process::Command::new(&openssl)
            .arg("ocsp")
            .arg("-index")
            .arg(&index)
            .arg("-CA")
            .arg(&ca)
            .arg("-rsigner")
            .arg(&signer)
            .arg("-rkey")
            .arg(&key)
            .arg("-reqin")
            .arg(&request)
            .arg("-respout")
            .arg(&response)
            .args(["-ndays", "1"])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let response = std::fs::read(&response).unwrap();
        // The program takes the time of the system; what it says of it is what counts here.
        let text = std::process::Command::new(&openssl)
            .args(["ocsp", "-noverify", "-resp_text", "-respin"])
            .arg(folder.path().join("response.der"))
            .output()
            .unwrap();
        assert!(text.status.success());
        let verdict = scene.judge_at(Some(&response), produced(&response));
        assert_eq!(verdict.err(), expected);
    }
}

/// When a response was produced: its first `GeneralizedTime`.
fn produced(response: &[u8]) -> Timestamp {
    let found = response.windows(2).position(|octets| octets == [0x18, 15]).unwrap();
    let text = std::str::from_utf8(&response[found + 2..found + 17]).unwrap();
    at(&format!("{}T{}", &text[..8], &text[8..14]))
}
