//! What must fail, by its number (F-01 to F-24, X1 to X8), over the wire and by exact code: those that no other test
//! shows. docs/conformance.md names the test of each.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    path::Path,
};

use device::{Attachment, DeviceError};
use onem2m::{
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use support::{
    Device, World,
    foreign::{alert_number, openssl},
    handmade::attach,
};
use testkit::wait_until;

/// RFC 5246 §7.2: fatal, `bad_record_mac`.
const REFUSED: [u8; 2] = [2, 20];

fn create(from: &str, ty: u32, name: &str, content: &Value) -> Request {
    let mut request = Request::new(Operation::Create, "home_gateway", "r1");
    request.fr = Some(from.to_owned());
    request.rvi = Some("3".into());
    request.ty = Some(ty);
    request.pc = Some(json!({ name: content }));
    request
}

fn create_ae(from: &str) -> Request {
    create(from, 2, "m2m:ae", &json!({ "api": "Nlight.example", "rr": false, "srv": ["3"] }))
}

fn create_cse(from: &str) -> Request {
    create(from, 16, "m2m:csr", &json!({ "cb": format!("{from}/base"), "rr": true, "srv": ["3"] }))
}

async fn status(attachment: &mut Attachment, request: &Request) -> Rsc {
    attachment.request(request).await.unwrap().rsc
}

/// The association still stands for its own name.
async fn serves(attachment: &mut Attachment, name: &str) {
    assert_eq!(attachment.retrieve(name).await.unwrap().rsc, Rsc::Ok, "{name}");
}

/// Adds the key of `device` for a CSE.
fn add_gateway(world: &World, device: &Device, cse: &str) {
    fs::write(world.path("gateway.hex"), &device.key_hex).unwrap();
    let identity = ["--psk-identity", device.psk_identity.as_str(), "--key-file", "gateway.hex"];
    drop(world.run(&[&["credential", "add", "--cse-id", cse], &identity[..]].concat()).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f_19_old_equipment_after_a_rebind() {
    let world = World::start();
    let old = Device::numbered(1);
    world.import(std::slice::from_ref(&old));
    let mut attached = world.attach(&old).await;
    attached.register(&old.description()).await.unwrap();
    let new = Device {
        psk_identity: "light1b@home.example.org".into(),
        key_hex: Device::numbered(2).key_hex,
        ..old.clone()
    };
    fs::write(world.path("new.hex"), &new.key_hex).unwrap();
    let ae_id = old.ae_id();
    let words = ["credential", "rebind", "--ae-id", &ae_id, "--key-file", "new.hex", "--psk-identity"];
    drop(world.run(&[&words[..], &[&new.psk_identity]].concat()).success());

    let before = world.digest();
    wait_until("the end of the old equipment's association", || (!attached.is_open()).then_some(()));
    let from_old = attached.retrieve("Clight1").await.unwrap_err();
    assert!(matches!(from_old, DeviceError::Transport(_)), "{from_old}");
    let learnt = attach(world.address, old.psk_identity.as_bytes(), &hex::decode(&old.key_hex).unwrap());
    assert_eq!((learnt.alert, learnt.established), (Some(REFUSED), false));
    let foreign = openssl(world.address, &old.psk_identity, &old.key_hex, "ECDHE-PSK-AES128-CBC-SHA256");
    assert_eq!(foreign.wait_for_line("the alert", alert_number), REFUSED[1]);
    assert_eq!(world.digest(), before);
    let mut taken_over = world.attach(&new).await;
    assert!(!taken_over.register(&new.description()).await.unwrap().already);
    serves(&mut taken_over, "Clight1").await;
}

/// The endpoint for applications on the same equipment is not there for others: neither under another address of the
/// machine, nor by configuration.
#[test]
fn f_21_the_local_endpoint_is_not_reached_from_elsewhere() {
    let mut world = World::prepared("[[plain]]\nloopback = \"127.0.0.1:0\"\n");
    world.serve();
    let local: SocketAddr =
        world.wait_for_line(|line| serde_json::from_str::<Value>(line).ok()?["plain"].as_str()?.parse().ok());
    let before = world.digest();
    assert!(TcpStream::connect(local).is_ok());
    let elsewhere = TcpStream::connect(("127.0.0.2", local.port())).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(world.digest(), before);

    let open = World::prepared("[[plain]]\nloopback = \"0.0.0.0:0\"\n");
    let refused = open.run(&["serve"]);
    assert_eq!(refused.code(), 2);
    assert!(refused.stderr.contains("0.0.0.0:0 is no loopback address"), "{}", refused.stderr);
}

#[tokio::test]
async fn f_23_an_asn_cse_registers_no_cse() {
    let mut world = World::prepared("");
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    fs::write(world.path("attache.toml"), text.replace("[cse]\n", "[cse]\nkind = \"asn\"\n")).unwrap();
    world.serve();
    let (gateway, light) = (Device::numbered(7), Device::numbered(1));
    add_gateway(&world, &gateway, "//example.org/mn-7");
    world.import(std::slice::from_ref(&light));
    let mut attached = world.attach(&gateway).await;
    let before = world.digest();
    assert_eq!(status(&mut attached, &create_cse("/mn-7")).await, Rsc::OperationNotAllowed);
    assert_eq!(world.digest(), before);
    let mut ae = world.attach(&light).await;
    ae.register(&light.description()).await.unwrap();
    serves(&mut ae, "Clight1").await;
}

/// Over the same association, over another one of the same key, and with a second key of the same device.
#[tokio::test]
async fn f_24_a_second_registration_without_a_rebind() {
    let world = World::start();
    let light = Device::numbered(1);
    let spare = Device { stem: light.stem.clone(), ..Device::numbered(2) };
    let gateway = Device::numbered(7);
    world.import(&[light.clone(), spare.clone()]);
    add_gateway(&world, &gateway, "//example.org/mn-7");
    let mut first = world.attach(&light).await;
    first.register(&light.description()).await.unwrap();
    let (mut again, mut second) = (world.attach(&light).await, world.attach(&spare).await);
    let mut cse = world.attach(&gateway).await;
    assert_eq!(status(&mut cse, &create_cse("/mn-7")).await, Rsc::Created);

    let before = world.digest();
    for attachment in [&mut first, &mut again, &mut second] {
        for request in [create_ae("Clight1"), create_ae("C"), create_ae("")] {
            let from = request.fr.clone();
            let answer = attachment.request(&request).await.unwrap();
            assert_eq!(answer.rsc, Rsc::OriginatorHasAlreadyRegistered, "{from:?}");
        }
    }
    assert_eq!(status(&mut cse, &create_cse("/mn-7")).await, Rsc::OriginatorHasAlreadyRegistered);
    assert_eq!(world.digest(), before);
    serves(&mut first, "Clight1").await;
}

/// Registered or not, the name of another key is 4106, for each kind of stem: 4117 would tell who is there.
#[tokio::test]
async fn x2_nobody_registers_under_the_name_of_another_key() {
    let world = World::start();
    let (light1, light2) = (Device::numbered(1), Device::numbered(2));
    world.import(&[light1.clone(), light2.clone()]);
    let (mut victim, mut other) = (world.attach(&light1).await, world.attach(&light2).await);
    for registered in [false, true] {
        if registered {
            victim.register(&light1.description()).await.unwrap();
        }
        let before = world.digest();
        for from in ["Clight1", "Clight3", "CLIGHT2", "Slight1"] {
            let answer = status(&mut other, &create_ae(from)).await;
            assert_eq!(answer, Rsc::OriginatorNotAuthenticated, "{from}, registered: {registered}");
        }
        assert_eq!(world.digest(), before);
    }
    serves(&mut victim, "Clight1").await;
    assert!(!other.register(&light2.description()).await.unwrap().already);
}

#[tokio::test]
async fn x4_an_ae_registers_no_cse() {
    let world = World::start();
    let light = Device::numbered(1);
    world.import(std::slice::from_ref(&light));
    let mut attached = world.attach(&light).await;
    attached.register(&light.description()).await.unwrap();
    let before = world.digest();
    for (from, expected) in [
        ("/mn-cse-999", Rsc::BadRequest),
        ("//example.org/mn-cse-999", Rsc::BadRequest),
        ("Clight1", Rsc::OperationNotAllowed),
    ] {
        assert_eq!(status(&mut attached, &create_cse(from)).await, expected, "{from}");
    }
    assert_eq!(world.digest(), before);
    serves(&mut attached, "Clight1").await;
}

/// docs/conformance.md: every number that this release answers for has tests, and they exist.
#[test]
fn the_table_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let mut numbers = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| F-") || line.starts_with("| X")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(numbers.insert(cells[1].to_owned()), "{} twice", cells[1]);
        names_tests(&root, cells[4]);
    }
    let here = (1..=16).chain([19]).chain(21..=24).map(|number| format!("F-{number:02}"));
    let expected = here.chain((1..=12).chain([14]).map(|number| format!("X{number}")));
    for number in expected {
        assert!(numbers.contains(&number), "{number} is not in the table");
    }
}

/// The certificate profile: every clause with a "shall" is there, with certificates that obey and such as break it, or
/// with the reason why no certificate can.
#[test]
fn the_profile_names_tests_that_exist() {
    const CLAUSES: [&str; 18] = [
        "8.1.2.2",
        "8.1.2.3",
        "8.1.2.4",
        "8.1.2.5",
        "10.1.1.1",
        "10.1.1.2",
        "10.1.1.3",
        "10.1.1.4.1",
        "10.1.1.4.2",
        "10.1.1.5",
        "10.1.1.6",
        "10.1.1.7",
        "10.1.1.8",
        "10.1.2",
        "10.1.3",
        "10.1.4",
        "10.2.1",
        "10.2.3",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = fs::read_to_string(root.join("docs/conformance.md")).unwrap();
    let mut clauses = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| §")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        clauses.insert(cells[1].trim_start_matches('§'));
        if let Some(reason) = cells[3].strip_prefix('–') {
            assert!(reason.len() > 10 && cells[4] == "–", "no reason: {row}");
            continue;
        }
        names_tests(&root, cells[3]);
        names_tests(&root, cells[4]);
    }
    assert_eq!(clauses, BTreeSet::from(CLAUSES));
}

/// The tests that a cell of a table names, as file and function; at least one.
fn names_tests(root: &Path, cell: &str) {
    let mut tests = cell.split('`').skip(1).step_by(2).peekable();
    assert!(tests.peek().is_some(), "no test: {cell}");
    for test in tests {
        let (file, name) = test.split_once(' ').unwrap();
        let source = fs::read_to_string(root.join(file)).unwrap();
        assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
    }
}
