//! What `attache pki` says of certificates that `step` made: by default, and with the templates of docs/pki.md.
//! tests/step/README.md tells which `step` that was.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use support::attache;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/step")
}

fn check(arguments: &[&str]) -> (i32, Value) {
    let finished = attache(&folder(), &[&["--json", "pki", "check"], arguments].concat());
    (finished.code(), serde_json::from_str(finished.stdout.lines().next().unwrap_or("null")).unwrap())
}

/// Rule, place and clause of all that is broken.
fn broken(fact: &Value) -> Vec<[&str; 3]> {
    let rules = fact["broken"].as_array().unwrap();
    rules.iter().map(|rule| ["rule", "place", "clause"].map(|key| rule[key].as_str().unwrap())).collect()
}

#[test]
fn what_step_makes_with_the_templates_passes() {
    let cases = [
        ("cse.pem", "cse-id", "CSE-ID certificates", "mn-cse-7.in-cse.example.org"),
        ("ae.pem", "ae-id", "AE-ID certificates", "//example.org/in-cse/Clamp"),
        ("node.pem", "node-id", "Node-ID certificates", "urn:gsma:imei:90420156-025763-0"),
        ("device.pem", "device", "device certificates", "0.2.481.1.100.3030.10011"),
        ("mef.pem", "fqdn", "FQDN certificates", "mef.example.org"),
    ];
    for (file, flavour, judged, name) in cases {
        let (code, fact) = check(&[file, "--as", flavour, "--anchors", "root.pem"]);
        assert_eq!((code, broken(&fact)), (0, Vec::new()), "{file}");
        assert_eq!((&fact["judged"], &fact["names"][0]), (&judged.into(), &name.into()), "{file}");
    }
}

/// Without templates `step` makes good leaves, below authorities that may not be.
#[test]
fn what_step_makes_otherwise_is_told_its_rule() {
    const USAGE: [&str; 3] = ["DigitalSignature", "certificate 1, keyUsage", "TS-0003 §10.1.1.1"];
    const KEY: &str = "certificate 0, subjectPublicKeyInfo";
    const NAME: &str = "certificate 0, subjectAltName";
    let unconstrained = |clause| ["Constrained", "certificate 1, nameConstraints", clause];
    let unclear = ["UnclearConstraint", NAME, "RFC 5280 §4.2.1.10"];
    let cases: [(&str, &[[&str; 3]]); 5] = [
        ("default-cse.pem", &[USAGE, unconstrained("TS-0003 §8.1.2.2")]),
        (
            "default-rsa.pem",
            &[["KeyAlgorithm", KEY, "TS-0003 §10.1.1.1"], USAGE, unconstrained("TS-0003 §10.1.1.5")],
        ),
        ("p384.pem", &[["Curve", KEY, "TS-0003 §10.1.1.1"]]),
        ("wildcard.pem", &[["Wildcard", NAME, "TS-0003 §10.1.1.7"], unclear]),
        ("elsewhere.pem", &[["Permitted", NAME, "RFC 5280 §4.2.1.10"]]),
    ];
    for (file, expected) in cases {
        let (code, fact) = check(&[file]);
        assert_eq!((code, broken(&fact).as_slice()), (1, expected), "{file}");
    }
    let root = attache(&folder(), &["pki", "check", "cse.pem", "--anchors", "default-root.pem"]);
    assert_eq!(root.code(), 2);
    let said = "certificate 0, keyUsage: must include digitalSignature (TS-0003 §10.1.1.1)";
    assert!(root.stderr.contains(said), "{}", root.stderr);
}

/// A leaf of the default template, whose authority is one of the profile's, is in order.
#[test]
fn the_default_leaf_of_step_alone_passes() {
    let dir = tempfile::tempdir().unwrap();
    let chain = fs::read_to_string(folder().join("default-cse.pem")).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let leaf = chain.split_inclusive(end).next().unwrap();
    fs::write(dir.path().join("leaf.pem"), leaf).unwrap();
    let finished = attache(dir.path(), &["pki", "check", "leaf.pem"]);
    assert_eq!(finished.code(), 0, "{}", finished.stdout);
}

#[test]
fn a_request_by_step_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let made = attache(dir.path(), &["pki", "init", "--domain", "example.org"]);
    assert_eq!(made.code(), 0, "{}", made.stderr);
    let request = folder().join("cse.csr");
    let issue = |id: &str, out: &str| {
        let csr = ["--csr", request.to_str().unwrap(), "--out", out];
        attache(dir.path(), &[&["pki", "issue", "--cse-id", id, "--in-cse", "in-cse"][..], &csr].concat())
    };
    let issued = issue("//example.org/mn-cse-7", "gateway");
    assert_eq!(issued.code(), 0, "{}", issued.stderr);
    let other = issue("//example.org/mn-cse-8", "other");
    assert_eq!(other.code(), 2);
    assert!(other.stderr.contains("TS-0003 §10.1.1.7"), "{}", other.stderr);
}

/// The templates in docs/pki.md are those that made the certificates here.
#[test]
fn the_templates_are_those_of_the_documentation() {
    let page = fs::read_to_string(folder().join("../../docs/pki.md")).unwrap();
    for template in ["root.tpl", "names.tpl", "nodes.tpl", "device.tpl"] {
        let text = fs::read_to_string(folder().join(template)).unwrap();
        assert!(page.contains(&text), "{template}");
    }
}
