//! Peers with certificates, by clients that are not ours.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::{
    World,
    certified::{
        BASE, CERTIFICATES, Makers, ae, around, going_on, in_seconds, of_cse, prepared, request, write, year,
    },
    foreign::{FORGOTTEN, alert_number, between, garbled, openssl_with, status},
};
use testkit::{Process, require};

const SUITE: &str = "ECDHE-ECDSA-AES128-SHA256";

fn remote_cse(id: &str) -> String {
    let content = format!(
        r#"{{"m2m:csr":{{"rn":"{0}","csi":"/{0}","cb":"/{0}/base","cst":2,"rr":false,"srv":["3"]}}}}"#,
        id
    );
    request("POST", BASE, &format!("/{id}"), Some(16), &content)
}

fn client(world: &World, name: &str, more: &[&str]) -> Process {
    client_at(world, world.address, name, more)
}

fn client_at(world: &World, address: SocketAddr, name: &str, more: &[&str]) -> Process {
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
    openssl_with(address, &options)
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

/// X14 and F-07: each by its alert, and nothing changed.
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

/// F-08, X14: whoever has seen a certificate but does not hold its private key is told so, alike for one of our
/// authority, one whose key is enrolled, and one that nobody knows.
#[test]
fn who_does_not_hold_the_private_key_is_refused() {
    let makers = Makers::new(11);
    let mut world = prepared(&makers, CERTIFICATES);
    let own = |name: &str| pki::self_signed(name, None, year(), &makers.rng).unwrap();
    let thief = own("thief");
    let victims =
        [("gateway", makers.gateway("mn-cse-123456")), ("lamp", own("lamp")), ("unknown", own("unknown"))];
    for (name, issued) in &victims {
        write(world.folder.path(), name, issued);
        let stolen = format!("stolen-{name}");
        write(world.folder.path(), &stolen, issued);
        fs::write(world.path(&format!("{stolen}.key")), with_another_scalar(issued, &thief)).unwrap();
    }
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    let digest = world.digest();
    for (name, _) in &victims {
        assert_eq!(alert(&client(&world, &format!("stolen-{name}"), &[])), 51, "{name}: decrypt_error");
    }
    assert_eq!(world.digest(), digest);
    // With their own keys, on the other hand:
    assert_eq!(answer(client(&world, "gateway", &[]), &remote_cse("mn-cse-123456")), "2001");
    assert_eq!(answer(client(&world, "lamp", &[]), &ae("Clamp")), "2001");
    assert_eq!(alert(&client(&world, "unknown", &[])), 46);
}

/// The key of `thief` that passes for that of `victim` until it signs: no program sends a certificate whose public key
/// its private key file does not name. Both are PKCS#8 with the public key, a point of 65 octets, at the end.
fn with_another_scalar(victim: &pki::Issued, thief: &pki::Issued) -> String {
    const POINT: usize = 65;
    let octets = |issued: &pki::Issued| {
        let pem = issued.key_pem.as_ref().unwrap();
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        STANDARD.decode(lines.concat()).unwrap()
    };
    let (victim, mut mixed) = (octets(victim), octets(thief));
    mixed.truncate(mixed.len() - POINT);
    mixed.extend(&victim[victim.len() - POINT..]);
    let text = STANDARD.encode(mixed);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
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

const LAMP: &str = "//example.org/in-cse/Clamp";

/// A self-signed certificate stands for whom the hash of its key is enrolled; F-06, and F-15 by `openssl`.
#[test]
fn a_self_signed_certificate_is_known_by_the_hash_of_its_key() {
    let makers = Makers::new(5);
    let mut world = prepared(&makers, CERTIFICATES);
    let folder = world.folder.path();
    write(folder, "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    write(folder, "twin", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    let digest = world.digest();
    assert_eq!(alert(&client(&world, "twin", &[])), 46);
    assert_eq!(answer(client(&world, "lamp", &[]), &ae("Cother")), "4106");
    assert_eq!(world.digest(), digest);
    let (session, session_file) = ("-sess_out", world.path("session"));
    let file = session_file.to_str().unwrap();
    assert_eq!(answer(client(&world, "lamp", &[session, file]), &ae("Clamp")), "2001");
    assert!(is_resumed(&client(&world, "lamp", &["-sess_in", file])));
    let other_name = client(&world, "lamp", &["-sess_in", file, "-servername", "elsewhere.example.org"]);
    assert!(!is_resumed(&other_name), "a session under another server name");
    drop(world.run(&["credential", "revoke", &id_of(&world)]).success());
    assert_eq!(alert(&client(&world, "lamp", &["-sess_in", file])), 46);
    assert_eq!(alert(&client(&world, "lamp", &[])), 46);
}

/// A key that is enrolled with a demand for a chain is accepted in one alone: neither self-signed, nor raw, nor in a chain
/// to somebody else's root. What the chain says is kept (draft clause x.y.6).
#[test]
fn an_enrolled_key_may_have_to_come_in_a_chain() {
    let (makers, industry) = (Makers::new(17), Makers::new(18));
    let mut world = prepared(&makers, CERTIFICATES);
    drop(world.run(&["pki", "issue", "--raw-key", "--out", "raw"]).success());
    let pem = fs::read(world.path("raw.key.pem")).unwrap();
    let key = pki::PrivateKey::from_bytes(&pem).unwrap();
    let profile = pki::Profile::AeId("//example.org/in-cse/Cmade".parse().unwrap());
    let by = |makers: &Makers| {
        makers.issuer.issue(&profile, pki::SubjectKey::Private(&key), year(), &makers.rng).unwrap().chain_pem
    };
    let own = pki::self_signed("lamp", Some(&key), year(), &makers.rng).unwrap().chain_pem;
    for (name, chain) in [("made", by(&industry)), ("trusted", by(&makers)), ("own", own)] {
        fs::write(world.path(&format!("{name}.pem")), chain).unwrap();
        fs::write(world.path(&format!("{name}.key")), &pem).unwrap();
    }
    fs::write(world.path("industry.pem"), industry.root.root_pem().unwrap()).unwrap();
    world.serve();
    let add = [
        "credential",
        "add",
        "--public-key",
        "raw.pub.pem",
        "--chain-anchors",
        "industry.pem",
        "--ae-id",
        LAMP,
    ];
    drop(world.run(&add).success());
    let digest = world.digest();
    for name in ["own", "trusted"] {
        assert_eq!(alert(&client(&world, name, &[])), 46, "{name}");
    }
    let raw = raw_client(&world, "raw").finish();
    assert!(raw.stdout.contains("alert [46]") || raw.stderr.contains("alert [46]"), "{raw:?}");
    assert_eq!(world.digest(), digest);
    assert_eq!(answer(client(&world, "made", &[]), &ae("Clamp")), "2001");
    let shown = world.run(&["--json", "credential", "show", &id_of(&world)]).success().stdout;
    assert!(shown.contains("\"chain_demanded\":true") && shown.contains("Test issuer"), "{shown}");
}

/// De-registration and a new binding end resumption; the full handshake decides (F-15).
#[test]
fn what_changes_ends_resumption() {
    let makers = Makers::new(6);
    let mut world = prepared(&makers, CERTIFICATES);
    write(world.folder.path(), "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    write(world.folder.path(), "new", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    let file = world.path("session");
    let file = file.to_str().unwrap();
    assert_eq!(answer(client(&world, "lamp", &["-sess_out", file]), &ae("Clamp")), "2001");
    let leave = request("DELETE", "/~/in-cse/Clamp", "Clamp", None, "");
    assert_eq!(answer(client(&world, "lamp", &["-sess_in", file]), &leave), "2002");
    let after = client(&world, "lamp", &["-sess_in", file]);
    assert!(!is_resumed(&after), "nobody is registered");
    assert_eq!(answer(client(&world, "lamp", &["-sess_out", file]), &ae("Clamp")), "2001");
    drop(world.run(&["credential", "rebind", "--ae-id", LAMP, "--public-key", "new.pem"]).success());
    assert_eq!(alert(&client(&world, "lamp", &["-sess_in", file])), 46);
    assert_eq!(answer(client(&world, "new", &[]), &ae("Clamp")), "2001");
}

/// RFC 5246 §7.2.2: after a fatal alert, of whichever end, the session of its connection is resumed no more, by ticket or
/// by ID; other connections of it go on.
#[test]
fn a_fatal_alert_ends_the_session() {
    let makers = Makers::new(12);
    let mut world = prepared(&makers, &format!("{CERTIFICATES}[log]\nlevel = \"debug\"\n"));
    write(world.folder.path(), "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    assert_eq!(answer(client(&world, "lamp", &[]), &ae("Clamp")), "2001");
    let get = || going_on("GET", "/~/in-cse/Clamp", "Clamp", None, "");
    let cases = [
        ("ticket", &[][..], true),
        ("ticket", &[], false),
        ("id", &["-no_ticket"], true),
        ("id", &["-no_ticket"], false),
    ];
    for (kind, more, at_server) in cases {
        let file = world.path(&format!("{kind}-{at_server}"));
        let file = file.to_str().unwrap();
        let (between, streams) = between(world.address);
        let mut failing = client_at(&world, between, "lamp", &[more, &["-sess_out", file]].concat());
        failing.send(get().as_bytes());
        assert_eq!(failing.wait_for_line("the status code", status), "2000");
        let resume = || client(&world, "lamp", &[more, &["-sess_in", file]].concat());
        let mut beside = resume();
        assert!(is_resumed(&beside), "{kind}");
        let (mut to_client, mut to_server) = streams.recv().unwrap();
        if at_server { &mut to_server } else { &mut to_client }.write_all(&garbled()).unwrap();
        let source = format!("source={} reason=broken", to_server.local_addr().unwrap());
        world.wait_for_line(|line| {
            (line.contains("association ended") && line.contains(&source)).then_some(())
        });
        assert!(!is_resumed(&resume()), "{kind}, the alert of the server: {at_server}");
        beside.send(get().as_bytes());
        assert_eq!(beside.wait_for_line("the status code", status), "2000");
    }
}

/// Somebody who has seen a session and does not have its secret gets nowhere with it, but ends it: RFC 5246 §7.2.2 makes
/// no difference. Its owner has a full handshake.
#[test]
fn a_failed_resumption_ends_the_session() {
    let makers = Makers::new(13);
    let mut world = prepared(&makers, &format!("{CERTIFICATES}[log]\nlevel = \"debug\"\n"));
    write(world.folder.path(), "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    assert_eq!(answer(client(&world, "lamp", &[]), &ae("Clamp")), "2001");
    let get = || request("GET", "/~/in-cse/Clamp", "Clamp", None, "");
    for (ended, more) in [(1, &[][..]), (2, &["-no_ticket"])] {
        let (own, stolen) = (world.path(&format!("own-{ended}")), world.path("stolen"));
        let (own, thiefs) = (own.to_str().unwrap(), stolen.to_str().unwrap());
        let first = client(&world, "lamp", &[more, &["-sess_out", own]].concat());
        assert_eq!(answer(first, &get()), "2000");
        assert!(is_resumed(&client(&world, "lamp", &[more, &["-sess_in", own]].concat())));
        fs::write(&stolen, with_another_secret(&fs::read_to_string(own).unwrap())).unwrap();
        let thief = openssl_with(world.address, &[&["-tls1_2", "-sess_in", thiefs], more].concat());
        thief.wait_for_line("that the secret is another", |line| {
            line.contains("bad record mac").then_some(())
        });
        let mut seen = 0;
        world.wait_for_line(|line| {
            seen += usize::from(line.contains(FORGOTTEN));
            (seen == ended).then_some(())
        });
        assert!(!is_resumed(&client(&world, "lamp", &[more, &["-sess_in", own]].concat())));
    }
}

/// A session of OpenSSL whose master secret has one other bit.
fn with_another_secret(pem: &str) -> String {
    let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = STANDARD.decode(lines.concat()).unwrap();
    // OCTET STRING of 48.
    let at = der.windows(2).position(|window| window == [4, 48]).unwrap();
    der[at + 10] ^= 1;
    format!(
        "-----BEGIN SSL SESSION PARAMETERS-----\n{}\n-----END SSL SESSION PARAMETERS-----\n",
        STANDARD.encode(der)
    )
}

/// A raw public key by `gnutls-cli` (RFC 7250).
#[test]
fn a_raw_public_key_registers() {
    let makers = Makers::new(7);
    let mut world = prepared(&makers, CERTIFICATES);
    for name in ["raw", "stranger"] {
        drop(world.run(&["pki", "issue", "--raw-key", "--out", name]).success());
    }
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "raw.pub.pem", "--ae-id", LAMP]).success());
    let digest = world.digest();
    let refused = raw_client(&world, "stranger").finish();
    assert!(refused.stdout.contains("alert [46]") || refused.stderr.contains("alert [46]"), "{refused:?}");
    assert_eq!(world.digest(), digest);
    assert_eq!(answer(raw_client(&world, "raw"), &ae("Clamp")), "2001");
}

/// `gnutls-cli` with the raw public key of `name`, content with whatever the registrar shows.
fn raw_client(world: &World, name: &str) -> Process {
    let mut command = Command::new(require("gnutls-cli", "gnutls-bin"));
    command.args(["--insecure", "--port", &world.address.port().to_string(), "127.0.0.1"]);
    command.arg("--rawpkfile").arg(world.path(&format!("{name}.pub.pem")));
    command.arg("--rawpkkeyfile").arg(world.path(&format!("{name}.key.pem"))).arg("--priority");
    command.arg(
        "NONE:+VERS-TLS1.2:+ECDHE-ECDSA:+AES-128-CBC:+SHA256:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:\
         +CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK",
    );
    Process::spawn(command)
}

/// A certificate by `gnutls-cli`, which believes the registrar's by root and name.
#[test]
fn a_gateway_registers_by_gnutls() {
    let makers = Makers::new(14);
    let mut world = prepared(&makers, CERTIFICATES);
    write(world.folder.path(), "gateway", &makers.gateway("mn-cse-123456"));
    write(world.folder.path(), "stranger", &Makers::new(15).gateway("mn-cse-123456"));
    world.serve();
    let client = |name: &str| {
        let mut command = Command::new(require("gnutls-cli", "gnutls-bin"));
        command.args(["--port", &world.address.port().to_string(), "127.0.0.1"]);
        command.args(["--verify-hostname", "in-cse.example.org", "--sni-hostname", "in-cse.example.org"]);
        command.arg("--x509cafile").arg(world.path("root.pem"));
        command.arg("--x509certfile").arg(world.path(&format!("{name}.pem")));
        command.arg("--x509keyfile").arg(world.path(&format!("{name}.key"))).arg("--priority");
        command.arg(
            "NONE:+VERS-TLS1.2:+ECDHE-ECDSA:+AES-128-CBC:+SHA256:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:+CTYPE-ALL",
        );
        Process::spawn(command)
    };
    let digest = world.digest();
    let refused = client("stranger").finish();
    assert!(refused.stdout.contains("alert [48]") || refused.stderr.contains("alert [48]"), "{refused:?}");
    assert_eq!(world.digest(), digest);
    let gateway = client("gateway");
    gateway.wait_for_line("that the registrar is believed", |line| {
        line.contains("The certificate is trusted").then_some(())
    });
    assert_eq!(answer(gateway, &remote_cse("mn-cse-123456")), "2001");
}

/// The registrar staples what the OCSP responder says, from a file.
#[test]
fn the_status_of_the_registrar_is_stapled() {
    let makers = Makers::new(8);
    let mut world = prepared(&makers, CERTIFICATES);
    let staple = "[listener.certificate.ocsp]\nresponse_file = \"staple.der\"\n\n[listener.clients]";
    let configuration = fs::read_to_string(world.path("attache.toml")).unwrap();
    fs::write(world.path("attache.toml"), configuration.replace("[listener.clients]", staple)).unwrap();
    let server = makers.issue(&of_cse("in-cse.example.org"));
    write(world.folder.path(), "server", &server);
    let good =
        makers.issuer.ocsp(&server.serial, pki::ocsp::Status::Good, in_seconds(-60), Some(in_seconds(3600)));
    fs::write(world.path("staple.der"), good.unwrap()).unwrap();
    write(world.folder.path(), "gateway", &makers.gateway("mn-cse-123456"));
    world.serve();
    let seen = || {
        let client = client(&world, "gateway", &["-status"]);
        client.wait_for_line("the word on the staple", |line| {
            let found = line.contains("OCSP Response Status: successful");
            let none = line.contains("OCSP response: no response sent");
            (found || none).then_some(found)
        })
    };
    // It is read in the background.
    assert!((0..600).any(|_| seen()), "never stapled");
}

/// It is fetched from the responder that the certificate names, through the proxy, and again before it ends.
#[test]
fn the_status_is_fetched_through_a_proxy_before_it_ends() {
    let mut makers = Makers::new(16);
    makers.issuer = makers.issuer.with_ocsp_url("http://ocsp.example.org/status");
    let mut world = prepared(&makers, CERTIFICATES);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let configuration = fs::read_to_string(world.path("attache.toml")).unwrap();
    let section = format!(
        "[listener.certificate.ocsp]\nproxy = \"{}\"\n\n[listener.clients]",
        proxy.local_addr().unwrap()
    );
    fs::write(world.path("attache.toml"), configuration.replace("[listener.clients]", &section)).unwrap();
    let server = makers.issue(&of_cse("in-cse.example.org"));
    write(world.folder.path(), "server", &server);
    write(world.folder.path(), "gateway", &makers.gateway("mn-cse-123456"));
    world.serve();
    // The registrar waits for 10 seconds between two questions at least.
    let end = in_seconds(14);
    for _ in 0..2 {
        let (mut asking, _) = proxy.accept().unwrap();
        assert!(in_seconds(0) < end, "the answer before has ended");
        let (head, question) = http_request(&mut asking);
        assert!(head.starts_with("POST http://ocsp.example.org/status HTTP/1.1\r\n"), "{head}");
        let head = head.to_ascii_lowercase();
        for field in ["\r\nhost: ocsp.example.org:80\r\n", "\r\ncontent-type: application/ocsp-request\r\n"] {
            assert!(head.contains(field), "{field:?} is not in: {head}");
        }
        let question = pki::ocsp::Question::from_der(&question).unwrap();
        assert_eq!(question.asked[0].serial_at(&makers.issuer), Some(server.serial.clone()));
        let answer =
            makers.issuer.ocsp(&server.serial, pki::ocsp::Status::Good, in_seconds(-60), Some(end)).unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length:";
        asking.write_all(format!("{head} {}\r\n\r\n", answer.len()).as_bytes()).unwrap();
        asking.write_all(&answer).unwrap();
        testkit::wait_until("the staple", || {
            let client = client(&world, "gateway", &["-status"]);
            client.wait_for_line("the word on the staple", |line| {
                let found = line.contains("OCSP Response Status: successful");
                let none = line.contains("OCSP response: no response sent");
                (found || none).then_some(found.then_some(()))
            })
        });
    }
}

/// Head and content of a request over HTTP.
fn http_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the request ends in its head: {head}");
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())?.ok()
    });
    let mut content = vec![0; length.unwrap()];
    reader.read_exact(&mut content).unwrap();
    (head, content)
}

/// Two servers on one store: what one of them made the other resumes, and what is revoked at one is at the other.
#[test]
fn two_servers_share_sessions_and_revocations() {
    let makers = Makers::new(9);
    let mut world = prepared(&makers, CERTIFICATES);
    write(world.folder.path(), "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    world.serve();
    let (first, first_address) = (world.detach(), world.address);
    world.serve();
    drop(world.run(&["credential", "add", "--public-key", "lamp.pem", "--ae-id", LAMP]).success());
    let file = world.path("session");
    let file = file.to_str().unwrap();
    let second_address = std::mem::replace(&mut world.address, first_address);
    assert_ne!(first_address, second_address);
    assert_eq!(answer(client(&world, "lamp", &["-sess_out", file]), &ae("Clamp")), "2001");
    world.address = second_address;
    let mut resumed = client(&world, "lamp", &["-sess_in", file]);
    assert!(is_resumed(&resumed));
    resumed.send(request("GET", "/~/in-cse/Clamp", "Clamp", None, "").as_bytes());
    assert_eq!(resumed.wait_for_line("the status code", status), "2000");
    let id = id_of(&world);
    drop(world.run(&["credential", "revoke", &id]).success());
    assert_eq!(alert(&client(&world, "lamp", &["-sess_in", file])), 46);
    drop(first);

    // What is written behind is there after the end.
    drop(world.stop().success());
    let audit = world.run(&["--json", "inspect", "audit"]).success().stdout;
    let resumed =
        audit.lines().find(|line| line.contains("association.establish") && line.contains(", resumed"));
    assert!(resumed.unwrap().contains(&id), "nobody knows who resumed: {audit}");
}

fn id_of(world: &World) -> String {
    let list = world.run(&["--json", "credential", "list"]).success().stdout;
    let id = list.split('"').find(|text| text.starts_with("30-")).unwrap();
    id.to_owned()
}

fn is_resumed(client: &Process) -> bool {
    client.wait_for_line("whether it is resumed", |line| {
        let resumed = line.starts_with("Reused, ");
        (resumed || line.starts_with("New, ")).then_some(resumed)
    })
}

/// A renewed certificate is shown after SIGHUP; a broken one changes nothing.
#[test]
fn a_certificate_is_renewed_without_a_restart() {
    let makers = Makers::new(10);
    let mut world = prepared(&makers, CERTIFICATES);
    write(world.folder.path(), "gateway", &makers.gateway("mn-cse-123456"));
    world.serve();
    let shown = |world: &World, issued: &pki::Issued| {
        let line = issued.chain_pem.lines().nth(1).unwrap().to_owned();
        let client = client(world, "gateway", &[]);
        let mut found = false;
        client.wait_for_line("the end of the certificate", |said| {
            found |= said == line;
            said.starts_with("subject=").then_some(())
        });
        found
    };
    let renewed = makers.issue(&of_cse("in-cse.example.org"));
    assert!(!shown(&world, &renewed));
    fs::write(world.path("server.pem"), "broken").unwrap();
    world.server().hang_up();
    world.wait_for_line(|line| line.contains("goes on with the certificate that it has").then_some(()));
    write(world.folder.path(), "server", &renewed);
    world.server().hang_up();
    world.wait_for_line(|line| line.contains("was reloaded").then_some(()));
    testkit::wait_until("the renewed certificate", || shown(&world, &renewed).then_some(()));
}
