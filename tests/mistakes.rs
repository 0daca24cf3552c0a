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

/// A device with a symmetric key is sent to a listener that accepts one.
#[test]
fn devices_are_sent_to_a_listener_that_takes_their_key() {
    let world = World::prepared("");
    world.import(&[Device::numbered(1)]);
    let certificates = "[[listener]]\naddress = \"127.0.0.1:1\"\naccept = [\"certificate\"]\n\
                        [listener.certificate]\nchain_file = \"a.pem\"\nkey_file = \"a.key\"\n";
    rewrite(&world, "[[listener]]\naddress = \"127.0.0.1:0\"", certificates);
    let add = ["credential", "add", "--psk-identity", "a@x.org", "--generate", "--device-file", "a.toml"];
    fails(&world, &add, 2, &["no [[listener]] accepts provisioned keys"]);
    rewrite(&world, certificates, &format!("{certificates}\n[[listener]]\naddress = \"127.0.0.1:2\"\n"));
    drop(world.run(&add).success());
    let text = fs::read_to_string(world.path("a.toml")).unwrap();
    assert!(text.contains("address = \"127.0.0.1:2\""), "{text}");
}

/// New equipment, and a device with a new key, say what the registration says of the application: the file that is
/// written for them works as it stands.
#[tokio::test]
async fn a_file_for_replaced_equipment_fits_the_registration() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    world.attach(&device).await.register(&device.description()).await.unwrap();
    let (address, ae_id) = (world.address.to_string(), device.ae_id());
    let file = |name: &'static str| {
        ["--generate", "--registrar", &address, "--device-file", name].map(str::to_owned)
    };
    let run = |start: &[&str], name: &'static str| {
        let file = file(name);
        let arguments = [start, &file.each_ref().map(String::as_str)].concat();
        drop(world.run(&arguments).success());
        let text = fs::read_to_string(world.path(name)).unwrap();
        let has = |line: &str| assert!(text.lines().any(|found| found == line), "{line}: {text}");
        has("name = \"ae_Clight1\"");
        has("app_id = \"Nlight.example\"");
        json(&world.run(&["--json", "device", "attach", "--device", name]).success().stdout)
    };
    let rotated = run(&["credential", "rotate", &device.psk_identity], "rotated.toml");
    assert_eq!((&rotated["attached"], &rotated["registered_before"]), (&ae_id.as_str().into(), &true.into()));
    let rebind = ["credential", "rebind", "--ae-id", &ae_id, "--psk-identity", "new1@home.example.org"];
    let rebound = run(&rebind, "rebound.toml");
    assert_eq!(
        (&rebound["attached"], &rebound["registered_before"]),
        (&ae_id.as_str().into(), &false.into())
    );

    fs::write(world.path("key"), KEY).unwrap();
    let again = ["--psk-identity", &device.psk_identity, "--key-file", "key"];
    for start in [&["add"][..], &["rebind", "--ae-id", &ae_id]] {
        let arguments = [&["credential"], start, &again].concat();
        fails(&world, &arguments, 2, &[&device.psk_identity, "was revoked at", "stays reserved"]);
    }
    let nobody =
        ["credential", "rebind", "--ae-id", "//example.org/mn-cse-123456/Cnone", "--psk-identity", "x@x.org"];
    fails(
        &world,
        &[&nobody[..], &["--key-file", "key"]].concat(),
        2,
        &["mn-cse-123456/Cnone has no credential"],
    );
}

/// An empty list says that it is one, beside the output that programs read.
#[test]
fn nothing_is_said_to_be_nothing() {
    let world = World::start();
    world.import(&[]);
    for (arguments, note) in [
        (&["credential", "list"][..], "there is no credential"),
        (&["inspect", "registrations"], "nobody is registered"),
        (&["inspect", "associations"], "nobody is connected"),
    ] {
        let listed = world.run(arguments).success();
        assert_eq!((listed.stdout.as_str(), listed.stderr.trim()), ("", note));
    }
    for (arguments, hint) in [
        (&["serve", "--config", "none.toml"][..], "--config names another file"),
        (&["device", "attach"], "--device names another"),
    ] {
        let refused = world.run(arguments);
        assert_eq!(refused.code(), 2);
        assert!(refused.stderr.contains(hint), "{}", refused.stderr);
    }
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

/// A device file that names another CSE than the one that it reaches, another `<CSEBase>`, or another's AE-ID-Stem.
#[test]
fn a_device_with_a_wrong_word_in_its_file_is_told_so() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let right = format!(
        "[registrar]\naddress = \"{}\"\ncse_id = \"//example.org/mn-cse-123456\"\nbase_name = \"home_gateway\"\n\n[credential]\npsk_identity = \"{}\"\n\
         key_hex = \"{}\"\n\n[ae]\nstem = \"{}\"\nname = \"light\"\napp_id = \"Nlight\"\n",
        world.address, device.psk_identity, device.key_hex, device.stem
    );
    let attach = ["device", "attach", "--device", "light1.toml"];
    for (from, to, words) in [
        (
            "example.org/mn-cse-123456",
            "example.org/in-cse",
            ["4000", "to names /in-cse, and this CSE is /mn-cse-123456", "cse_id = \"//example.org/in-cse\""],
        ),
        ("home_gateway", "gateway", ["4004", "NOT_FOUND", "base_name = \"gateway\""]),
        (&device.stem, "Cother", ["4106", "ORIGINATOR_NOT_AUTHENTICATED", "stem = \"Cother\""]),
    ] {
        assert!(right.contains(from), "{from}");
        fs::write(world.path("light1.toml"), right.replace(from, to)).unwrap();
        fs::set_permissions(world.path("light1.toml"), fs::Permissions::from_mode(0o600)).unwrap();
        fails(&world, &attach, 1, &[&words[..], &["light1.toml says: "]].concat());
    }
    fs::write(world.path("light1.toml"), right).unwrap();
    drop(world.run(&attach).success());
}

/// Identities that are too long are refused wherever they are written, with the bound, and are not repeated whole.
#[tokio::test]
async fn over_long_identities_are_named_with_their_bound() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    fs::write(world.path("key"), KEY).unwrap();
    let long = "z".repeat(300);
    let [psk, cred] = [format!("{long}@x.org"), format!("12-{long}@x.org")];
    let [ae, cse] = [format!("//example.org/mn-cse-123456/C{long}"), format!("//example.org/{long}")];
    let [app, stem] = [format!("N{long}"), format!("C{long}")];
    let key = ["--key-file", "key"];
    for (arguments, expected) in [
        ([&["credential", "add", "--psk-identity", &psk], &key[..]].concat(), "1 to 256 octets"),
        (
            [&["credential", "add", "--psk-identity", "a@x.org", "--ae-id", &ae], &key[..]].concat(),
            "at most 87",
        ),
        (
            [&["credential", "add", "--psk-identity", "a@x.org", "--cse-id", &cse], &key[..]].concat(),
            "at most 64",
        ),
        (vec!["credential", "revoke", &psk], "1 to 256 octets"),
        (vec!["credential", "show", &psk], "1 to 256 octets"),
        (vec!["subscription", "add", "--cred", &cred, "--app-id", "N1", "--ae-id", "C1"], "259 octets"),
        (vec!["subscription", "add", "--cred", "12-a@x", "--app-id", &app, "--ae-id", "C1"], "255 octets"),
        (vec!["subscription", "add", "--cred", "12-a@x", "--app-id", "N1", "--ae-id", &stem], "87 octets"),
        (vec!["subscription", "remove", &long], "at most 255"),
    ] {
        let before = world.digest();
        let refused = world.run(&arguments);
        assert_eq!(refused.code(), 2, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{arguments:?}: {}", refused.stderr);
        assert_eq!(world.digest(), before);
    }
    rewrite(&world, "//example.org/mn-cse-123456", &cse);
    let refused = world.run(&["serve"]);
    assert_eq!(refused.code(), 2);
    assert!(refused.stderr.contains("attache.toml: line 5, cse.id: CSE-ID \"zzz"), "{}", refused.stderr);
    assert!(refused.stderr.contains("has 300 octets, at most 64 are allowed"), "{}", refused.stderr);
    rewrite(&world, &cse, "//example.org/mn-cse-123456");

    let mut attached = world.attach(&device).await;
    let before = world.digest();
    let mut request = attached.registration(&device.description());
    for (name, value) in [("rn", &long), ("api", &app)] {
        let mut request = request.clone();
        request.pc.as_mut().unwrap()["m2m:ae"][name] = value.as_str().into();
        let answer = attached.request(&request).await.unwrap();
        assert_eq!(answer.rsc.code(), 4000, "{name}: {:?}", answer.debug_info());
    }
    // Longer ones a client of ours does not send.
    request.fr = Some(stem.chars().take(255).collect());
    assert_eq!(attached.request(&request).await.unwrap().rsc.code(), 4000);
    assert_eq!(world.digest(), before);
}

/// What contradicts what is there already is refused by name; what leaves somebody without a rule is said.
#[tokio::test]
async fn rules_and_keys_that_contradict_one_another_are_named() {
    let world = World::start();
    let (one, two) = (Device::numbered(1), Device::numbered(2));
    world.import(&[one.clone(), two.clone()]);
    let cred = |device: &Device| format!("12-{}", device.psk_identity);
    let add = |cred: &str, stem: &str| {
        ["subscription", "add", "--app-id", "N*", "--ae-id", stem, "--cred", cred].map(str::to_owned)
    };
    let refused = |cred: &str, stem: &str, words: &[&str]| {
        fails(&world, &add(cred, stem).each_ref().map(String::as_str), 2, words);
    };
    refused(&cred(&two), "Clight1", &["Clight1 belongs to credential", &cred(&one)]);
    drop(world.run(&add(&cred(&one), "Clight1").each_ref().map(String::as_str)).success());
    refused("12-other@x.org", "Clight1", &["rule Clight1 gives Clight1 to other credentials"]);
    fails(&world, &["subscription", "remove", "nothing"], 2, &["there is no rule called nothing"]);

    // A rule for everybody does not give away what another names.
    drop(world.run(&add("*", "C*").each_ref().map(String::as_str)).success());
    drop(world.run(&add("12-light3@home.example.org", "Clight3").each_ref().map(String::as_str)).success());
    let thief = Device { stem: "Clight3".into(), ..Device::numbered(4) };
    fs::write(world.path("key4"), &thief.key_hex).unwrap();
    let key = ["credential", "add", "--psk-identity", &thief.psk_identity, "--key-file", "key4"];
    let added = world.run(&key).success();
    assert!(!added.stderr.contains("warning"), "{}", added.stderr);
    let mut attached = world.attach(&thief).await;
    let before = world.digest();
    let request = attached.registration(&thief.description());
    assert_eq!(attached.request(&request).await.unwrap().rsc.code(), 4106);
    assert_eq!(world.digest(), before);

    drop(world.run(&["subscription", "remove", "rule-1"]).success());
    fs::write(world.path("key5"), Device::numbered(5).key_hex).unwrap();
    let added =
        world.run(&["credential", "add", "--psk-identity", "late@x.org", "--key-file", "key5"]).success();
    let warning = "none speaks of 12-late@x.org: until one does it cannot register";
    assert!(added.stderr.contains(warning), "{}", added.stderr);
    let rows = "a@x.org,404142434445464748494a4b4c4d4e4f,//example.org/other-cse/C1,ae\n\
                b@x.org,505152535455565758595a5b5c5d5e5f,//example.org/mn-cse-123456,cse\n";
    fs::write(world.path("elsewhere.csv"), rows).unwrap();
    fails(&world, &["credential", "import", "elsewhere.csv"], 2, &["2 of 2 lines are bad"]);
    let said = world.run(&["credential", "import", "elsewhere.csv"]).stderr;
    for line in [
        "line 1, entity_id: //example.org/other-cse/C1 cannot register with //example.org/mn-cse-123456",
        "line 2, entity_id: //example.org/mn-cse-123456 cannot register with itself",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// The file of service rules is read by `doctor` as `serve` reads it, and named with its key.
#[test]
fn a_bad_file_of_service_rules_is_found_before_the_start() {
    let world = World::prepared("");
    rewrite(&world, "[cse]\n", "[cse]\nservice_rules = \"rules.toml\"\n");
    let look = |with_store: bool, text: Option<&str>, code: i32, words: &[&str]| {
        if let Some(text) = text {
            fs::write(world.path("rules.toml"), text).unwrap();
        }
        let found = world.run(&["doctor"]);
        let line = found.stdout.lines().find(|line| line.contains("service rules")).unwrap_or_default();
        assert_eq!(found.code(), code, "{}", found.stdout);
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}, store {with_store}: {line}");
    };
    let rule = "[[rule]]\nname = \"a\"\ncredentials = [\"*\"]\napp_ids = [\"*\"]\nae_ids = [\"C*\"]\n";
    let missing = ["[cse] service_rules: ", "rules.toml: No such file"];
    look(false, None, 2, &["broken", missing[0], missing[1]]);
    world.import(&[Device::numbered(1)]);
    fails(&world, &["serve"], 2, &missing);
    look(true, None, 2, &["broken", missing[0], missing[1]]);
    look(true, Some("rules = 1"), 2, &["broken", "rules.toml", "unknown key"]);
    look(true, Some(&rule.replace("C*", "Xlight")), 2, &["broken", "rules.toml", "rule a", "Xlight"]);
    look(true, Some("rule = []"), 2, &["broken", "rules.toml has no rule"]);
    look(true, Some(rule), 0, &["fine", "1 in ", "rules.toml"]);
}

/// A list that ends at its limit says so and how to go on, beside the output that programs read.
#[tokio::test]
async fn a_list_that_is_cut_off_says_so() {
    let world = World::start();
    let devices: Vec<Device> = (1..=3).map(Device::numbered).collect();
    world.import(&devices);
    let enrol = ["credential", "add", "--token", "--ae-id", "//example.org/mn-cse-123456/Ctoken"];
    drop(world.run(&enrol).success());
    let mut live = Vec::new();
    for device in &devices {
        let mut attached = world.attach(device).await;
        attached.register(&device.description()).await.unwrap();
        live.push(attached);
    }
    // Page by page, as the note says, until there is none.
    for (list, limit, pages) in [
        (["credential", "list"], "1", 4),
        (["credential", "list"], "2", 2),
        (["credential", "list"], "3", 2),
        (["inspect", "registrations"], "1", 3),
        (["inspect", "registrations"], "2", 2),
        (["inspect", "associations"], "1", 3),
    ] {
        for json in [&[][..], &["--json"]] {
            let (mut listed, mut read, mut after) = (Vec::new(), 0, None::<String>);
            loop {
                let behind = after.as_deref().map_or_else(Vec::new, |after| vec!["--after", after]);
                let page = world.run(&[json, &list, &["--limit", limit], &behind].concat()).success();
                listed.extend(page.stdout.lines().map(str::to_owned));
                read += 1;
                match page.stderr.trim().strip_prefix("more follow: --after ") {
                    Some(last) => after = Some(last.to_owned()),
                    None => break assert_eq!(page.stderr, "", "{list:?}"),
                }
            }
            let whole = world.run(&[json, &list].concat()).success();
            assert_eq!(whole.stdout.lines().collect::<Vec<_>>(), listed, "{list:?} {limit}");
            assert_eq!((read, whole.stderr.as_str()), (pages, ""), "{list:?} {limit}");
        }
    }
    let lines = world.run(&["inspect", "audit"]).success();
    assert_eq!(lines.stderr, "");
    let fewer = (lines.stdout.lines().count() - 1).to_string();
    let cut = world.run(&["inspect", "audit", "--limit", &fewer]).success();
    assert_eq!(cut.stderr.trim(), format!("more follow: older ones with a --limit above {fewer}"));
}
