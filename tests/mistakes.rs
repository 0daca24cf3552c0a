//! What people get wrong: one clear sentence that names the thing, and nothing changed.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _};

use onem2m::primitive::Operation;
use support::{Device, KEY, World, fails, json};

fn rewrite(world: &World, from: &str, to: &str) {
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(world.path("attache.toml"), text.replace(from, to)).unwrap();
}

/// An address that stands for all of a machine's is none that a device could connect to.
#[tokio::test]
async fn devices_are_told_where_to_connect() {
    let mut world = World::prepared("");
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    rewrite(&world, "127.0.0.1:0", "0.0.0.0:8443");
    let add = |more: &[&str]| {
        let add = ["credential", "add", "--psk-identity", "a@x.org", "--generate", "--device-file", "a.toml"];
        [&add[..], more].concat().iter().map(|&text| text.to_owned()).collect::<Vec<_>>()
    };
    let refused = |more: &[&str], words: &[&str]| {
        let add = add(more);
        fails(&world, &add.iter().map(String::as_str).collect::<Vec<_>>(), 2, words);
    };
    let found = world.run(&["doctor"]).stdout;
    let finding = found.lines().find(|line| line.starts_with("warning") && line.contains("0.0.0.0:8443"));
    assert!(finding.is_some(), "{found}");
    refused(&[], &["0.0.0.0:8443", "--registrar HOST:PORT", "advertise"]);
    for wrong in ["0.0.0.0:8443", "gw.example.org", "https://gw:1"] {
        refused(&["--registrar", wrong], &[]);
    }
    let written = |more: &[&str]| {
        let add = add(more);
        drop(world.run(&add.iter().map(String::as_str).collect::<Vec<_>>()).success());
        drop(world.run(&["credential", "revoke", "a@x.org"]).success());
        let text = fs::read_to_string(world.path("a.toml")).unwrap();
        fs::remove_file(world.path("a.toml")).unwrap();
        text.lines().find(|line| line.starts_with("address = ")).unwrap().to_owned()
    };
    assert_eq!(written(&["--registrar", "gw.example.org:443"]), "address = \"gw.example.org:443\"");

    rewrite(&world, "\"0.0.0.0:8443\"", "\"0.0.0.0:0\"\nadvertise = \"gw.example.org:8443\"");
    let add = ["credential", "add", "--psk-identity", "b@x.org", "--generate", "--device-file", "b.toml"];
    drop(world.run(&add).success());
    let text = fs::read_to_string(world.path("b.toml")).unwrap();
    assert!(text.contains("address = \"gw.example.org:8443\""), "{text}");

    world.serve();
    world.address.set_ip([127, 0, 0, 1].into());
    let mut attached = world.attach(&device).await;
    attached.register(&device.description()).await.unwrap();
    let base = attached.new_request(Operation::Retrieve, "home_gateway");
    let base = attached.request(&base).await.unwrap().pc.unwrap();
    assert_eq!(base["m2m:cb"]["poa"], serde_json::json!(["https://gw.example.org:8443"]));
}

/// A second revocation says when the first one was; the audit has one.
#[test]
fn what_is_revoked_already_is_said_to_be() {
    let world = World::prepared("");
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let revoke = ["credential", "revoke", &device.psk_identity];
    let first = json(&world.run(&[&["--json"], &revoke[..]].concat()).success().stdout);
    assert_eq!(first["already"], false);
    let shown = ["--json", "credential", "show", &device.psk_identity];
    let changed = json(&world.run(&shown).success().stdout)["changed"].clone();
    let (before, audit) = (world.digest(), world.run(&["inspect", "audit"]).success().stdout);
    let second = json(&world.run(&[&["--json"], &revoke[..]].concat()).success().stdout);
    assert_eq!((&second["already"], &second["since"]), (&true.into(), &changed));
    let text = world.run(&revoke).success().stdout;
    assert!(text.contains(&format!("was already revoked at {}", changed.as_str().unwrap())), "{text}");
    assert_eq!(world.digest(), before);
    assert_eq!(world.run(&["inspect", "audit"]).success().stdout, audit);
}

#[test]
fn a_credential_that_is_over_before_it_begins_is_refused() {
    let world = World::prepared("");
    world.import(&[Device::numbered(1)]);
    fs::write(world.path("key"), KEY).unwrap();
    let ae_id = Device::numbered(1).ae_id();
    for start in [&["add"][..], &["rebind", "--ae-id", &ae_id]] {
        let rest = ["--psk-identity", "a@x.org", "--key-file", "key", "--not-after", "20200101T000000"];
        let arguments = [&["credential"], start, &rest].concat();
        fails(&world, &arguments, 2, &["--not-after 20200101T000000", "has passed"]);
    }
}

/// Two keys for one AE are lawful while equipment is exchanged, and said to be there; a file without a credential
/// is said to be empty.
#[test]
fn an_import_says_what_is_odd() {
    let world = World::prepared("");
    world.import(&[Device::numbered(1)]);
    let key = |number: usize| Device::numbered(number).key_hex;
    let (known, twice) = (Device::numbered(1).ae_id(), Device::numbered(2).ae_id());
    let rows = [
        format!("a@x.org,{},{known},ae", key(11)),
        format!("b@x.org,{},{twice},ae", key(12)),
        format!("c@x.org,{},,ae", key(13)),
        format!("d@x.org,{},{twice},ae", key(14)),
        format!("e@x.org,{},,ae", key(15)),
    ];
    fs::write(world.path("odd.csv"), rows.join("\n")).unwrap();
    for command in [&["--check"][..], &[]] {
        let finished =
            world.run(&[&["--json", "credential", "import", "odd.csv"], command].concat()).success();
        for (line, entity) in [(1, &known), (2, &twice), (4, &twice)] {
            let warning =
                format!("warning: odd.csv: line {line}, entity_id: another key stands for {entity} too");
            assert!(finished.stderr.contains(&warning), "{warning}: {}", finished.stderr);
        }
        assert_eq!(finished.stderr.matches("warning").count(), 3, "{}", finished.stderr);
        assert_eq!(json(&finished.stdout)["sharing"], 3);
    }
    let again = world.run(&["credential", "import", "odd.csv"]).success();
    assert!(!again.stderr.contains("warning"), "there is nothing new in it: {}", again.stderr);

    for empty in ["", "\n\n", "psk_identity,psk_hex,entity_id,kind\n"] {
        fs::write(world.path("empty.csv"), empty).unwrap();
        let finished = world.run(&["credential", "import", "empty.csv"]).success();
        assert!(
            finished.stderr.contains("warning: empty.csv: there is no credential in it"),
            "{}",
            finished.stderr
        );
    }
}

/// A device file that names another CSE than the one that it reaches.
#[test]
fn a_device_with_the_wrong_cse_id_is_told_so() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let text = format!(
        "[registrar]\naddress = \"{}\"\ncse_id = \"//example.org/in-cse\"\n\n[credential]\npsk_identity = \"{}\"\n\
         key_hex = \"{}\"\n\n[ae]\nstem = \"{}\"\nname = \"light\"\napp_id = \"Nlight\"\n",
        world.address, device.psk_identity, device.key_hex, device.stem
    );
    fs::write(world.path("light1.toml"), text).unwrap();
    fs::set_permissions(world.path("light1.toml"), fs::Permissions::from_mode(0o600)).unwrap();
    let words = [
        "4000",
        "to names /in-cse, and this CSE is /mn-cse-123456",
        "light1.toml says: cse_id = \"//example.org/in-cse\"",
    ];
    fails(&world, &["device", "attach", "--device", "light1.toml"], 1, &words);
}
