use onem2m::time::Timestamp;
use pki::{
    Profile, Reason, Revocation, Serial, SubjectKey,
    ocsp::{self, CertId, IssuerHash, Question, Refusal, Responder, Span, Status},
};

use crate::{Site, century, gateway, lamp, openssl};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Half a century, so that no clock decides a test.
fn span() -> Span {
    Span { this_update: at("20200101T000000"), next_update: Some(at("20900101T000000")) }
}

/// RFC 5280 §5.
#[test]
fn openssl_follows_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    let (good, bad) = (site.issue(&gateway()), site.issue(&lamp()));
    let revoked = Revocation {
        serial: bad.serial.clone(),
        at: at("20250601T000000"),
        reason: Some(Reason::KeyCompromise),
    };
    let (this, next) = (at("20200101T000000"), at("20900101T000000"));
    let crl = site.names.crl(&[revoked], 7, this, next).unwrap();
    let empty = site.root.crl(&[], 1, this, next).unwrap();
    let nothing = [0x30, 0x00];
    assert!(!empty.der.windows(2).any(|octets| octets == nothing), "RFC 5280 §5.1.2.6: absent, not empty");
    std::fs::write(dir.path().join("crls.pem"), format!("{}{}", crl.pem, empty.pem)).unwrap();
    std::fs::write(dir.path().join("crl.der"), &crl.der).unwrap();
    let text = openssl(dir.path(), "crl -inform DER -in crl.der -noout -text").unwrap();
    for fact in [
        "Version 2 (0x1)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "X509v3 CRL Number: \n                7",
        "X509v3 CRL Reason Code: \n                Key Compromise",
        &bad.serial.to_string(),
    ] {
        assert!(text.contains(fact), "{fact} is missing in\n{text}");
    }
    const VERIFY: &str = "verify -x509_strict -crl_check_all -CRLfile crls.pem -CAfile root.pem -untrusted chain.pem chain.pem";
    site.write(dir.path(), &good);
    let checked = openssl(dir.path(), "crl -inform DER -in crl.der -noout -CAfile names.pem").unwrap();
    assert_eq!(checked.trim(), "verify OK");
    assert_eq!(openssl(dir.path(), VERIFY).unwrap().trim(), "chain.pem: OK");
    site.write(dir.path(), &bad);
    assert!(openssl(dir.path(), VERIFY).unwrap_err().contains("certificate revoked"));

    assert!(site.root.crl(&[], 1, next, this).is_err());
}

const ASK: &str =
    "ocsp -respin answer.der -issuer names.pem -cert chain.pem -CAfile root.pem -verify_other names.pem";

/// RFC 6960.
#[test]
fn openssl_believes_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    let issued = site.issue(&gateway());
    site.write(dir.path(), &issued);
    let revoked = Status::Revoked { at: at("20250601T000000"), reason: Some(Reason::Superseded) };
    let responder = site.issue(&Profile::OcspResponder);
    let delegate = Responder::delegate(responder.leaf_der(), responder.key.as_ref().unwrap()).unwrap();
    for (status, said) in [
        (Status::Good, "chain.pem: good"),
        (revoked, "chain.pem: revoked"),
        (Status::Unknown, "chain.pem: unknown"),
    ] {
        let by_authority =
            site.names.ocsp(&issued.serial, status, span().this_update, span().next_update).unwrap();
        let id = CertId::new(&site.names, &issued.serial, IssuerHash::Sha1).unwrap();
        let by_delegate = delegate.answer(&[(id, status)], span(), None).unwrap();
        for answer in [by_authority, by_delegate] {
            std::fs::write(dir.path().join("answer.der"), answer).unwrap();
            let text = openssl(dir.path(), ASK).unwrap();
            assert!(text.contains("Response verify OK") && text.contains(said), "{text}");
        }
    }
    let text = openssl(dir.path(), &format!("{ASK} -resp_text")).unwrap();
    assert!(text.contains("OCSP Signing"), "the delegate's certificate is missing in\n{text}");

    let other = site.issue(&lamp());
    let foreign = site.names.ocsp(&other.serial, Status::Good, span().this_update, None).unwrap();
    std::fs::write(dir.path().join("answer.der"), foreign).unwrap();
    assert!(openssl(dir.path(), ASK).unwrap_err().contains("No Status found"));
    assert!(Responder::delegate(issued.leaf_der(), responder.key.as_ref().unwrap()).is_err());
}

#[test]
fn questions_of_openssl_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::new();
    let issued = site.issue(&gateway());
    site.write(dir.path(), &issued);
    for (options, nonce) in [("-no_nonce", false), ("-nonce", true), ("-no_nonce -sha256", false)] {
        // The hash counts for the certificates behind it.
        let arguments = format!("ocsp {options} -issuer names.pem -cert chain.pem -reqout question.der");
        openssl(dir.path(), &arguments).unwrap();
        let bytes = std::fs::read(dir.path().join("question.der")).unwrap();
        let question = Question::from_der(&bytes).unwrap();
        assert_eq!(question.nonce.is_some(), nonce);
        assert_eq!(question.asked[0].serial_at(&site.names), Some(issued.serial.clone()));
        assert_eq!(question.asked[0].serial_at(&site.root), None);
        let answers = [(question.asked[0].clone(), Status::Good)];
        let answer = Responder::authority(site.names.key())
            .answer(&answers, span(), question.nonce.as_deref())
            .unwrap();
        std::fs::write(dir.path().join("answer.der"), answer).unwrap();
        let check = format!("{ASK} -reqin question.der").replace("-cert chain.pem ", "");
        let text = openssl(dir.path(), &check).unwrap();
        assert!(text.contains("Response verify OK") && !text.contains("Nonce"), "{text}");
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x20;
            drop(Question::from_der(&bad));
        }
    }
    for bad in [&b""[..], b"rubbish", &[0x30; 5000], &[0x30, 0x04, 0x30, 0x02, 0x30, 0x00]] {
        assert!(Question::from_der(bad).unwrap_err().to_string().starts_with("OCSP request: "));
    }
    assert_eq!(ocsp::MAX_ASKED, 16);
}

#[test]
fn refusals_are_what_openssl_calls_them() {
    let dir = tempfile::tempdir().unwrap();
    for (refusal, name) in [
        (Refusal::Malformed, "malformedrequest"),
        (Refusal::Internal, "internalerror"),
        (Refusal::TryLater, "trylater"),
        (Refusal::Unauthorized, "unauthorized"),
    ] {
        std::fs::write(dir.path().join("answer.der"), refusal.to_der()).unwrap();
        let text =
            openssl(dir.path(), "ocsp -respin answer.der -resp_text -noverify").unwrap_or_else(|text| text);
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn serial_numbers_and_reasons_are_read_as_they_are_written() {
    let serial: Serial = "0a:1B:2c".parse().unwrap();
    assert_eq!(serial.to_string(), "0A1B2C");
    assert_eq!(serial, "00A1B2C".parse().unwrap());
    assert_eq!("1".parse::<Serial>().unwrap().octets(), [1]);
    for bad in ["", "0", "00", "xy", "-1", &"f".repeat(40), &"1".repeat(42)] {
        assert!(bad.parse::<Serial>().unwrap_err().to_string().contains("§4.1.2.2"), "{bad}");
    }
    for reason in Reason::ALL {
        assert_eq!(reason.to_string().parse::<Reason>().unwrap(), reason);
    }
    assert!("whim".parse::<Reason>().unwrap_err().to_string().contains("keyCompromise"));
    let key = Site::new();
    assert!(key.names.issue(&lamp(), SubjectKey::Public(&[1, 2]), century(), &key.rng).is_err());
}
