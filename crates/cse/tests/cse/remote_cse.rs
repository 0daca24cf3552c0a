//! `<remoteCSE>`: TS-0001 §10.2.2.7 to §10.2.2.10, TS-0004 §7.4.4, and what a CSE may say once it is registered.

use std::{sync::Arc, time::Duration};

use identity::{CseType, Peer};
use onem2m::{
    id::EntityKind,
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
    time::Clock as _,
};
use serde_json::{Value, json};
use store::CredentialsMut as _;

use crate::world::{DAY, World, ae, create, request, update, with, without};

fn csr() -> Value {
    json!({
        "rn": "gateway", "cb": "/mn-7/gateway", "cst": 2, "rr": true, "srv": ["3"],
        "poa": ["https://gw.example.org:8443"],
    })
}

fn register(from: &str, csr: Value) -> Request {
    let mut request = request(Operation::Create, "/mn-cse-123456/home_gateway", Some(from));
    request.ty = Some(16);
    request.pc = Some(json!({ "m2m:csr": csr }));
    request
}

fn change(from: &str, to: &str, csr: Value) -> Request {
    let mut request = request(Operation::Update, to, Some(from));
    request.pc = Some(json!({ "m2m:csr": csr }));
    request
}

fn retrieve(from: &str, to: &str) -> Request {
    request(Operation::Retrieve, to, Some(from))
}

const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;

/// A2, A4, A5 and G7.
#[tokio::test]
async fn a_cse_registers_and_leaves() {
    for kind in [CseType::In, CseType::Mn] {
        let world = World::of(kind).await;
        let gateway = world.cse(7, "//example.org/mn-7").await;
        assert_eq!(
            world.refuses(&gateway, retrieve("/mn-7", "home_gateway")).await,
            Rsc::OriginatorHasNoPrivilege
        );
        let created = world.ask(&gateway, register("/mn-7", csr())).await;
        assert_eq!(created.rsc, Rsc::Created);
        let shown = json!({ "m2m:csr": {
            "rn": "gateway", "ty": 16, "ri": "csr-mn-7", "pi": "base", "ct": "20260101T120000",
            "lt": "20260101T120000", "et": "20260102T120000", "cb": "/mn-7/gateway", "csi": "/mn-7", "cst": 2,
            "rr": true, "srv": ["3"], "poa": ["https://gw.example.org:8443"],
        }});
        assert_eq!(created.pc, Some(shown.clone()));
        for (from, to) in [
            ("/mn-7", "home_gateway/gateway"),
            ("//example.org/mn-7", "csr-mn-7"),
            ("/mn-7", "//example.org/mn-cse-123456/-/gateway"),
        ] {
            let found = world.ask(&gateway, retrieve(from, to)).await;
            assert_eq!((found.rsc, found.pc), (Rsc::Ok, Some(shown.clone())), "{to}");
        }
        let base = world.ask(&gateway, retrieve("/mn-7", "home_gateway")).await;
        assert_eq!(base.pc.unwrap()["m2m:cb"]["srt"], json!([2, 16]), "what CREATE accepts");
        for from in ["/mn-7", "//example.org/mn-7"] {
            let again = register(from, with(csr(), "rn", json!("other")));
            assert_eq!(world.refuses(&gateway, again).await, Rsc::OriginatorHasAlreadyRegistered);
        }
        let gone = world.ask(&gateway, request(Operation::Delete, "csr-mn-7", Some("/mn-7"))).await;
        assert_eq!((gone.rsc, gone.pc), (Rsc::Deleted, None));
        assert_eq!(world.refuses(&gateway, retrieve("/mn-7", "csr-mn-7")).await, Rsc::NotFound);
        assert_eq!(world.refuses(&gateway, retrieve("/mn-7", "-")).await, Rsc::OriginatorHasNoPrivilege);
        assert_eq!(world.ask(&gateway, register("/mn-7", csr())).await.rsc, Rsc::Created);
    }
}

/// TS-0004 tables 7.4.4.1-2 and 7.4.4.1-3, CREATE column, and §7.4.4.2.1 for csi.
#[tokio::test]
async fn attributes_of_a_registration_are_checked() {
    let world = World::new().await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    let many: Vec<String> = (0..1001).map(|number| format!("/asn-{number}")).collect();
    for (content, expected) in [
        (without(csr(), "cb"), Rsc::BadRequest),
        (without(csr(), "rr"), Rsc::BadRequest),
        (without(csr(), "srv"), Rsc::BadRequest),
        (with(csr(), "csi", json!("/mn-8")), Rsc::BadRequest),
        (with(csr(), "csi", json!("//example.com/mn-7")), Rsc::BadRequest),
        (with(csr(), "csi", json!("mn-7")), Rsc::BadRequest),
        (with(csr(), "cb", json!("/mn-8/gateway")), Rsc::BadRequest),
        (with(csr(), "cb", json!("//example.com/mn-7/gateway")), Rsc::BadRequest),
        (with(csr(), "cb", json!("")), Rsc::BadRequest),
        (with(csr(), "cb", json!("a b")), Rsc::BadRequest),
        (with(csr(), "cb", json!(7)), Rsc::BadRequest),
        (with(csr(), "cst", json!(0)), Rsc::BadRequest),
        (with(csr(), "cst", json!(4)), Rsc::BadRequest),
        (with(csr(), "cst", json!("2")), Rsc::BadRequest),
        (with(csr(), "dcse", json!([])), Rsc::BadRequest),
        (with(csr(), "dcse", json!(["asn-1"])), Rsc::BadRequest),
        (with(csr(), "dcse", json!("/asn-1")), Rsc::BadRequest),
        (with(csr(), "dcse", json!(["/mn-7"])), Rsc::BadRequest),
        (with(csr(), "dcse", json!(["/asn-1", "//example.org/mn-cse-123456"])), Rsc::BadRequest),
        (with(csr(), "dcse", json!(many)), Rsc::BadRequest),
        (with(csr(), "rr", json!(1)), Rsc::BadRequest),
        (with(csr(), "poa", json!([])), Rsc::BadRequest),
        (with(csr(), "et", json!("20260101T120000")), Rsc::BadRequest),
        (with(csr(), "cr", json!("/mn-7")), Rsc::BadRequest),
        (with(csr(), "cr", Value::Null), Rsc::BadRequest),
        (with(csr(), "ri", json!("x")), Rsc::BadRequest),
        (with(csr(), "api", json!("N1")), Rsc::BadRequest),
        (with(csr(), "~awaits", json!(true)), Rsc::BadRequest),
        (with(csr(), "rn", json!("la")), Rsc::BadRequest),
        (with(csr(), "rn", json!("asar-x")), Rsc::Conflict),
        (with(csr(), "acpi", json!(["x"])), Rsc::NotImplemented),
        (with(csr(), "esi", json!({})), Rsc::NotImplemented),
        (with(csr(), "mtcc", json!("IP")), Rsc::NotImplemented),
        (json!({}), Rsc::BadRequest),
    ] {
        let shown = content.to_string();
        assert_eq!(world.refuses(&gateway, register("/mn-7", content)).await, expected, "{shown}");
    }
    let mut wrong = register("/mn-7", csr());
    wrong.pc = Some(json!({ "m2m:ae": csr() }));
    assert_eq!(world.refuses(&gateway, wrong).await, Rsc::BadRequest);
    let all =
        with(with(csr(), "csi", json!("//example.org/mn-7")), "dcse", json!(["/asn-1", "//x.org/mn-1"]));
    let all = with(without(all, "rn"), "cb", json!("//example.org/mn-7/gateway"));
    let created = world.ask(&gateway, register("/mn-7", all)).await;
    assert_eq!(created.rsc, Rsc::Created);
    let content = created.pc.unwrap();
    assert_eq!(content["m2m:csr"]["csi"], "/mn-7", "as in From");
    assert_eq!(content["m2m:csr"]["rn"], "mn-7", "the name is the CSE's");
    assert_eq!(content["m2m:csr"]["dcse"], json!(["/asn-1", "//x.org/mn-1"]));
}

/// A CSE of another service provider has another resource, and its csi is absolute.
#[tokio::test]
async fn the_same_name_elsewhere_is_another_cse() {
    let world = World::of(CseType::In).await;
    let here = world.cse(1, "//example.org/in-2").await;
    let there = world.cse(2, "//example.com/in-2").await;
    let content =
        |rn: &str, sp: &str| json!({ "rn": rn, "cb": format!("{sp}/in-2/b"), "rr": true, "srv": ["3"] });
    assert_eq!(world.ask(&here, register("/in-2", content("a", ""))).await.rsc, Rsc::Created);
    assert_eq!(world.refuses(&there, register("/in-2", content("b", ""))).await, DENIED);
    let created = world.ask(&there, register("//example.com/in-2", content("b", "//example.com"))).await;
    let created = created.pc.unwrap();
    assert_eq!(created["m2m:csr"]["csi"], "//example.com/in-2");
    assert_eq!(created["m2m:csr"]["ri"], "fcsr-example.com_in-2");
}

/// Access control sheet 4.2: which refusal wins when several are due.
#[tokio::test]
async fn the_order_of_refusals() {
    let world = World::new().await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    world.ask(&gateway, register("/mn-7", csr())).await;
    let wrong = || without(csr(), "rr");
    for from in ["/mn-8", "/mn-cse-123456", "Clight1", "/mn-7/Clight", "/asn-1"] {
        assert_eq!(world.refuses(&gateway, register(from, wrong())).await, DENIED, "F-22, X9: {from}");
    }
    let mut elsewhere = register("/mn-7", wrong());
    elsewhere.to = "/in-cse/server".into();
    assert_eq!(world.refuses(&gateway, elsewhere).await, Rsc::BadRequest);
    let mut nowhere = register("/mn-7", wrong());
    nowhere.to = "home_gateway/nothing".into();
    assert_eq!(world.refuses(&gateway, nowhere).await, Rsc::NotFound);
    let mut below = register("/mn-7", wrong());
    below.to = "Clight1".into();
    assert_eq!(world.refuses(&gateway, below).await, Rsc::InvalidChildResourceType);
    assert_eq!(world.refuses(&gateway, register("/mn-7", wrong())).await, Rsc::BadRequest, "M before 4117");
    let second = world.cse(8, "//example.org/mn-8").await;
    let taken = with(with(csr(), "cb", json!("/mn-8/x")), "rn", json!("light_ae1"));
    assert_eq!(world.refuses(&second, register("/mn-8", taken)).await, Rsc::Conflict);
    for to in ["home_gateway", "Clight1"] {
        let mut by_an_ae = register("Clight1", wrong());
        by_an_ae.to = to.into();
        assert_eq!(world.refuses(&light, by_an_ae).await, Rsc::OperationNotAllowed, "X4");
    }
    let mut by_an_ae = register("Clight1", wrong());
    by_an_ae.to = "home_gateway/nothing".into();
    assert_eq!(world.refuses(&light, by_an_ae).await, Rsc::NotFound, "step 6.2 before 6.3");
    assert_eq!(world.refuses(&light, register("/mn-999", csr())).await, Rsc::BadRequest, "X4: not a stem");

    let sensor = World::of(CseType::Asn).await;
    let gateway = sensor.cse(7, "//example.org/mn-7").await;
    assert_eq!(sensor.refuses(&gateway, register("/mn-7", csr())).await, Rsc::OperationNotAllowed, "F-23");
    assert_eq!(sensor.refuses(&gateway, register("/mn-7", wrong())).await, Rsc::OperationNotAllowed);
    let light = sensor.device(1, Some("Clight1")).await;
    sensor.ask(&light, create(Some("Clight1"), ae())).await;
    let base = sensor.ask(&light, retrieve("Clight1", "-")).await.pc.unwrap();
    assert_eq!(base["m2m:cb"]["srt"], json!([2]), "an ASN-CSE registers no CSE");
}

/// TS-0004 §7.4.4.2.1: without a valid credential 4107; register A-54 for a key that stands for no CSE.
#[tokio::test]
async fn a_credential_that_no_longer_holds_registers_nobody() {
    let world = World::new().await;
    let nobody = world.holder(9, EntityKind::Cse, None).await;
    for asked in [register("/mn-7", csr()), retrieve("/mn-7", "home_gateway"), retrieve("/mn-7/Cx", "-")] {
        assert_eq!(world.refuses(&nobody, asked).await, Rsc::SecurityAssociationRequired);
    }
    assert_eq!(world.refuses(&nobody, retrieve("Clight1", "-")).await, DENIED);
    let (revoked, expired) =
        (world.cse(7, "//example.org/mn-7").await, world.cse(8, "//example.org/mn-8").await);
    let id = revoked.credential_id().unwrap().clone();
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
    let (id, now) = (expired.credential_id().unwrap().clone(), world.clock.now());
    world.store.write("test.expire", move |tx| tx.set_not_after(&id, Some(now))).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    for (peer, from) in [(&revoked, "/mn-7"), (&expired, "/mn-8")] {
        let asked = register(from, csr());
        assert_eq!(world.refuses(peer, asked).await, Rsc::SecurityAssociationRequired, "{from}");
        assert_eq!(world.refuses(peer, retrieve(from, "home_gateway")).await, DENIED, "{from}");
    }
}

/// TS-0004 §7.4.4.1, UPDATE column.
#[tokio::test]
async fn a_cse_updates_its_registration() {
    let world = World::new().await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    world.ask(&gateway, register("/mn-7", csr())).await;
    world.clock.advance(Duration::from_secs(60));
    let to = "home_gateway/gateway";
    let content = json!({ "dcse": ["/asn-1"], "rr": false, "poa": null, "et": null, "lbl": ["hall"] });
    assert_eq!(world.ask(&gateway, change("/mn-7", to, content)).await.rsc, Rsc::Updated);
    let found = world.ask(&gateway, retrieve("/mn-7", to)).await.pc.unwrap();
    let found = &found["m2m:csr"];
    assert_eq!(
        (&found["dcse"], &found["rr"], &found["et"]),
        (&json!(["/asn-1"]), &json!(false), &json!("20260102T120100"))
    );
    assert!(found.get("poa").is_none());
    assert_eq!(world.ask(&gateway, change("/mn-7", to, json!({ "dcse": null }))).await.rsc, Rsc::Updated);
    for (content, expected) in [
        (json!({ "csi": "/mn-7" }), Rsc::BadRequest),
        (json!({ "cb": "/mn-7/other" }), Rsc::BadRequest),
        (json!({ "cst": 1 }), Rsc::BadRequest),
        (json!({ "rn": "x" }), Rsc::BadRequest),
        (json!({ "rr": null }), Rsc::BadRequest),
        (json!({ "srv": null }), Rsc::BadRequest),
        (json!({ "dcse": ["/mn-cse-123456"] }), Rsc::BadRequest),
        (json!({ "dcse": ["//example.org/mn-7"] }), Rsc::BadRequest),
        (json!({ "api": "N1" }), Rsc::BadRequest),
        (json!({ "acpi": [] }), Rsc::NotImplemented),
        (json!({}), Rsc::BadRequest),
    ] {
        let shown = content.to_string();
        assert_eq!(world.refuses(&gateway, change("/mn-7", to, content)).await, expected, "{shown}");
    }
    let element = update("/mn-7", to, json!({ "rr": true }));
    assert_eq!(world.refuses(&gateway, element).await, Rsc::BadRequest, "m2m:ae is not its element");
    let fragment = request(Operation::Delete, "csr-mn-7#poa", Some("/mn-7"));
    assert_eq!(world.refuses(&gateway, fragment).await, Rsc::BadRequest, "one attribute is not deleted so");
}

/// Nobody but the CSE itself: not an AE, not another CSE, and not an AE whose AE-ID is spelt like the CSE-ID.
#[tokio::test]
async fn what_is_anothers_is_closed() {
    let world = World::new().await;
    let gateway = world.cse(7, "//example.org/Sgateway").await;
    let content = with(csr(), "cb", json!("/Sgateway/x"));
    assert_eq!(world.ask(&gateway, register("/Sgateway", content)).await.rsc, Rsc::Created);
    let namesake = world.device(1, Some("Sgateway")).await;
    assert_eq!(world.ask(&namesake, create(Some("Sgateway"), ae())).await.rsc, Rsc::Created);
    let other = world.cse(8, "//example.org/mn-8").await;
    let registered =
        world.ask(&other, register("/mn-8", json!({ "cb": "/mn-8/x", "rr": true, "srv": ["3"] }))).await;
    assert_eq!(registered.rsc, Rsc::Created);
    for (peer, from) in [(&namesake, "Sgateway"), (&other, "/mn-8")] {
        for asked in [
            retrieve(from, "csr-Sgateway"),
            change(from, "csr-Sgateway", json!({ "lbl": ["mine"] })),
            request(Operation::Delete, "home_gateway/gateway", Some(from)),
        ] {
            assert_eq!(world.refuses(peer, asked).await, Rsc::OriginatorHasNoPrivilege, "{from}");
        }
    }
    for asked in
        [retrieve("/Sgateway", "Sgateway"), request(Operation::Delete, "Sgateway", Some("/Sgateway"))]
    {
        assert_eq!(
            world.refuses(&gateway, asked).await,
            Rsc::OriginatorHasNoPrivilege,
            "its namesake's <AE>"
        );
    }
    assert_eq!(world.refuses(&gateway, create(Some("/Sgateway"), ae())).await, Rsc::OperationNotAllowed);
    let base = change("/Sgateway", "home_gateway", json!({ "lbl": ["x"] }));
    assert_eq!(world.refuses(&gateway, base).await, Rsc::OperationNotAllowed);
    let mut container = request(Operation::Create, "home_gateway", Some("/Sgateway"));
    container.ty = Some(3);
    container.pc = Some(json!({ "m2m:cnt": {} }));
    assert_eq!(world.refuses(&gateway, container.clone()).await, Rsc::OriginatorHasNoPrivilege);
    container.to = "csr-Sgateway".into();
    assert_eq!(world.refuses(&gateway, container).await, Rsc::NotImplemented);
}

/// X10 to X13 with a registered CSE: its own names and those behind it, and nothing else.
#[tokio::test]
async fn a_registered_cse_speaks_for_nobody_else() {
    let world = World::new().await;
    let (rogue, victim) =
        (world.cse(9, "//example.org/mn-999").await, world.cse(7, "//example.org/mn-7").await);
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    world.ask(&victim, register("/mn-7", csr())).await;
    let content = json!({ "cb": "/mn-999/x", "rr": true, "srv": ["3"] });
    assert_eq!(world.ask(&rogue, register("/mn-999", content)).await.rsc, Rsc::Created);
    for from in [
        "/mn-7",
        "/mn-7/Clight1",
        "//example.org/mn-7/Clight1",
        "/mn-8",
        "/mn-8/Cnobody",
        "Clight1",
        "/mn-cse-123456/Clight1",
        "/mn-cse-123456",
        "/Sabc",
        "//example.com/mn-999",
    ] {
        for asked in [
            retrieve(from, "home_gateway"),
            retrieve(from, "csr-mn-7"),
            change(from, "csr-mn-7", json!({ "rr": false })),
            request(Operation::Delete, "csr-mn-7", Some(from)),
            register(from, csr()),
        ] {
            assert_eq!(world.refuses(&rogue, asked).await, DENIED, "{from}");
        }
    }
    let behind = retrieve("/mn-999/Clight1", "home_gateway");
    assert_eq!(world.refuses(&rogue, behind).await, Rsc::OriginatorHasNoPrivilege, "one of its own AEs");
    assert_eq!(world.ask(&victim, retrieve("/mn-7", "csr-mn-7")).await.rsc, Rsc::Ok);
}

/// TS-0001 §9.6.4 descendantCSEs: what is listed may be forwarded, unless it is known here at first hand.
#[tokio::test]
async fn the_routing_list_opens_what_is_below() {
    let world = World::new().await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    let ask = async |from: &str| world.refuses(&gateway, retrieve(from, "home_gateway")).await;
    assert_eq!(ask("/asn-1").await, DENIED);
    let listed = with(csr(), "dcse", json!(["/asn-1", "//example.org/asn-2"]));
    world.ask(&gateway, register("/mn-7", listed)).await;
    for from in ["/asn-1", "/asn-1/Clamp", "/asn-2", "//example.org/asn-2/Clamp"] {
        assert_eq!(ask(from).await, Rsc::OriginatorHasNoPrivilege, "known, but without rights: {from}");
    }
    assert_eq!(world.refuses(&gateway, register("/asn-1", csr())).await, DENIED, "F-22");
    assert_eq!(ask("/asn-3").await, DENIED);
    let _own_key = world.cse(1, "//example.org/asn-1").await;
    for from in ["/asn-1", "/asn-1/Clamp"] {
        assert_eq!(ask(from).await, DENIED, "it has a key of its own here");
    }
    let second = world.cse(2, "//example.org/asn-2").await;
    let id = second.credential_id().unwrap().clone();
    let content = json!({ "cb": "/asn-2/x", "rr": true, "srv": ["3"] });
    assert_eq!(world.ask(&second, register("/asn-2", content)).await.rsc, Rsc::Created);
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
    assert_eq!(ask("/asn-2").await, DENIED, "it is registered here itself");
    world.clock.advance(DAY);
    assert_eq!(ask("/asn-2").await, DENIED, "the registration that listed it has expired");
    let content = with(csr(), "dcse", json!(["/asn-2"]));
    assert_eq!(world.ask(&gateway, register("/mn-7", content)).await.rsc, Rsc::Created);
    assert_eq!(ask("/asn-2").await, Rsc::OriginatorHasNoPrivilege, "and so has its own");
    world.ask(&gateway, change("/mn-7", "csr-mn-7", json!({ "dcse": null }))).await;
    assert_eq!(ask("/asn-2").await, DENIED);
}

/// Expiry is de-registration, and everything below goes with it.
#[tokio::test]
async fn what_lies_below_goes_with_it() {
    use store::{Resource, Resources as _, ResourcesMut as _};
    let world = World::new().await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    for leave in [true, false] {
        world.ask(&gateway, register("/mn-7", csr())).await;
        let now = world.clock.now();
        let below = |ri: &str, pi: &str| Resource {
            ri: ri.into(),
            ty: 3,
            rn: ri.into(),
            pi: pi.into(),
            ct: now,
            lt: now,
            et: None,
            creator: None,
            credential_id: None,
            attributes: serde_json::Map::new(),
        };
        let (one, two) = (below("cnt-1", "csr-mn-7"), below("cnt-2", "cnt-1"));
        let insert = move |tx: &mut store::Tx<'_>| tx.insert(&one).and_then(|()| tx.insert(&two));
        world.store.write("test.insert", insert).await.unwrap();
        if leave {
            let gone = request(Operation::Delete, "csr-mn-7", Some("/mn-7"));
            assert_eq!(world.ask(&gateway, gone).await.rsc, Rsc::Deleted);
        } else {
            world.clock.advance(DAY);
            assert_eq!(world.registrar.expire(10).await.unwrap(), 1);
        }
        let left = world.store.read(|records| records.resource("cnt-2")).await.unwrap();
        assert_eq!(left, None);
    }
}

/// Each change of a registration is one line, in its transaction.
#[tokio::test]
async fn the_audit_says_who_registered() {
    use store::Audit as _;
    let world = World::new().await;
    let gateway: Arc<Peer> = world.cse(7, "//example.org/mn-7").await;
    world.ask(&gateway, register("/mn-7", csr())).await;
    world.ask(&gateway, change("/mn-7", "csr-mn-7", json!({ "rr": false }))).await;
    world.ask(&gateway, request(Operation::Delete, "csr-mn-7", Some("/mn-7"))).await;
    let page = world.store.read(|records| records.audit_page(None, 10)).await.unwrap();
    let lines: Vec<(String, Option<String>, Option<String>)> = page
        .into_iter()
        .map(|entry| (entry.record.action, entry.record.entity, entry.record.credential_id))
        .collect();
    let of = |action: &str| {
        let id = gateway.credential_id().unwrap().as_str().to_owned();
        (action.to_owned(), Some("//example.org/mn-7".to_owned()), Some(id))
    };
    assert_eq!(lines, [of("registration.delete"), of("registration.update"), of("registration.create")]);
}
