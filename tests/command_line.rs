//! The program as a person uses it: what works prints facts, what does not names the thing, with the exit
//! codes of the manual: 1 refused, 2 usage or configuration, 3 not reached.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use serde_json::Value;
use support::{Device, World};

const KEY: &str = "000102030405060708090a0b0c0d0e0f";
const IDENTITY: &str = "light1@home.example.org";
const AE: &str = "//example.org/mn-cse-123456/Clight1";

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

/// Runs `arguments`, which must fail with `code` and say each of `words`, and must leave the store as it is.
fn fails(world: &World, arguments: &[&str], code: i32, words: &[&str]) {
    let before = world.digest();
    let finished = world.run(arguments);
    assert_eq!(finished.code(), code, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
    for word in words {
        assert!(finished.stderr.contains(word), "{arguments:?}: {word:?} is not in: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(KEY), "a key was printed: {}", finished.stderr);
    assert_eq!(world.digest(), before, "{arguments:?} changed the store");
}

/// The five minutes of the README: add, attach, request, inspect, revoke.
#[test]
fn a_first_device() {
    let world = World::start();
    let address = world.address.to_string();
    let add = [
        "credential",
        "add",
        "--psk-identity",
        IDENTITY,
        "--ae-id",
        AE,
        "--generate",
        "--device-file",
        "light1.toml",
        "--registrar",
        &address,
    ];
    drop(world.run(&add).success());
    let mode = fs::metadata(world.path("light1.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a device file holds a key");
    let attach = ["--json", "device", "attach", "--device", "light1.toml"];
    let attached = json(&world.run(&attach).success().stdout);
    assert_eq!((&attached["attached"], &attached["registered_before"]), (&AE.into(), &false.into()));
    let attached = json(&world.run(&attach).success().stdout);
    assert_eq!(attached["registered_before"], true, "re-attachment");
    let request = |arguments: &[&str]| {
        let mut all = vec!["--json", "device", "request", "--device", "light1.toml"];
        all.extend(arguments);
        world.run(&all)
    };
    let own = json(&request(&["retrieve", "home_gateway/light1"]).success().stdout);
    assert_eq!((&own["rsc"], &own["content"]["m2m:ae"]["aei"]), (&2000.into(), &"Clight1".into()));
    drop(request(&["update", "Clight1", "--content", r#"{"m2m:ae":{"lbl":["hall"]}}"#]).success());
    let refused = request(&["retrieve", "home_gateway/light1", "--from", "Clight2"]);
    assert_eq!(refused.code(), 1);
    assert_eq!(json(&refused.stderr)["rsc"], 4106);

    let registered = json(&world.run(&["--json", "inspect", "registrations"]).success().stdout);
    assert_eq!(registered["representation"]["lbl"][0], "hall");
    drop(world.run(&["credential", "revoke", IDENTITY]).success());
    let gone = world.run(&attach);
    assert_eq!(gone.code(), 1, "{}", gone.stderr);
    assert!(gone.stderr.contains("bad_record_mac"), "{}", gone.stderr);
    let listed = json(&world.run(&["--json", "credential", "list"]).success().stdout);
    assert_eq!(listed["state"], "revoked");
    let audit = world.run(&["inspect", "audit"]).success().stdout;
    for action in ["credential.add", "registration.create", "registration.update", "credential.revoke"] {
        assert!(audit.contains(action), "{action} is not in the audit:\n{audit}");
    }
}

/// Without an AE-ID agreed beforehand the registrar assigns one, and the device remembers it.
#[test]
fn a_device_is_given_its_identity() {
    let world = World::start();
    let address = world.address.to_string();
    let add = [
        "credential",
        "add",
        "--psk-identity",
        IDENTITY,
        "--generate",
        "--device-file",
        "light1.toml",
        "--registrar",
        &address,
    ];
    drop(world.run(&add).success());
    let attach = ["--json", "device", "attach", "--device", "light1.toml"];
    let first = json(&world.run(&attach).success().stdout);
    let again = json(&world.run(&attach).success().stdout);
    assert_eq!(first["attached"], again["attached"]);
    assert_eq!((&first["registered_before"], &again["registered_before"]), (&false.into(), &true.into()));
}

#[test]
fn bad_credentials_are_named() {
    let world = World::start();
    fs::write(world.path("key"), KEY).unwrap();
    fs::write(world.path("odd"), "00112233445566778899aabbccddeef").unwrap();
    fs::write(world.path("nohex"), "00112233445566778899aabbccddeexx").unwrap();
    fs::write(world.path("short"), "1a2b3c4d5e6f7a8b").unwrap();
    let add = |identity: &str, key: &str, ae: &str| {
        ["credential", "add", "--psk-identity", identity, "--key-file", key, "--ae-id", ae].map(str::to_owned)
    };
    let check = |arguments: [String; 8], words: &[&str]| {
        fails(&world, &arguments.each_ref().map(String::as_str), 2, words);
    };
    check(add("light one", "key", AE), &["light one", "KpsaID"]);
    check(add("light1@Home", "key", AE), &["light1@Home", "domain name"]);
    check(add(IDENTITY, "key", "Clight1"), &["--ae-id", "Clight1", "AE-ID"]);
    check(add(IDENTITY, "key", "//example.org/mn-cse-123456/Xlight"), &["--ae-id", "Xlight"]);
    check(add(IDENTITY, "odd", AE), &["odd", "an odd number (31)"]);
    check(add(IDENTITY, "nohex", AE), &["nohex", "position 31"]);
    check(add(IDENTITY, "short", AE), &["8 octets", "16", "allow_short_key"]);
    check(add(IDENTITY, "nothing", AE), &["nothing", "No such file"]);
    let first = add(IDENTITY, "key", AE);
    drop(world.run(&first.each_ref().map(String::as_str)).success());
    check(add(IDENTITY, "key", AE), &[IDENTITY]);
    check(
        add("light2@home.example.org", "key", "//example.org/mn-cse-123456/Clight2"),
        &[IDENTITY, "key value"],
    );
    fails(&world, &["credential", "revoke", "nobody@home.example.org"], 2, &["nobody@home.example.org"]);
}

#[test]
fn bad_import_lines_are_listed_and_nothing_is_imported() {
    let world = World::start();
    let lines = [
        format!("good@x.org,{KEY},{AE},ae"),
        "odd@x.org,001,,ae".to_owned(),
        "short@x.org,0011223344556677,,ae".to_owned(),
        "form@x.org,101112131415161718191a1b1c1d1e1f,Clight1,ae".to_owned(),
        "kind@x.org,202122232425262728292a2b2c2d2e2f,,robot".to_owned(),
        "few@x.org".to_owned(),
        format!("good@x.org,{KEY},//example.org/mn-cse-123456/Cother,ae"),
    ];
    fs::write(world.path("bad.csv"), lines.join("\n")).unwrap();
    let words = [
        "line 2, psk_hex",
        "line 3, psk_hex",
        "line 4, entity_id",
        "line 5, kind",
        "line 6",
        "line 7",
        "nothing was imported",
    ];
    fails(&world, &["credential", "import", "bad.csv"], 2, &words);
    assert_eq!(world.run(&["credential", "list"]).success().stdout, "");
    fails(&world, &["credential", "import", "missing.csv"], 2, &["missing.csv"]);
}

#[test]
fn a_broken_deployment_is_named() {
    let world = World::start();
    let other = World::prepared("");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let rewrite = |from: &str, to: &str| {
        let text = fs::read_to_string(other.path("attache.toml")).unwrap();
        assert!(text.contains(from));
        fs::write(other.path("broken.toml"), text.replace(from, to)).unwrap();
    };
    let serve = |words: &[&str]| {
        let finished = other.run(&["serve", "--config", "broken.toml"]);
        assert_eq!(finished.code(), 2, "{}", finished.stderr);
        for word in words {
            assert!(finished.stderr.contains(word), "{word:?} is not in: {}", finished.stderr);
        }
    };
    rewrite("127.0.0.1:0", &address);
    serve(&["cannot listen at", &address, "in use"]);
    rewrite("attache.db", "/nowhere/attache.db");
    serve(&["/nowhere/attache.db", "directory"]);
    rewrite("attache.db", "attache.toml");
    serve(&["attache.toml"]);
    rewrite("base_name", "basename");
    serve(&["broken.toml", "line 6", "basename", "base_name"]);
    rewrite("[store]", "[stor]");
    serve(&["broken.toml", "line 1", "stor"]);
    let finished = other.run(&["serve", "--config", "absent.toml"]);
    assert_eq!(finished.code(), 2);
    assert!(finished.stderr.contains("absent.toml"), "{}", finished.stderr);

    rewrite("mn-cse-123456", "mn-other");
    fs::copy(world.path("attache.db.kek"), other.path("attache.db.kek")).unwrap();
    rewrite("\"attache.db\"", &format!("{:?}", world.path("attache.db")));
    let text = fs::read_to_string(other.path("broken.toml")).unwrap();
    fs::write(other.path("broken.toml"), text.replace("mn-cse-123456", "mn-other")).unwrap();
    serve(&["cse.id", "/mn-cse-123456"]);
}

#[test]
fn a_device_that_gets_no_answer_says_why() {
    let mut world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let file = |address: &str, key: &str| {
        format!(
            "[registrar]\naddress = \"{address}\"\ncse_id = \"//example.org/mn-cse-123456\"\n\n[credential]\n\
             psk_identity = \"{}\"\nkey_hex = \"{key}\"\n\n[ae]\nstem = \"{}\"\nname = \"light\"\napp_id = \"Nlight\"\n",
            device.psk_identity, device.stem
        )
    };
    let address = world.address.to_string();
    let write = |name: &str, text: String| {
        fs::write(world.path(name), text).unwrap();
        fs::set_permissions(world.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("wrong.toml", file(&address, KEY));
    fails(
        &world,
        &["device", "attach", "--device", "wrong.toml"],
        1,
        &["refused the key or identity", "bad_record_mac"],
    );
    write("odd.toml", file(&address, &device.key_hex[1..]));
    fails(
        &world,
        &["device", "attach", "--device", "odd.toml"],
        2,
        &["odd.toml", "line 7", "an odd number (31)"],
    );
    write("short.toml", file(&address, &device.key_hex[16..]));
    fails(&world, &["device", "attach", "--device", "short.toml"], 2, &["short.toml", "8 octets"]);
    write("good.toml", file(&address, &device.key_hex));
    fs::copy(world.path("good.toml"), world.path("open.toml")).unwrap();
    fs::set_permissions(world.path("open.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    fails(&world, &["device", "attach", "--device", "open.toml"], 2, &["open.toml", "chmod 600"]);
    write(
        "digits.toml",
        file(&address, KEY).replace(&format!("\"{KEY}\""), "11223344556677889900112233445566"),
    );
    fails(
        &world,
        &["device", "attach", "--device", "digits.toml"],
        2,
        &["digits.toml", "line 7, credential.key_hex: expected a text"],
    );
    let update = ["device", "request", "--device", "good.toml", "update", "x"];
    fails(&world, &update, 2, &["pc is missing"]);
    let request = |content: &str| {
        ["device", "request", "--device", "good.toml", "update", "x", "--content", content].map(str::to_owned)
    };
    let bad = request(r#"{"m2m:ae":{"lbl":["a"],"lbl":["b"]}}"#);
    fails(&world, &bad.each_ref().map(String::as_str), 2, &["--content", "lbl"]);
    assert_eq!(world.stop().code(), 0, "SIGTERM ends the registrar in order");
    fails(&world, &["device", "attach", "--device", "good.toml"], 3, &["could not reach", &address]);
    let finished = world.run(&["device", "atach"]);
    assert_eq!(finished.code(), 2);
}
