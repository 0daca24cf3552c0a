//! Phase A of the smart home, and what travels between a gateway and its IN-CSE: two real servers.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use onem2m::{
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use support::{
    Device, World,
    pair::{Echo, IN, KPSA_ID, MN, Pair, add_cse, cse, key_hex, registrar, said},
};
use testkit::wait_until;
use tokio::task::JoinSet;

/// A1 to A5 and A7.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_registers_with_its_in_cse() {
    let pair = Pair::start();
    let (infrastructure, gateway) = (&pair.infrastructure, &pair.gateway);

    let mut sa1 = infrastructure.associate(KPSA_ID, &key_hex(1)).await;
    let own = sa1.retrieve("/mn-cse-123456", "/in-cse/server/home_gateway").await;
    let own = &own.pc.unwrap()["m2m:csr"];
    assert_eq!(own["csi"], "/mn-cse-123456", "A2");
    assert_eq!((&own["cb"], &own["cst"]), (&json!("/mn-cse-123456/home_gateway"), &json!(2)));
    assert_eq!(own["poa"], json!([format!("https://{}", gateway.address)]));
    let again = sa1.register("/mn-cse-123456", "/in-cse/server", "/mn-cse-123456", &[]).await;
    assert_eq!(again.rsc, Rsc::OriginatorHasAlreadyRegistered, "A5");

    let mut sa2 = gateway.associate(KPSA_ID, &key_hex(1)).await;
    let mirror = sa2.retrieve("/in-cse", "/mn-cse-123456/home_gateway/in-cse").await;
    let mirror = &mirror.pc.unwrap()["m2m:csr"];
    assert_eq!((&mirror["csi"], &mirror["cb"]), (&json!("/in-cse"), &json!("/in-cse/server")), "A3");
    assert_eq!(mirror["cst"], 1, "A4 filled it");
    assert!(mirror.as_object().unwrap().keys().all(|name| !name.starts_with('~')), "{mirror}");

    let (rsc, base) = infrastructure.remote("/mn-cse-123456/home_gateway");
    assert_eq!((rsc, &base["m2m:cb"]["csi"]), (2000, &json!("/mn-cse-123456")), "A7");
    let associated = gateway.run(&["--json", "inspect", "associations"]).success().stdout;
    assert_eq!(associated.lines().filter(|line| line.contains(IN)).count(), 2, "SA2, and ours: {associated}");
    assert_eq!(gateway.audit("registrar.join")[0]["outcome"], "done");
}

/// A phone that may attach to the IN-CSE.
fn phone(infrastructure: &World) -> Device {
    let phone = Device { stem: "Cphone1".into(), ..Device::numbered(1) };
    let ae_id = format!("{IN}/{}", phone.stem);
    let row =
        format!("psk_identity,psk_hex,entity_id,kind\n{},{},{ae_id},ae\n", phone.psk_identity, phone.key_hex);
    std::fs::write(infrastructure.path("phone.csv"), row).unwrap();
    drop(infrastructure.run(&["credential", "import", "phone.csv"]).success());
    phone
}

/// Its registration.
fn of_phone() -> Request {
    let mut registration = said(Operation::Create, "Cphone1", "server");
    registration.ty = Some(2);
    registration.pc =
        Some(json!({ "m2m:ae": { "rn": "phone", "api": "Nphone", "rr": false, "srv": ["3"] } }));
    registration
}

/// From the phone at the IN-CSE to the gateway, and from the light at the gateway to the IN-CSE.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_travel_between_the_two() {
    let pair = Pair::start();
    let (infrastructure, gateway) = (&pair.infrastructure, &pair.gateway);
    let phone = phone(infrastructure);
    let light = Device::numbered(2);
    gateway.import(std::slice::from_ref(&light));

    let mut phone_says = infrastructure.associate(&phone.psk_identity, &phone.key_hex).await;
    let unregistered = phone_says.retrieve("Cphone1", "/mn-cse-123456/home_gateway").await;
    assert_eq!(unregistered.rsc, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(phone_says.ask(of_phone()).await.rsc, Rsc::Created);

    for (to, expected) in [
        ("/mn-cse-123456/home_gateway", Rsc::OriginatorHasNoPrivilege),
        ("//example.org/mn-cse-123456/-", Rsc::OriginatorHasNoPrivilege),
        ("/mn-cse-123456/home_gateway/nothing", Rsc::NotFound),
        ("/mn-cse-555/x", Rsc::NotFound),
        ("//example.com/mn-cse-123456/x", Rsc::NotFound),
    ] {
        assert_eq!(phone_says.retrieve("Cphone1", to).await.rsc, expected, "{to}");
    }
    let refused = wait_until("the gateway's audit", || gateway.audit("request.refuse").pop());
    assert_eq!(refused["entity"], IN, "over SA2");
    let text = refused["detail"].as_str().unwrap();
    assert!(text.contains("/in-cse/Cphone1"), "From has got the CSE before it: {text}");

    let mut light_says = gateway.associate(&light.psk_identity, &light.key_hex).await;
    let mut registration = said(Operation::Create, &light.stem, "home_gateway");
    registration.ty = Some(2);
    registration.pc =
        Some(json!({ "m2m:ae": { "rn": "light", "api": "Nlight", "rr": false, "srv": ["3"] } }));
    assert_eq!(light_says.ask(registration).await.rsc, Rsc::Created);
    for (to, expected) in [
        ("/in-cse/server", Rsc::OriginatorHasNoPrivilege),
        ("/in-cse/server/nothing", Rsc::NotFound),
        ("/mn-cse-555/x", Rsc::NotFound),
    ] {
        assert_eq!(light_says.retrieve(&light.stem, to).await.rsc, expected, "{to}");
    }
    let refused = wait_until("the IN-CSE's audit", || {
        let lines = infrastructure.audit("request.refuse");
        lines.into_iter().find(|line| line["entity"] == MN)
    });
    assert!(refused["detail"].as_str().unwrap().contains("/mn-cse-123456/Clight2"), "{refused}");
}

/// Over two hops and back, to a CSE below the gateway; and what becomes of it when that one leaves, hangs or is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cse_below_the_gateway_is_reached_from_above() {
    let pair = Pair::start();
    let (infrastructure, gateway) = (&pair.infrastructure, &pair.gateway);
    add_cse(gateway, "mn-7@example.org", "//example.org/mn-7", &key_hex(7));
    let echo = Echo::start("mn-7@example.org", &key_hex(7), MN);
    let mut below = gateway.associate("mn-7@example.org", &key_hex(7)).await;
    assert_eq!(infrastructure.remote("/mn-7/base").0, 4004, "no route yet");
    let registered = below.register("/mn-7", "/mn-cse-123456/-", "/mn-7", &echo.poa()).await;
    assert_eq!(registered.rsc, Rsc::Created);

    let dcse = |expected: &Value| {
        wait_until("the routing list at the IN-CSE", || {
            let told = infrastructure.run(&["--json", "inspect", "registrations"]).success().stdout;
            let rows = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let gateway =
                rows.map(|row| row["representation"].clone()).find(|row| row["csi"] == "/mn-cse-123456");
            (gateway?["dcse"] == *expected).then_some(())
        });
    };
    dcse(&json!(["/mn-7"]));
    let (rsc, heard) = infrastructure.remote("/mn-7/base");
    assert_eq!(
        (rsc, &heard["m2m:cb"]["fr"], &heard["m2m:cb"]["to"]),
        (2000, &json!("/in-cse"), &json!("/mn-7/base"))
    );

    let up = below.retrieve("/mn-7", "/in-cse/server").await;
    assert_eq!(up.rsc, Rsc::OriginatorHasNoPrivilege, "and the other way, with the rights of nobody");
    let back = below.retrieve("/mn-7", "/mn-7/base").await;
    assert_eq!(back.rsc, Rsc::NotFound, "nothing goes back to where it came from");

    let mut sa1 = infrastructure.associate(KPSA_ID, &key_hex(1)).await;
    // One that may take as long as it may, and another after it that may not.
    let mut patient = gateway.associate(KPSA_ID, &key_hex(1)).await.counting_from(1000);
    let patient = tokio::spawn(async move { patient.retrieve("/in-cse", "/mn-7/hangs").await });
    assert_eq!(echo.hanging(1).await, 1);
    let mut hanging = said(Operation::Retrieve, "/in-cse", "/mn-7/hangs");
    hanging.rqet = Some("500".parse().unwrap());
    let mut sa2 = gateway.associate(KPSA_ID, &key_hex(1)).await;
    assert_eq!(sa2.ask(hanging).await.rsc, Rsc::RequestTimeout, "4008");
    assert!(!patient.is_finished(), "its own limit ended it");
    patient.abort();
    let mut passed = said(Operation::Retrieve, "/in-cse", "/mn-7/base");
    passed.rset = Some("20200101T000000".parse().unwrap());
    assert_eq!(sa2.ask(passed).await.rsc, Rsc::RequestTimeout);

    echo.stop();
    wait_until("5103", || (infrastructure.remote("/mn-7/base").0 == 5103).then_some(()));
    let left = below.ask(said(Operation::Delete, "/mn-7", "/mn-cse-123456/csr-mn-7")).await;
    assert_eq!(left.rsc, Rsc::Deleted);
    dcse(&Value::Null);
    assert_eq!(infrastructure.remote("/mn-7/base").0, 4004);
    assert_eq!(
        sa1.retrieve("/mn-7", "/in-cse/server").await.rsc,
        Rsc::OriginatorNotAuthenticated,
        "not below any more"
    );
}

/// What waits for an answer of a CSE below the gateway holds up neither others behind the same gateway nor other
/// requests to that CSE; and when as many wait as may, the next is told so and not kept waiting as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cse_that_hangs_holds_up_nobody_else() {
    let pair = Pair::start();
    let (infrastructure, gateway) = (&pair.infrastructure, &pair.gateway);
    add_cse(gateway, "mn-7@example.org", "//example.org/mn-7", &key_hex(7));
    let echo = Echo::start("mn-7@example.org", &key_hex(7), MN);
    let mut below = gateway.associate("mn-7@example.org", &key_hex(7)).await;
    let registered = below.register("/mn-7", "/mn-cse-123456/-", "/mn-7", &echo.poa()).await;
    assert_eq!(registered.rsc, Rsc::Created);
    wait_until("the way to it", || (infrastructure.remote("/mn-7/base").0 == 2000).then_some(()));
    let phone = phone(infrastructure);
    let mut phone_says = infrastructure.associate(&phone.psk_identity, &phone.key_hex).await;
    // Who is not registered has nothing passed on: over there everybody is answered.
    let unregistered = phone_says.retrieve("Cphone1", "/mn-7/base").await;
    assert_eq!(unregistered.rsc, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(phone_says.ask(of_phone()).await.rsc, Rsc::Created);

    let mut hanging = JoinSet::new();
    for count in 1..=2 {
        let also = infrastructure.associate(&phone.psk_identity, &phone.key_hex).await;
        let mut also = also.counting_from(1000 * u32::try_from(count).unwrap());
        hanging.spawn(async move { also.retrieve("Cphone1", "/mn-7/hangs").await });
        assert_eq!(echo.hanging(count).await, count);
    }
    let same = phone_says.retrieve("Cphone1", "/mn-7/base").await;
    assert_eq!(same.rsc, Rsc::Ok);
    let gateway_itself = phone_says.retrieve("Cphone1", "/mn-cse-123456/home_gateway").await;
    assert_eq!(gateway_itself.rsc, Rsc::OriginatorHasNoPrivilege, "answered there");
    assert_eq!(echo.hanging(2).await, 2, "while the others still wait");

    let mut also = infrastructure.associate(&phone.psk_identity, &phone.key_hex).await.counting_from(3000);
    hanging.spawn(async move { also.retrieve("Cphone1", "/mn-7/hangs").await });
    assert_eq!(echo.hanging(3).await, 3);
    let mut late = said(Operation::Retrieve, "Cphone1", "/mn-7/base");
    late.rqet = Some("300".parse().unwrap());
    assert_eq!(phone_says.ask(late).await.rsc, Rsc::RequestTimeout, "its own limit comes first");
    let one_more = phone_says.retrieve("Cphone1", "/mn-7/base").await;
    assert_eq!(one_more.rsc, Rsc::TargetNotReachable);
    let said_so = one_more.pc.unwrap().to_string();
    assert!(said_so.contains("too many requests wait"), "{said_so}");
    assert_eq!(echo.hanging(3).await, 3, "while the others still wait");
    let sees = gateway.remote("/in-cse/server").0;
    assert_eq!(sees, 2000, "nor is anything held up on the other way");
    drop(hanging);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_may_be_killed_and_comes_back() {
    let mut pair = Pair::start();
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 2000);
    pair.gateway.kill();
    wait_until("5103", || (pair.infrastructure.remote("/mn-cse-123456/-").0 == 5103).then_some(()));
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    let reached = || (pair.infrastructure.remote("/mn-cse-123456/-").0 == 2000).then_some(());
    wait_until("the gateway at its new port", reached);

    pair.infrastructure.kill();
    wait_until("the end of SA1", || pair.gateway.registration()["registered_until"].is_null().then_some(()));
    assert!(pair.gateway.trouble().contains("could not reach"), "{}", pair.gateway.trouble());
    assert_eq!(pair.gateway.remote("/in-cse/server").0, 5103);
    pair.infrastructure.serve();
    pair.gateway.wait_until_registered();
    assert_eq!(pair.infrastructure.remote("/mn-cse-123456/-").0, 2000);
    assert_eq!(pair.gateway.remote("/in-cse/server").0, 2000);
    assert_eq!(pair.infrastructure.audit("registration.create").len(), 1, "it was registered all the time");
}

/// Either side may de-register (TS-0001 §10.2.2.10); the gateway, which is to be registered, comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_sent_away_comes_back() {
    let pair = Pair::start();
    let (infrastructure, gateway) = (&pair.infrastructure, &pair.gateway);
    let shown = gateway.run(&["inspect", "registrations"]).success().stdout;
    assert!(
        shown.contains("//example.org/in-cse") && shown.contains("[this CSE is registered there]"),
        "{shown}"
    );
    let mut sa1 = infrastructure.associate(KPSA_ID, &key_hex(1)).await;
    let mut sa2 = gateway.associate(KPSA_ID, &key_hex(1)).await;
    let gone = said(Operation::Delete, "/mn-cse-123456", "/in-cse/server/home_gateway");
    assert_eq!(sa1.ask(gone).await.rsc, Rsc::Deleted);
    let gone = said(Operation::Delete, "/in-cse", "/mn-cse-123456/home_gateway/in-cse");
    assert_eq!(sa2.ask(gone).await.rsc, Rsc::Deleted);
    wait_until("another registration", || {
        let again = infrastructure.audit("registration.create").len() == 2;
        (again && gateway.registration()["registered_until"].is_string()).then_some(())
    });
    assert_eq!(gateway.remote("/in-cse/server").0, 2000);
    assert_eq!(infrastructure.remote("/mn-cse-123456/-").0, 2000);
}

/// The credential is one for both directions: withdrawn at either end, it ends both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_credential_ends_both_directions() {
    for at_the_gateway in [false, true] {
        let pair = Pair::start();
        let (infrastructure, gateway) = (&pair.infrastructure, &pair.gateway);
        assert_eq!(infrastructure.remote("/mn-cse-123456/-").0, 2000);
        assert_eq!(gateway.remote("/in-cse/server").0, 2000);
        let revoked_at = if at_the_gateway { gateway } else { infrastructure };
        drop(revoked_at.run(&["credential", "revoke", KPSA_ID]).success());
        for world in [infrastructure, gateway] {
            wait_until("the end of the associations", || {
                let told = world.run(&["--json", "inspect", "associations"]).success().stdout;
                told.lines().next().is_none().then_some(())
            });
        }
        wait_until("5103 down", || (infrastructure.remote("/mn-cse-123456/-").0 == 5103).then_some(()));
        wait_until("5103 up", || (gateway.remote("/in-cse/server").0 == 5103).then_some(()));
        let trouble = gateway.trouble();
        let expected = if at_the_gateway { "revoked" } else { "refused the handshake" };
        assert!(trouble.contains(expected), "{trouble}");
        assert!(gateway.registration()["registered_until"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_configured_wrong_is_said() {
    let other = "//example.org/in-other";
    let port = testkit::reserved_port();
    let mut infrastructure = cse(IN, "in", "server", port, "");
    add_cse(&infrastructure, KPSA_ID, MN, &key_hex(1));
    add_cse(&infrastructure, "third@example.org", "//example.org/mn-third", &key_hex(3));
    infrastructure.serve();
    let registers = |cse_id: &str, stands_for: Option<&str>, key: u8, more: &str| {
        let mut gateway = cse(MN, "mn", "home_gateway", 0, &registrar(cse_id, infrastructure.address, more));
        if let Some(stands_for) = stands_for {
            add_cse(&gateway, KPSA_ID, stands_for, &key_hex(key));
        }
        gateway.serve();
        let trouble = gateway.trouble();
        assert!(gateway.registration()["registered_until"].is_null());
        let line = wait_until("an audit line", || gateway.audit("registrar.join").pop());
        assert_eq!(line["outcome"], "refused");
        trouble
    };
    for (trouble, parts) in [
        (registers(other, Some(other), 1, ""), ["4000", "is registrar.cse_id"]),
        (
            registers(other, Some(IN), 1, ""),
            ["stands for //example.org/in-cse", "not for //example.org/in-other"],
        ),
        (registers(IN, None, 1, ""), ["is not in the store", "credential add"]),
        (registers(IN, Some(IN), 2, ""), ["refused the handshake", "must be the same"]),
        (registers(IN, Some(IN), 1, "base_name = \"nothing\""), ["4004", "CREATE <remoteCSE>"]),
    ] {
        for part in parts {
            assert!(trouble.contains(part), "{part}: {trouble}");
        }
    }
    let told = infrastructure.run(&["--json", "inspect", "registrations"]).success().stdout;
    assert_eq!(told, "", "nothing was registered");
    // The key stands for another CSE over there.
    let mut third = cse(
        MN,
        "mn",
        "home_gateway",
        0,
        &registrar(IN, infrastructure.address, "").replace(KPSA_ID, "third@example.org"),
    );
    add_cse(&third, "third@example.org", IN, &key_hex(3));
    third.serve();
    let trouble = third.trouble();
    assert!(trouble.contains("4106") && trouble.contains("stands for another CSE-ID"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_renews_leaves_and_comes_back() {
    let mut pair = Pair::prepared("registration_seconds = 3\nleave_on_stop = true");
    pair.infrastructure.serve();
    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    let until = || pair.gateway.registration()["registered_until"].as_str().map(ToOwned::to_owned);
    let first = until();
    wait_until("two renewals", || {
        let renewed = pair.infrastructure.audit("registration.update").len() >= 2;
        (renewed && until() > first).then_some(())
    });
    assert_eq!(pair.infrastructure.audit("registration.create").len(), 1);

    drop(pair.gateway.run(&["registrar", "leave"]).success());
    let registered = || pair.infrastructure.run(&["--json", "inspect", "registrations"]).success().stdout;
    assert_eq!(registered(), "");
    assert_eq!(pair.gateway.remote("/in-cse/server").0, 4004, "nor is there a way up");
    assert_eq!(pair.gateway.registration()["wanted"], false);
    drop(pair.gateway.run(&["registrar", "leave"]).success());
    let joined = pair.gateway.run(&["--json", "registrar", "join"]).success().stdout;
    assert_eq!(support::json(&joined)["wanted"], true, "the answer is not that of before");
    pair.gateway.wait_until_registered();
    assert!(registered().contains("/mn-cse-123456"));
    assert_eq!(pair.gateway.stop().code(), 0);
    assert_eq!(
        pair.infrastructure.run(&["--json", "inspect", "registrations"]).success().stdout,
        "",
        "left on stop"
    );
    let none = pair.infrastructure.run(&["registrar", "status"]);
    assert!(none.stderr.contains("no [registrar] is configured"), "{}", none.stderr);
}
