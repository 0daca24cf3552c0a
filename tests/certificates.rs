//! Peers with certificates, by clients that are not ours.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::fs;

use support::{
    World,
    certified::{BASE, CERTIFICATES, Makers, around, of_cse, prepared, write, year},
    foreign::{alert_number, openssl_with, status},
};
use testkit::Process;

const SUITE: &str = "ECDHE-ECDSA-AES128-SHA256";

/// An HTTP request as a person would type it.
fn request(method: &str, to: &str, from: &str, ty: Option<u32>, content: &str) -> String {
    let ty = ty.map(|ty| format!(";ty={ty}")).unwrap_or_default();
    format!(
        "{method} {to} HTTP/1.1\r\nHost: in\r\nX-M2M-Origin: {from}\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\
         Content-Type: application/json{ty}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    )
}

fn remote_cse(id: &str) -> String {
    let content = format!(
        r#"{{"m2m:csr":{{"rn":"{0}","csi":"/{0}","cb":"/{0}/base","cst":2,"rr":false,"srv":["3"]}}}}"#,
        id
    );
    request("POST", BASE, &format!("/{id}"), Some(16), &content)
}

fn ae(stem: &str) -> String {
    let content =
        format!(r#"{{"m2m:ae":{{"rn":"ae_{stem}","api":"Nlight.example","rr":false,"srv":["3"]}}}}"#);
    request("POST", BASE, stem, Some(2), &content)
}

fn client(world: &World, name: &str, more: &[&str]) -> Process {
    let (certificate, key) = (world.path(&format!("{name}.pem")), world.path(&format!("{name}.key")));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let root = world.path("root.pem");
    let mut options = vec![
        "-tls1_2",
        "-cipher",
        SUITE,
        "-CAfile",
        root.to_str().unwrap(),
        "-verify_return_error",
        "-cert",
        certificate,
        "-cert_chain",
        certificate,
        "-key",
        key,
    ];
    options.extend(more);
    openssl_with(world.address, &options)
}

fn answer(mut client: Process, request: &str) -> String {
    client.send(request.as_bytes());
    client.wait_for_line("the status code", status)
}

fn alert(client: &Process) -> u8 {
    client.wait_for_line("an alert", alert_number)
}

/// CSE-ID and AE-ID certificates stand for the identity in them, and for no other (TS-0003 §8.1.2.1; X9).
#[test]
fn certificates_stand_for_whom_they_name() {
    let makers = Makers::new(1);
    let mut world = prepared(&makers, CERTIFICATES);
    let folder = world.folder.path();
    write(folder, "gateway", &makers.gateway("mn-cse-123456"));
    write(folder, "rogue", &makers.gateway("mn-cse-999"));
    write(folder, "phone", &makers.application("//example.org/in-cse/Cphone1"));
    world.serve();
    assert_eq!(answer(client(&world, "rogue", &[]), &remote_cse("mn-cse-123456")), "4106");
    assert_eq!(answer(client(&world, "gateway", &[]), &remote_cse("mn-cse-123456")), "2001");
    assert_eq!(answer(client(&world, "gateway", &[]), &remote_cse("mn-cse-123456")), "4117");
    assert_eq!(answer(client(&world, "rogue", &[]), &remote_cse("mn-cse-123456")), "4106");
    assert_eq!(answer(client(&world, "phone", &[]), &ae("Cphone2")), "4106");
    assert_eq!(answer(client(&world, "phone", &[]), &ae("Cphone1")), "2001");
}

/// X14 and F-07, F-08: each by its alert, and nothing changed.
#[test]
fn who_is_not_certified_is_refused() {
    let makers = Makers::new(2);
    let strangers = Makers::new(3);
    let mut world = prepared(&makers, CERTIFICATES);
    let folder = world.folder.path();
    write(folder, "stranger", &strangers.gateway("mn-cse-123456"));
    let profile = of_cse("mn-cse-123456.in-cse.example.org");
    let before = around(-7200, -3600);
    let key = pki::SubjectKey::Fresh;
    write(folder, "expired", &makers.issuer.issue(&profile, key, before, &makers.rng).unwrap());
    let own = pki::self_signed("lamp", None, year(), &makers.rng).unwrap();
    write(folder, "unknown", &own);
    let elsewhere = of_cse("mn-cse-1.other-in.example.org");
    write(folder, "elsewhere", &makers.issue(&elsewhere));
    world.serve();
    let digest = world.digest();
    for (name, expected) in [("stranger", 48), ("expired", 45), ("unknown", 46), ("elsewhere", 46)] {
        assert_eq!(alert(&client(&world, name, &[])), expected, "{name}");
    }
    let nobody = openssl_with(world.address, &["-tls1_2", "-cipher", SUITE]);
    assert_eq!(alert(&nobody), 40);
    assert_eq!(world.digest(), digest);
}

/// A revocation list counts as soon as its file is replaced, for who resumes as well.
#[test]
fn a_revoked_certificate_is_refused_without_a_restart() {
    let makers = Makers::new(4);
    let mut world = prepared(&makers, CERTIFICATES);
    let gateway = makers.gateway("mn-cse-123456");
    write(world.folder.path(), "gateway", &gateway);
    world.serve();
    let session = world.path("session");
    let session = session.to_str().unwrap();
    let first = client(&world, "gateway", &["-sess_out", session]);
    assert_eq!(answer(first, &remote_cse("mn-cse-123456")), "2001");
    let again = client(&world, "gateway", &["-sess_in", session]);
    again.wait_for_line("that the session is resumed", |line| {
        line.starts_with("Reused, TLSv1.2").then_some(())
    });
    fs::write(world.path("crl.new"), makers.revocation_list(2, &[&gateway])).unwrap();
    fs::rename(world.path("crl.new"), world.path("crl.pem")).unwrap();
    world.wait_for_line(|line| line.contains("were read again").then_some(()));
    assert_eq!(alert(&client(&world, "gateway", &[])), 44);
    assert_eq!(alert(&client(&world, "gateway", &["-sess_in", session])), 44);
}
