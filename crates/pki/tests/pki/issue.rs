use keys::SeededRng;
use pki::{
    Authority, Constraints, DeviceId, Issued, PkiError, PrivateKey, Profile, SubjectKey, Validity,
    self_signed,
};

use crate::{Site, century, gateway, lamp, openssl};

const VERIFY: &str = "verify -x509_strict -CAfile root.pem -untrusted chain.pem chain.pem";

/// A certificate that nobody has looked at before it was signed.
fn unchecked(authority: &Authority, profile: &Profile, site: &Site) -> Issued {
    authority.issue_twisted(profile, SubjectKey::Fresh, century(), &site.rng, &[]).unwrap()
}

/// TS-0003 §10.1.1.1, §10.1.1.3: one certificate of each flavour.
#[test]
fn every_profile_verifies_strictly() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    let nodes = site
        .root
        .intermediate("Example nodes", &Constraints::none().no_other_dns().unwrap(), century(), &site.rng)
        .unwrap();
    let node = Profile::NodeId("urn:gsma:imei:90420156-025763-0".parse().unwrap());
    let device = Profile::Device("0.2.481.1/100.3030.10011".parse().unwrap());
    let cases = [
        (&site.names, gateway(), "DNS:mn-cse.in-cse.example.org"),
        (&site.names, lamp(), "URI:m2m://example.org/mn-cse/Clamp"),
        (&site.names, Profile::Fqdn("mef.example.org".parse().unwrap()), "DNS:mef.example.org"),
        (&nodes, node, "URI:urn:gsma:imei:90420156-025763-0"),
        (&nodes, Profile::NodeId("1.2.481.7".parse().unwrap()), "URI:urn:oid:1.2.481.7"),
        (&nodes, device, "othername:"),
    ];
    for (authority, profile, name) in cases {
        let issued = authority.issue(&profile, SubjectKey::Fresh, century(), &site.rng).unwrap();
        site.write(dir.path(), &issued);
        let text = openssl(dir.path(), "x509 -in chain.pem -noout -text").unwrap();
        for fact in [
            name,
            "ASN1 OID: prime256v1",
            "Signature Algorithm: ecdsa-with-SHA256",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
        ] {
            assert!(text.contains(fact), "{profile}: {fact} is missing in\n{text}");
        }
        assert_eq!(openssl(dir.path(), VERIFY).unwrap().trim(), "chain.pem: OK", "{profile}");
        let of_certificate = openssl(dir.path(), "x509 -in chain.pem -noout -pubkey").unwrap();
        let of_key = openssl(dir.path(), "pkey -in key.pem -pubout").unwrap();
        assert_eq!(of_certificate, of_key);
    }
}

/// TS-0003 §10.1.1.4.1; register A-10: the arc as type-id, the rest as RELATIVE-OID.
#[test]
fn a_device_id_is_split_where_it_says() {
    let site = Site::new();
    let device = Profile::Device("0.2.481.1/100.3030.10011".parse().unwrap());
    let issued = site.issue(&device);
    // 0.2.481.1 in four octets; 100, 3030 and 10011 in one, two and two.
    let value = [0x0d, 0x05, 0x64, 0x97, 0x56, 0xce, 0x1b];
    let leaf = issued.leaf_der();
    let type_id = [0x06, 0x04, 0x02, 0x83, 0x61, 0x01];
    let at = leaf.windows(type_id.len()).position(|window| window == type_id).unwrap();
    assert_eq!(leaf[at + type_id.len()..][..2], [0xa0, 0x07]);
    assert_eq!(leaf[at + type_id.len() + 2..][..value.len()], value);

    let split: DeviceId = "0.2.481.1.100.3030.10011".parse().unwrap();
    assert_eq!(split, "0.2.481.1/100.3030.10011".parse().unwrap());
    assert_eq!(split.to_string(), "0.2.481.1.100.3030.10011");
    for bad in
        ["", "0.2", "0.2.x.1", "0.2.481.1/", "0.2.481.1/01", "1..2.3.4", "0.2.481.1/4294967296", "9.9/1"]
    {
        let error = bad.parse::<DeviceId>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("M2M Device ID \"{bad}\": expected")), "{error}");
    }
}

#[test]
fn a_seed_repeats_every_octet() {
    let (once, again) = (Site::new(), Site::new());
    let (a, b) = (once.issue(&lamp()), again.issue(&lamp()));
    assert_eq!(a.chain_der, b.chain_der);
    assert_eq!(a.key_pem, b.key_pem);
    assert_ne!(a.serial, once.issue(&lamp()).serial);
    assert_eq!(a.serial.octets().len(), 16);
}

/// RFC 5280 §4.2.1.10: `openssl` sees the constraints and refuses what lies outside.
#[test]
fn constraints_hold() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    for (elsewhere, name) in [
        (Profile::Fqdn("mef.example.net".parse().unwrap()), "mef.example.net"),
        (Profile::AeId("//in.example.org/Slamp".parse().unwrap()), "m2m://in.example.org/Slamp"),
    ] {
        let refused = site.names.issue(&elsewhere, SubjectKey::Fresh, century(), &site.rng).unwrap_err();
        assert!(refused.to_string().starts_with("certificate 0, subjectAltName: "), "{refused}");
        assert!(refused.to_string().contains(name), "{refused}");
        site.write(dir.path(), &unchecked(&site.names, &elsewhere, &site));
        assert!(openssl(dir.path(), VERIFY).unwrap_err().contains("permitted subtree violation"));
    }

    let devices = Constraints::none()
        .permit_devices(&"0.2.481.1/100.3030".parse().unwrap())
        .and_then(Constraints::no_other_dns)
        .and_then(Constraints::no_other_uri)
        .unwrap();
    let devices = site.root.intermediate("Example devices", &devices, century(), &site.rng).unwrap();
    std::fs::write(dir.path().join("devices.pem"), devices.certificate_pem().unwrap()).unwrap();
    let text = openssl(dir.path(), "x509 -in devices.pem -noout -text").unwrap();
    for line in ["X509v3 Name Constraints: critical", "DNS:invalid", "URI:invalid", "pathlen:0"] {
        assert!(text.contains(line), "{text}");
    }
    for profile in [gateway(), lamp()] {
        site.write(dir.path(), &unchecked(&devices, &profile, &site));
        assert!(openssl(dir.path(), VERIFY).is_err(), "{profile}");
        assert!(devices.issue(&profile, SubjectKey::Fresh, century(), &site.rng).is_err(), "{profile}");
    }
    for (device, permitted) in [("0.2.481.1/100.3030.7", true), ("0.2.481.1/100.3031.7", false)] {
        let device = Profile::Device(device.parse().unwrap());
        let issued = devices.issue(&device, SubjectKey::Fresh, century(), &site.rng);
        assert_eq!(issued.is_ok(), permitted, "{device}");
    }
    let closed = Constraints::none().no_other_devices().unwrap();
    let closed = site.root.intermediate("Example closed", &closed, century(), &site.rng).unwrap();
    let device = Profile::Device("0.2.481.1/100.3030.7".parse().unwrap());
    let refused = closed.issue(&device, SubjectKey::Fresh, century(), &site.rng).unwrap_err();
    assert!(matches!(refused, PkiError::Profile(_)), "{refused}");
}

#[test]
fn a_root_may_issue_and_comes_back_from_its_parts() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    let key = PrivateKey::from_bytes(site.root.key().to_pem().unwrap().as_bytes()).unwrap();
    let root = Authority::from_parts(site.root.path().to_vec(), key).unwrap();
    let issued = root.issue(&gateway(), SubjectKey::Fresh, century(), &site.rng).unwrap();
    assert_eq!(issued.chain_der.len(), 1);
    site.write(dir.path(), &issued);
    assert!(openssl(dir.path(), VERIFY).is_ok());

    let foreign = PrivateKey::generate(&site.rng).unwrap();
    let error = Authority::from_parts(site.root.path().to_vec(), foreign).unwrap_err();
    assert_eq!(error.to_string(), "the private key does not belong to the certificate \"CN=Example root\"");
    let leaf = Authority::from_parts(issued.chain_der, issued.key.unwrap()).unwrap_err();
    assert!(leaf.to_string().contains("basicConstraints"), "{leaf}");
    assert!(Authority::from_parts(vec![], PrivateKey::generate(&site.rng).unwrap()).is_err());
    assert!(Authority::from_parts(vec![vec![0x30, 0]], PrivateKey::generate(&site.rng).unwrap()).is_err());
}

/// TS-0003 §10.1.2: what is enrolled by the hash of its key.
#[test]
fn self_signed_certificates_verify_with_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let issued = self_signed("lamp 7", None, century(), &SeededRng::new(3)).unwrap();
    std::fs::write(dir.path().join("self.pem"), &issued.chain_pem).unwrap();
    assert!(openssl(dir.path(), "verify -partial_chain -trusted self.pem self.pem").is_ok());
    let key = issued.key.unwrap();
    let again = self_signed("lamp 7", Some(&key), century(), &SeededRng::new(4)).unwrap();
    assert!(again.key.is_none());
}

#[test]
fn foreign_keys_are_read_and_others_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &str| openssl(dir.path(), arguments).unwrap();
    run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out pkcs8.pem");
    run("ecparam -name prime256v1 -genkey -out sec1.pem");
    run("pkcs8 -topk8 -nocrypt -in sec1.pem -outform DER -out pkcs8.der");
    run("ec -in sec1.pem -outform DER -out sec1.der");
    let read = |name: &str| PrivateKey::from_bytes(&std::fs::read(dir.path().join(name)).unwrap());
    let sec1 = read("sec1.pem").unwrap();
    for name in ["pkcs8.der", "sec1.der"] {
        assert_eq!(read(name).unwrap().spki_der().unwrap(), sec1.spki_der().unwrap(), "{name}");
    }
    assert!(read("pkcs8.pem").is_ok());

    run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem");
    run("genrsa -out rsa.pem 2048");
    run("pkcs8 -topk8 -in sec1.pem -passout pass:x -out locked.pem");
    std::fs::write(dir.path().join("rubbish"), b"rubbish").unwrap();
    std::fs::write(dir.path().join("cut.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
    for name in ["p384.pem", "rsa.pem", "locked.pem", "rubbish", "cut.pem"] {
        let error = read(name).unwrap_err().to_string();
        assert!(error.contains("expected a P-256 key") && error.contains("§10.1.1.1"), "{error}");
    }
    assert_eq!(format!("{sec1:?}"), "PrivateKey(..)");
}

#[test]
fn dates_and_names_that_cannot_be() {
    let early = "20260101T000000".parse().unwrap();
    let error = Validity::new(early, early).unwrap_err();
    assert_eq!(
        error.to_string(),
        "validity from 20260101T000000 to 20260101T000000: the end must be after the beginning"
    );
    assert!(Validity::new("19691231T235959".parse().unwrap(), early).is_err());
    assert!(Validity::days(early, u32::MAX).is_ok());
    let site = Site::new();
    let nameless = Profile::NodeId("x".parse().unwrap());
    let error = site.names.issue(&nameless, SubjectKey::Fresh, century(), &site.rng).unwrap_err();
    assert!(matches!(error, PkiError::Name { what: "M2M-Node-ID", .. }), "{error}");
    let long = Profile::Fqdn(format!("{}.example.org", "a".repeat(60)).parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    site.write(dir.path(), &site.issue(&long));
    let text = openssl(dir.path(), "x509 -in chain.pem -noout -text").unwrap();
    assert!(text.contains("Subject: \n") && text.contains("Subject Alternative Name: critical"), "{text}");
    assert!(openssl(dir.path(), VERIFY).is_ok());
}
