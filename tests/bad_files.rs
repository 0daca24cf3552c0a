//! Certificates, keys, revocation lists, staples and tokens that are none, or not the right ones: one line that names
//! file, field and clause, and nothing is changed. The files are made with `openssl`.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{fs, path::Path, process::Command};

use pki::ocsp::Status;
use support::{
    World,
    certified::{CERTIFICATES, Makers, around, in_seconds, of_cse, prepared, write, year},
    fails,
};
use testkit::{Process, require};

/// Runs `openssl` in `folder`, which must be content.
fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new(require("openssl", "openssl"));
    command.args(arguments.split_whitespace()).current_dir(folder);
    drop(Process::run(command).success());
}

/// A self-signed certificate for the CSE, with a key of its own, but for what `more` says.
fn self_signed(folder: &Path, name: &str, key: &str, more: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey {key} -nodes -sha256 -days 9 -subj /CN=x -keyout {name}.key -out {name}.pem \
             -addext keyUsage=critical,digitalSignature -addext basicConstraints=critical,CA:FALSE {more}"
        ),
    );
}

const P_256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
const SAN: &str = "-addext subjectAltName=DNS:in-cse.example.org";

/// Writes `name.der`, whose subjectAltName stands there twice: OpenSSL will not say so itself.
fn doubled(folder: &Path) {
    self_signed(folder, "double", P_256, &format!("{SAN} -addext issuerAltName=DNS:in-cse.example.org"));
    openssl(folder, "x509 -in double.pem -outform DER -out double.der");
    let mut der = fs::read(folder.join("double.der")).unwrap();
    let issuer_alt_name = [0x06, 0x03, 0x55, 0x1d, 0x12];
    let at = der.windows(5).position(|window| window == issuer_alt_name).unwrap();
    der.splice(at..at + 5, [0x06, 0x03, 0x55, 0x1d, 0x11]);
    fs::write(folder.join("double.der"), der).unwrap();
}

/// A folder with a store, a good configuration, and all the bad files.
fn world(makers: &Makers) -> World {
    let mut world = prepared(makers, CERTIFICATES);
    world.serve();
    drop(world.stop());
    let folder = world.folder.path();
    fs::write(folder.join("text"), "rubbish").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    let block = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    fs::write(folder.join("noise.pem"), block("CERTIFICATE", "!!!!")).unwrap();
    fs::write(folder.join("cut.pem"), block("CERTIFICATE", "MIIBAAAA")).unwrap();
    fs::write(folder.join("cut.crl"), block("X509 CRL", "MIIBAAAA")).unwrap();
    self_signed(folder, "rsa", "rsa:2048", SAN);
    self_signed(folder, "p384", "ec -pkeyopt ec_paramgen_curve:P-384", SAN);
    self_signed(folder, "nameless", P_256, "");
    self_signed(folder, "two", P_256, &format!("{SAN},DNS:other.example.org"));
    doubled(folder);
    let other = Makers::new(72);
    fs::write(folder.join("other.crl"), other.revocation_list(1, &[])).unwrap();
    let own = of_cse("in-cse.example.org");
    let over = around(-7200, -3600);
    write(folder, "over", &makers.issuer.issue(&own, pki::SubjectKey::Fresh, over, &makers.rng).unwrap());
    let root = pki::Authority::new_root("Old root", over, &makers.rng).unwrap();
    fs::write(folder.join("old.pem"), root.root_pem().unwrap()).unwrap();
    write(folder, "lamp", &pki::self_signed("lamp", None, year(), &makers.rng).unwrap());
    world
}

const FORM: &str = "RFC 7468";
const PROFILE: &str = "TS-0003 §10.1.1.1";

/// Whatever a listener is given that it cannot use, it does not start.
#[test]
fn a_listener_with_a_bad_file_is_not_opened() {
    let makers = Makers::new(71);
    let world = world(&makers);
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let with = |from: &str, to: &str, words: [&str; 3]| {
        assert!(text.contains(from), "{from}");
        fs::write(world.path("attache.toml"), text.replace(from, to)).unwrap();
        fails(&world, &["serve"], 2, &words);
    };
    for (file, words) in [
        ("none.pem", ["cannot read", "none.pem", "No such file"]),
        ("text", ["text: PEM", "BEGIN CERTIFICATE", FORM]),
        ("noise.pem", ["noise.pem: PEM block 0", "base64", FORM]),
        ("cut.pem", ["cut.pem: certificate 0", "DER", "RFC 5280 §4.1"]),
        ("server.key", ["server.key: PEM block 0", "is a PRIVATE KEY", FORM]),
        ("rsa.pem", ["rsa.pem: certificate 0, subjectPublicKeyInfo", "RSA", PROFILE]),
        ("p384.pem", ["p384.pem: certificate 0, subjectPublicKeyInfo", "P-384", PROFILE]),
        (
            "nameless.pem",
            ["nameless.pem: certificate 0, subjectAltName", "must hold a name", "TS-0003 §8.1.2.1"],
        ),
        ("two.pem", ["two.pem: certificate 0, subjectAltName", "other.example.org", "TS-0003 §8.1.2.1"]),
        ("double.der", ["double.der: certificate 0, subjectAltName", "twice", "RFC 5280 §4.2"]),
        ("over.pem", ["over.pem: certificate 0, validity", "it ended at", "RFC 5280 §4.1.2.5"]),
        ("lamp.pem", ["lamp.pem: certificate 0, subjectAltName", "must hold a name", "TS-0003 §8.1.2.1"]),
    ] {
        with("server.pem", file, words);
    }
    for (file, words) in [
        ("none.key", ["cannot read", "none.key", "No such file"]),
        ("text", ["text: private key", "PKCS#8", "RFC 5958"]),
        ("server.pem", ["server.pem: private key", "PKCS#8", "RFC 5958"]),
        ("rsa.key", ["rsa.key: private key", "P-256", PROFILE]),
        ("p384.key", ["p384.key: private key", "P-256", PROFILE]),
        ("two.key", ["two.key: private key", "certificate 0 of", "TS-0003 §8.1.2.3"]),
    ] {
        with("server.key", file, words);
    }
    for (file, words) in [
        ("none.pem", ["cannot read", "none.pem", "No such file"]),
        ("text", ["text: PEM", "BEGIN CERTIFICATE", FORM]),
        ("cut.pem", ["cut.pem: ", "certificate 0", "RFC 5280 §4.1"]),
        ("rsa.pem", ["rsa.pem: trust anchors: certificate 0, subjectPublicKeyInfo", "RSA", PROFILE]),
        ("old.pem", ["old.pem: trust anchors: certificate 0, validity", "ended at", "RFC 5280 §4.1.2.5"]),
        ("server.pem", ["server.pem: trust anchors: certificate 0, issuer", "no root", "RFC 5280 §6.1"]),
    ] {
        with("root.pem", file, words);
    }
    for (file, words) in [
        ("none.crl", ["cannot read", "none.crl", "No such file"]),
        ("text", ["text: PEM", "BEGIN X509 CRL", FORM]),
        ("cut.crl", ["cut.crl: certificate revocation list 0", "DER", "RFC 5280 §5.1"]),
        ("other.crl", ["other.crl: certificate revocation list 0, issuer", "Test issuer", "RFC 5280 §6.3.3"]),
    ] {
        with("crl.pem", file, words);
    }
}

/// Nor does a device connect.
#[test]
fn a_device_with_a_bad_file_does_not_connect() {
    let makers = Makers::new(73);
    let world = world(&makers);
    // At this address nobody listens: whoever gets as far as connecting is told that (3), not what is wrong (2).
    let device = |trust: &str, credential: &str, words: [&str; 3]| {
        let text = format!(
            "[registrar]\naddress = \"127.0.0.1:1\"\ncse_id = \"//example.org/in-cse\"\n\n[registrar.trust]\n{trust}\n\n\
             [credential]\n{credential}\n\n[ae]\nstem = \"Clamp\"\nname = \"lamp\"\napp_id = \"Nlight.example\"\n"
        );
        fs::write(world.path("device.toml"), text).unwrap();
        fails(&world, &["device", "attach", "--device", "device.toml"], 2, &words);
    };
    let roots = "roots_file = \"root.pem\"";
    let lamp = "certificate_file = \"lamp.pem\"\nprivate_key_file = \"lamp.key\"";
    let names = |text: &str, from: &str, to: &str| text.replace(from, to);
    for (file, words) in [
        ("text", ["text: PEM", "BEGIN CERTIFICATE", FORM]),
        ("cut.pem", ["cut.pem: certificate 0", "DER", "RFC 5280 §4.1"]),
        ("two.pem", ["lamp.key: private key", "certificate 0 of", "TS-0003 §8.1.2.3"]),
    ] {
        device(roots, &names(lamp, "lamp.pem", file), words);
    }
    for (file, words) in [
        ("text", ["text: private key", "PKCS#8", "RFC 5958"]),
        ("rsa.key", ["rsa.key: private key", "P-256", PROFILE]),
        ("p384.key", ["p384.key: private key", "P-256", PROFILE]),
        ("two.key", ["two.key: private key", "certificate 0 of", "TS-0003 §8.1.2.3"]),
    ] {
        device(roots, &names(lamp, "lamp.key", file), words);
    }
    for (file, words) in [
        ("text", ["text: PEM", "BEGIN CERTIFICATE", FORM]),
        ("p384.pem", ["p384.pem: trust anchors: certificate 0, subjectPublicKeyInfo", "P-384", PROFILE]),
        ("old.pem", ["old.pem: trust anchors: certificate 0, validity", "ended at", "RFC 5280 §4.1.2.5"]),
    ] {
        device(&names(roots, "root.pem", file), lamp, words);
    }
    let responder = format!("{roots}\nocsp_responder_file = \"text\"");
    device(&responder, lamp, ["text: PEM", "BEGIN CERTIFICATE", FORM]);
    device(
        "public_key = \"ni:///sha-256;AAAA\"",
        lamp,
        ["device.toml: line", "public_key", "TS-0003 §10.1.2"],
    );

    let good = "A".repeat(32);
    let lost = "a character is missing or too many";
    let size = "expected 16 to 64 octets";
    for (token, words) in [
        (String::new(), ["token: identity token of 0 octets", size, "draft clause x.y.7"]),
        ("A".repeat(20), ["token: identity token of 15 octets", size, "draft clause x.y.7"]),
        ("A".repeat(87), ["token: identity token of 65 octets", size, "draft clause x.y.7"]),
        ("A".repeat(100_000), ["token: identity token of", size, "draft clause x.y.7"]),
        (format!("{good}A"), ["token: identity token \"(not shown)\"", lost, "draft clause x.y.7"]),
        (
            format!("{good}\n{good}"),
            ["token: identity token \"(not shown)\"", "base64url", "draft clause x.y.7"],
        ),
    ] {
        fs::write(world.path("token"), token).unwrap();
        device(roots, "token_file = \"token\"", words);
    }
}

/// A listener goes on without a staple that is none, is of another certificate, or is over; its log says which.
#[test]
fn a_bad_staple_is_told_and_not_shown() {
    let makers = Makers::new(74);
    let mut world = world(&makers);
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let ocsp = "[listener.certificate.ocsp]\nresponse_file = \"staple.der\"\n\n[listener.clients]";
    fs::write(world.path("attache.toml"), text.replace("[listener.clients]", ocsp)).unwrap();
    let own = fs::read(world.path("server.pem")).unwrap();
    let serial = |pem: &[u8]| {
        let chain = certificate::Chain::from_pem(pem).unwrap();
        pki::Serial::of_certificate(chain.leaf_der()).unwrap()
    };
    let (own, lamp) = (serial(&own), serial(&makers.gateway("mn-cse-9").chain_pem.into_bytes()));
    let stranger = Makers::new(75);
    let says = |makers: &Makers, serial: &pki::Serial, begin, end| {
        makers.issuer.ocsp(serial, Status::Good, in_seconds(begin), Some(in_seconds(end))).unwrap()
    };
    for (staple, words) in [
        (Vec::new(), ["OCSPResponse", "is empty", "RFC 6960 §4.2.1"]),
        (b"rubbish".to_vec(), ["OCSPResponse", "cannot be read", "RFC 6960 §4.2.1"]),
        (says(&makers, &lamp, -60, 3600), ["certID", "another certificate", "RFC 6960 §3.2"]),
        (says(&stranger, &own, -60, 3600), ["signature", "responder", "RFC 6960 §3.2"]),
        (says(&makers, &own, -7200, -3600), ["nextUpdate", "", "RFC 6960"]),
    ] {
        fs::write(world.path("staple.der"), staple).unwrap();
        world.serve();
        let line =
            world.wait_for_line(|line| line.contains("no OCSP response to staple").then(|| line.to_owned()));
        for word in ["staple.der: OCSP staple"].iter().chain(&words) {
            assert!(line.contains(word), "{word:?} is not in: {line}");
        }
        drop(world.stop());
    }
}
