//! What the `openssl` program makes of what is issued here.

use std::{path::Path, process::Command};

use keys::SeededRng;
use pki::{Authority, Constraints, Profile, SubjectKey, Validity};

fn year() -> Validity {
    Validity::days("20260101T000000".parse().unwrap(), 365).unwrap()
}

/// Runs `openssl` in `dir`; the output of both kinds if it says yes.
fn openssl(dir: &Path, arguments: &str) -> Result<String, String> {
    let output =
        Command::new("openssl").args(arguments.split_whitespace()).current_dir(dir).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(text) }
}

#[test]
fn every_profile_verifies_strictly() {
    let dir = tempfile::tempdir().unwrap();
    let rng = SeededRng::new(1);
    let domain = "example.org".parse().unwrap();
    let sp = "//example.org".parse().unwrap();
    let root = Authority::new_root("Example root", year(), &rng).unwrap();
    let names = Constraints::none().permit_dns(&domain).unwrap().permit_uri_host(&domain).unwrap();
    let names = root.intermediate("Example names", &names, year(), &rng).unwrap();
    let nodes = root.intermediate("Example nodes", &Constraints::none(), year(), &rng).unwrap();
    std::fs::write(dir.path().join("root.pem"), root.root_pem().unwrap()).unwrap();
    let cse = onem2m::id::CseDomainName::parse_in("mn-cse.in-cse.example.org", &sp).unwrap();
    let cases = [
        (&names, Profile::CseId(cse), "DNS:mn-cse.in-cse.example.org"),
        (
            &names,
            Profile::AeId("//example.org/mn-cse/Clamp".parse().unwrap()),
            "URI:m2m://example.org/mn-cse/Clamp",
        ),
        (&names, Profile::Fqdn("mef.example.org".parse().unwrap()), "DNS:mef.example.org"),
        (
            &nodes,
            Profile::NodeId("urn:gsma:imei:90420156-025763-0".parse().unwrap()),
            "URI:urn:gsma:imei:90420156-025763-0",
        ),
        (&nodes, Profile::Device("0.2.481.1/100.3030.10011".parse().unwrap()), "othername: 0.2.481.1::"),
    ];
    for (authority, profile, name) in cases {
        let issued = authority.issue(&profile, SubjectKey::Fresh, year(), &rng).unwrap();
        std::fs::write(dir.path().join("chain.pem"), &issued.chain_pem).unwrap();
        std::fs::write(dir.path().join("key.pem"), issued.key_pem.as_ref().unwrap()).unwrap();
        let text = openssl(dir.path(), "x509 -in chain.pem -noout -text").unwrap();
        assert!(text.contains(name) || text.contains("othername: "), "{text}");
        let time = year().not_before().unix_micros() / 1_000_000 + 60;
        let verified = openssl(
            dir.path(),
            &format!("verify -x509_strict -attime {time} -CAfile root.pem -untrusted chain.pem chain.pem"),
        );
        assert_eq!(verified.unwrap().trim(), "chain.pem: OK", "{profile}");
        let of_certificate = openssl(dir.path(), "x509 -in chain.pem -noout -pubkey").unwrap();
        let of_key = openssl(dir.path(), "pkey -in key.pem -pubout").unwrap();
        assert_eq!(of_certificate, of_key);
    }
}
