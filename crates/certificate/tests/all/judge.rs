//! `openssl verify` as judge: what is accepted here is accepted there, but for constraints on otherName, of which
//! OpenSSL knows nothing (its error 51).

use std::path::PathBuf;
use std::process::Command;

use certificate::{Anchors, Chain, Purpose, Reason, Refusal, Rule, verify};
use openssl::hash::MessageDigest;
use openssl::sign::Signer;
use tempfile::TempDir;
use testkit::Draws;

use crate::factory::*;

const UNSUPPORTED_CONSTRAINT_TYPE: &str = "error 51 at";
const ARC: &str = "0.2.481.1";
const CSE: &str = "mn-cse.in-cse.sp.example.org";
const AE: &str = "m2m://sp.example.org/mn-cse/Clamp";

/// What the program says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Valid,
    Error51,
    Invalid,
}

struct Program {
    openssl: PathBuf,
    folder: TempDir,
}

impl Program {
    fn new() -> Self {
        Self { openssl: testkit::require("openssl", "openssl"), folder: tempfile::tempdir().unwrap() }
    }

    fn judge(&self, root: &[u8], chain: &[Vec<u8>], purpose: Purpose) -> (Said, String) {
        let put = |name: &str, certificates: &[Vec<u8>]| {
            let path = self.folder.path().join(name);
            let text: Vec<u8> = certificates.iter().flat_map(|der| pem("CERTIFICATE", der)).collect();
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut command = Command::new(&self.openssl);
        command.args(["verify", "-no-CApath", "-no-CAstore", "-attime"]);
        command.arg((now().unix_micros() / 1_000_000).to_string());
        command.args([
            "-purpose",
            match purpose {
                Purpose::Client => "sslclient",
                Purpose::Server => "sslserver",
            },
        ]);
        command.arg("-CAfile").arg(put("root.pem", &[root.to_vec()]));
        if chain.len() > 1 {
            command.arg("-untrusted").arg(put("issuers.pem", &chain[1..]));
        }
        let done = command.arg(put("leaf.pem", &chain[..1])).output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        let said = if done.status.success() {
            Said::Valid
        } else if text.contains(UNSUPPORTED_CONSTRAINT_TYPE) {
            Said::Error51
        } else {
            Said::Invalid
        };
        (said, text)
    }
}

fn here(root: &[u8], chain: &[Vec<u8>], purpose: Purpose) -> Option<Result<(), Refusal>> {
    let anchors = Anchors::from_pem(root, now()).ok()?;
    Some(verify(&anchors, &Chain::from_der(chain).ok()?, purpose, now(), false))
}

fn shown(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|der| String::from_utf8(pem("CERTIFICATE", der)).unwrap()).collect()
}

/// A root, an intermediate that is edited, a leaf that is edited.
struct Case {
    root: Ca,
    issuer: Ca,
    chain: Vec<Vec<u8>>,
}

fn case(root: Edit<'_>, issuer: Edit<'_>, names: &[Vec<u8>], leaf: Edit<'_>) -> Case {
    let root = Ca::root(root);
    let issuer = root.below("Issuer", issuer);
    let chain = issuer.leaf(names, leaf);
    Case { root, issuer, chain }
}

fn constrained(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> impl Fn(&mut Draft) + use<> {
    let value = constraints(permitted, excluded);
    move |draft| draft.put(CONSTRAINTS, true, value.clone())
}

fn corpus() -> Vec<Case> {
    let none: Edit<'_> = &|_| {};
    let names: [Vec<u8>; 4] =
        [dns(CSE), uri(AE), uri("urn:gsma:imei:90420156-025763-0"), device(ARC, &[100, 3030, 10011])];
    let bases: Vec<Vec<u8>> = [
        dns("example.org"),
        dns(".example.org"),
        dns("example.net"),
        dns(""),
        dns("*.example.org"),
        dns("sp.example.org."),
        uri("sp.example.org"),
        uri(".example.org"),
        uri("example.net"),
        uri(""),
        device(ARC, &[100]),
        device(ARC, &[101]),
        mail("example.org"),
        context(7, &[10, 0, 0, 0, 255, 0, 0, 0]),
        explicit(4, &directory(&[("2.5.4.3", "Leaf")])),
        explicit(4, &directory(&[("2.5.4.3", "LEAF")])),
    ]
    .to_vec();
    let mut cases = Vec::new();
    for name in &names {
        cases.push(case(none, none, std::slice::from_ref(name), none));
        for base in &bases {
            for at_root in [false, true] {
                for excluded in [false, true] {
                    let base = std::slice::from_ref(base);
                    let edit = if excluded { constrained(&[], base) } else { constrained(base, &[]) };
                    let (above, signer): (Edit<'_>, Edit<'_>) =
                        if at_root { (&edit, none) } else { (none, &edit) };
                    cases.push(case(above, signer, std::slice::from_ref(name), none));
                }
            }
        }
    }
    let edits: [Edit<'_>; 16] = [
        &|draft| draft.drop(USAGE),
        &|draft| draft.usage(0x08),
        &|draft| draft.usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN),
        &|draft| draft.put(BASIC, true, sequence(&boolean(true))),
        &|draft| draft.put(BASIC, false, sequence(&boolean(true))),
        &|draft| draft.put(BASIC, true, sequence(&[])),
        &|draft| draft.put(BASIC, true, sequence(&[boolean(true), integer(&[0])].concat())),
        &|draft| draft.drop(BASIC),
        &|draft| draft.drop(AKI),
        &|draft| draft.put(AKI, false, sequence(&context(0, &[1, 2, 3]))),
        &|draft| draft.purposes(&["1.3.6.1.5.5.7.3.2"]),
        &|draft| draft.purposes(&["1.3.6.1.5.5.7.3.1"]),
        &|draft| draft.not_after = time("260501000000Z"),
        &|draft| draft.not_before = time("260701000000Z"),
        &|draft| draft.put("1.3.6.1.4.1.32473.1", true, vec![5, 0]),
        &|draft| draft.put(POLICY_CONSTRAINTS, true, sequence(&context(0, &[0]))),
    ];
    for edit in edits {
        cases.push(case(none, none, &names[..1], edit));
        cases.push(case(none, edit, &names[..1], none));
    }
    cases
}

#[test]
fn accepted_only_if_the_program_accepts() {
    let program = Program::new();
    let (mut both, mut error_51) = (0, 0);
    for case in corpus() {
        for purpose in [Purpose::Client, Purpose::Server] {
            let Some(verdict) = here(&case.root.der, &case.chain, purpose) else { continue };
            let (said, text) = program.judge(&case.root.der, &case.chain, purpose);
            match (&verdict, &said) {
                (Ok(()), Said::Valid) => both += 1,
                (Ok(()), Said::Error51) => error_51 += 1,
                (Ok(()), Said::Invalid) => {
                    panic!("accepted here; the program: {text}\n{}", shown(&case.chain));
                }
                // Stricter here: the profile, and names that OpenSSL takes as they come.
                (Err(refusal), Said::Valid) => assert!(
                    matches!(&refusal.reason, Reason::Profile(_))
                        || matches!(&refusal.reason, Reason::Path { code: 43, .. }),
                    "refused here alone: {refusal}\n{}",
                    shown(&case.chain)
                ),
                (Err(_), _) => {}
            }
        }
    }
    assert!(both >= 100, "the judge has only seen {both} valid chains");
    assert!(error_51 >= 6, "the judge has only seen {error_51} chains with constraints on otherName");
}

fn byte(draws: &mut Draws) -> u8 {
    u8::try_from(draws.below(256)).unwrap()
}

/// The certificate with some octets of its signed part changed, and signed again by its issuer: what it says is
/// another thing, and the signature is in order.
fn changed(der: &[u8], issuer: &Key, draws: &mut Draws) -> Vec<u8> {
    // Tag and three octets of length, twice: 300 to 65535 octets.
    let signed = 4 + 4 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    let mut signed = der[4..signed].to_vec();
    for _ in 0..=draws.below(3) {
        let at = 4 + draws.below(signed.len() - 4);
        match draws.below(4) {
            0 => signed[at] ^= 1 << draws.below(8),
            1 => signed[at] = byte(draws),
            2 => signed.swap(at, at - 1),
            _ => {
                let from = 4 + draws.below(signed.len() - 4);
                signed[at] = signed[from];
            }
        }
    }
    let mut signer = Signer::new(MessageDigest::sha256(), issuer).unwrap();
    let signature = signer.sign_oneshot_to_vec(&signed).unwrap();
    sequence(&[signed, algorithm(ECDSA_SHA256), tlv(0x03, &[&[0][..], &signature].concat())].concat())
}

#[test]
fn changed_chains_are_accepted_only_if_the_program_accepts() {
    let program = Program::new();
    let mut draws = Draws::named("changed chains");
    let within = constrained(&[dns("example.org"), uri("sp.example.org"), device(ARC, &[100])], &[]);
    let cases: Vec<Case> = [dns(CSE), uri(AE), device(ARC, &[100, 3030, 10011])]
        .into_iter()
        .map(|name| case(&|_| {}, &within, &[name], &|_| {}))
        .collect();
    let (mut read, mut accepted) = (0, 0);
    for round in 0..3000 {
        let case = &cases[round % cases.len()];
        let mut chain = case.chain.clone();
        if draws.below(3) == 0 {
            chain[1] = changed(&chain[1], &case.root.key, &mut draws);
        } else {
            chain[0] = changed(&chain[0], &case.issuer.key, &mut draws);
        }
        let Some(verdict) = here(&case.root.der, &chain, Purpose::Client) else { continue };
        read += 1;
        if verdict.is_ok() {
            accepted += 1;
            let (said, text) = program.judge(&case.root.der, &chain, Purpose::Client);
            assert_ne!(said, Said::Invalid, "accepted here; the program: {text}\n{}", shown(&chain));
        }
    }
    assert!(read >= 1000, "only {read} changed chains could be read");
    assert!(accepted >= 50, "only {accepted} changed chains were accepted");
}

/// Octets changed without a new signature: nothing is accepted but what says the same.
#[test]
fn changed_octets_are_never_accepted() {
    let case = case(&|_| {}, &|_| {}, &[dns(CSE)], &|_| {});
    let mut draws = Draws::named("changed octets");
    for _ in 0..1500 {
        let mut chain = case.chain.clone();
        let which = draws.below(chain.len());
        let at = draws.below(chain[which].len());
        let before = chain[which][at];
        chain[which][at] = byte(&mut draws);
        if chain[which][at] == before {
            continue;
        }
        let verdict = here(&case.root.der, &chain, Purpose::Client);
        assert!(!matches!(verdict, Some(Ok(()))), "certificate {which}, octet {at}\n{}", shown(&chain));
    }
}

/// The factory of the project makes chains that both accept, and its twists are noticed by one at least.
#[test]
fn chains_of_the_factory() {
    use keys::SeededRng;
    use pki::testing::{San, Twist};
    use pki::{Authority, Constraints, Profile, SubjectKey, Validity};

    let program = Program::new();
    let rng = SeededRng::new(7);
    let year = Validity::days(at("20260101T000000"), 365).unwrap();
    let domain = "sp.example.org".parse().unwrap();
    let root = Authority::new_root("Root", year, &rng).unwrap();
    let names = Constraints::none().permit_dns(&domain).unwrap().permit_uri_host(&domain).unwrap();
    let issuer = root.intermediate("Issuer", &names, year, &rng).unwrap();
    let sp = "//sp.example.org".parse().unwrap();
    let profiles = [
        (Profile::CseId(onem2m::id::CseDomainName::parse_in(CSE, &sp).unwrap()), true),
        (Profile::AeId("//sp.example.org/mn-cse/Clamp".parse().unwrap()), true),
        (Profile::Fqdn("mef.sp.example.org".parse().unwrap()), true),
        (Profile::Device("0.2.481.1.100.3030.10011".parse().unwrap()), true),
        // Its issuer constrains URIs, which no URN obeys.
        (Profile::NodeId("urn:oid:1.2.3".parse().unwrap()), false),
    ];
    let verdicts = |chain: &[Vec<u8>]| {
        let here = here(root.root_der(), chain, Purpose::Client);
        (here, program.judge(root.root_der(), chain, Purpose::Client).0)
    };
    for (profile, valid) in &profiles {
        let issued = issuer.issue_twisted(profile, SubjectKey::Fresh, year, &rng, &[]).unwrap();
        let (here, said) = verdicts(&issued.chain_der);
        assert_eq!(here.map(|verdict| verdict.is_ok()), Some(*valid), "{profile}");
        assert_eq!(said == Said::Valid, *valid, "{profile}");
    }
    let twists = [
        Twist::NoKeyUsage,
        Twist::KeyUsageWithoutSignature,
        Twist::NoNames,
        Twist::Names(&[San::Dns("*.sp.example.org")]),
        Twist::NamesTwice,
        Twist::NoExtensions,
        Twist::UnknownCritical,
        Twist::Authority,
        Twist::P384Key,
        Twist::RsaKey,
        Twist::CompressedPoint,
        Twist::Sha384,
        Twist::BadSignature,
        Twist::IssuerName("Other"),
        Twist::Purposes(&["1.3.6.1.5.5.7.3.9"]),
    ];
    for twist in twists {
        let issued = issuer.issue_twisted(&profiles[0].0, SubjectKey::Fresh, year, &rng, &[twist]).unwrap();
        let (here, _) = verdicts(&issued.chain_der);
        assert!(!matches!(here, Some(Ok(()))), "{twist:?}");
    }
    let chain = issuer
        .issue_twisted(&profiles[0].0, SubjectKey::Fresh, year, &rng, &[Twist::NoKeyUsage])
        .unwrap()
        .chain_der;
    let found = certificate::check_profile(&Chain::from_der(&chain).unwrap(), certificate::Flavour::CseId);
    assert_eq!(found.iter().map(|broken| broken.rule).collect::<Vec<_>>(), [Rule::KeyUsage]);
}

/// Configuration of the program for a root, an intermediate and certificates of each flavour.
const CONFIGURATION: &str = "
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[issuer]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical, permitted;DNS:example.org, permitted;URI:sp.example.org
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth, serverAuth
authorityKeyIdentifier = keyid
subjectAltName = ${ENV::NAME}
";

/// Certificates that the program makes are as good as ours, when they follow the profile.
#[test]
fn certificates_made_by_the_program() {
    use certificate::{Flavour, check_profile, sole_name};
    let program = Program::new();
    let folder = program.folder.path();
    std::fs::write(folder.join("openssl.cnf"), CONFIGURATION).unwrap();
    let run = |name: &str, arguments: &str| {
        let mut command = Command::new(&program.openssl);
        command.current_dir(folder).env("NAME", name).args(arguments.split(' '));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    };
    const NEW: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf";
    run("", &format!("req -x509 {NEW} -subj /CN=Root -days 3650 -extensions root -keyout r.key -out r.pem"));
    run("", &format!("req {NEW} -subj /CN=Issuer -keyout i.key -out i.csr"));
    let signed = "x509 -req -days 3650 -extfile openssl.cnf -extensions";
    run("", &format!("{signed} issuer -in i.csr -CA r.pem -CAkey r.key -CAcreateserial -out i.pem"));
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    // The program takes the time of the system; the middle of its validity is taken from what it made.
    let root_der = Chain::from_pem(&read("r.pem")).unwrap().leaf_der().to_vec();
    let issued = openssl::x509::X509::from_der(&root_der).unwrap();
    let since = openssl::asn1::Asn1Time::from_unix(0).unwrap().diff(issued.not_before()).unwrap();
    let micros = (i64::from(since.days) + 30) * 86_400_000_000;
    let later = onem2m::time::Timestamp::from_unix_micros(micros).unwrap();
    let anchors = Anchors::from_pem(&read("r.pem"), later).unwrap();
    for (flavour, name) in [
        (Flavour::CseId, "DNS:mn-cse.in-cse.sp.example.org"),
        (Flavour::Fqdn, "DNS:mef.example.org"),
        (Flavour::AeId, "URI:m2m://sp.example.org/mn-cse/Clamp"),
    ] {
        run(name, &format!("req {NEW} -subj /CN=Leaf -keyout l.key -out l.csr"));
        run(name, &format!("{signed} leaf -in l.csr -CA i.pem -CAkey i.key -CAcreateserial -out l.pem"));
        let chain = Chain::from_pem(&[read("l.pem"), read("i.pem")].concat()).unwrap();
        assert_eq!(check_profile(&chain, flavour), [], "{name}");
        for purpose in [Purpose::Client, Purpose::Server] {
            assert_eq!(verify(&anchors, &chain, purpose, later, true), Ok(()), "{name}");
        }
        assert!(sole_name(&chain, flavour).is_ok());
    }
}
