//! The registrar's rules over the wire, as an operator provisions them: who registers as what (variants B7 to B10
//! and X2 of the acceptance scenario), gateways (A2, A4, A5, X9 to X12), and the rules' own commands.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

use device::Attachment;
use onem2m::{
    primitive::{Operation, Request, Response},
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use support::{CSE, Device, World};

/// Adds the key of `device`; `whose` is `--ae-id` or `--cse-id` with its value, or nothing.
fn add_key(world: &World, device: &Device, whose: &[&str]) {
    fs::write(world.path("key.hex"), &device.key_hex).unwrap();
    let mut arguments =
        vec!["credential", "add", "--psk-identity", &device.psk_identity, "--key-file", "key.hex"];
    arguments.extend(whose);
    drop(world.run(&arguments).success());
}

fn allow(world: &World, device: &Device, app_id: &str, ae_id: &str) {
    let cred = format!("12-{}", device.psk_identity);
    let arguments = ["subscription", "add", "--cred", &cred, "--app-id", app_id, "--ae-id", ae_id];
    drop(world.run(&arguments).success());
}

fn registration(from: Option<&str>, name: &str, app_id: &str) -> Request {
    let mut request = Request::new(Operation::Create, "home_gateway", "r1");
    request.fr = from.map(str::to_owned);
    request.rvi = Some("3".into());
    request.ty = Some(2);
    request.pc = Some(json!({ "m2m:ae": { "rn": name, "api": app_id, "rr": false, "srv": ["3"] } }));
    request
}

fn of_cse(operation: Operation, to: &str, from: &str) -> Request {
    let mut request = Request::new(operation, to, "r1");
    request.fr = Some(from.to_owned());
    request.rvi = Some("3".into());
    if operation == Operation::Create {
        request.ty = Some(16);
        request.pc = Some(json!({ "m2m:csr": { "cb": "/mn-7/gw", "rr": true, "srv": ["3"] } }));
    }
    request
}

async fn ask(attachment: &mut Attachment, request: &Request) -> Response {
    attachment.request(request).await.unwrap()
}

async fn aei(attachment: &mut Attachment, request: &Request) -> String {
    let answer = ask(attachment, request).await;
    assert_eq!(answer.rsc, Rsc::Created, "{:?}", answer.debug_info());
    answer.pc.unwrap()["m2m:ae"]["aei"].as_str().unwrap().to_owned()
}

/// B7 to B10 and X2: keys that stand for nobody, rules added while the registrar runs.
#[tokio::test]
async fn rules_decide_who_registers_as_what() {
    let mut world = World::prepared("");
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    let text = text.replace("[cse]\n", "[cse]\nservice_subscription = \"enforce\"\n");
    fs::write(world.path("attache.toml"), text).unwrap();
    world.serve();
    let (light1, light2) = (Device::numbered(1), Device::numbered(2));
    for light in [&light1, &light2] {
        add_key(&world, light, &[]);
    }
    let (mut one, mut two) = (world.attach(&light1).await, world.attach(&light2).await);
    let app = "Nlight.example";
    let before = world.digest();
    let refused = ask(&mut one, &registration(Some("Clight1"), "light_ae1", app)).await;
    assert_eq!(refused.rsc, Rsc::ServiceSubscriptionNotEstablished, "B9");
    assert_eq!(world.digest(), before);

    allow(&world, &light1, app, "Clight1");
    let before = world.digest();
    for (from, app_id, expected) in [
        (Some("Clight2"), app, Rsc::OriginatorNotAuthenticated),
        (Some("Cnobody"), app, Rsc::OriginatorNotAuthenticated),
        (Some("Clight1"), "Nother", Rsc::AppRuleValidationFailed),
        (Some("Clight1"), "Xlight", Rsc::AppRuleValidationFailed),
        (Some("S"), app, Rsc::AppRuleValidationFailed),
    ] {
        let refused = ask(&mut one, &registration(from, "light_ae1", app_id)).await;
        assert_eq!(refused.rsc, expected, "B8, X2: {from:?} {app_id}");
    }
    let refused = ask(&mut two, &registration(Some("Clight1"), "x", app)).await;
    assert_eq!(refused.rsc, Rsc::AppRuleValidationFailed, "no rule for this key");
    assert_eq!(world.digest(), before);
    assert_eq!(aei(&mut one, &registration(Some("Clight1"), "light_ae1", app)).await, "Clight1");
    let again = ask(&mut one, &registration(Some("Clight1"), "light_ae1", app)).await;
    assert_eq!(again.rsc, Rsc::OriginatorHasAlreadyRegistered);

    allow(&world, &light2, "*", "Cx*");
    let before = world.digest();
    for (request, expected) in [
        (registration(Some("Clight1"), "x", app), Rsc::AppRuleValidationFailed),
        (registration(None, "x", "Xlight"), Rsc::BadRequest),
        (registration(None, "light_ae1", app), Rsc::Conflict),
    ] {
        assert_eq!(ask(&mut two, &request).await.rsc, expected, "B10, X2");
    }
    assert_eq!(world.digest(), before);
    let stem = aei(&mut two, &registration(Some("C"), "light_ae2", app)).await;
    assert!(stem.starts_with("Cx") && stem.len() == 18, "B7: {stem}");
    two.speak_as(stem.parse().unwrap());
    assert_eq!(two.retrieve("home_gateway/light_ae2").await.unwrap().rsc, Rsc::Ok);
    // Refusals are written behind; a registrar that stops writes what is left.
    drop(world.stop().success());
    let audit = world.run(&["inspect", "audit"]).success().stdout;
    for expected in ["subscription.add", "4126 APP_RULE_VALIDATION_FAILED", "4128 SERVICE_SUBSCRIPTION"] {
        assert!(audit.contains(expected), "{expected} is not in the audit:\n{audit}");
    }
}

/// A2, A4, A5, X9, X10, X12 and F-22: a gateway with a key of its own.
#[tokio::test]
async fn a_gateway_registers() {
    let world = World::start();
    let (gateway, rogue) = (Device::numbered(7), Device::numbered(9));
    add_key(&world, &gateway, &["--cse-id", "//example.org/mn-7"]);
    add_key(&world, &rogue, &["--cse-id", "//example.org/mn-999"]);
    let (mut good, mut bad) = (world.attach(&gateway).await, world.attach(&rogue).await);
    for victim_is_registered in [false, true] {
        let before = world.digest();
        for (operation, to, from) in [
            (Operation::Create, "home_gateway", "/mn-7"),
            (Operation::Retrieve, "home_gateway", "/mn-7"),
            (Operation::Retrieve, "home_gateway", "/mn-7/Clight1"),
            (Operation::Delete, "csr-mn-7", "/mn-7"),
            (Operation::Retrieve, "home_gateway", "/mn-cse-123456"),
            (Operation::Retrieve, "home_gateway", "/mn-cse-123456/Clight1"),
            (Operation::Retrieve, "home_gateway", "Clight1"),
        ] {
            let refused = ask(&mut bad, &of_cse(operation, to, from)).await;
            assert_eq!(
                refused.rsc,
                Rsc::OriginatorNotAuthenticated,
                "{operation} as {from}, {victim_is_registered}"
            );
        }
        assert_eq!(world.digest(), before);
        let expected = if victim_is_registered { Rsc::OriginatorHasAlreadyRegistered } else { Rsc::Created };
        let created =
            ask(&mut good, &of_cse(Operation::Create, "/mn-cse-123456/home_gateway", "/mn-7")).await;
        assert_eq!(created.rsc, expected);
    }
    let base = ask(&mut good, &of_cse(Operation::Retrieve, "home_gateway", "/mn-7")).await;
    assert_eq!((base.rsc, &base.pc.unwrap()["m2m:cb"]["srt"]), (Rsc::Ok, &json!([2, 16])));
    let mut as_ae = registration(Some("/mn-7"), "x", "N1");
    as_ae.rqi = "r2".into();
    assert_eq!(ask(&mut good, &as_ae).await.rsc, Rsc::OperationNotAllowed);
    let gone = ask(&mut good, &of_cse(Operation::Delete, "csr-mn-7", "/mn-7")).await;
    assert_eq!(gone.rsc, Rsc::Deleted);
}

/// `inspect registrations`: AEs, those of local applications among them, and CSEs, and what has become of their keys.
#[tokio::test]
async fn registrations_are_listed_with_what_became_of_their_keys() {
    let mut world = World::prepared("[[plain]]\nsocket = \"local.sock\"\n");
    world.serve();
    let (light, gateway) = (Device::numbered(1), Device::numbered(7));
    add_key(&world, &light, &["--ae-id", &light.ae_id()]);
    add_key(&world, &gateway, &["--cse-id", "//example.org/mn-7"]);
    let mut attached = world.attach(&light).await;
    attached.register(&light.description()).await.unwrap();
    let mut good = world.attach(&gateway).await;
    let created = ask(&mut good, &of_cse(Operation::Create, "/mn-cse-123456/home_gateway", "/mn-7")).await;
    assert_eq!(created.rsc, Rsc::Created);
    let mut local = UnixStream::connect(world.path("local.sock")).unwrap();
    let content = registration(None, "local_ae", "Nlocal").pc.unwrap().to_string();
    write!(
        local,
        "POST /home_gateway HTTP/1.1\r\nHost: x\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\nX-M2M-Origin: Czlocal\r\n\
         Content-Type: application/json;ty=2\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{content}",
        content.len()
    )
    .unwrap();
    let mut answer = String::new();
    local.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("2001"), "{answer}");

    let list = |arguments: &[&str]| -> Vec<Value> {
        let all = [&["--json", "inspect", "registrations"], arguments].concat();
        let out = world.run(&all).success().stdout;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = list(&[]);
    let of = |name: &str| -> Vec<Value> { all.iter().map(|one| one[name].clone()).collect() };
    assert_eq!(of("ae_id"), [json!(light.ae_id()), json!(format!("{CSE}/Czlocal")), json!(null)]);
    assert_eq!(of("cse_id"), [json!(null), json!(null), json!("//example.org/mn-7")]);
    assert_eq!(of("credential"), [json!("active"), json!(null), json!("active")]);
    assert!(all[1]["local"].as_str().unwrap().starts_with("uid "), "{}", all[1]);
    assert_eq!(all[2]["representation"]["cb"], "/mn-7/gw");
    for cut in 1..3 {
        let after = all[cut - 1]["representation"]["ri"].as_str().unwrap();
        assert_eq!(list(&["--after", after]), all[cut..]);
        assert_eq!(list(&["--limit", &cut.to_string()]), all[..cut]);
    }
    drop(world.run(&["credential", "revoke", &light.psk_identity]).success());
    let rebind = ["credential", "rebind", "--cse-id", "//example.org/mn-7", "--psk-identity", "new7@x.org"];
    fs::write(world.path("new7.hex"), "707172737475767778797a7b7c7d7e7f").unwrap();
    drop(world.run(&[&rebind[..], &["--key-file", "new7.hex"]].concat()).success());
    let now = list(&[]);
    assert_eq!(
        (&now[0]["credential"], &now[2]["awaits_equipment"]),
        (&json!("revoked"), &json!(true)),
        "{now:#?}"
    );
    let text = world.run(&["inspect", "registrations"]).success().stdout;
    for words in [["Clight1", "[CREDENTIAL REVOKED]"], ["mn-7", "[waits for new equipment]"]] {
        assert!(text.lines().any(|line| words.iter().all(|word| line.contains(word))), "{words:?}: {text}");
    }
}

/// `subscription add`, `import`, `list` and `remove`: what is wrong is named, with exit code 2, and changes nothing.
#[test]
fn rules_are_provisioned_from_the_command_line() {
    let world = World::prepared("");
    let listed = || -> Vec<Value> {
        let out = world.run(&["--json", "subscription", "list"]).success().stdout;
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let empty = world.run(&["subscription", "list"]).success();
    assert!(empty.stderr.contains("no profile is provisioned"), "{}", empty.stderr);
    let first = world
        .run(&["subscription", "add", "--no-association", "--app-id", "Ngw.*", "--ae-id", "Cgw"])
        .success();
    assert!(first.stderr.contains("only if a rule allows it"), "{}", first.stderr);
    assert_eq!(
        listed(),
        [
            json!({ "name": "Cgw", "credentials": null, "app_ids": ["Ngw.*"], "ae_ids": ["Cgw"], "role_ids": [] })
        ]
    );
    fs::write(
        world.path("rules.toml"),
        "[[rule]]\nname = \"phones\"\ncredentials = [\"11-phone1@maf.example.org\", \"12-*@maf.example.org\"]\n\
         app_ids = [\"Nphone.example\"]\nae_ids = [\"Cphone1\"]\n",
    )
    .unwrap();
    fs::write(
        world.path("rules.json"),
        r#"{ "rule": [{ "name": "any", "credentials": ["*"], "app_ids": ["*"], "ae_ids": ["C*"] }] }"#,
    )
    .unwrap();
    for file in ["rules.toml", "rules.json"] {
        drop(world.run(&["subscription", "import", file]).success());
    }
    assert_eq!(listed().len(), 3);

    let before = world.digest();
    fs::write(
        world.path("bad.toml"),
        "[[rule]]\nname = \"good\"\ncredentials = [\"*\"]\napp_ids = [\"*\"]\nae_ids = [\"C*\"]\n\
         [[rule]]\nname = \"thief\"\ncredentials = [\"12-x@x.org\"]\napp_ids = [\"*\"]\nae_ids = [\"Cphone1\"]\n",
    )
    .unwrap();
    fs::write(world.path("worse.toml"), "[[rule]]\nname = \"a\"\napp_ids = [\"light\"]\nae_ids = [\"C*\"]\n")
        .unwrap();
    fs::write(world.path("odd.toml"), "[[rule]]\nname = \"a\"\napp_ids = \"N1\"\n").unwrap();
    let some = ["--app-id", "N1", "--ae-id", "C1"];
    for (arguments, expected) in [
        (
            [["subscription", "import", "bad.toml"].as_slice()].concat(),
            "rule thief: rule phones gives Cphone1",
        ),
        ([["subscription", "import", "worse.toml"].as_slice()].concat(), "rule a: credentials are missing"),
        ([["subscription", "import", "none.toml"].as_slice()].concat(), "none.toml"),
        (
            vec!["subscription", "import", "odd.toml"],
            "odd.toml: line 3, rule.app_ids: \"N1\" is given, expected a list in square brackets",
        ),
        ([["subscription", "remove", "nothing"].as_slice()].concat(), "there is no rule called nothing"),
        ([["subscription", "add"].as_slice(), &some].concat(), "--cred"),
        (
            [["subscription", "add", "--cred", "*", "--no-association"].as_slice(), &some].concat(),
            "--no-association",
        ),
        (
            [["subscription", "add", "--cred", "*", "--name", "any"].as_slice(), &some].concat(),
            "a rule of this name",
        ),
        (
            vec!["subscription", "add", "--cred", "*", "--app-id", "light", "--ae-id", "C1"],
            "must begin with *, R or N (TS-0004",
        ),
        (
            vec!["subscription", "add", "--cred", "*", "--app-id", "N1", "--ae-id", "/mn/C1"],
            "without the CSE",
        ),
        (vec!["subscription", "remove"], "--all"),
    ] {
        let refused = world.run(&arguments);
        assert_eq!(refused.code(), 2, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(expected), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(world.digest(), before);
    drop(world.run(&["subscription", "remove", "phones"]).success());
    assert_eq!(listed().len(), 2);
    drop(world.run(&["subscription", "remove", "--all"]).success());
    assert!(listed().is_empty());
    let empty = world.run(&["subscription", "list"]).success();
    assert!(empty.stderr.contains("no profile is provisioned"), "{}", empty.stderr);
}

/// `service_rules`: a file says which rules there are, at each start and each SIGHUP, and nobody changes them behind its back.
#[tokio::test]
async fn rules_of_a_configured_file_are_taken_over_at_start_and_reload() {
    let mut world = World::prepared("");
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    fs::write(world.path("attache.toml"), text.replace("[cse]\n", "[cse]\nservice_rules = \"rules.toml\"\n"))
        .unwrap();
    let light = Device::numbered(1);
    let rule = |name: &str, stem: &str| {
        format!(
            "[[rule]]\nname = \"{name}\"\ncredentials = [\"12-light*@home.example.org\"]\n\
             app_ids = [\"Nlight.example\"]\nae_ids = [\"{stem}\"]\n"
        )
    };
    let listed = |world: &World| -> Vec<String> {
        let out = world.run(&["--json", "subscription", "list"]).success().stdout;
        let rules = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rules.map(|rule| format!("{} {}", rule["name"].as_str().unwrap(), rule["ae_ids"][0])).collect()
    };
    fs::write(world.path("rules.toml"), rule("a", "Cother*") + &rule("b", "Cb*")).unwrap();
    world.serve();
    assert_eq!(listed(&world), ["a \"Cother*\"", "b \"Cb*\""]);
    add_key(&world, &light, &[]);
    let mut attached = world.attach(&light).await;
    let request = registration(Some("Clight1"), "x", "Nlight.example");
    assert_eq!(ask(&mut attached, &request).await.rsc, Rsc::AppRuleValidationFailed);
    for arguments in [
        &["subscription", "add", "--cred", "*", "--app-id", "*", "--ae-id", "*"][..],
        &["subscription", "remove", "--all"],
        &["subscription", "import", "rules.toml"],
    ] {
        support::fails(&world, arguments, 2, &["rules.toml", "change them there and reload"]);
    }
    drop(world.stop());
    world.serve();
    let again = world.stop().stderr;
    assert!(again.contains("held against service rules") && !again.contains("taken over"), "{again}");
    let before = world.digest();

    for wrong in [rule("a", "Xlight"), rule("a", "Ca") + &rule("a", "Cb"), "rules = 1".to_owned()] {
        fs::write(world.path("rules.toml"), wrong).unwrap();
        let refused = world.run(&["serve"]);
        assert_eq!(refused.code(), 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("rules.toml"), "{}", refused.stderr);
        assert_eq!(world.digest(), before, "{}", refused.stderr);
    }
    fs::write(world.path("rules.toml"), rule("b", "Cb*") + &rule("c", "Clight1")).unwrap();
    world.serve();
    assert_eq!(listed(&world), ["b \"Cb*\"", "c \"Clight1\""]);
    let mut attached = world.attach(&light).await;
    assert_eq!(ask(&mut attached, &request).await.rsc, Rsc::Created);
    let audit = world.run(&["inspect", "audit"]).success().stdout;
    assert!(
        audit.lines().any(|line| line.contains("subscription.remove") && line.contains("rules.toml")),
        "{audit}"
    );

    let reload = |awaited: &str| {
        world.server().hang_up();
        world.wait_for_line(|line| line.contains(awaited).then_some(()));
    };
    let before = world.digest();
    fs::write(world.path("rules.toml"), rule("d", "Xlight")).unwrap();
    reload("the service rules stay as they were");
    assert_eq!(world.digest(), before);
    fs::write(world.path("rules.toml"), rule("d", "Clight2")).unwrap();
    // One, unlike at the start.
    reload("the service rules were taken over path=rules.toml rules=1");
    assert_eq!(listed(&world), ["d \"Clight2\""]);
    let other = Device::numbered(2);
    add_key(&world, &other, &[]);
    let mut attached = world.attach(&other).await;
    let request = registration(Some("Clight2"), "y", "Nlight.example");
    assert_eq!(ask(&mut attached, &request).await.rsc, Rsc::Created, "at once");
}
