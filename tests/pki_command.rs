//! `attache pki` as a person uses it, and what it says of certificates that `openssl` made.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use serde_json::Value;
use support::attache;
use tempfile::TempDir;
use testkit::{Finished, Process};

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

/// Runs `openssl` in `folder`; what it printed, whether content or not.
fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), text)
}

/// Runs `openssl`, which must be content.
fn made(folder: &Path, arguments: &str) -> String {
    let (done, text) = openssl(folder, &arguments.split_whitespace().collect::<Vec<_>>());
    assert!(done, "openssl {arguments}: {text}");
    text
}

/// Everything under a folder, with contents and modes.
fn contents(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            all.push((path.display().to_string(), mode, fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// Runs `attache`, which must fail with `code`, say each of `words`, print no key and leave every file as it is.
fn fails(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let before = contents(folder);
    let finished = attache(folder, arguments);
    assert_eq!(finished.code(), code, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{arguments:?}: {word:?} is not in: {}", finished.stderr);
    }
    assert!(
        !finished.stderr.contains("panicked") && !finished.stderr.contains("PRIVATE KEY"),
        "{}",
        finished.stderr
    );
    assert_eq!(contents(folder), before, "{arguments:?} left something behind");
}

const ALL: [(&str, &[&str]); 5] = [
    ("gateway", &["--cse-id", "//example.org/mn-cse-7", "--in-cse", "in-cse"]),
    ("lamp", &["--ae-id", "//example.org/mn-cse-7/Clamp"]),
    ("node", &["--node-id", "urn:gsma:imei:90420156-025763-0"]),
    ("meter", &["--device", "0.2.481.1/100.3030.10011"]),
    ("mef", &["--fqdn", "mef.example.org"]),
];

/// A folder with an authority in `pki`.
fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let init = ["pki", "init", "--domain", "example.org", "--devices", "0.2.481.1/100.3030"];
    drop(attache(folder.path(), &init).success());
    folder
}

fn issue(folder: &Path, name: &str, subject: &[&str]) -> Finished {
    let mut arguments = vec!["--json", "pki", "issue", "--out", name];
    arguments.extend(subject);
    attache(folder, &arguments)
}

/// The README's way, from the first root to the first revocation.
#[test]
fn from_a_root_to_a_revocation() {
    let folder = site();
    let path = folder.path();
    for (name, subject) in ALL {
        let fact = json(&issue(path, name, subject).success().stdout);
        let (chain, key) = (format!("{name}.pem"), format!("{name}.key.pem"));
        assert_eq!((&fact["chain"], &fact["key"]), (&chain.clone().into(), &key.clone().into()));
        let mode = |file: &str| fs::metadata(path.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&chain), mode(&key)), (0o644, 0o600));
        assert_eq!(
            made(path, &format!("x509 -in {chain} -noout -pubkey")),
            made(path, &format!("pkey -in {key} -pubout"))
        );
        if name != "meter" {
            // OpenSSL does not do otherName (error 51).
            made(path, &format!("verify -x509_strict -CAfile pki/root.pem -untrusted {chain} {chain}"));
        }
        let check = ["--json", "pki", "check", &chain, "--anchors", "pki/root.pem", "--crls", "pki/crl.pem"];
        let fact = json(&attache(path, &check).success().stdout);
        assert_eq!((&fact["follows"], fact["broken"].as_array().unwrap().len()), (&true.into(), 0));
    }
    let fact = json(&attache(path, &["--json", "pki", "check", "lamp.pem"]).success().stdout);
    assert_eq!(
        (&fact["judged"], &fact["names"][0]),
        (&"AE-ID certificates".into(), &"//example.org/mn-cse-7/Clamp".into())
    );

    let revoke = ["--json", "pki", "revoke", "lamp.pem", "--reason", "superseded"];
    let fact = json(&attache(path, &revoke).success().stdout);
    assert_eq!((&fact["kind"], &fact["reason"]), (&"ae-id".into(), &"superseded".into()));
    let check = ["pki", "check", "lamp.pem", "--anchors", "pki/root.pem", "--crls", "pki/crl.pem"];
    let refused = attache(path, &check);
    assert_eq!(refused.code(), 1);
    assert!(
        refused.stdout.contains("lamp.pem: certificate 0, serialNumber")
            && refused.stdout.contains("is revoked")
    );
    for (name, status) in [("gateway.pem", "good"), ("lamp.pem", "revoked")] {
        let fact =
            json(&attache(path, &["--json", "pki", "ocsp", name, "--out", "staple.der"]).success().stdout);
        assert_eq!(fact["status"], status);
        let ask = "ocsp -respin staple.der -issuer pki/authorities/names.pem -CAfile pki/root.pem -verify_other \
                   pki/authorities/names.pem -cert";
        let text = made(path, &format!("{ask} {name}"));
        assert!(text.contains("Response verify OK") && text.contains(&format!("{name}: {status}")), "{text}");
    }
    let fact = json(&attache(path, &["--json", "pki", "crl", "--days", "2"]).success().stdout);
    assert_eq!(fact["revoked"], 1);
    let text = made(path, "crl -in pki/crl.pem -noout -crlnumber");
    assert_eq!(text.trim(), "crlNumber=0x03");
}

/// What is trusted by the hash of its key needs no authority (TS-0003 §10.1.2).
#[test]
fn keys_that_are_enrolled_by_their_hash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let own = json(&issue(path, "self", &["--self-signed", "lamp 7"]).success().stdout);
    let again =
        json(&issue(path, "again", &["--self-signed", "lamp 7", "--key", "self.key.pem"]).success().stdout);
    assert_eq!((&own["identifier"], &again["key"]), (&again["identifier"], &Value::Null));
    let raw = json(&issue(path, "raw", &["--raw-key", "--key", "self.key.pem"]).success().stdout);
    assert_eq!((&raw["identifier"], &raw["public_key"]), (&own["identifier"], &"raw.pub.pem".into()));
    assert!(own["identifier"].as_str().unwrap().starts_with("ni:///sha-256;"));
    assert_eq!(
        fs::read_to_string(path.join("raw.pub.pem")).unwrap(),
        made(path, "x509 -in self.pem -noout -pubkey")
    );
    drop(issue(path, "fresh", &["--raw-key"]).success());
    assert_eq!(fs::metadata(path.join("fresh.key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    for (file, more) in [("self.pem", vec!["--as", "raw-key"]), ("raw.pub.pem", vec![])] {
        let mut check = vec!["--json", "pki", "check", file];
        check.extend(more);
        assert_eq!(json(&attache(path, &check).success().stdout)["identifier"], own["identifier"]);
    }
    let nameless = attache(path, &["pki", "check", "self.pem"]);
    assert_eq!(
        (nameless.code(), nameless.stdout.contains("subjectAltName: must hold a name (TS-0003 §8.1.2.1)")),
        (1, true)
    );
}

/// TS-0003 §10.1.4.
#[test]
fn requests_of_others() {
    let folder = site();
    let path = folder.path();
    made(path, "ecparam -name prime256v1 -genkey -noout -out own.key");
    made(
        path,
        "req -new -key own.key -subj /CN=x -addext subjectAltName=URI:m2m://example.org/mn-cse-7/Clamp -out own.csr",
    );
    let subject = ["--ae-id", "//example.org/mn-cse-7/Clamp", "--csr", "own.csr"];
    let fact = json(&issue(path, "own", &subject).success().stdout);
    assert_eq!(fact["key"], Value::Null);
    assert_eq!(made(path, "x509 -in own.pem -noout -pubkey"), made(path, "pkey -in own.key -pubout"));
    made(path, "pkey -in own.key -pubout -out own.pub");
    drop(issue(path, "pub", &["--fqdn", "mef.example.org", "--public-key", "own.pub"]).success());
    drop(issue(path, "key", &["--fqdn", "mef.example.org", "--key", "own.key"]).success());

    let other =
        ["pki", "issue", "--out", "x", "--csr", "own.csr", "--ae-id", "//example.org/mn-cse-7/Clamp2"];
    let words = [
        "own.csr: certificate request, subjectAltName: expected URI:m2m://example.org/mn-cse-7/Clamp2, found",
        "TS-0003 §10.1.1.5",
    ];
    fails(path, &other, 2, &words);
    made(path, "req -new -key own.key -subj /CN=x -out bare.csr");
    let bare = ["pki", "issue", "--out", "x", "--csr", "bare.csr", "--fqdn", "mef.example.org"];
    fails(path, &bare, 2, &["bare.csr: certificate request, subjectAltName: missing", "TS-0003 §10.1.4"]);
}

#[test]
fn bad_input_names_file_field_and_clause_and_leaves_nothing() {
    let folder = site();
    let path = folder.path();
    drop(issue(path, "gateway", ALL[0].1).success());
    made(path, "ecparam -name secp384r1 -genkey -noout -out p384.key");
    made(path, "genrsa -out rsa.key 2048");
    made(path, "pkey -in rsa.key -pubout -out rsa.pub");
    made(path, "req -new -key rsa.key -subj /CN=x -addext subjectAltName=DNS:mef.example.org -out rsa.csr");
    fs::write(path.join("rubbish"), "rubbish").unwrap();
    fs::write(path.join("cut.pem"), "-----BEGIN CERTIFICATE-----\nMII\n").unwrap();
    fs::write(path.join("long"), vec![b'a'; 2 << 20]).unwrap();
    fs::create_dir(path.join("empty")).unwrap();
    fs::write(path.join("half.key.pem"), "").unwrap();
    let mef = ["pki", "issue", "--fqdn", "mef.example.org", "--out", "x"];
    let cases: [(&[&str], &[&str]); 31] = [
        (&["--csr", "none.csr"], &["cannot read none.csr: No such file"]),
        (&["--csr", "rubbish"], &["rubbish: certificate request, form: no PKCS #10 request", "RFC 2986"]),
        (
            &["--csr", "gateway.pem"],
            &["gateway.pem: certificate request, form: no block `CERTIFICATE REQUEST`"],
        ),
        (&["--csr", "rsa.csr"], &["rsa.csr: certificate request, subjectPublicKeyInfo", "TS-0003 §10.1.1.1"]),
        (&["--csr", "long"], &["cannot read long: it is longer than 1 MiB"]),
        (&["--key", "p384.key"], &["p384.key: private key: expected a P-256 key", "TS-0003 §10.1.1.1"]),
        (&["--key", "rubbish"], &["rubbish: private key: expected a P-256 key"]),
        (&["--public-key", "rsa.pub"], &["rsa.pub: public key: expected", "TS-0003 §10.1.1.1"]),
        (&["--csr", "rsa.csr", "--key", "rsa.key"], &["cannot be used with"]),
        (&["--dir", "nowhere"], &["cannot read nowhere/index.json: No such file"]),
        (&["--dir", "empty"], &["cannot read empty/index.json: No such file"]),
        (&["--days", "36000"], &["must not outlive the authority"]),
        (&["--days", "0"], &["0 is not in 1..=36500"]),
        (&["--ae-id", "//example.org/Slamp"], &["cannot be used with"]),
        (&["--in-cse", "x"], &["--cse-id"]),
        (&["--out", "gateway"], &["cannot be used multiple times"]),
        (
            &["pki", "issue", "--fqdn", "mef.example.org", "--out", "gateway"],
            &["gateway.pem exists; remove it"],
        ),
        (
            &["pki", "issue", "--fqdn", "mef.example.org", "--out", "half"],
            &["half.key.pem exists; remove it"],
        ),
        (&["pki", "issue", "--raw-key", "--out", "half"], &["half.key.pem exists; remove it"]),
        (
            &["pki", "issue", "--fqdn", "mef.example.org", "--out", "no/x"],
            &["cannot write no/x.pem: No such file"],
        ),
        (
            &["pki", "issue", "--fqdn", "mef.example.com", "--out", "x"],
            &[
                "certificate 0, subjectAltName: holds a name that an issuer does not permit",
                "RFC 5280 §4.2.1.10",
            ],
        ),
        (
            &["pki", "issue", "--device", "0.2.481.1/100.3031.1", "--out", "x"],
            &["does not permit, found \"0.2.481.1.100.3031.1\"", "RFC 5280 §4.2.1.10"],
        ),
        (&["pki", "issue", "--node-id", "x", "--out", "x"], &["M2M-Node-ID \"x\": only a URN", "§10.1.1.8"]),
        (
            &["pki", "issue", "--cse-id", "//example.org/a.b", "--out", "x"],
            &["no unambiguous domain form", "TS-0001 §6.5.1.1"],
        ),
        (
            &["pki", "issue", "--cse-id", "mn-cse-7", "--out", "x"],
            &["CSE-ID \"mn-cse-7\": must be //SP/name"],
        ),
        (
            &["pki", "issue", "--raw-key", "--csr", "rsa.csr", "--out", "x"],
            &["--raw-key: a request is for a certificate"],
        ),
        (&["pki", "issue", "--out", "x"], &["required arguments"]),
        (&["pki", "init", "--domain", "example.org"], &["pki: exists; remove it or choose another name"]),
        (&["pki", "init", "--domain", "Example.org", "--dir", "y"], &["FQDN \"Example.org\""]),
        (
            &["pki", "init", "--domain", "example.org", "--devices", "0.2.481.1", "--dir", "y"],
            &["TS-0003 §10.1.1.4.2"],
        ),
        (
            &["pki", "init", "--domain", "example.org", "--ocsp-url", "ftp://x", "--dir", "y"],
            &["RFC 6960 §A.1"],
        ),
    ];
    for (arguments, words) in cases {
        let whole =
            if arguments.first() == Some(&"pki") { arguments.to_vec() } else { [&mef, arguments].concat() };
        fails(path, &whole, 2, words);
    }
    let cases: [(&[&str], &[&str]); 15] = [
        (&["revoke"], &["name the certificate: its file, or --serial"]),
        (&["revoke", "--serial", "01"], &["serial number 01: was not issued here"]),
        (&["revoke", "--serial", "xy"], &["serial number \"xy\"", "RFC 5280 §4.1.2.2"]),
        (
            &["revoke", "gateway.pem", "--reason", "whim"],
            &["reason for a revocation \"whim\"", "RFC 5280 §5.3.1"],
        ),
        (&["revoke", "rubbish"], &["rubbish: PEM"]),
        (&["ocsp", "gateway.pem"], &["--out"]),
        (&["ocsp", "--serial", "01", "--out", "x"], &["serial number 01: was not issued here"]),
        (&["ocsp", "gateway.pem", "--out", "no/x"], &["cannot write no/x"]),
        (&["ocsp", "--listen", "192.0.2.1:80"], &["--listen: cannot listen at 192.0.2.1:80"]),
        (&["crl", "--dir", "nowhere"], &["cannot read nowhere/index.json"]),
        (&["check", "none.pem"], &["cannot read none.pem"]),
        (&["check", "cut.pem"], &["cut.pem: PEM"]),
        (&["check", "rsa.pub"], &["rsa.pub: public key: expected", "TS-0003 §10.1.1.1"]),
        (
            &["check", "gateway.pem", "--anchors", "gateway.pem"],
            &["gateway.pem: trust anchors: certificate 0", "RFC 5280"],
        ),
        (&["check", "gateway.pem", "--anchors", "pki/root.pem", "--crls", "rubbish"], &["rubbish: PEM"]),
    ];
    for (arguments, words) in cases {
        fails(path, &[&["pki"], arguments].concat(), 2, words);
    }
    drop(attache(path, &["pki", "revoke", "gateway.pem"]).success());
    fails(path, &["pki", "revoke", "gateway.pem"], 2, &["was revoked at 2"]);
}

/// Asks over HTTP by hand.
fn http(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // A refused body may be answered with a reset behind the answer.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// RFC 6960 appendix A.
#[test]
fn the_responder_follows_the_index() {
    let folder = site();
    let path = folder.path();
    for (name, subject) in ALL {
        drop(issue(path, name, subject).success());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
    command.args(["--json", "pki", "ocsp", "--listen", "127.0.0.1:0"]).current_dir(path);
    let responder = Process::spawn(command);
    let address: SocketAddr = responder.wait_for_line("where the responder listens", |line| {
        serde_json::from_str::<Value>(line).ok()?["listening"].as_str()?.parse().ok()
    });
    let ask = |name: &str, authority: &str| {
        made(
            path,
            &format!(
                "ocsp -url http://{address}/ -issuer pki/authorities/{authority}.pem -cert {name} -CAfile pki/root.pem \
                 -verify_other pki/authorities/{authority}.pem -reqout question.der"
            ),
        )
    };
    for (name, authority) in
        [("gateway", "names"), ("lamp", "names"), ("node", "nodes"), ("meter", "devices")]
    {
        let text = ask(&format!("{name}.pem"), authority);
        assert!(text.contains("Response verify OK") && text.contains(&format!("{name}.pem: good")), "{text}");
        assert!(!text.contains("no nonce"), "the nonce is not repeated: {text}");
    }
    drop(attache(path, &["pki", "revoke", "lamp.pem", "--reason", "keyCompromise"]).success());
    let text = ask("lamp.pem", "names");
    assert!(text.contains("lamp.pem: revoked") && text.contains("keyCompromise"), "{text}");
    let unknown = format!(
        "ocsp -url http://{address}/ -issuer pki/authorities/nodes.pem -serial 4711 -CAfile pki/root.pem -verify_other \
         pki/authorities/nodes.pem"
    );
    assert!(made(path, &unknown).contains("4711: unknown"));

    let post = |body: &[u8]| {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        http(address, &[head.as_bytes(), body].concat())
    };
    let question = fs::read(path.join("question.der")).unwrap();
    let good = post(&question);
    assert!(good.starts_with(b"HTTP/1.1 200 ") && good.len() > 300);
    // OCSPResponse { malformedRequest }
    assert!(post(b"rubbish").ends_with(&[0x30, 3, 0x0a, 1, 1]));
    assert!(post(&[0x30; 5000]).starts_with(b"HTTP/1.1 413 "));
    assert!(http(address, b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n").starts_with(b"HTTP/1.1 405 "));
    assert!(http(address, b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n").starts_with(b"HTTP/1.1 400 "));
    let encoded = made(path, "base64 -A -in question.der").trim().replace('+', "%2B").replace('/', "%2F");
    let get = http(address, format!("GET /{encoded} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    assert!(get.starts_with(b"HTTP/1.1 200 ") && get.len() > 300);
    let elsewhere = site();
    drop(issue(elsewhere.path(), "gateway", ALL[0].1).success());
    let reqout = "ocsp -issuer pki/authorities/names.pem -cert gateway.pem -reqout question.der";
    made(elsewhere.path(), reqout);
    let foreign = fs::read(elsewhere.path().join("question.der")).unwrap();
    // OCSPResponse { unauthorized }
    assert!(post(&foreign).ends_with(&[0x30, 3, 0x0a, 1, 6]));
    responder.terminate();
    assert_eq!(responder.finish().code(), 0);
}

/// Extensions as `openssl` reads them: name and value.
type Lines<'a> = &'a [(&'a str, &'a str)];

/// An authority that is made with `openssl` alone.
struct Foreign {
    folder: TempDir,
}

const ROOT: Lines<'_> = &[
    ("basicConstraints", "critical,CA:TRUE"),
    ("keyUsage", "critical,digitalSignature,keyCertSign,cRLSign"),
    ("subjectKeyIdentifier", "hash"),
];
const ISSUER: Lines<'_> = &[
    ("basicConstraints", "critical,CA:TRUE,pathlen:0"),
    ("keyUsage", "critical,digitalSignature,keyCertSign,cRLSign"),
    ("nameConstraints", "critical,permitted;DNS:example.org,permitted;URI:example.org"),
    ("subjectKeyIdentifier", "hash"),
    ("authorityKeyIdentifier", "keyid"),
];
const LEAF: Lines<'_> = &[
    ("keyUsage", "critical,digitalSignature"),
    ("subjectAltName", "DNS:mn-cse-7.in-cse.example.org"),
    ("subjectKeyIdentifier", "hash"),
    ("authorityKeyIdentifier", "keyid"),
];

/// Extensions with some replaced, added, or (with an empty value) left out.
fn extensions(base: Lines<'_>, changes: Lines<'_>) -> String {
    let changed = |name: &str| changes.iter().find(|(changed, _)| *changed == name);
    let kept = base.iter().map(|pair| changed(pair.0).unwrap_or(pair));
    let added = changes.iter().filter(|(name, _)| base.iter().all(|(known, _)| known != name));
    kept.chain(added)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

impl Foreign {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("empty.cnf"), "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
        for key in ["root", "issuer", "leaf"] {
            made(path, &format!("ecparam -name prime256v1 -genkey -noout -out {key}.key"));
        }
        let this = Self { folder };
        fs::write(this.path().join("root.ext"), extensions(ROOT, &[])).unwrap();
        this.request("root", "root.key", "/CN=root");
        made(
            this.path(),
            "x509 -req -in root.csr -signkey root.key -days 365 -extfile root.ext -out root.pem",
        );
        this.issuer(&[]);
        this
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn request(&self, name: &str, key: &str, subject: &str) {
        let csr = format!("{name}.csr");
        let request = ["req", "-new", "-config", "empty.cnf", "-key", key, "-subj", subject, "-out", &csr];
        let (done, text) = openssl(self.path(), &request);
        assert!(done, "{text}");
    }

    fn issuer(&self, changes: Lines<'_>) {
        fs::write(self.path().join("issuer.ext"), extensions(ISSUER, changes)).unwrap();
        self.request("issuer", "issuer.key", "/CN=issuer");
        made(
            self.path(),
            "x509 -req -in issuer.csr -CA root.pem -CAkey root.key -set_serial 7 -days 365 -extfile issuer.ext -out \
             issuer.pem",
        );
    }

    /// `chain.pem`: a leaf below the issuer.
    fn leaf(&self, changes: Lines<'_>, key: &str, subject: &str, more: &str) {
        self.request("leaf", key, subject);
        let mut text = extensions(LEAF, changes);
        if text.contains("@device") {
            // A RELATIVE-OID, universal 13, which `openssl` has no name for.
            text.push_str("[device]\notherName.0=0.2.481.1;IMPLICIT:13U,FORMAT:HEX,OCTETSTRING:649756CE1B\n");
        }
        fs::write(self.path().join("leaf.ext"), &text).unwrap();
        let extfile = if text.is_empty() { "" } else { "-extfile leaf.ext" };
        let serial = if more.contains("-set_serial") { "" } else { "-set_serial 4711" };
        made(
            self.path(),
            &format!(
                "x509 -req -in leaf.csr -CA issuer.pem -CAkey issuer.key {serial} -days 300 {extfile} {more} -out leaf.pem"
            ),
        );
        self.chain(&["leaf.pem", "issuer.pem"]);
    }

    fn chain(&self, files: &[&str]) {
        let read = |file: &&str| fs::read_to_string(self.path().join(file)).unwrap();
        fs::write(self.path().join("chain.pem"), files.iter().map(read).collect::<String>()).unwrap();
    }

    /// Which rules `attache pki check` finds broken, and where.
    fn broken(&self, more: &[&str]) -> Vec<(String, String)> {
        let mut arguments = vec!["--json", "pki", "check", "chain.pem"];
        arguments.extend(more);
        let finished = attache(self.path(), &arguments);
        let fact = json(&finished.stdout);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let broken: Vec<_> = fact["broken"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| (text(&rule["rule"]), text(&rule["clause"])))
            .collect();
        assert_eq!(finished.code(), i32::from(!broken.is_empty()), "{fact}");
        assert_eq!(fact["follows"], broken.is_empty());
        broken
    }
}

/// Certificates that follow the profile pass, whoever made them.
#[test]
fn good_certificates_of_openssl_pass() {
    let site = Foreign::new();
    let cases: [(&str, &str, Lines<'_>); 4] = [
        ("DNS:mn-cse-7.in-cse.example.org", "CSE-ID certificates", &[]),
        ("URI:m2m://example.org/mn-cse-7/Clamp", "AE-ID certificates", &[]),
        (
            "URI:urn:oid:1.2.3.4",
            "Node-ID certificates",
            &[("nameConstraints", "critical,permitted;DNS:invalid")],
        ),
        ("@device", "device certificates", &[("nameConstraints", "critical,permitted;DNS:invalid")]),
    ];
    for (name, judged, issuer) in cases {
        site.issuer(issuer);
        site.leaf(&[("subjectAltName", name)], "leaf.key", "/CN=x", "-sha256");
        assert_eq!(site.broken(&["--anchors", "root.pem"]), [], "{name}");
        let fact = json(&attache(site.path(), &["--json", "pki", "check", "chain.pem"]).stdout);
        assert_eq!(fact["judged"], judged);
    }
    assert_eq!(
        json(&attache(site.path(), &["--json", "pki", "check", "chain.pem"]).stdout)["names"][0],
        "0.2.481.1.100.3030.10011"
    );
    site.issuer(&[]);
    // With the purposes and the extension of its own, not critical, that `step` writes into each leaf.
    let step = [
        ("subjectAltName", "DNS:mef.example.org"),
        ("extendedKeyUsage", "serverAuth,clientAuth"),
        ("1.3.6.1.4.1.37476.9000.64.1", "ASN1:NULL"),
    ];
    site.leaf(&step, "leaf.key", "/CN=x", "-sha256");
    assert_eq!(site.broken(&["--as", "fqdn", "--anchors", "root.pem"]), []);
    site.chain(&["leaf.pem"]);
    assert_eq!(site.broken(&[]), [], "a leaf alone");
    site.chain(&["leaf.pem", "issuer.pem", "root.pem"]);
    assert_eq!(site.broken(&[]), [], "with the root");
}

/// One leaf for each rule that `openssl` can be made to break.
#[test]
fn bad_leaves_of_openssl_are_told_their_rule() {
    let site = Foreign::new();
    made(site.path(), "ecparam -name secp384r1 -genkey -noout -out p384.key");
    made(site.path(), "genrsa -out rsa.key 2048");
    made(site.path(), "ec -in leaf.key -conv_form compressed -out short.key");
    const COMMON: &str = "TS-0003 §10.1.1.1";
    let name = "subjectAltName";
    type Case<'a> = (&'a str, &'a str, Lines<'a>, &'a str, &'a str, &'a str);
    let cases: [Case<'_>; 20] = [
        ("KeyUsage", COMMON, &[("keyUsage", "")], "leaf.key", "/CN=x", "-sha256"),
        (
            "DigitalSignature",
            COMMON,
            &[("keyUsage", "critical,keyAgreement")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        ("Curve", COMMON, &[], "p384.key", "/CN=x", "-sha256"),
        ("KeyAlgorithm", COMMON, &[], "rsa.key", "/CN=x", "-sha256"),
        ("PointFormat", COMMON, &[], "short.key", "/CN=x", "-sha256"),
        ("SignatureAlgorithm", "TS-0003 §10.1.1.3", &[], "leaf.key", "/CN=x", "-sha384"),
        ("SubjectAltName", "TS-0003 §8.1.2.1", &[(name, "")], "leaf.key", "/CN=x", "-sha256"),
        ("Wildcard", "TS-0003 §10.1.1.7", &[(name, "DNS:*.example.org")], "leaf.key", "/CN=x", "-sha256"),
        (
            "OneName",
            "TS-0003 §8.1.2.1",
            &[(name, "DNS:a.example.org,DNS:b.example.org")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        (
            "OneEntity",
            "TS-0003 §8.1.2.1",
            &[(name, "DNS:a.example.org,URI:m2m://example.org/Sx")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        ("NameForm", "RFC 5280 §4.2.1.6", &[(name, "DNS:a..example.org")], "leaf.key", "/CN=x", "-sha256"),
        ("Permitted", "RFC 5280 §4.2.1.10", &[(name, "DNS:a.example.com")], "leaf.key", "/CN=x", "-sha256"),
        (
            "UnclearConstraint",
            "RFC 5280 §4.2.1.10",
            &[(name, "URI:urn:oid:1.2.3")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        (
            "EndEntity",
            "RFC 5280 §4.2.1.9",
            &[("basicConstraints", "critical,CA:TRUE")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        (
            "CriticalExtension",
            "RFC 5280 §4.2",
            &[("1.2.3.4", "critical,ASN1:NULL")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        (
            "UnreadableExtension",
            "RFC 5280 §4.2",
            &[("2.5.29.19", "ASN1:NULL")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        (
            "NameConstraints",
            "RFC 5280 §4.2.1.10",
            &[("nameConstraints", "critical,permitted;DNS:example.org")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        (
            "AuthorityKeyIdentifier",
            "RFC 5280 §4.2.1.1",
            &[("authorityKeyIdentifier", "none")],
            "leaf.key",
            "/CN=x",
            "-sha256",
        ),
        ("SerialNumber", "RFC 5280 §4.1.2.2", &[], "leaf.key", "/CN=x", "-sha256 -set_serial -5"),
        ("SubjectAltNameCritical", "RFC 5280 §4.2.1.6", &[], "leaf.key", "/", "-sha256"),
    ];
    for (rule, clause, changes, key, subject, more) in cases {
        site.leaf(changes, key, subject, more);
        let broken = site.broken(&[]);
        assert!(broken.contains(&(rule.to_owned(), clause.to_owned())), "{rule}: {broken:?}");
    }
    let all: Vec<_> = LEAF.iter().map(|(name, _)| (*name, "")).collect();
    site.leaf(&all, "leaf.key", "/CN=x", "-sha256");
    assert!(site.broken(&[]).iter().any(|(rule, _)| rule == "KeyUsage"), "no extension at all");
    for (judged, clause) in
        [("ae-id", "TS-0003 §10.1.1.5"), ("node-id", "TS-0003 §10.1.1.8"), ("device", "TS-0003 §10.1.1.4.1")]
    {
        site.leaf(&[], "leaf.key", "/CN=x", "-sha256");
        let broken = site.broken(&["--as", judged]);
        assert!(broken.contains(&("Named".to_owned(), clause.to_owned())), "{judged}: {broken:?}");
    }
}

/// One issuer for each rule that `openssl` can be made to break.
#[test]
fn bad_issuers_of_openssl_are_told_their_rule() {
    let site = Foreign::new();
    let ca = "RFC 5280 §4.2.1.9";
    let cases: [(&str, &str, Lines<'_>); 8] = [
        ("BasicConstraints", ca, &[("basicConstraints", "")]),
        ("BasicConstraints", ca, &[("basicConstraints", "CA:TRUE")]),
        ("BasicConstraints", ca, &[("basicConstraints", "critical,CA:FALSE")]),
        ("KeyCertSign", "RFC 5280 §4.2.1.3", &[("keyUsage", "critical,digitalSignature")]),
        ("DigitalSignature", "TS-0003 §10.1.1.1", &[("keyUsage", "critical,keyCertSign")]),
        ("Constrained", "TS-0003 §8.1.2.2", &[("nameConstraints", "")]),
        ("Excluded", "RFC 5280 §4.2.1.10", &[("nameConstraints", "critical,excluded;DNS:example.org")]),
        ("NameConstraints", "RFC 5280 §4.2.1.10", &[("nameConstraints", "permitted;DNS:example.org")]),
    ];
    for (rule, clause, changes) in cases {
        site.issuer(changes);
        site.leaf(&[], "leaf.key", "/CN=x", "-sha256");
        let broken = site.broken(&[]);
        assert!(broken.contains(&(rule.to_owned(), clause.to_owned())), "{rule}: {broken:?}");
    }
    site.issuer(&[("subjectKeyIdentifier", "none")]);
    site.leaf(&[("authorityKeyIdentifier", "none")], "leaf.key", "/CN=x", "-sha256");
    let rules: Vec<_> = site.broken(&[]).into_iter().map(|(rule, _)| rule).collect();
    assert!(rules.contains(&"SubjectKeyIdentifier".to_owned()), "{rules:?}");
    site.issuer(&[("nameConstraints", "critical,permitted;DNS:example.org")]);
    site.leaf(&[("subjectAltName", "URI:m2m://example.org/Sx")], "leaf.key", "/CN=x", "-sha256");
    let constrained = ("Constrained".to_owned(), "TS-0003 §10.1.1.5".to_owned());
    assert!(site.broken(&[]).contains(&constrained), "an AE-ID needs a constraint on URIs");

    site.issuer(&[]);
    site.leaf(&[], "leaf.key", "/CN=x", "-sha256");
    site.chain(&["leaf.pem", "root.pem"]);
    assert!(site.broken(&[]).iter().any(|(rule, _)| rule == "ChainOrder"));
    fs::copy(site.path().join("leaf.pem"), site.path().join("old.pem")).unwrap();
    made(site.path(), "ecparam -name prime256v1 -genkey -noout -out issuer.key");
    site.issuer(&[]);
    site.chain(&["old.pem", "issuer.pem"]);
    assert!(site.broken(&[]).iter().any(|(rule, _)| rule == "ChainSignature"));
}

/// With roots, the way to them is judged as well, at the time that is named.
#[test]
fn the_way_to_the_roots() {
    let site = Foreign::new();
    site.leaf(&[], "leaf.key", "/CN=x", "-sha256");
    assert_eq!(site.broken(&["--anchors", "root.pem"]), []);
    let elsewhere = Foreign::new();
    fs::copy(elsewhere.path().join("root.pem"), site.path().join("other.pem")).unwrap();
    let said = |arguments: &[&str]| {
        let finished = attache(site.path(), &[&["pki", "check", "chain.pem"], arguments].concat());
        (finished.code(), finished.stdout)
    };
    let (code, text) = said(&["--anchors", "other.pem"]);
    assert_eq!(code, 1);
    assert!(text.contains("TS-0003 §8.1.2.2") || text.contains("RFC 5280 §6.1"), "{text}");
    site.leaf(&[("extendedKeyUsage", "clientAuth")], "leaf.key", "/CN=x", "-sha256");
    let (code, text) = said(&["--anchors", "root.pem"]);
    assert!(code == 1 && text.contains("does not allow TLS servers"), "{text}");
}
