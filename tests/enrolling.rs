//! Enrolling devices that hold no symmetric key: public keys, names in certificates, identity tokens.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::fs;

use serde_json::Value;
use support::World;

const LIGHT: &str = "//example.org/mn-cse-123456/Clight1";
const OTHER: &str = "//example.org/mn-cse-123456/Clight2";
/// The hash of [`KEY`] and of the key in [`CERTIFICATE`].
const ID: &str = "30-sha-256.j1hQXw-ZFjJV51CchNAPAiXV6TwyCHxBeMPLA17hkwM";
const SHORT: &str = "ni:///sha-256-120;j1hQXw-ZFjJV51CchNAP";
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEelLjzq9km3e2eOHcNm8LJFbLBw2T
uWtW+ZNcYm0X+KuMeghLEuhN3YHmA2OEmfEoi52diHyex1vttfO6yr0mtA==
-----END PUBLIC KEY-----
";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBdjCCAR2gAwIBAgIUMfISdQognyo8mVs5/cL7UgG1UAUwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFbGlnaHQwIBcNMjYxMTIxMDcyNzE4WhgPMjEyNjEwMjgwNzI3
MThaMBAxDjAMBgNVBAMMBWxpZ2h0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
elLjzq9km3e2eOHcNm8LJFbLBw2TuWtW+ZNcYm0X+KuMeghLEuhN3YHmA2OEmfEo
i52diHyex1vttfO6yr0mtKNTMFEwHQYDVR0OBBYEFLuTR+Yt8/VD/Y7ops1htG6h
/Ej0MB8GA1UdIwQYMBaAFLuTR+Yt8/VD/Y7ops1htG6h/Ej0MA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgYPcti/T/GkL6nqbGahptVY1SZ0R6svyR
OmgKvKYd2scCIFjEPhwFoAcN0bN3HMIlFI9HTgKjB03TA/CK6bfUxJLO
-----END CERTIFICATE-----
";
const P_384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEJ5MK1vpdhGqL1hHYP4gge+mraAP45R3+
bkJ31jwvVv9dy0ftCGryvIseucOW4wCH/MDy5oS8HHApPYhv0/4m20pJ0mE1GlAH
F0w3HYkWIW5GnsRFBPbCuaw4479GJZmi
-----END PUBLIC KEY-----
";
const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDPQUByAnIa3Lm9yWCKH2IBXG2U
WFHEt2QKKfz8eiV1aTzQ7HCWYn3jLRgHe3x/7ubPixL13M+pm297vLpt5rP4luvd
3w9sEiwaEb53jBNdGLJlmN3G7R8s2eaIcDu4zkkxdONdpQJ0Jr1u6mCWYQsB8A60
gTuz3n4BoOxEuZddLwIDAQAB
-----END PUBLIC KEY-----
";

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn world() -> World {
    let world = World::prepared("");
    for (name, contents) in
        [("key.pem", KEY), ("cert.pem", CERTIFICATE), ("p384.pem", P_384), ("rsa.pem", RSA)]
    {
        fs::write(world.path(name), contents).unwrap();
    }
    world
}

fn did(world: &World, arguments: &[&str]) -> String {
    let mut all = vec!["--json", "credential"];
    all.extend(arguments);
    world.run(&all).success().stdout
}

fn fails(world: &World, arguments: &[&str], words: &[&str]) {
    let mut all = vec!["credential"];
    all.extend(arguments);
    let before = world.path("attache.db").exists().then(|| world.digest());
    let finished = world.run(&all);
    assert_eq!(finished.code(), 2, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{arguments:?}: {word:?} is not in: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert_eq!(world.path("attache.db").exists().then(|| world.digest()), before, "{arguments:?}");
}

/// The same key, however it is given, is enrolled once.
#[test]
fn a_public_key_is_enrolled() {
    for given in ["key.pem", "cert.pem", &ID[3..]] {
        let world = world();
        let added = json(&did(&world, &["add", "--public-key", given, "--ae-id", LIGHT]));
        assert_eq!((&added["added"], &added["method"]), (&ID.into(), &"public-key".into()), "{given}");
        for again in ["key.pem", "cert.pem", SHORT, &ID[3..]] {
            fails(&world, &["add", "--public-key", again, "--ae-id", OTHER], &[ID, "already"]);
        }
        let label = world.run(&["credential", "show", ID]).success().stdout;
        assert!(label.contains("nih:sha-256;") && label.contains(LIGHT), "{label}");
        for name in [ID, &ID[3..], &format!("ni:///{}", ID[3..].replacen('.', ";", 1))] {
            let shown = json(&did(&world, &["show", name]));
            assert_eq!((&shown["credential_id"], &shown["entity"]), (&ID.into(), &LIGHT.into()), "{name}");
        }
    }
}

/// A token is shown once, to whoever asked for it, and is nowhere afterwards.
#[test]
fn a_token_is_shown_once() {
    let world = world();
    let issued = json(&did(&world, &["add", "--token", "--ae-id", LIGHT, "--not-after", "20991231T235959"]));
    let (id, token) = (issued["added"].as_str().unwrap(), issued["token"].as_str().unwrap());
    assert!(id.starts_with("90-") && token.len() == 32, "{issued}");
    let later = [
        did(&world, &["list"]),
        did(&world, &["show", id]),
        world.run(&["--json", "inspect", "audit"]).success().stdout,
    ];
    for text in &later {
        assert!(text.contains(id) && !text.contains(token), "{text}");
    }
    for file in fs::read_dir(world.folder.path()).unwrap() {
        let contents = fs::read(file.unwrap().path()).unwrap();
        assert!(!contents.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    let plain = world.run(&["credential", "add", "--token", "--ae-id", OTHER]).success().stdout;
    assert!(plain.contains("token, shown this once: "), "{plain}");
    fails(&world, &["add", "--token"], &["stands for one entity"]);
    fails(&world, &["show", token], &["there is no credential"]);
}

#[test]
fn names_in_certificates_are_enrolled() {
    let world = world();
    let node = "urn:gsma:imei:90420156-025763-0";
    for (name, id) in [
        ("cse:mn-7.in-cse.EXAMPLE.org", "32-mn-7.in-cse.example.org".to_owned()),
        ("ae://example.org/Sphone", "33-Sphone.example.org".to_owned()),
        ("device:0.2.481.1.100.3030.10011", "31-0.2.481.1.100.3030.10011".to_owned()),
        (&format!("node:{node}"), format!("34-{node}")),
    ] {
        assert_eq!(json(&did(&world, &["add", "--certificate-name", name]))["added"], id, "{name}");
        assert_eq!(json(&did(&world, &["show", &id]))["credential_id"], id);
    }
    let list = ["--allowed-ae-id", LIGHT, "--allowed-ae-id", OTHER];
    let add = [&["add", "--certificate-name", "device:1.2.3"][..], &list].concat();
    drop(did(&world, &add));
    let shown = json(&did(&world, &["show", "31-1.2.3"]));
    assert_eq!(shown["allowed_ae_ids"], serde_json::json!([LIGHT, OTHER]));
    let behind: Vec<Value> = did(&world, &["list", "--after", "32-mn-7.in-cse.example.org"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(behind.len(), 2, "the last two by their Credential-IDs: {behind:?}");
    assert_eq!(did(&world, &["list", "--limit", "3"]).lines().count(), 3);
}

/// The list of a device is replaced whole, on the record, or left as it is.
#[test]
fn a_list_is_replaced_by_another() {
    let world = world();
    let device = "31-1.2.3";
    drop(did(&world, &["add", "--certificate-name", "device:1.2.3", "--allowed-ae-id", LIGHT]));
    let both = ["allow", device, "--allowed-ae-id", OTHER, "--allowed-ae-id", LIGHT];
    let allowed = json(&did(&world, &both));
    assert_eq!((&allowed["changed"], &allowed["version"]), (&true.into(), &2.into()), "{allowed}");
    let shown = json(&did(&world, &["show", device]));
    assert_eq!(shown["allowed_ae_ids"], serde_json::json!([LIGHT, OTHER]));
    let audit = world.run(&["inspect", "audit"]).success().stdout;
    assert!(audit.lines().next().unwrap().contains("credential.allow"), "{audit}");
    let again = json(&did(&world, &both));
    assert_eq!((&again["changed"], &again["version"]), (&false.into(), &2.into()), "{again}");
    assert_eq!(world.run(&["inspect", "audit"]).success().stdout, audit);
    drop(did(&world, &["allow", device, "--allowed-ae-id", OTHER]));
    assert_eq!(json(&did(&world, &["show", device]))["allowed_ae_ids"], serde_json::json!([OTHER]));

    fs::write(world.path("psk"), "000102030405060708090a0b0c0d0e0f").unwrap();
    drop(did(&world, &["add", "--psk-identity", "a@x.org", "--key-file", "psk", "--ae-id", LIGHT]));
    drop(did(&world, &["add", "--certificate-name", "device:1.2.4", "--ae-id", LIGHT]));
    drop(did(&world, &["add", "--public-key", "key.pem", "--ae-id", LIGHT]));
    drop(did(&world, &["add", "--certificate-name", "device:1.2.5", "--allowed-ae-id", LIGHT]));
    drop(did(&world, &["revoke", "31-1.2.5"]));
    let list = ["--allowed-ae-id", OTHER];
    for (arguments, words) in [
        ([&["allow", "a@x.org"][..], &list].concat(), ["12-a@x.org", "rebind"]),
        ([&["allow", "31-1.2.4"][..], &list].concat(), ["31-1.2.4", "the place of one identity"]),
        ([&["allow", ID][..], &list].concat(), [ID, "only a device or Node-ID certificate"]),
        ([&["allow", "31-1.2.5"][..], &list].concat(), ["31-1.2.5", "revoked"]),
        (vec!["allow", "31-1.2.5", "--allowed-ae-id", LIGHT], ["31-1.2.5", "revoked"]),
        ([&["allow", "31-9.9"][..], &list].concat(), ["31-9.9", "there is no credential"]),
        ([&["allow", device][..], &list, &list].concat(), [device, "each of them once"]),
        (vec!["allow", device], ["--allowed-ae-id", "required"]),
        (
            vec!["allow", device, "--allowed-ae-id", "//example.org/mn-2/Cx"],
            ["//example.org/mn-2/Cx", "mn-cse-123456"],
        ),
    ] {
        fails(&world, &arguments, &words);
    }
}

/// Keys and what is no key are listed, shown and withdrawn in one way; each alteration is a line of the audit.
#[test]
fn all_kinds_are_revoked_and_rebound() {
    let world = world();
    fs::write(world.path("psk"), "000102030405060708090a0b0c0d0e0f").unwrap();
    let psk = ["add", "--psk-identity", "light1@home.example.org", "--key-file", "psk", "--ae-id", LIGHT];
    drop(did(&world, &psk));
    drop(did(&world, &["add", "--public-key", "key.pem", "--ae-id", LIGHT]));
    assert_eq!(did(&world, &["list"]).lines().count(), 2);
    let rebound = json(&did(&world, &["rebind", "--token", "--ae-id", LIGHT]));
    assert_eq!(rebound["withdrawn"], serde_json::json!(["12-light1@home.example.org", ID]));
    let token = rebound["credential_id"].as_str().unwrap().to_owned();
    assert!(rebound["token"].as_str().is_some_and(|text| text.len() == 32), "{rebound}");
    for old in ["light1@home.example.org", "12-light1@home.example.org", ID] {
        assert_eq!(json(&did(&world, &["show", old]))["state"], "revoked", "{old}");
    }
    fails(&world, &["rebind", "--public-key", "key.pem", "--ae-id", LIGHT], &[ID, "already"]);
    assert_eq!(json(&did(&world, &["revoke", &token]))["already"], false);
    assert_eq!(json(&did(&world, &["revoke", &token]))["already"], true);
    fails(&world, &["revoke", "31-9.9.9"], &["31-9.9.9", "there is no credential"]);
    let audit = world.run(&["inspect", "audit"]).success().stdout;
    for line in ["credential.rebind", "credential.revoke", "public-key"] {
        assert!(audit.contains(line), "{line} is not in: {audit}");
    }
}

/// One clear line that names the argument, the file, what is wrong and where that is written.
#[test]
fn what_cannot_be_enrolled_is_named() {
    let world = world();
    fs::write(world.path("noise"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(world.path("text"), "hello").unwrap();
    drop(did(&world, &["add", "--certificate-name", "device:0.0"]));
    let key = |given: &'static str| vec!["add", "--public-key", given, "--ae-id", LIGHT];
    let name = |given: &'static str| vec!["add", "--certificate-name", given];
    for (arguments, words) in [
        (key("rsa.pem"), ["--public-key rsa.pem", "RSA"]),
        (key("p384.pem"), ["--public-key p384.pem", "P-384"]),
        (key("noise"), ["--public-key noise", "certificate"]),
        (key("text"), ["--public-key text", "RFC 7468"]),
        (key("absent"), ["--public-key absent", "No such file"]),
        (key("ni:///sha-1;AAAA"), ["ni:///sha-1", "sha-256-120"]),
        (key("nih:sha-256-120;5326-9057-e12f-e2b7-4ba0-7c89-2560-a2;e"), ["nih:", "TS-0003"]),
        (name("mn-7"), ["--certificate-name mn-7", "cse:DNS-NAME"]),
        (name("cse:"), ["--certificate-name cse:", "TS-0003 §10.1.1.7"]),
        (name("cse:*.example.org"), ["no certificate can hold it", "TS-0003 §10.1.1.7"]),
        (name("cse:in-cse"), ["no certificate can hold it", "TS-0003 §10.1.1.7"]),
        (name("ae:Clight1"), ["--certificate-name ae:Clight1", "AE-ID"]),
        (name("device:a b"), ["--certificate-name device:a b", "TS-0003 §10.1.1.4.1"]),
        (name("device:1.2.x"), ["no certificate can hold it", "TS-0003 §10.1.1.4.1"]),
        (name("node:a b"), ["--certificate-name node:a b", "TS-0003 §10.1.1.8"]),
        (name("node:gateway"), ["no certificate can hold it", "TS-0003 §10.1.1.8"]),
        (vec!["add", "--certificate-name", "cse:mn-7.in.example.org", "--ae-id", LIGHT], ["32-mn-7", "CSE"]),
        (
            vec!["add", "--token", "--ae-id", "//example.org/mn-2/Cx"],
            ["//example.org/mn-2/Cx", "mn-cse-123456"],
        ),
        (
            vec!["add", "--token", "--ae-id", LIGHT, "--not-after", "20200101T000000"],
            ["--not-after", "later"],
        ),
        (vec!["add", "--token", "--generate", "--ae-id", LIGHT], ["--token", "--generate"]),
        (vec!["add", "--psk-identity", "a@x.org"], ["--generate", "--key-file"]),
        (vec!["add", "--ae-id", LIGHT], ["--psk-identity", "--token"]),
        (vec!["add", "--token", "--public-key", "key.pem"], ["--token", "--public-key"]),
        (vec!["add", "--token", "--allowed-ae-id", LIGHT], ["--token", "--allowed-ae-id"]),
        (
            vec!["add", "--public-key", "key.pem", "--chain-anchors", "key.pem"],
            ["--chain-anchors key.pem", ""],
        ),
        (vec!["add", "--public-key", "key.pem", "--chain-anchors", "no"], ["--chain-anchors no", "No such"]),
        (vec!["rotate", "light1@home.example.org"], ["--generate", "--key-file"]),
    ] {
        fails(&world, &arguments, &words);
    }
}
