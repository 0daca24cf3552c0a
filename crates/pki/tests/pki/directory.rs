use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use keys::SeededRng;
use onem2m::time::Timestamp;
use pki::{
    PkiError, PrivateKey, Profile, Reason, Serial, SubjectKey,
    directory::{self, Directory, Office, Plan, Records},
    ocsp::{CertId, IssuerHash, Question, Span, Status},
};

use crate::{century, gateway, lamp, openssl};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plan() -> Plan {
    Plan {
        domains: vec!["example.org".parse().unwrap(), "example.net".parse().unwrap()],
        devices: vec!["0.2.481.1/100.3030".parse().unwrap()],
        ocsp_url: Some("http://ocsp.example.org/".to_owned()),
        validity: century(),
    }
}

fn now() -> Timestamp {
    at("20250101T000000")
}

fn made(folder: &Path, rng: &SeededRng) -> Directory {
    Directory::create(&folder.join("pki"), &plan(), now(), rng).unwrap()
}

fn issue(directory: &mut Directory, profile: &Profile, rng: &SeededRng) -> pki::Issued {
    let pending = directory.prepare(profile, SubjectKey::Fresh, century(), rng).unwrap();
    directory.record(pending).unwrap()
}

/// Every file under `folder`, with its contents.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    everything(folder).into_iter().filter_map(|(name, octets)| Some((name, octets?))).collect()
}

/// Every file under `folder` with its contents, and every folder, without.
fn everything(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all.push((path.display().to_string(), None));
                folders.push(path);
            } else {
                all.push((path.display().to_string(), Some(fs::read(&path).unwrap())));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn each_authority_certifies_its_kind_alone() {
    let folder = tempfile::tempdir().unwrap();
    let rng = SeededRng::new(1);
    let mut directory = made(folder.path(), &rng);
    let profiles = [
        (gateway(), Office::Names),
        (lamp(), Office::Names),
        (Profile::Fqdn("mef.example.net".parse().unwrap()), Office::Names),
        (Profile::Device("0.2.481.1/100.3030.10011".parse().unwrap()), Office::Devices),
        (Profile::NodeId("urn:gsma:imei:90420156-025763-0".parse().unwrap()), Office::Nodes),
    ];
    for (profile, office) in &profiles {
        let issued = issue(&mut directory, profile, &rng);
        fs::write(folder.path().join("chain.pem"), &issued.chain_pem).unwrap();
        let verify = "verify -x509_strict -crl_check_all -CRLfile pki/crl.pem -CAfile pki/root.pem -untrusted chain.pem \
                      chain.pem";
        // OpenSSL does not do otherName (error 51).
        if *office != Office::Devices {
            assert_eq!(openssl(folder.path(), verify).unwrap().trim(), "chain.pem: OK", "{profile}");
        }
        let text = openssl(folder.path(), "x509 -in chain.pem -noout -text").unwrap();
        assert!(text.contains("OCSP - URI:http://ocsp.example.org/"), "{text}");
        let entry = directory.records().find(&issued.serial).unwrap();
        assert_eq!((entry.authority.as_str(), entry.kind.as_str()), (office.name(), profile.kind()));
        assert_eq!(entry.name, profile.name());
        for other in
            [Office::Names, Office::Devices, Office::Nodes].into_iter().filter(|other| other != office)
        {
            let other = directory.records().authority(other).unwrap();
            let refused = other.issue(profile, SubjectKey::Fresh, century(), &rng).unwrap_err();
            assert!(matches!(refused, PkiError::Profile(_)), "{profile}: {refused}");
        }
    }
    let foreign = Profile::Fqdn("mef.example.com".parse().unwrap());
    assert!(directory.prepare(&foreign, SubjectKey::Fresh, century(), &rng).is_err());
}

#[test]
fn keys_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(made(folder.path(), &SeededRng::new(1)));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = folder.path().join("pki");
    assert_eq!((mode(&path), mode(&path.join("private"))), (0o755, 0o700));
    let mut keys = 0;
    for (file, octets) in contents(&path) {
        let secret = String::from_utf8_lossy(&octets).contains("PRIVATE KEY");
        keys += usize::from(secret);
        assert_eq!(secret, file.contains("/private/"), "{file}");
        let expected = if secret || file.ends_with(".lock") { 0o600 } else { 0o644 };
        assert_eq!(mode(Path::new(&file)), expected, "{file}");
    }
    assert_eq!(keys, 8);
}

#[test]
fn what_is_revoked_is_in_the_lists_and_in_the_answers() {
    let folder = tempfile::tempdir().unwrap();
    let rng = SeededRng::new(1);
    let mut directory = made(folder.path(), &rng);
    let (good, bad) = (issue(&mut directory, &gateway(), &rng), issue(&mut directory, &lamp(), &rng));
    let next = at("20900101T000000");
    let when = at("20250601T120000,5");
    let entry = directory.revoke(&bad.serial, Some(Reason::KeyCompromise), when, next).unwrap();
    assert_eq!(entry.revoked.unwrap().at, at("20250601T120000"));
    let again = directory.revoke(&bad.serial, None, when, next).unwrap_err();
    assert_eq!(
        again.to_string(),
        format!("certificate with serial number {}: was revoked at 20250601T120000", bad.serial)
    );
    let unknown: Serial = "0123".parse().unwrap();
    let refused = directory.revoke(&unknown, None, when, next).unwrap_err();
    assert_eq!(refused.to_string(), "certificate with serial number 0123: was not issued here");

    let verify = |chain: &str| {
        fs::write(folder.path().join("chain.pem"), chain).unwrap();
        let verify =
            "verify -crl_check_all -CRLfile pki/crl.pem -CAfile pki/root.pem -untrusted chain.pem chain.pem";
        openssl(folder.path(), verify)
    };
    assert!(verify(&good.chain_pem).is_ok());
    assert!(verify(&bad.chain_pem).unwrap_err().contains("certificate revoked"));
    let list = openssl(folder.path(), "crl -in pki/crl.pem -noout -crlnumber").unwrap();
    assert_eq!(list.trim(), "crlNumber=0x02", "one at the beginning, one for the revocation");

    drop(directory);
    let records = Records::read(&folder.path().join("pki")).unwrap();
    let span = Span { this_update: now(), next_update: Some(next) };
    for (serial, said) in [(&good.serial, "good"), (&bad.serial, "revoked")] {
        let (answer, status) = directory::staple(&records, serial, span).unwrap();
        assert_eq!(status == Status::Good, said == "good");
        fs::write(folder.path().join("answer.der"), answer).unwrap();
        let ask = format!(
            "ocsp -respin answer.der -issuer pki/authorities/names.pem -serial 0x{serial} -CAfile pki/root.pem \
             -verify_other pki/authorities/names.pem"
        );
        let text = openssl(folder.path(), &ask).unwrap();
        assert!(text.contains("Response verify OK") && text.contains(&format!(": {said}")), "{text}");
    }
    assert!(matches!(directory::staple(&records, &unknown, span), Err(PkiError::NotIssued(_))));
}

/// RFC 6960 §2.3: only an authority of the directory is answered for.
#[test]
fn questions_about_strangers_are_not_answered() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let rng = SeededRng::new(1);
    let mut directory = made(here.path(), &rng);
    let stranger = made(there.path(), &rng);
    let issued = issue(&mut directory, &gateway(), &rng);
    let records = directory.records();
    let desks: Vec<_> =
        Office::ALL.iter().map(|office| (*office, records.responder(*office).unwrap())).collect();
    let span = Span { this_update: now(), next_update: None };
    let ask = |authorities: &[pki::Authority]| {
        let id = |authority| CertId::new(authority, &issued.serial, IssuerHash::Sha256).unwrap();
        let question = Question { asked: authorities.iter().map(id).collect(), nonce: None };
        directory::answer(records, &desks, &question, span)
    };
    let own = |office| directory.records().authority(office).unwrap();
    assert!(ask(&[own(Office::Names)]).is_ok());
    assert!(ask(&[own(Office::Nodes)]).is_ok(), "unknown there");
    assert_eq!(records.status(Office::Names, &issued.serial).unwrap(), Status::Good);
    assert_eq!(records.status(Office::Nodes, &issued.serial).unwrap(), Status::Unknown);
    for strange in [
        vec![stranger.records().authority(Office::Names).unwrap()],
        vec![own(Office::Names), own(Office::Nodes)],
    ] {
        assert!(matches!(ask(&strange), Err(PkiError::Question(_))));
    }
}

#[test]
fn a_new_directory_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let rng = SeededRng::new(1);
    drop(made(folder.path(), &rng));
    let before = everything(folder.path());
    let error = Directory::create(&folder.path().join("pki"), &plan(), now(), &rng).unwrap_err();
    assert!(error.to_string().ends_with("pki: exists; remove it or choose another name"), "{error}");
    let nothing = Plan { domains: Vec::new(), ..plan() };
    assert!(Directory::create(&folder.path().join("other"), &nothing, now(), &rng).is_err());
    // Too late for a revocation list, the last thing that is made.
    let late = Directory::create(&folder.path().join("other"), &plan(), at("99990101T000000"), &rng);
    assert!(late.is_err());
    let nowhere = Directory::create(&folder.path().join("no/such/pki"), &plan(), now(), &rng).unwrap_err();
    assert!(nowhere.to_string().starts_with("cannot make "), "{nowhere}");
    assert_eq!(everything(folder.path()), before, "nothing half-made is left");
}

/// Whoever sees the directory sees all of it.
#[test]
fn a_new_directory_appears_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pki");
    let rng = SeededRng::new(1);
    let over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            loop {
                // In this order: what is there when it is over is looked at.
                let last = over.load(Ordering::Acquire);
                if path.exists() || last {
                    return everything(&path);
                }
            }
        });
        let made = Directory::create(&path, &plan(), now(), &rng).map(drop);
        over.store(true, Ordering::Release);
        made.unwrap();
        seen.join().unwrap()
    });
    assert!(!seen.is_empty());
    assert_eq!(seen, everything(&path));
}

#[test]
fn what_is_not_recorded_was_never_issued() {
    let folder = tempfile::tempdir().unwrap();
    let rng = SeededRng::new(1);
    let directory = made(folder.path(), &rng);
    let before = contents(folder.path());
    let pending = directory.prepare(&gateway(), SubjectKey::Fresh, century(), &rng).unwrap();
    let serial = pending.issued.serial.clone();
    drop((pending, directory));
    assert_eq!(contents(folder.path()), before);
    assert!(Records::read(&folder.path().join("pki")).unwrap().find(&serial).is_none());
}

#[test]
fn a_certificate_does_not_outlive_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let rng = SeededRng::new(1);
    let directory = made(folder.path(), &rng);
    let long = pki::Validity::new(now(), at("20990101T000001")).unwrap();
    let error = directory.prepare(&gateway(), SubjectKey::Fresh, long, &rng).unwrap_err();
    assert!(error.to_string().ends_with("must not outlive the authority"), "{error}");
}

#[test]
fn damage_is_named_with_its_file() {
    let rng = SeededRng::new(1);
    let damage: [(&str, &[u8], &str); 7] = [
        ("index.json", b"{", "index.json: EOF"),
        ("index.json", b"{\"version\":1}", "index.json: missing field"),
        (
            "index.json",
            b"{\"version\":2,\"domains\":[],\"ocsp_url\":null,\"crl_number\":1,\"certificates\":[]}",
            "index.json: version 2, expected 1",
        ),
        ("authorities/names.pem", b"", "names.pem: it holds no certificate"),
        (
            "authorities/names.pem",
            b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            "names.pem: the PEM text is damaged",
        ),
        ("private/names.key.pem", b"rubbish", "names.key.pem: private key: expected a P-256 key"),
        ("private/names.key.pem", b"other", "names.pem: the private key does not belong to"),
    ];
    for (file, octets, message) in damage {
        let folder = tempfile::tempdir().unwrap();
        drop(made(folder.path(), &rng));
        let path = folder.path().join("pki").join(file);
        let other = PrivateKey::generate(&rng).unwrap().to_pem().unwrap();
        fs::write(&path, if octets == b"other" { other.as_bytes() } else { octets }).unwrap();
        let before = contents(folder.path());
        let error = Directory::open(&folder.path().join("pki"))
            .and_then(|directory| directory.prepare(&gateway(), SubjectKey::Fresh, century(), &rng))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
        assert!(!error.contains("BEGIN"), "{error}");
        assert_eq!(contents(folder.path()), before);
    }
    let none = tempfile::tempdir().unwrap();
    let error = Directory::open(none.path()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("index.json"), "{error}");
    assert_eq!(contents(none.path()), []);
}

/// Several at a time: nobody's certificate is lost from the record.
#[test]
fn writers_wait_for_one_another() {
    let folder = tempfile::tempdir().unwrap();
    drop(made(folder.path(), &SeededRng::new(1)));
    let path = folder.path().join("pki");
    let before = Records::read(&path).unwrap().certificates().len();
    std::thread::scope(|scope| {
        for seed in 10..14 {
            let path = &path;
            scope.spawn(move || {
                let rng = SeededRng::new(seed);
                for _ in 0..5 {
                    issue(&mut Directory::open(path).unwrap(), &lamp(), &rng);
                }
            });
        }
    });
    assert_eq!(Records::read(&path).unwrap().certificates().len(), before + 20);
}
