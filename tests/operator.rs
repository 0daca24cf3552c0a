//! The program in an operator's hands: what can be changed while it runs, what it says of itself, and what it
//! says of mistakes. Whatever goes wrong is named, and leaves the store and the running server as they were.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        net::UnixStream,
        process::CommandExt as _,
    },
    process::Command,
    thread,
};

use device::Attachment;
use onem2m::primitive::Operation;
use serde_json::Value;
use support::{
    Device, KEY, OTHER_KEY, World,
    certified::{self, CERTIFICATES, Makers, around, in_seconds, of_cse},
    fails, json,
    pair::{KPSA_ID, Pair},
};
use testkit::{Finished, Process, wait_until};

/// Waits until the server's log has a line with all of `words`.
fn said(world: &World, words: &[&str]) -> String {
    said_again(world, words, 1)
}

/// Waits until the server's log has `times` such lines, and gives the last.
fn said_again(world: &World, words: &[&str], times: usize) -> String {
    let mut heard = 0;
    world.server().wait_for_line(&format!("{times} lines with {words:?}"), |line| {
        heard += usize::from(words.iter().all(|word| line.contains(word)));
        (heard == times).then(|| line.to_owned())
    })
}

fn rewrite(world: &World, from: &str, to: &str) {
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(world.path("attache.toml"), text.replace(from, to)).unwrap();
}

/// SIGHUP: the log changes, what needs a restart is named, and a broken file changes nothing.
#[test]
fn a_configuration_is_reloaded_or_left_alone() {
    let mut world = World::prepared("[log]\nlevel = \"info\"\n");
    world.serve();
    rewrite(&world, "base_name", "basename");
    world.server().hang_up();
    said(&world, &["not reloaded", "attache.toml", "line 6", "basename"]);
    assert_eq!(world.server().stderr().matches("was reloaded").count(), 0);

    // What can be read and does not go together is found as at the start, and nothing of it is taken over.
    rewrite(&world, "basename", "base_name");
    rewrite(&world, "[[listener]]\n", "[[listener]]\naccept = []\n");
    rewrite(&world, "level = \"info\"", "level = \"off\"");
    world.server().hang_up();
    said(&world, &["not reloaded", "attache.toml: line 9, listener.accept: expected at least one"]);
    let start = world.run(&["serve"]);
    assert!(start.stderr.contains("attache.toml: line 9, listener.accept: expected at"), "{}", start.stderr);
    rewrite(&world, "accept = []", "accept = [\"psk\"]");
    rewrite(&world, "level = \"off\"", "level = \"info\"\n[limits]\nlookup_seconds = 99");
    world.server().hang_up();
    said(&world, &["not reloaded", "line 15, limits.lookup_seconds: 99 is longer than handshake_seconds"]);
    rewrite(&world, "\n[limits]\nlookup_seconds = 99", "");
    rewrite(&world, "accept = [\"psk\"]\n", "");
    rewrite(&world, "base_name", "basename");

    rewrite(&world, "basename = \"home_gateway\"", "base_name = \"other\"");
    rewrite(&world, "level = \"info\"", "level = \"info\"\nformat = \"json\"");
    world.server().hang_up();
    said(&world, &["need a restart", "cse"]);
    let line = said(&world, &["was reloaded"]);
    let line = json(&line);
    assert_eq!(line["level"], "INFO", "the form of the log has changed");

    rewrite(&world, "level = \"info\"", "level = \"warn\"");
    world.server().hang_up();
    said_again(&world, &["need a restart", "cse"], 2);
    rewrite(&world, "level = \"warn\"", "level = \"eror\"");
    world.server().hang_up();
    said(&world, &["not reloaded", "eror", "expected off"]);
    let finished = world.stop();
    assert_eq!(finished.code(), 0, "{}", finished.stderr);
    assert!(!finished.stderr.contains("stopping"), "info is not said any more: {}", finished.stderr);
}

/// An account that owns nothing.
const NOBODY: u32 = 65534;

/// Rotation ends what the old key opened, and from then on only the new one opens anything.
#[tokio::test]
async fn a_rotated_key_replaces_the_old_one_at_once() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let mut old = world.attach(&device).await;
    old.register(&device.description()).await.unwrap();
    let address = world.address.to_string();
    let rotate = ["--json", "credential", "rotate", &device.psk_identity, "--generate"];
    let file = ["--device-file", "light1.toml", "--registrar", &address];
    let rotated = json(&world.run(&[&rotate[..], &file].concat()).success().stdout);
    assert_eq!((&rotated["version"], &rotated["device_file"]), (&2.into(), &"light1.toml".into()));
    said(&world, &["associations closed", &device.psk_identity]);
    assert!(Attachment::open(&world.registrar(), &device.identity(), device.key()).await.is_err());
    let attach = ["--json", "device", "attach", "--device", "light1.toml"];
    let attached = json(&world.run(&attach).success().stdout);
    assert_eq!(attached["attached"], device.ae_id());

    let shown = world.run(&["--json", "credential", "show", &device.psk_identity]).success().stdout;
    let shown = json(&shown);
    assert_eq!((&shown["version"], &shown["registered"][0]), (&2.into(), &device.ae_id().into()));
    let audit = world.run(&["inspect", "audit"]).success().stdout;
    assert!(audit.contains("credential.rotate"), "{audit}");
    let key = fs::read_to_string(world.path("light1.toml")).unwrap();
    let key = key.lines().find_map(|line| line.strip_prefix("key_hex = ")).unwrap().trim_matches('"');
    let store = fs::read(world.path("attache.db-wal")).unwrap();
    assert!(
        !store.windows(key.len()).any(|window| window == key.as_bytes()),
        "a key is readable in the store"
    );
}

#[test]
fn a_rotation_that_cannot_be_is_named_and_changes_nothing() {
    let world = World::start();
    let (first, second) = (Device::numbered(1), Device::numbered(2));
    world.import(&[first.clone(), second.clone()]);
    fs::write(world.path("second"), &second.key_hex).unwrap();
    fs::write(world.path("first"), &first.key_hex).unwrap();
    fs::write(world.path("short"), "1a2b3c4d5e6f7a8b").unwrap();
    fs::write(world.path("there.toml"), "").unwrap();
    let name = first.psk_identity.as_str();
    let rotate = |name: &str, key: &str, words: &[&str]| {
        let key_and_file = ["--key-file", key, "--device-file", "new.toml", "--registrar", "127.0.0.1:1"];
        fails(&world, &[&["credential", "rotate", name][..], &key_and_file].concat(), 2, words);
    };
    rotate(name, "second", &["key value", &second.psk_identity]);
    rotate(name, "first", &["key value", &first.psk_identity]);
    rotate(name, "short", &["8 octets", "16"]);
    rotate(name, "missing", &["missing", "No such file"]);
    rotate("nobody@x.org", "second", &["12-nobody@x.org"]);
    rotate(&"a".repeat(257), "second", &["psk_identity", "aaaa…", "1 to 256 octets"]);
    let generate = ["credential", "rotate", name, "--generate"];
    let there = ["--device-file", "there.toml", "--registrar", "127.0.0.1:1"];
    fails(&world, &[&generate[..], &there].concat(), 2, &["there.toml", "exists"]);
    let nowhere = ["--device-file", "nowhere/new.toml", "--registrar", "127.0.0.1:1"];
    fails(&world, &[&generate[..], &nowhere].concat(), 2, &["nowhere/new.toml"]);
    drop(world.run(&["credential", "revoke", name]).success());
    fs::write(world.path("fresh"), OTHER_KEY).unwrap();
    rotate(name, "fresh", &[name, "revoked"]);
    fails(&world, &["credential", "show", "nobody@x.org"], 2, &["12-nobody@x.org"]);
}

fn rows(devices: impl Iterator<Item = usize>) -> String {
    devices
        .map(Device::numbered)
        .map(|device| format!("{},{},{},ae\n", device.psk_identity, device.key_hex, device.ae_id()))
        .collect()
}

/// A check writes nothing; an import that was broken off goes on where it was, and one that is repeated adds
/// nothing.
#[test]
fn an_import_is_checked_broken_off_and_gone_on_with() {
    let world = World::prepared("");
    fs::write(world.path("half.csv"), rows(0..2500)).unwrap();
    fs::write(world.path("all.csv"), rows(0..5000)).unwrap();
    let import = |arguments: &[&str]| {
        let arguments = [&["--json", "credential", "import"], arguments].concat();
        json(&world.run(&arguments).success().stdout)
    };
    let counts = |fact: &Value| [&fact["imported"], &fact["present"]].map(|count| count.as_u64().unwrap());
    let checked = import(&["--check", "all.csv"]);
    let empty = world.digest();
    assert_eq!(import(&["--check", "all.csv"]), checked);
    assert_eq!((&checked["checked"], &checked["new"]), (&5000.into(), &5000.into()));
    assert_eq!(world.digest(), empty);

    let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
    command.args(["credential", "import", "-"]).current_dir(world.folder.path());
    let mut broken_off = Process::spawn(command);
    broken_off.send(rows(0..4999).as_bytes());
    broken_off.interrupt();
    broken_off.wait_for_line("that it breaks off", |line| line.contains("breaking off").then_some(()));
    broken_off.send(rows(4999..5000).as_bytes());
    let finished = broken_off.finish();
    assert_eq!(finished.code(), 130, "{}", finished.stderr);
    for word in ["standard input", "after 0 credentials", "import the same file again"] {
        assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
    }
    assert_eq!(world.digest(), empty);

    assert_eq!(counts(&import(&["half.csv"])), [2500, 0]);
    let checked = import(&["--check", "all.csv"]);
    assert_eq!((&checked["new"], &checked["present"]), (&2500.into(), &2500.into()));
    assert_eq!(counts(&import(&["all.csv"])), [2500, 2500]);
    let whole = world.digest();
    assert_eq!(counts(&import(&["all.csv"])), [0, 5000]);
    assert_eq!(world.digest(), whole);
}

#[test]
fn an_import_that_cannot_be_is_named_and_changes_nothing() {
    let world = World::prepared("");
    let device = Device::numbered(1);
    fs::write(world.path("first.csv"), rows(1..2)).unwrap();
    drop(world.run(&["credential", "import", "first.csv"]).success());
    let long = "a".repeat(257);
    let bad = [
        format!("{long},{OTHER_KEY},,ae"),
        format!("twin@x.org,{},,ae", device.key_hex),
        format!("{},{KEY},,ae", device.psk_identity),
    ];
    fs::write(world.path("bad.csv"), bad.join("\n")).unwrap();
    let words = ["bad.csv", "3 of 3 lines are bad", "nothing was imported"];
    fails(&world, &["credential", "import", "bad.csv"], 2, &words);
    fails(&world, &["credential", "import", "--check", "bad.csv"], 2, &words);
    let said = world.run(&["credential", "import", "bad.csv"]).stderr;
    for words in [
        ["line 1, psk_identity", "1 to 256 octets"],
        ["line 2, psk_hex", device.psk_identity.as_str()],
        ["line 3, psk_identity", "in the store with other values"],
    ] {
        let one = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(said.lines().any(one), "{words:?} are in no line of {said}");
    }
}

/// Asks at the control socket in whatever words.
fn ask(world: &World, question: &[u8]) -> String {
    let mut socket = UnixStream::connect(world.path("attache.db.sock")).unwrap();
    socket.write_all(question).unwrap();
    let mut answer = Vec::new();
    // A question that was not read to its end resets the connection behind the answer.
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn associations_are_seen_while_they_live() {
    let mut world = World::start();
    let devices: Vec<Device> = (1..=3).map(Device::numbered).collect();
    world.import(&devices);
    let inspect = ["--json", "inspect", "associations"];
    assert_eq!(world.run(&inspect).success().stdout, "");
    let mut attached = Vec::new();
    for device in &devices {
        let mut attachment = world.attach(device).await;
        attachment.register(&device.description()).await.unwrap();
        attached.push(attachment);
    }
    let seen = |arguments: &[&str]| -> Vec<Value> {
        let stdout = world.run(&[&inspect[..], arguments].concat()).success().stdout;
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = seen(&[]);
    let entities: Vec<_> = all.iter().map(|one| one["entity"].as_str().unwrap().to_owned()).collect();
    assert_eq!(entities, devices.iter().map(Device::ae_id).collect::<Vec<_>>());
    assert_eq!(all[0]["credential_id"], format!("12-{}", devices[0].psk_identity));
    assert_eq!(seen(&["--limit", "2"]), all[..2]);
    let first = all[0]["id"].to_string();
    assert_eq!(seen(&["--after", &first, "--limit", "1"]), all[1..2]);

    drop(world.run(&["credential", "revoke", &devices[0].psk_identity]).success());
    wait_until("the end of the association", || (seen(&[]) == all[1..]).then_some(()));

    let mode = fs::metadata(world.path("attache.db.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for (question, expected) in [
        (&b"{\"op\":\"status\"}\n"[..], "\"cse\":\"//example.org/mn-cse-123456\""),
        (b"{\"op\":\"associations\"}\n", "{\"end\":{\"more\":true}}"),
        (b"{\"op\":\"keys\"}\n", "error"),
        (b"nothing\n", "error"),
        (&[b'['; 5000], "error"),
    ] {
        let answer = ask(&world, question);
        assert!(answer.contains(expected), "{expected} is not in {answer}");
    }
    drop(world.stop());
    fails(
        &world,
        &["inspect", "associations"],
        3,
        &["no server answers", "attache.db.sock", "attache serve"],
    );
}

#[test]
fn the_control_socket_is_the_operators_alone() {
    let world = World::start();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // An account that may do whatever the mode of files allows it.
    let nobody = || {
        let mut command = Command::new("cat");
        command.uid(NOBODY).gid(NOBODY).args(["attache.toml"]).current_dir(world.folder.path());
        command
    };
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    drop(Process::run(nobody()).success());
    let inspect = || {
        let binary = world.path("attache");
        copy_program(&binary);
        let mut command = Command::new(binary);
        command.uid(NOBODY).gid(NOBODY).args(["inspect", "associations"]).current_dir(world.folder.path());
        Process::run(command)
    };
    let refused = inspect();
    assert_eq!(refused.code(), 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("another account"), "{}", refused.stderr);
    fs::set_permissions(world.path("attache.db.sock"), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = inspect();
    assert_eq!(refused.code(), 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("only the server's own account"), "{}", refused.stderr);
    said(&world, &["another account asked", "65534"]);
}

/// Two registrars in one folder have a socket each; where they are told to share one, only its own is spoken to.
#[test]
fn a_command_speaks_to_the_server_of_its_own_cse_only() {
    let mut world = World::start();
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let other = text.replace("mn-cse-123456", "mn-cse-7").replace("attache.db", "other.db");
    fs::write(world.path("other.toml"), &other).unwrap();
    fs::write(world.path("sharing.toml"), format!("{other}[control]\nsocket = \"attache.db.sock\"\n"))
        .unwrap();
    let first = world.detach();
    let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
    command.args(["serve", "--json", "--config", "other.toml"]);
    world.serve_as(command);
    for (config, cse) in [("attache.toml", "/mn-cse-123456"), ("other.toml", "/mn-cse-7")] {
        let doctor = world.run(&["--json", "doctor", "--config", config]);
        let running = doctor.stdout.lines().map(json).find(|line| line["check"] == "server").unwrap();
        assert_eq!(running["state"], "fine", "{cse}: {running}");
    }

    let words = ["attache.db.sock", "mn-cse-123456", "mn-cse-7", "[control] socket"];
    for arguments in
        [&["inspect", "associations"][..], &["registrar", "leave"], &["inspect", "remote", "/in-cse/-"]]
    {
        fails(&world, &[arguments, &["--config", "sharing.toml"]].concat(), 3, &words);
    }
    let doctor = world.run(&["--json", "doctor", "--config", "sharing.toml"]);
    let running = doctor.stdout.lines().map(json).find(|line| line["check"] == "server").unwrap();
    assert_eq!(running["state"], "broken", "{running}");
    first.terminate();
    assert_eq!(first.finish().code(), 0);
}

#[test]
fn a_control_socket_is_replaced_only_when_nobody_answers() {
    let mut world = World::start();
    world.kill();
    assert!(world.path("attache.db.sock").exists(), "nobody tidied up");
    world.serve();
    drop(world.run(&["inspect", "associations"]).success());

    let second = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
        command.arg("serve").args(arguments).current_dir(world.folder.path());
        Process::spawn(command)
    };
    let beside = second(&[]);
    beside.wait_for_line("that it cannot be inspected", |line| {
        line.contains("cannot be inspected").then_some(())
    });
    beside.wait_for_line("that it serves", |line| line.contains("listens on").then_some(()));
    beside.terminate();
    assert_eq!(beside.finish().code(), 0);
    drop(world.run(&["inspect", "associations"]).success());

    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    for (socket, words) in [
        ("attache.db.sock", "another server has it"),
        ("attache.toml", "no socket"),
        ("nowhere/attache.db.sock", "No such file"),
        (&*"long".repeat(30), "path"),
    ] {
        let named = format!("{text}[control]\nsocket = \"{socket}\"\n");
        fs::write(world.path("named.toml"), named).unwrap();
        let finished = second(&["--config", "named.toml"]).finish();
        assert_eq!(finished.code(), 2, "{}", finished.stderr);
        assert!(finished.stderr.contains(socket) && finished.stderr.contains(words), "{}", finished.stderr);
    }
    assert_eq!(fs::read_to_string(world.path("attache.toml")).unwrap(), text);
    drop(world.run(&["inspect", "associations"]).success());
    drop(world.stop());
    assert!(!world.path("attache.db.sock").exists());
}

/// New equipment takes the old one's place: the resource stays, the old key opens nothing any more.
#[tokio::test]
async fn replaced_equipment_takes_over_the_registration() {
    let world = World::start();
    let old = Device::numbered(1);
    world.import(std::slice::from_ref(&old));
    let mut live = world.attach(&old).await;
    let before = live.register(&old.description()).await.unwrap();
    fs::write(world.path("new.key"), OTHER_KEY).unwrap();
    let ae_id = old.ae_id();
    let rebind = |entity: &str, key: &str| {
        [
            "--json",
            "credential",
            "rebind",
            "--ae-id",
            entity,
            "--psk-identity",
            "new1@home.example.org",
            "--key-file",
            key,
        ]
        .map(str::to_owned)
    };
    let run = |arguments: &[String; 9]| world.run(&arguments.each_ref().map(String::as_str));
    let rebound = json(&run(&rebind(&ae_id, "new.key")).success().stdout);
    assert_eq!((&rebound["rebound"], &rebound["awaited"]), (&ae_id.as_str().into(), &true.into()));
    assert_eq!(rebound["withdrawn"][0], format!("12-{}", old.psk_identity));
    said(&world, &["associations closed", &old.psk_identity]);
    assert!(Attachment::open(&world.registrar(), &old.identity(), old.key()).await.is_err());
    let new =
        Device { psk_identity: "new1@home.example.org".into(), key_hex: OTHER_KEY.into(), ..old.clone() };
    let after = world.attach(&new).await.register(&old.description()).await.unwrap();
    assert_eq!(after.ae, before.ae);
    assert_eq!(after.representation["ri"], before.representation["ri"], "the resource has stayed");

    let nobody = rebind("//example.org/mn-cse-123456/Cnobody", "new.key");
    let nobody = nobody.each_ref().map(String::as_str);
    fails(&world, &nobody[1..], 2, &["no equipment to replace"]);
    let elsewhere = rebind("//example.org/other-cse/Clight1", "new.key");
    fails(
        &world,
        &elsewhere.each_ref().map(String::as_str)[1..],
        2,
        &["other-cse/Clight1", "cannot register"],
    );
}

/// One HTTP exchange, read to its end.
fn http(address: &str, request: &str) -> String {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.write_all(format!("{request}\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    answer
}

/// What happens is counted by kind, and says nothing of whom it happened to.
#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
    let mut world = World::prepared("[metrics]\naddress = \"127.0.0.1:0\"\n");
    world.serve();
    let address = world.server().wait_for_line("the address of the metrics", |line| {
        Some(serde_json::from_str::<Value>(line).ok()?["metrics"].as_str()?.to_owned())
    });
    let (device, stranger) = (Device::numbered(1), Device::numbered(2));
    world.import(std::slice::from_ref(&device));
    let mut attached = world.attach(&device).await;
    attached.register(&device.description()).await.unwrap();
    let other = attached.new_request(Operation::Retrieve, "home_gateway/nothing");
    assert_eq!(attached.request(&other).await.unwrap().rsc.code(), 4004);
    assert!(Attachment::open(&world.registrar(), &stranger.identity(), stranger.key()).await.is_err());
    assert!(Attachment::open(&world.registrar(), &device.identity(), stranger.key()).await.is_err());

    // Whoever was refused knows it a moment before it is counted.
    let answer = wait_until("the last refusal to be counted", || {
        let answer = http(&address, "GET /metrics HTTP/1.1");
        answer.contains("reason=\"wrong_key\"").then_some(answer)
    });
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/openmetrics-text"), "{answer}");
    for line in [
        "attache_handshakes_total{framework=\"psk\",outcome=\"established\",reason=\"\"} 1",
        "attache_handshakes_total{framework=\"psk\",outcome=\"refused\",reason=\"unknown\"} 1",
        "attache_handshakes_total{framework=\"psk\",outcome=\"refused\",reason=\"wrong_key\"} 1",
        "attache_handshake_seconds_count{outcome=\"refused\"} 2",
        "attache_key_lookups_total{outcome=\"found\"} 2",
        "attache_key_lookups_total{outcome=\"unknown\"} 1",
        "attache_key_lookup_seconds_count 3",
        "attache_requests_total{operation=\"CREATE\",class=\"2xxx\"} 1",
        "attache_requests_total{operation=\"RETRIEVE\",class=\"4xxx\"} 1",
        "attache_request_seconds_count{operation=\"RETRIEVE\"} 1",
        "attache_associations 1",
        "attache_registered_aes 1",
        "attache_registered_cses 0",
        "attache_audit_lines_lost_total 0",
        "attache_store_waiting{queue=\"write\"} 0",
        "attache_store_failed_commits_total 0",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line} is not in\n{answer}");
    }
    for name in ["attache_store_commits_total ", "attache_store_group_transactions_bucket{le=\"1.0\"} "] {
        let line = answer.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line.split(' ').nth(1).is_some_and(|value| value != "0"), "{name} is not in\n{answer}");
    }
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    for name in ["light", "home.example", "127.0.0", "//"] {
        assert!(!answer.contains(name), "{name} is in\n{answer}");
    }
    assert!(http(&address, "GET / HTTP/1.1").starts_with("HTTP/1.1 404"));
    assert!(http(&address, "POST /metrics HTTP/1.1").starts_with("HTTP/1.1 405"));
    attached.close().await;
    let gone = || http(&address, "GET /metrics HTTP/1.1").contains("attache_associations 0\n").then_some(());
    wait_until("the association to be gone", gone);
    let taken = World::prepared(&format!("[metrics]\naddress = \"{address}\"\n"));
    let finished = taken.run(&["serve"]);
    assert_eq!(finished.code(), 2);
    for word in ["[metrics]", &address, "in use"] {
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
    }
}

/// What doctor finds with this configuration: its exit code, and the state and words of each check.
fn doctor(world: &World, configuration: &str) -> (i32, Vec<[String; 3]>) {
    fs::write(world.path("doctor.toml"), configuration).unwrap();
    let finished = world.run(&["--json", "doctor", "--config", "doctor.toml"]);
    let text = |fact: &Value, name: &str| fact[name].as_str().unwrap_or_default().to_owned();
    let findings = finished.stdout.lines().map(|line| {
        let fact: Value = serde_json::from_str(line).unwrap();
        [
            text(&fact, "check"),
            text(&fact, "state"),
            format!("{} -> {}", text(&fact, "found"), text(&fact, "mend")),
        ]
    });
    (finished.code(), findings.collect())
}

/// Doctor must find `check` in `state` and say each of `words`.
fn finds(found: &(i32, Vec<[String; 3]>), check: &str, state: &str, words: &[&str]) {
    let (code, findings) = found;
    let of_check = |finding: &&[String; 3]| finding[0] == check && finding[1] == state;
    let all = |finding: &[String; 3]| words.iter().all(|word| finding[2].contains(word));
    assert!(findings.iter().filter(of_check).any(all), "{check} {state} {words:?} is not in {findings:#?}");
    let broken = findings.iter().any(|finding| finding[1] == "broken");
    assert_eq!(*code, if broken { 2 } else { 0 }, "{findings:#?}");
}

#[test]
fn doctor_finds_nothing_wrong_with_a_deployment_that_works() {
    let mut world = World::start();
    world.import(&[Device::numbered(1)]);
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let text = text.replace("127.0.0.1:0", &world.address.to_string());
    let found = doctor(&world, &text);
    for (check, words) in [
        ("configuration", "doctor.toml"),
        ("store", "key-encryption key fits"),
        ("disk", "MiB free"),
        ("open files", "needed"),
        ("clock", "not behind"),
        ("credentials", "1 usable, 0 revoked"),
        ("service rules", "bound to a credential"),
        ("server", "runs since"),
        ("listener", "refuses a key that nobody has"),
    ] {
        finds(&found, check, "fine", &[words]);
    }
    assert_eq!(found.1.len(), 9, "{found:#?}");
    said(&world, &["refused", "doctor@attache.invalid"]);
    drop(world.stop());
    let found = doctor(&world, &text);
    finds(&found, "server", "skipped", &["no server answers"]);
    finds(&found, "listener", "fine", &["free; no server is running"]);
    assert_eq!(found.0, 0);
}

#[test]
fn doctor_says_what_is_wrong_and_how_to_mend_it() {
    let world = World::start();
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let check = |from: &str, to: &str, check: &str, state: &str, words: &[&str]| {
        assert!(text.contains(from), "{from}");
        finds(&doctor(&world, &text.replace(from, to)), check, state, words);
    };
    check("base_name", "basename", "configuration", "broken", &["line 6", "basename"]);
    check("attache.db", "none.db", "store", "warning", &["none.db", "attache serve"]);
    check("attache.db", "nowhere/attache.db", "disk", "broken", &["nowhere", "make the directory"]);
    check("attache.db", "attache.toml", "store", "broken", &["attache.toml", "not a database", "[store]"]);
    check(
        "[[listener]]",
        "[limits]\nassociations = 4000000000\n[[listener]]",
        "open files",
        "broken",
        &["LimitNOFILE"],
    );
    let enforce = "[cse]\nservice_subscription = \"enforce\"";
    check("[cse]", enforce, "service rules", "broken", &["no AE can register", "subscription add"]);
    check("mn-cse-123456", "mn-other", "server", "broken", &["mn-cse-123456", "restart"]);
    check(
        "[cse]",
        "[metrics]\naddress = \"0.0.0.0:9464\"\n[cse]",
        "metrics",
        "warning",
        &["9464", "loopback"],
    );
    check(
        "[cse]",
        "[[plain]]\nclear = \"127.0.0.1:1\"\n[cse]",
        "plain endpoint",
        "warning",
        &["in the clear"],
    );
    check("127.0.0.1:0", "127.0.0.1:1", "listener", "broken", &["127.0.0.1:1", "refused"]);

    // Somebody else at the address.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for tcp in other.incoming() {
            tcp.unwrap().write_all(b"220 mail.example.org\r\n").unwrap();
        }
    });
    check("127.0.0.1:0", &address, "listener", "broken", &[&address, "not speak TLS", "something else"]);

    let kek = world.path("attache.db.kek");
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o644)).unwrap();
    check("[cse]", "[cse]", "store", "broken", &["attache.db.kek", "0644", "chmod 600"]);
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&kek, world.path("away")).unwrap();
    check("[cse]", "[cse]", "store", "broken", &["attache.db.kek", "does not exist", "backup"]);
    fs::rename(world.path("away"), &kek).unwrap();

    let now = "short1@x.org,1a2b3c4d5e6f7a8b,,ae\nold1@x.org,202122232425262728292a2b2c2d2e2f,,ae,20200101T000000\n";
    fs::write(world.path("odd.csv"), now).unwrap();
    drop(world.run(&["credential", "import", "--allow-short-key", "odd.csv"]).success());
    check("[cse]", "[cse]", "credentials", "warning", &["1 expired: old1@x.org", "revoke"]);
    check("[cse]", "[cse]", "credentials", "warning", &["under 16 octets: short1@x.org", "rotate"]);
    let text = world.run(&["doctor"]).success().stdout;
    assert!(text.lines().any(|line| line.contains("-> `attache credential rotate`")), "{text}");
}

/// What a listener proves, whom it believes, and what is known of withdrawals.
#[test]
fn doctor_looks_at_certificates() {
    let (makers, foreign) = (Makers::new(40), Makers::new(41));
    let world = certified::prepared(&makers, CERTIFICATES);
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let key = world.path("server.key");
    let only_ours = || fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    only_ours();
    let enrol = [
        "credential",
        "add",
        "--certificate-name",
        "device:0.2.481.1.100.3030.10011",
        "--ae-id",
        "//example.org/in-cse/Clamp",
    ];
    drop(world.run(&enrol).success());
    finds(&doctor(&world, &text), "credentials", "fine", &["1 usable"]);
    let found = doctor(&world, &text);
    for (check, words) in [
        ("certificate", "belongs to its key, good until"),
        ("trust", "1 roots"),
        ("revocation", "with 0 withdrawn"),
    ] {
        finds(&found, check, "fine", &[words]);
        assert_eq!(found.1.iter().filter(|finding| finding[0] == check).count(), 1, "{found:#?}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    finds(&doctor(&world, &text), "certificate", "warning", &["server.key", "0640", "chmod 600"]);
    only_ours();

    let with = |issued: &pki::Issued, state: &str, words: &[&str]| {
        certified::write(world.folder.path(), "server", issued);
        finds(&doctor(&world, &text), "certificate", state, words);
    };
    let own = of_cse("in-cse.example.org");
    let lasting = |makers: &Makers, begin, end| {
        makers.issuer.issue(&own, pki::SubjectKey::Fresh, around(begin, end), &makers.rng).unwrap()
    };
    with(&lasting(&makers, -3600, 20 * 86_400), "warning", &["good until", "renew"]);
    with(&lasting(&makers, -7200, -3600), "broken", &["server.pem", "it ended at"]);
    with(&makers.gateway("mn-cse-9"), "warning", &["mn-cse-9.in-cse.example.org", "public domain name"]);
    with(&makers.application("//example.org/in-cse/Capp"), "broken", &["server.pem", "attache pki check"]);
    with(&lasting(&foreign, -3600, 365 * 86_400), "warning", &["not for peers that believe what we believe"]);
    let good = lasting(&makers, -3600, 365 * 86_400);
    certified::write(world.folder.path(), "server", &lasting(&makers, -3600, 365 * 86_400));
    fs::write(world.path("server.pem"), &good.chain_pem).unwrap();
    finds(
        &doctor(&world, &text),
        "certificate",
        "broken",
        &["server.key", "does not belong to certificate 0"],
    );
    with(&good, "fine", &["belongs to its key"]);

    let changed = |from: &str, to: &str, check: &str, state: &str, words: &[&str]| {
        assert!(text.contains(from), "{from}");
        finds(&doctor(&world, &text.replace(from, to)), check, state, words);
    };
    changed("server.pem", "none.pem", "certificate", "broken", &["cannot read", "none.pem"]);
    changed("root.pem", "none.pem", "trust", "broken", &["cannot read", "none.pem", "anchors_file"]);
    changed("anchors_file = \"root.pem\"\ncrl_file = \"crl.pem\"\n", "", "trust", "warning", &["no roots"]);
    let demanded = "require_crls = true\n";
    changed("crl_file = \"crl.pem\"\n", demanded, "revocation", "broken", &["every certificate is refused"]);
    for (begun, due, state, words) in [
        (-7200, -3600, "broken", "its certificates are refused"),
        (-7200, 600, "warning", "fetch the newer list"),
        (-60, 3600, "fine", "next due"),
    ] {
        let list = makers.issuer.crl(&[], 1, in_seconds(begun), in_seconds(due)).unwrap();
        let beside = makers.issuer.certificate_pem().unwrap();
        fs::write(world.path("crl.pem"), format!("{}{beside}", list.pem)).unwrap();
        finds(&doctor(&world, &text), "revocation", state, &[words]);
    }
}

/// A listener for keys is asked with a key that nobody has, whatever else it is for; one that knows no keys is found.
#[test]
fn doctor_asks_listeners_that_accept_certificates() {
    let mut world = certified::prepared(&Makers::new(43), CERTIFICATES);
    for (accept, words) in [
        ("[\"psk\", \"certificate\"]", "refuses a key that nobody has"),
        ("[\"certificate\"]", "is listened at, for certificates"),
    ] {
        let text = fs::read_to_string(world.path("attache.toml")).unwrap();
        let text = text.replacen("[[listener]]\n", &format!("[[listener]]\naccept = {accept}\n"), 1);
        fs::write(world.path("attache.toml"), &text).unwrap();
        world.serve();
        let found = doctor(&world, &text.replace("127.0.0.1:0", &world.address.to_string()));
        finds(&found, "listener", "fine", &[words]);
        drop(world.stop());
        fs::write(world.path("attache.toml"), text.replace(&format!("accept = {accept}\n"), "")).unwrap();
    }
}

/// What is stapled.
#[test]
fn doctor_looks_at_what_is_stapled() {
    let makers = Makers::new(42);
    let world = certified::prepared(&makers, CERTIFICATES);
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let stapling = |keys: &str| {
        doctor(&world, &format!("{text}[listener.certificate.ocsp]\nresponse_file = \"ocsp.der\"\n{keys}"))
    };
    finds(&stapling(""), "stapling", "broken", &["cannot read", "ocsp.der"]);
    fs::write(world.path("ocsp.der"), "broken").unwrap();
    finds(&stapling(""), "stapling", "broken", &["ocsp.der", "[listener.certificate.ocsp]"]);
    finds(&stapling("root_file = \"none.pem\"\n"), "stapling", "broken", &["none.pem"]);
    let server = makers.issue(&of_cse("in-cse.example.org"));
    certified::write(world.folder.path(), "server", &server);
    for (begun, due, state, words) in
        [(-60, 3600, "fine", "good until"), (-7200, -3600, "broken", "[listener.certificate.ocsp]")]
    {
        let (begun, due) = (in_seconds(begun), in_seconds(due));
        let response = makers.issuer.ocsp(&server.serial, pki::ocsp::Status::Good, begun, Some(due)).unwrap();
        fs::write(world.path("ocsp.der"), response).unwrap();
        finds(&stapling(""), "stapling", state, &[words]);
    }
}

/// What a gateway needs to be registered, and whether it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_looks_at_the_registration_with_another_cse() {
    let mut pair = Pair::prepared("");
    pair.infrastructure.serve();
    let world = &pair.gateway;
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let found = doctor(world, &text);
    finds(&found, "registrar", "fine", &["12-mn-cse-123456@example.org can be used"]);
    finds(&found, "registrar", "fine", &[&pair.infrastructure.address.to_string()]);
    let changed = |from: &str, to: &str, words: &[&str]| {
        assert!(text.contains(from), "{from}");
        finds(&doctor(world, &text.replace(from, to)), "registrar", "broken", words);
    };
    changed(KPSA_ID, "nobody@example.org", &["nobody@example.org is not in the store", "credential add"]);
    changed("//example.org/in-cse", "//example.org/in-other", &["stands for //example.org/in-cse, not for"]);
    changed(
        &pair.infrastructure.address.to_string(),
        "nowhere.invalid:1",
        &["nowhere.invalid:1", "resolves"],
    );
    let world = &mut pair.gateway;
    world.serve();
    world.wait_until_registered();
    finds(&doctor(world, &text), "registrar", "fine", &["registered with //example.org/in-cse until"]);
    drop(world.run(&["credential", "revoke", KPSA_ID]).success());
    finds(&doctor(world, &text), "registrar", "broken", &["cannot be used", "revoked"]);
    drop(world.trouble());
    finds(&doctor(world, &text), "registrar", "broken", &["not registered with //example.org/in-cse: "]);
}

/// Runs the program under an account that owns nothing, where the tests run as root, who may do anything.
fn as_nobody(world: &World, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
    if rustix::process::geteuid().is_root() {
        let binary = world.path("attache");
        copy_program(&binary);
        chown(world.path("attache.db.kek"), Some(NOBODY), Some(NOBODY)).unwrap();
        command = Command::new(binary);
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(arguments).current_dir(world.folder.path());
    Process::run(command)
}

#[test]
fn a_store_that_cannot_be_written_is_named_and_left_alone() {
    let world = World::prepared("");
    world.import(&[Device::numbered(1)]);
    let modes = |folder, store| {
        fs::set_permissions(world.path("attache.db"), fs::Permissions::from_mode(store)).unwrap();
        fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(folder)).unwrap();
    };
    let before = fs::read(world.path("attache.db")).unwrap();
    for (folder, store, words) in [
        (0o777, 0o444, ["attache.db", "the file is read-only"]),
        (0o777, 0o200, ["attache.db: ", "this account may not read the file (permission denied)"]),
        (0o555, 0o666, ["attache.db", "directory is not writable"]),
    ] {
        modes(folder, store);
        for command in [&["serve"][..], &["credential", "list"], &["credential", "revoke", "a@x.org"]] {
            let finished = as_nobody(&world, command);
            assert_eq!(finished.code(), 2, "{command:?}: {}", finished.stderr);
            let line = finished.stderr.lines().find(|line| line.starts_with("attache: ")).unwrap_or_default();
            assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {}", finished.stderr);
        }
        modes(0o755, 0o600);
    }
    assert_eq!(fs::read(world.path("attache.db")).unwrap(), before);
}

#[test]
fn a_store_from_a_newer_release_is_named_and_left_alone() {
    let world = World::prepared("");
    world.import(&[Device::numbered(1)]);
    let mut octets = fs::read(world.path("attache.db")).unwrap();
    // user_version in the header of an SQLite file.
    octets[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(world.path("attache.db"), &octets).unwrap();
    for command in [&["serve"][..], &["credential", "list"], &["credential", "import", "devices.csv"]] {
        let finished = world.run(command);
        assert_eq!(finished.code(), 2, "{command:?}: {}", finished.stderr);
        for word in ["attache.db", "version 99", "use the newer release"] {
            assert!(finished.stderr.contains(word), "{command:?}: {}", finished.stderr);
        }
    }
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    finds(&doctor(&world, &text), "store", "broken", &["version 99", "newer release"]);
    assert_eq!(fs::read(world.path("attache.db")).unwrap(), octets);
}

/// What the disk does not hold is refused, whole, and the server goes on with what it can do.
#[tokio::test]
async fn a_full_store_is_named_and_nothing_is_half_there() {
    let mut world = World::prepared("");
    rewrite(&world, "path = \"attache.db\"", "path = \"attache.db\"\nmax_octets = 200000");
    world.serve();
    let (device, late) = (Device::numbered(1), Device::numbered(2));
    world.import(&[device.clone(), late.clone()]);
    let mut attached = world.attach(&device).await;
    let registered = attached.register(&device.description()).await.unwrap();
    fs::write(world.path("many.csv"), rows(10..5000)).unwrap();
    fails(&world, &["credential", "import", "many.csv"], 4, &["attache.db", "no space is left"]);

    // Fill what is left, then: no registration, not even half of one, but everything that needs no space.
    let fill = |from: usize| {
        fs::write(world.path("some.csv"), rows(from..from + 10)).unwrap();
        world.run(&["credential", "import", "some.csv"]).code() == 0
    };
    assert!((1..1000).map(|turn| turn * 10_000).any(|from| !fill(from)), "it is full at last");
    let before = world.digest();
    let mut refused = world.attach(&late).await;
    let many = vec!["x".repeat(60); 800];
    let mut request = refused.registration(&late.description());
    request.pc.as_mut().unwrap()["m2m:ae"]["lbl"] = many.into();
    assert_eq!(refused.request(&request).await.unwrap().rsc.code(), 5000);
    assert_eq!(world.digest(), before);
    said(&world, &["attache.db", "no space is left"]);
    let own = attached.new_request(Operation::Retrieve, registered.ae.stem().to_string());
    assert_eq!(attached.request(&own).await.unwrap().rsc.code(), 2000);
}

/// A flood of refusals is a line at once and one at its end, and the audit has a bound.
#[tokio::test]
async fn refusals_share_lines_and_the_audit_is_bounded() {
    let mut world = World::prepared("[audit]\nlines = 20\n");
    world.serve();
    let stranger = Device::numbered(1);
    for _ in 0..50 {
        assert!(Attachment::open(&world.registrar(), &stranger.identity(), stranger.key()).await.is_err());
    }
    said(&world, &["refused", "unknown", &stranger.psk_identity]);
    let log = world.stop().stderr;
    assert_eq!(log.matches("unknown, ").count(), 2, "{log}");
    let audit = |world: &World| world.run(&["inspect", "audit", "--limit", "1000"]).success().stdout;
    let lines = audit(&world);
    assert_eq!(lines.lines().filter(|line| line.contains("unknown, ")).count(), 2, "{lines}");
    assert!(lines.contains("unknown, 49 more since"), "{lines}");
    assert!(lines.contains(&format!("psk_identity {}", stranger.psk_identity)), "{lines}");

    let device = Device::numbered(2);
    world.import(std::slice::from_ref(&device));
    world.serve();
    for _ in 0..50 {
        world.attach(&device).await.close().await;
    }
    drop(world.stop());
    assert_eq!(audit(&world).lines().count(), 20);
}

/// By another process: a program that this one has open for writing, and a child of another test with it, cannot be run.
fn copy_program(to: &std::path::Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_attache")).arg(to).status().unwrap();
    assert!(copied.success());
}
