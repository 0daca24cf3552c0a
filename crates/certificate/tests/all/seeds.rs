//! Runs the properties that the fuzzer checks on its seeds, and on what resembles them; and makes the seeds.

#[path = "../../../../fuzz/properties/certificate_chain.rs"]
mod certificate_chain;
#[path = "../../../../fuzz/properties/ocsp_response.rs"]
mod ocsp_response;
#[path = "../../../../fuzz/properties/replay.rs"]
mod replay;

use std::fs;
use std::path::{Path, PathBuf};

use keys::SeededRng;
use onem2m::id::CseDomainName;
use pki::ocsp::{CertId, IssuerHash, Refusal, Responder, Span, Status};
use pki::testing::{San, Twist};
use pki::{Authority, Constraints, Profile, Revocation, SubjectKey, Validity, self_signed};
use testkit::Draws;

use crate::factory::at;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(fuzz().join("seeds").join(target)).unwrap();
    let found: Vec<_> = entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!found.is_empty(), "there are no seeds for {target}");
    found
}

/// Runs `check` on every seed and kept input, and on copies of seeds with a few octets changed, left out or taken from
/// another seed.
fn replay_and_vary(target: &str, check: fn(&[u8])) {
    replay::replay(target, check);
    let seeds = seeds(target);
    let mut draws = Draws::named(target);
    for _ in 0..1500 {
        let mut data = seeds[draws.below(seeds.len())].clone();
        for _ in 0..=draws.below(4) {
            let at = draws.below(data.len());
            match draws.below(4) {
                0 => data[at] ^= 1 << draws.below(8),
                1 => data[at] = u8::try_from(draws.below(256)).unwrap(),
                2 => data.truncate(at + 1),
                _ => {
                    let other = &seeds[draws.below(seeds.len())];
                    let from = draws.below(other.len());
                    data.splice(at.., other[from..].iter().copied());
                }
            }
        }
        check(&data);
    }
}

#[test]
fn certificate_chain_seeds() {
    replay_and_vary("certificate_chain", certificate_chain::check);
}

#[test]
fn ocsp_response_seeds() {
    replay_and_vary("ocsp_response", ocsp_response::check);
}

fn listed(chain: &[Vec<u8>]) -> Vec<u8> {
    let each = |der: &Vec<u8>| [&u16::try_from(der.len()).unwrap().to_be_bytes()[..], der].concat();
    chain.iter().flat_map(each).collect()
}

/// `cargo test -p certificate write_seeds -- --ignored` makes the same octets on every machine.
#[test]
#[ignore = "writes the seeds of the fuzzer into the repository"]
fn write_seeds() {
    let rng = SeededRng::new(20260601);
    let span = Validity::days(at("20260101T000000"), 730).unwrap();
    let domain = "sp.example.org".parse().unwrap();
    let devices = "0.2.481.1/100".parse().unwrap();
    let root = Authority::new_root("Seeds", span, &rng).unwrap();
    let names = Constraints::none()
        .permit_dns(&domain)
        .and_then(|names| names.permit_uri_host(&domain))
        .and_then(|names| names.permit_devices(&devices))
        .unwrap();
    let issuer = root.intermediate("Names", &names, span, &rng).unwrap();
    let nodes = Constraints::none().permit_dns(&domain).unwrap();
    let nodes = root.intermediate("Nodes", &nodes, span, &rng).unwrap();
    let sp = "//sp.example.org".parse().unwrap();
    let cse = Profile::CseId(CseDomainName::parse_in("mn-cse.in-cse.sp.example.org", &sp).unwrap());
    let put = |target: &str, name: &str, octets: &[u8]| {
        fs::write(fuzz().join(target).join(name), octets).unwrap();
    };
    let chain = |name: &str, issuer: &Authority, profile: &Profile, twists: &[Twist<'_>]| {
        let issued = issuer.issue_twisted(profile, SubjectKey::Fresh, span, &rng, twists).unwrap();
        put("seeds/certificate_chain", name, &listed(&issued.chain_der));
        issued
    };
    let lamp = Profile::AeId("//sp.example.org/mn-cse/Clamp".parse().unwrap());
    let device = Profile::Device("0.2.481.1/100.3030.10011".parse().unwrap());
    chain("cse", &issuer, &cse, &[]);
    chain("ae", &issuer, &lamp, &[]);
    chain("device", &issuer, &device, &[]);
    chain("fqdn", &issuer, &Profile::Fqdn("mef.sp.example.org".parse().unwrap()), &[]);
    chain("node", &nodes, &Profile::NodeId("urn:oid:1.2.481.1".parse().unwrap()), &[]);
    chain("wildcard", &issuer, &cse, &[Twist::Names(&[San::Dns("*.sp.example.org")])]);
    chain("device_outside", &issuer, &device, &[Twist::Names(&[San::Device("0.2.481.1", "101.1")])]);
    chain("device_empty", &issuer, &device, &[Twist::Names(&[San::Device("0.2.481.1", "")])]);
    chain(
        "kinds",
        &issuer,
        &lamp,
        &[Twist::Names(&[
            San::Dns("mn-cse.sp.example.org"),
            San::Uri("urn:x:1"),
            San::Email("a@example.org"),
            San::OtherText("1.3.6.1.4.1.311.20.2.3", "user"),
            San::OtherNull("0.2.481.1"),
        ])],
    );
    chain("bare_ae", &nodes, &lamp, &[Twist::Names(&[San::Uri("//sp.example.org/Slamp")])]);
    chain("critical", &issuer, &cse, &[Twist::UnknownCritical]);
    chain("twice", &issuer, &cse, &[Twist::NamesTwice]);
    chain("rsa", &issuer, &cse, &[Twist::RsaKey]);
    chain("compressed", &issuer, &cse, &[Twist::CompressedPoint]);
    let server = chain("below_the_root", &root, &cse, &[]);
    let hashed = self_signed("Lamp", None, span, &rng).unwrap();
    put("seeds/certificate_chain", "self_signed", &listed(&hashed.chain_der));
    put("seeds/certificate_chain", "pem", server.chain_pem.as_bytes());
    put("seeds/certificate_chain", "root_pem", root.root_pem().unwrap().as_bytes());
    let revoked = Revocation { serial: server.serial.clone(), at: at("20260501T000000"), reason: None };
    let (from, to) = (at("20260601T000000"), at("20260608T000000"));
    put("seeds/certificate_chain", "crl_pem", root.crl(&[revoked], 1, from, to).unwrap().pem.as_bytes());
    let key = server.key.unwrap();
    put("seeds/certificate_chain", "spki", &key.spki_der().unwrap());
    put("properties/certificates", "root.der", root.root_der());
    put("properties/certificates", "server.der", &server.chain_der[0]);

    let staple = |name: &str, octets: &[u8]| put("seeds/ocsp_response", name, octets);
    let about = |status, next| root.ocsp(&server.serial, status, from, next).unwrap();
    staple("good", &about(Status::Good, Some(to)));
    staple("endless", &about(Status::Good, None));
    staple("stale", &about(Status::Good, Some(at("20260601T010000"))));
    staple("revoked", &about(Status::Revoked { at: at("20260501T000000"), reason: None }, Some(to)));
    staple("unknown", &about(Status::Unknown, Some(to)));
    staple("try_later", &Refusal::TryLater.to_der());
    let id = CertId::new(&root, &server.serial, IssuerHash::Sha256).unwrap();
    let span = Span { this_update: from, next_update: Some(to) };
    let foreign = Responder::authority(&key).answer(&[(id, Status::Good)], span, Some(&[7; 16])).unwrap();
    staple("foreign", &foreign);
    staple("key", &key.spki_der().unwrap());
}
