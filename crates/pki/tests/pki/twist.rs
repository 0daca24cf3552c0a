use pki::{
    Constraints, PrivateKey, Profile, Serial, SubjectKey,
    testing::{San, Twist},
};

use crate::{Site, century, gateway, openssl};

/// Each twist does what it says, as far as `openssl` can tell.
#[test]
fn every_twist_leaves_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    let foreign = PrivateKey::generate(&site.rng).unwrap();
    let serial: Serial = "01".parse().unwrap();
    let names = [
        San::Dns("*.example.org"),
        San::Uri("m2m://example.org/Sx"),
        San::Email("a@b"),
        San::Device("0.2.481.1", "100.1.2"),
        San::OtherText("0.2.481.1", "text"),
        San::OtherNull("0.2.481.1"),
    ];
    let present = [
        (Twist::KeyUsageWithoutSignature, "Key Agreement"),
        (Twist::Names(&names), "DNS:*.example.org, URI:m2m://example.org/Sx, email:a@b, othername"),
        (Twist::NoExtensions, "Version: 1 (0x0)"),
        (Twist::UnknownCritical, "1.3.6.1.4.1.32473.1: critical"),
        (Twist::Authority, "CA:TRUE"),
        (Twist::NoAuthority, "CA:FALSE"),
        (Twist::P384Key, "ASN1 OID: secp384r1"),
        (Twist::RsaKey, "rsaEncryption"),
        (Twist::CompressedPoint, "ASN1 OID: prime256v1"),
        (Twist::Sha384, "ecdsa-with-SHA384"),
        (Twist::IssuerName("somebody"), "Issuer: CN = somebody"),
        (Twist::Purposes(&["1.3.6.1.5.5.7.3.4"]), "E-mail Protection"),
        (Twist::SerialNumber(&serial), "Serial Number: 1 (0x1)"),
    ];
    let text = |twist| {
        let twisted = site.names.issue_twisted(&gateway(), SubjectKey::Fresh, century(), &site.rng, &[twist]);
        site.write(dir.path(), &twisted.unwrap());
        openssl(dir.path(), "x509 -in chain.pem -noout -text").unwrap()
    };
    for (twist, mark) in present {
        let text = text(twist);
        assert!(text.contains(mark), "{twist:?}: {mark} is missing in\n{text}");
    }
    let absent = [
        (Twist::NoKeyUsage, "X509v3 Key Usage"),
        (Twist::NoNames, "Alternative Name"),
        (Twist::NoKeyIdentifiers, "Key Identifier"),
        (Twist::NoExtensions, "X509v3"),
    ];
    for (twist, mark) in absent {
        let text = text(twist);
        assert!(!text.contains(mark), "{twist:?}: {mark} stands in\n{text}");
    }
    assert_eq!(text(Twist::NamesTwice).matches("X509v3 Subject Alternative Name").count(), 2);

    const VERIFY: &str = "verify -x509_strict -CAfile root.pem -untrusted chain.pem chain.pem";
    for twist in
        [Twist::BadSignature, Twist::SignedBy(&foreign), Twist::UnknownCritical, Twist::IssuerName("x")]
    {
        text(twist);
        assert!(openssl(dir.path(), VERIFY).is_err(), "{twist:?}");
    }
}

#[test]
fn authorities_can_be_twisted_too() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    for twist in
        [Twist::NoAuthority, Twist::NoBasicConstraints, Twist::KeyUsageWithoutCertSign, Twist::NoKeyUsage]
    {
        let twists = [twist];
        let none = Constraints::none();
        let below =
            site.root.intermediate_twisted("Twisted", &none, Some(0), century(), &site.rng, &twists).unwrap();
        let mef = Profile::Fqdn("mef.example.org".parse().unwrap());
        assert!(below.issue(&mef, SubjectKey::Fresh, century(), &site.rng).is_err(), "{twist:?}");
        let leaf = below.issue_twisted(&mef, SubjectKey::Fresh, century(), &site.rng, &[]).unwrap();
        site.write(dir.path(), &leaf);
        let verified =
            openssl(dir.path(), "verify -x509_strict -CAfile root.pem -untrusted chain.pem chain.pem");
        assert!(verified.is_err(), "{twist:?}");
    }
    let root =
        pki::Authority::root_twisted("R", &Constraints::none(), century(), &site.rng, &[Twist::NoAuthority]);
    assert!(root.is_ok());
}
