//! Whom a device trusts: the registrar's certificate, by configured roots, name and OCSP responder (F-09 to F-11).
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{fs, process::Command};

use pki::ocsp::Status;
use support::{
    World,
    certified::{CERTIFICATES, Makers, in_seconds, of_cse, prepared, write, year},
};
use testkit::{Process, require};

const LAMP: &str = "//example.org/in-cse/Clamp";

/// A registrar with the certificate `server` and a device with an enrolled key; `trust` is what it knows.
fn world(makers: &Makers, server: &pki::Issued, trust: &str) -> World {
    let mut world = prepared(makers, CERTIFICATES);
    let ocsp = "[listener.certificate.ocsp]\nresponse_file = \"staple.der\"\n\n[listener.clients]";
    let configuration = fs::read_to_string(world.path("attache.toml")).unwrap();
    if fs::exists(world.path("staple.der")).unwrap() || trust.contains("ocsp") {
        fs::write(world.path("attache.toml"), configuration.replace("[listener.clients]", ocsp)).unwrap();
    }
    write(world.folder.path(), "server", server);
    write(world.folder.path(), "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    fs::write(world.path("responder.pem"), makers.issuer.certificate_pem().unwrap()).unwrap();
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    let device = format!(
        "[registrar]\naddress = \"{}\"\ncse_id = \"//example.org/in-cse\"\n\n[registrar.trust]\n{trust}\n\
         [credential]\ncertificate_file = \"lamp.pem\"\nprivate_key_file = \"lamp.key\"\nresume = false\n\n\
         [ae]\nstem = \"Clamp\"\nname = \"lamp\"\napp_id = \"Nlight.example\"\n",
        world.address
    );
    fs::write(world.path("device.toml"), device).unwrap();
    world
}

/// The device refuses the registrar, says why, and has sent it nothing.
fn refuses(world: &World, words: &[&str]) {
    let digest = world.digest();
    let finished = world.run(&["device", "attach", "--device", "device.toml"]);
    assert_eq!(finished.code(), 1, "{}{}", finished.stdout, finished.stderr);
    for word in ["nothing was sent"].iter().chain(words) {
        assert!(finished.stderr.contains(word), "{word:?} is not in: {}", finished.stderr);
    }
    assert_eq!(world.digest(), digest);
}

fn accepts(world: &World) {
    drop(world.run(&["device", "attach", "--device", "device.toml"]).success());
}

const ROOTS: &str = "roots_file = \"root.pem\"\n";

#[test]
fn the_right_registrar_is_accepted() {
    let makers = Makers::new(41);
    let server = makers.issue(&of_cse("in-cse.example.org"));
    accepts(&world(&makers, &server, ROOTS));
}

/// F-09.
#[test]
fn another_root_is_refused() {
    let makers = Makers::new(42);
    let server = makers.issue(&of_cse("in-cse.example.org"));
    let world = world(&makers, &server, "roots_file = \"other.pem\"\n");
    fs::write(world.path("other.pem"), Makers::new(43).root.root_pem().unwrap()).unwrap();
    refuses(&world, &["trust anchor", "§8.1.2.2"]);
}

/// F-10: the name of another CSE of the same authority.
#[test]
fn another_name_is_refused() {
    let makers = Makers::new(44);
    let server = makers.issue(&of_cse("mn-cse-1.in-cse.example.org"));
    refuses(&world(&makers, &server, ROOTS), &["in-cse.example.org", "subjectAltName"]);
}

/// The registrar by its key: no roots, no names.
#[test]
fn a_trusted_key_is_enough() {
    let makers = Makers::new(45);
    let (server, other) =
        (makers.issue(&of_cse("in-cse.example.org")), makers.issue(&of_cse("in-cse.example.org")));
    let trust = |issued: &pki::Issued| {
        let chain = certificate::Chain::from_der(&issued.chain_der).unwrap();
        let id = keys::PublicKeyIdentifier::of_spki(keys::PublicKeyHash::Sha256, chain.spki());
        format!("public_key = \"{id}\"\n")
    };
    accepts(&world(&makers, &server, &trust(&server)));
    refuses(&world(&makers, &server, &trust(&other)), &["key"]);
}

/// F-11: whatever the responder does not say plainly ends the handshake.
#[test]
fn a_registrar_without_a_good_status_is_refused() {
    let makers = Makers::new(46);
    let server = makers.issue(&of_cse("in-cse.example.org"));
    let trust = format!("{ROOTS}ocsp_responder_file = \"responder.pem\"\n");
    let world = world(&makers, &server, &trust);
    refuses(&world, &["OCSP"]);
    let now = |status, serial, begin, end| {
        makers.issuer.ocsp(serial, status, in_seconds(begin), Some(in_seconds(end))).unwrap()
    };
    let other = makers.issue(&of_cse("in-cse.example.org"));
    let revoked = Status::Revoked { at: in_seconds(-60), reason: None };
    let strangers = Makers::new(47);
    let foreign =
        strangers.issuer.ocsp(&server.serial, Status::Good, in_seconds(-60), Some(in_seconds(3600))).unwrap();
    let good = now(Status::Good, &server.serial, -60, 3600);
    assert!(!told(&world, &stapling(&world, &good)).contains("OCSP"), "a good status is refused");
    let mut altered = good.clone();
    // In the signed part: the responder and the times are at the front.
    altered[good.len() / 2 - 40] ^= 1;
    for (name, bad) in [
        ("revoked", now(revoked, &server.serial, -60, 3600)),
        ("unknown", now(Status::Unknown, &server.serial, -60, 3600)),
        ("stale", now(Status::Good, &server.serial, -7200, -3600)),
        ("of the future", now(Status::Good, &server.serial, 1200, 3600)),
        ("other serial", now(Status::Good, &other.serial, -60, 3600)),
        ("another responder", foreign),
        ("altered", altered),
    ] {
        let told = told(&world, &stapling(&world, &bad));
        assert!(told.contains("nothing was sent") && told.contains("OCSP"), "{name}: {told}");
    }
}

/// A server that is not ours with the registrar's certificate, which staples whatever it is given.
fn stapling(world: &World, staple: &[u8]) -> Process {
    fs::write(world.path("staple.der"), staple).unwrap();
    let mut command = Command::new(require("openssl", "openssl"));
    command.current_dir(world.folder.path());
    command.args([
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-tls1_2",
        "-cert",
        "server.pem",
        "-key",
        "server.key",
    ]);
    command.args(["-cert_chain", "server.pem", "-status_file", "staple.der", "-www"]);
    Process::spawn(command)
}

/// What the device says of that server.
fn told(world: &World, server: &Process) -> String {
    let address =
        server.wait_for_line("where it listens", |line| line.strip_prefix("ACCEPT ").map(str::to_owned));
    let device = fs::read_to_string(world.path("device.toml")).unwrap();
    let elsewhere = device.replace(&world.address.to_string(), &address);
    fs::write(world.path("elsewhere.toml"), elsewhere).unwrap();
    let finished = world.run(&["device", "request", "--device", "elsewhere.toml", "retrieve", "x"]);
    assert_ne!(finished.code(), 0);
    finished.stderr
}
