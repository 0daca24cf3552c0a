use std::{fmt::Write as _, path::Path};

use pki::{Constraints, Profile, Request, SubjectKey};

use crate::{Site, century, gateway, lamp, openssl};

/// A request by `openssl`, with these extensions.
fn request(dir: &Path, key: &str, extensions: &[&str], more: &str) -> Vec<u8> {
    let mut arguments = format!("req -new -key {key} -subj /CN=x -out request.pem {more}");
    for extension in extensions {
        write!(arguments, " -addext {extension}").unwrap();
    }
    openssl(dir, &arguments).unwrap();
    std::fs::read(dir.join("request.pem")).unwrap()
}

fn keys(dir: &Path) {
    openssl(dir, "ecparam -name prime256v1 -genkey -noout -out key.pem").unwrap();
    openssl(dir, "ecparam -name secp384r1 -genkey -noout -out p384.pem").unwrap();
    openssl(dir, "genrsa -out rsa.pem 2048").unwrap();
}

/// TS-0003 §10.1.4.
#[test]
fn a_request_that_asks_for_the_name_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let site = Site::new();
    let nodes = Constraints::none().no_other_dns().unwrap();
    let nodes = site.root.intermediate("Example nodes", &nodes, century(), &site.rng).unwrap();
    let node = Profile::NodeId("urn:gsma:imei:90420156-025763-0".parse().unwrap());
    for (profile, name) in [
        (gateway(), "DNS:mn-cse.in-cse.example.org"),
        (lamp(), "URI:m2m://example.org/mn-cse/Clamp"),
        (lamp(), "URI://example.org/mn-cse/Clamp"),
        (node, "URI:urn:gsma:imei:90420156-025763-0"),
    ] {
        let issuer = if matches!(profile, Profile::NodeId(_)) { &nodes } else { &site.names };
        let pem = request(dir.path(), "key.pem", &[&format!("subjectAltName={name}")], "-sha256");
        openssl(dir.path(), "req -in request.pem -outform DER -out request.der").unwrap();
        let der = std::fs::read(dir.path().join("request.der")).unwrap();
        for bytes in [pem, der] {
            let issued = issuer.issue(&profile, SubjectKey::Csr(&bytes), century(), &site.rng).unwrap();
            assert!(issued.key.is_none() && issued.key_pem.is_none());
            site.write(dir.path(), &issued);
            let of_certificate = openssl(dir.path(), "x509 -in chain.pem -noout -pubkey").unwrap();
            assert_eq!(of_certificate, openssl(dir.path(), "pkey -in key.pem -pubout").unwrap());
        }
    }
}

#[test]
fn any_other_request_is_refused_with_field_and_clause() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let site = Site::new();
    let right = "subjectAltName=DNS:mn-cse.in-cse.example.org";
    let refused = |bytes: &[u8]| {
        let result = site.names.issue(&gateway(), SubjectKey::Csr(bytes), century(), &site.rng);
        result.unwrap_err().to_string()
    };
    let cases: [(&str, &[&str], &str, &str); 9] = [
        (
            "key.pem",
            &[],
            "-sha256",
            "subjectAltName: missing; expected DNS:mn-cse.in-cse.example.org (TS-0003 §10.1.4)",
        ),
        (
            "key.pem",
            &["subjectAltName=DNS:mn-cse2.in-cse.example.org"],
            "-sha256",
            "subjectAltName: expected DNS:mn-cse.in-cse.example.org, found DNS:mn-cse2.in-cse.example.org (TS-0003 \
             §10.1.1.7)",
        ),
        (
            "key.pem",
            &["subjectAltName=DNS:MN-cse.in-cse.example.org"],
            "-sha256",
            "found DNS:MN-cse.in-cse.example.org",
        ),
        ("key.pem", &["subjectAltName=URI:mn-cse.in-cse.example.org"], "-sha256", "found URI:mn-cse.in"),
        (
            "key.pem",
            &["subjectAltName=DNS:mn-cse.in-cse.example.org,DNS:other.example.org"],
            "-sha256",
            "alone, found 2 names (TS-0003 §10.1.1.7)",
        ),
        ("key.pem", &[right, "basicConstraints=CA:TRUE"], "-sha256", "basicConstraints: asks to become"),
        ("key.pem", &[right], "-sha384", "signature: expected ECDSA with SHA-256 (TS-0003 §10.1.1.1)"),
        ("p384.pem", &[right], "-sha256", "subjectPublicKeyInfo: expected an uncompressed point of P-256"),
        ("rsa.pem", &[right], "-sha256", "subjectPublicKeyInfo: expected an uncompressed point of P-256"),
    ];
    for (key, extensions, more, message) in cases {
        let text = refused(&request(dir.path(), key, extensions, more));
        assert!(text.starts_with("certificate request, ") && text.contains(message), "{text}");
    }
    let good = request(dir.path(), "key.pem", &[right], "-sha256 -outform DER");
    assert!(Request::from_bytes(&good).is_ok());
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(refused(&flipped).contains("signature: does not verify"), "{}", refused(&flipped));
    for rubbish in
        [&b""[..], b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &good[..40]]
    {
        assert!(refused(rubbish).contains("certificate request, form:"), "{}", refused(rubbish));
    }
    assert!(refused(&vec![0x30; 70_000]).contains("64 KiB"));
}

/// Whatever is done to one octet of a request, nothing panics and no other name slips in.
#[test]
fn damaged_requests_are_no_others() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let good = request(
        dir.path(),
        "key.pem",
        &["subjectAltName=DNS:mn-cse.in-cse.example.org"],
        "-sha256 -outform DER",
    );
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let accepted = Request::from_bytes(&bad).is_ok_and(|request| request.check_names(&gateway()).is_ok());
        assert!(!accepted, "octet {at}");
    }
}
